/* SPDX-License-Identifier: Apache-2.0 */
#include "db/retention.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static struct {
    const char *name;
    int64_t days;
} kinds[RETENTION_KINDS] = {
    [RETENTION_EXECUTIONS] = {"execution_retention_days", 90},
    [RETENTION_LOCKS] = {"lock_retention_days", 7},
    [RETENTION_LOGS] = {"log_retention_days", 30},
    [RETENTION_AUDIT] = {"audit_retention_days", 90},
};

static const struct db_sql sql_get = {"SELECT value, updated_at, updated_by FROM settings WHERE key = ?1"};
static const struct db_sql sql_put = {
    "INSERT INTO settings (key, value, updated_at, updated_by) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at, updated_by = excluded.updated_by"};

const struct db_sql *const retention_store_sql[] = {&sql_get, &sql_put};
const size_t retention_store_sql_count = ARRAY_LEN(retention_store_sql);

const char *retention_name(enum retention_kind kind)
{
    return kinds[kind].name;
}

void retention_set_default(enum retention_kind kind, int64_t days)
{
    kinds[kind].days = days;
}

enum err_code retention_read(struct db *db, enum retention_kind kind, struct retention_setting *ret, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_get, &st, err);
    if (code != OK)
        return code;
    db_bind_text(st, 1, kinds[kind].name, strlen(kinds[kind].name));
    *ret = (struct retention_setting){.days = kinds[kind].days};
    if ((code = db_step(st, &row, err)) == OK && row) {
        size_t length;
        const char *text = db_text(st, 0, &length);
        (void)str_to_int((struct str){text, length}, RETENTION_DAYS_MIN, RETENTION_DAYS_MAX, &ret->days);
        ret->updated_us = db_int(st, 1);
        const char *by = db_text(st, 2, &length);
        (void)str_copy(ret->updated_by, sizeof ret->updated_by, by ? by : "", by ? length : 0);
    }
    db_reset(st);
    return code;
}

struct reading {
    enum retention_kind kind;
    struct retention_setting setting;
};

static enum err_code read_kind(struct db *db, void *arg, struct err *err)
{
    struct reading *reading = arg;
    return retention_read(db, reading->kind, &reading->setting, err);
}

enum err_code retention_days(struct store *store, enum retention_kind kind, int64_t *ret, struct err *err)
{
    struct reading reading = {.kind = kind};
    enum err_code code = store_read(store, read_kind, &reading, err);
    if (code == OK)
        *ret = reading.setting.days;
    return code;
}

enum err_code retention_write(struct db *tx, enum retention_kind kind, int64_t days, const char *by, int64_t now_us,
                              struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_put, &st, err);
    if (code != OK)
        return code;
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)days);
    db_bind_text(st, 1, kinds[kind].name, strlen(kinds[kind].name));
    db_bind_text(st, 2, text, (size_t)n);
    db_bind_int(st, 3, now_us);
    db_bind_text(st, 4, by, strlen(by));
    return db_run(st, NULL, err);
}
