/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/instance_store.h"

#include <string.h>

static const struct db_sql sql_put = {
    "INSERT INTO instances (id, host, version, labels, started_at, last_seen_at, stopped_at, capacity)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7) ON CONFLICT (id) DO UPDATE SET host = excluded.host, version = excluded.version,"
    " labels = excluded.labels, started_at = excluded.started_at, last_seen_at = excluded.last_seen_at, stopped_at = NULL,"
    " capacity = excluded.capacity"};
static const struct db_sql sql_stop = {"UPDATE instances SET stopped_at = ?2, last_seen_at = ?2 WHERE id = ?1"};
static const struct db_sql sql_stop_others = {"UPDATE instances SET stopped_at = ?2 WHERE id <> ?1 AND stopped_at IS NULL"};
static const struct db_sql sql_each = {
    "SELECT id, host, version, labels, started_at, last_seen_at, capacity FROM instances WHERE stopped_at IS NULL ORDER BY id"};

const struct db_sql *const instance_store_sql[] = {&sql_put, &sql_stop, &sql_stop_others, &sql_each};
const size_t instance_store_sql_count = ARRAY_LEN(instance_store_sql);

enum err_code instance_store_put(struct db *tx, const struct instance *instance, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_put, &st, err);
    if (code != OK)
        return code;
    db_bind_text(st, 1, instance->id, strlen(instance->id));
    db_bind_text(st, 2, instance->host, strlen(instance->host));
    db_bind_text(st, 3, instance->version, strlen(instance->version));
    db_bind_text(st, 4, instance->labels, strlen(instance->labels));
    db_bind_int(st, 5, instance->started_us);
    db_bind_int(st, 6, instance->last_seen_us);
    db_bind_int(st, 7, instance->capacity);
    return db_run(st, NULL, err);
}

static enum err_code stop_with(struct db *tx, const struct db_sql *sql, const char *id, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_text(st, 1, id, strlen(id));
    db_bind_int(st, 2, now_us);
    return db_run(st, NULL, err);
}

enum err_code instance_store_stop(struct db *tx, const char *id, int64_t now_us, struct err *err)
{
    return stop_with(tx, &sql_stop, id, now_us, err);
}

enum err_code instance_store_stop_others(struct db *tx, const char *id, int64_t now_us, struct err *err)
{
    return stop_with(tx, &sql_stop_others, id, now_us, err);
}

enum err_code instance_store_each(struct db *db, void (*fn)(void *arg, const struct instance *instance), void *arg,
                                  struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_each, &st, err);
    if (code != OK)
        return code;
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct instance instance = {db_text(st, 0, NULL), db_text(st, 1, NULL), db_text(st, 2, NULL), db_text(st, 3, NULL),
                                    db_int(st, 4),        db_int(st, 5),        db_int(st, 6)};
        fn(arg, &instance);
    }
    return code;
}
