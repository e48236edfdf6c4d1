/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/notes_store.h"

#include "base/str.h"

static const struct db_sql sql_get = {"SELECT value FROM settings WHERE key = ?1"};
static const struct db_sql sql_put = {
    "INSERT INTO settings (key, value, updated_at, updated_by) VALUES (?1, ?2, ?3, 'scheduler')"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"};

const struct db_sql *const notes_store_sql[] = {&sql_get, &sql_put};
const size_t notes_store_sql_count = ARRAY_LEN(notes_store_sql);

enum err_code notes_store_get(struct db *db, const char *key, char ret_value[NOTE_VALUE_MAX], struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    size_t length = 0;
    enum err_code code = db_prepare(db, &sql_get, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, key);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    const char *value = row ? db_text(st, 0, &length) : "";
    (void)str_copy(ret_value, NOTE_VALUE_MAX, value, length);
    db_reset(st);
    return OK;
}

enum err_code notes_store_put(struct db *tx, const char *key, const char *value, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_put, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, key);
    db_bind_string(st, 2, value);
    db_bind_int(st, 3, now_us);
    return db_run(st, NULL, err);
}
