/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/instance_store.h"

#include <string.h>

#define COLUMNS "id, host, version, labels, started_at, last_seen_at, capacity, life, address, clock_offset, plans, draining"

static const struct db_sql sql_put = {
    "INSERT INTO instances (" COLUMNS ", stopped_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, NULL)"
    " ON CONFLICT (id) DO UPDATE SET host = excluded.host, version = excluded.version, labels = excluded.labels,"
    " started_at = excluded.started_at, last_seen_at = excluded.last_seen_at, stopped_at = NULL, capacity = excluded.capacity,"
    " life = excluded.life, address = excluded.address, clock_offset = excluded.clock_offset, plans = excluded.plans,"
    " draining = excluded.draining"};
static const struct db_sql sql_of_id = {
    "SELECT life, host FROM instances WHERE id = ?1 AND stopped_at IS NULL AND last_seen_at > ?2"};
static const struct db_sql sql_beat = {
    "UPDATE instances SET last_seen_at = ?3, clock_offset = ?4, stopped_at = NULL WHERE id = ?1 AND life = ?2"};
static const struct db_sql sql_stop = {"UPDATE instances SET stopped_at = ?3, last_seen_at = ?3 WHERE id = ?1 AND life = ?2"};
static const struct db_sql sql_stop_others = {"UPDATE instances SET stopped_at = ?2 WHERE id <> ?1 AND stopped_at IS NULL"};
static const struct db_sql sql_stop_stale = {
    "UPDATE instances SET stopped_at = ?2 WHERE stopped_at IS NULL AND last_seen_at < ?1"};
static const struct db_sql sql_drain = {"UPDATE instances SET draining = ?2 WHERE id = ?1 AND stopped_at IS NULL"};
static const struct db_sql sql_each = {"SELECT " COLUMNS " FROM instances WHERE stopped_at IS NULL ORDER BY id LIMIT ?1"};

const struct db_sql *const instance_store_sql[] = {&sql_put,         &sql_of_id,      &sql_beat,  &sql_stop,
                                                   &sql_stop_others, &sql_stop_stale, &sql_drain, &sql_each};
const size_t instance_store_sql_count = ARRAY_LEN(instance_store_sql);

enum err_code instance_store_put(struct db *tx, const struct instance *instance, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_put, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, instance->id);
    db_bind_string(st, 2, instance->host);
    db_bind_string(st, 3, instance->version);
    db_bind_string(st, 4, instance->labels);
    db_bind_int(st, 5, instance->started_us);
    db_bind_int(st, 6, instance->last_seen_us);
    db_bind_int(st, 7, instance->capacity);
    db_bind_string(st, 8, instance->life);
    db_bind_string(st, 9, instance->address);
    db_bind_int(st, 10, instance->clock_offset_us);
    db_bind_int(st, 11, instance->plans);
    db_bind_int(st, 12, instance->draining);
    return db_run(st, NULL, err);
}

enum err_code instance_store_join(struct db *tx, const struct instance *instance, int64_t stale_us, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(tx, &sql_of_id, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, instance->id);
    db_bind_int(st, 2, stale_us);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    if (row && strcmp(db_text(st, 0, NULL), instance->life) != 0)
        code = err_set(
            err, ERR_CONFLICT, "INSTANCE_TAKEN",
            "an instance with the id %s is at work on this store already, on %s: give this one another id (--instance), or"
            " stop that one",
            instance->id, db_text(st, 1, NULL));
    db_reset(st);
    return code == OK ? instance_store_put(tx, instance, err) : code;
}

enum err_code instance_store_beat(struct db *tx, const struct instance *instance, struct err *err)
{
    struct db_stmt *st;
    int64_t changed = 0;
    enum err_code code = db_prepare(tx, &sql_beat, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, instance->id);
    db_bind_string(st, 2, instance->life);
    db_bind_int(st, 3, instance->last_seen_us);
    db_bind_int(st, 4, instance->clock_offset_us);
    if ((code = db_run(st, &changed, err)) != OK)
        return code;
    return changed ? OK
                   : err_set(err, ERR_CONFLICT, "INSTANCE_TAKEN", "another process has taken the id %s of this instance",
                             instance->id);
}

enum err_code instance_store_stop(struct db *tx, const char *id, const char *life, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_stop, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, id);
    db_bind_string(st, 2, life);
    db_bind_int(st, 3, now_us);
    return db_run(st, NULL, err);
}

enum err_code instance_store_stop_others(struct db *tx, const char *id, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_stop_others, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, id);
    db_bind_int(st, 2, now_us);
    return db_run(st, NULL, err);
}

enum err_code instance_store_stop_stale(struct db *tx, int64_t stale_us, int64_t now_us, struct err *err)
{
    return db_run_pair(tx, &sql_stop_stale, stale_us, now_us, NULL, err);
}

enum err_code instance_store_drain(struct db *tx, const char *id, bool draining, struct err *err)
{
    struct db_stmt *st;
    int64_t changed = 0;
    enum err_code code = db_prepare(tx, &sql_drain, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, id);
    db_bind_int(st, 2, draining);
    if ((code = db_run(st, &changed, err)) != OK)
        return code;
    return changed ? OK : err_set(err, ERR_NOT_FOUND, NULL, "no such instance is there");
}

enum err_code instance_store_each(struct db *db, void (*fn)(void *arg, const struct instance *instance), void *arg,
                                  struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_each, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, INSTANCE_LIST_MAX);
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct instance instance = {.id = db_text(st, 0, NULL),
                                    .host = db_text(st, 1, NULL),
                                    .version = db_text(st, 2, NULL),
                                    .labels = db_text(st, 3, NULL),
                                    .started_us = db_int(st, 4),
                                    .last_seen_us = db_int(st, 5),
                                    .capacity = db_int(st, 6),
                                    .life = db_text(st, 7, NULL),
                                    .address = db_text(st, 8, NULL),
                                    .clock_offset_us = db_int(st, 9),
                                    .plans = db_int(st, 10) != 0,
                                    .draining = db_int(st, 11) != 0};
        fn(arg, &instance);
    }
    return code;
}
