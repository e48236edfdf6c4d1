/* SPDX-License-Identifier: Apache-2.0 */
/* Conveniences over the engine's binding functions; the same for every engine. */
#include "db/db.h"

#include <string.h>

void db_bind_string(struct db_stmt *st, int index, const char *text)
{
    if (text)
        db_bind_text(st, index, text, strlen(text));
    else
        db_bind_null(st, index);
}

enum err_code db_run_pair(struct db *db, const struct db_sql *sql, int64_t first, int64_t second, int64_t *ret_changes,
                          struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, first);
    db_bind_int(st, 2, second);
    return db_run(st, ret_changes, err);
}

enum err_code db_read_number(struct db *db, const struct db_sql *sql, int64_t *ret, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, sql, &st, err);
    if (code == OK)
        code = db_step(st, &row, err);
    if (code != OK)
        return code;
    *ret = row ? db_int(st, 0) : 0;
    db_reset(st);
    return OK;
}
