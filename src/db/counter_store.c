/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db.h"

#include "base/compiler.h"
#include "base/panic.h"

static const struct db_sql sql_take = {"INSERT INTO counters (name, value) VALUES (?1, ?2) ON CONFLICT (name)"
                                       " DO UPDATE SET value = counters.value + excluded.value RETURNING value"};

const struct db_sql *const counter_store_sql[] = {&sql_take};
const size_t counter_store_sql_count = ARRAY_LEN(counter_store_sql);

enum err_code db_counter_take(struct db *tx, const char *name, int64_t count, int64_t *ret_first, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(tx, &sql_take, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, name);
    db_bind_int(st, 2, count);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    must(row);
    *ret_first = db_int(st, 0) - count + 1;
    db_reset(st);
    return OK;
}
