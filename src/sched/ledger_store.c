/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/ledger_store.h"

#include "base/mem.h"

#include <string.h>

static const struct db_sql sql_add = {
    "INSERT INTO task_occurrences (id, task_id, epoch_id, first_at, last_at, count, verdict, reason)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"};
static const struct db_sql sql_extend = {"UPDATE task_occurrences SET last_at = ?2, count = count + ?3 WHERE id = ?1"};
static const struct db_sql sql_last_id = {"SELECT COALESCE(MAX(id), 0) FROM task_occurrences"};
static const struct db_sql sql_epoch_add = {
    "INSERT INTO task_epochs (id, task_id, started_at, definition) VALUES (?1, ?2, ?3, ?4)"};
static const struct db_sql sql_epoch_last_id = {"SELECT COALESCE(MAX(id), 0) FROM task_epochs"};
static const struct db_sql sql_epoch_get = {"SELECT definition FROM task_epochs WHERE id = ?1"};
static const struct db_sql sql_stats_add = {
    "INSERT INTO task_stats_by_hour (task_id, hour, total, success, failure, success_duration_ms)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (hour, task_id) DO UPDATE SET total = task_stats_by_hour.total + excluded.total,"
    " success = task_stats_by_hour.success + excluded.success, failure = task_stats_by_hour.failure + excluded.failure,"
    " success_duration_ms = task_stats_by_hour.success_duration_ms + excluded.success_duration_ms"};
static const struct db_sql sql_purge = {
    "DELETE FROM task_occurrences WHERE id IN (SELECT id FROM task_occurrences WHERE last_at < ?1 ORDER BY id LIMIT ?2)"};

const struct db_sql *const ledger_store_sql[] = {&sql_add,           &sql_extend,    &sql_last_id,   &sql_epoch_add,
                                                 &sql_epoch_last_id, &sql_epoch_get, &sql_stats_add, &sql_purge};
const size_t ledger_store_sql_count = ARRAY_LEN(ledger_store_sql);

static enum err_code write_entry(struct db *tx, const struct ledger_entry *entry, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, entry->extends ? &sql_extend : &sql_add, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, entry->id);
    if (entry->extends) {
        db_bind_int(st, 2, entry->last_us);
        db_bind_int(st, 3, entry->count);
        return db_run(st, NULL, err);
    }
    db_bind_int(st, 2, entry->task_id);
    db_bind_int(st, 3, entry->epoch_id);
    db_bind_int(st, 4, entry->first_us);
    db_bind_int(st, 5, entry->last_us);
    db_bind_int(st, 6, entry->count);
    db_bind_int(st, 7, (int64_t)entry->verdict);
    db_bind_int(st, 8, (int64_t)entry->reason);
    return db_run(st, NULL, err);
}

enum err_code ledger_store_write(struct db *tx, const struct ledger_entry *entries, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        enum err_code code = write_entry(tx, &entries[i], err);
        if (code != OK)
            return code;
    }
    return OK;
}

enum err_code ledger_store_last_id(struct db *db, int64_t *ret, struct err *err)
{
    return db_read_number(db, &sql_last_id, ret, err);
}

enum err_code epoch_store_last_id(struct db *db, int64_t *ret, struct err *err)
{
    return db_read_number(db, &sql_epoch_last_id, ret, err);
}

enum err_code epoch_store_add(struct db *tx, const struct epoch_entry *epoch, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_epoch_add, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, epoch->id);
    db_bind_int(st, 2, epoch->task_id);
    db_bind_int(st, 3, epoch->started_us);
    db_bind_text(st, 4, epoch->definition, strlen(epoch->definition));
    return db_run(st, NULL, err);
}

enum err_code epoch_store_get(struct db *db, int64_t id, char **ret_definition, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_epoch_get, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    if ((code = db_step(st, &row, err)) == OK && row) {
        size_t length;
        const char *text = db_text(st, 0, &length);
        *ret_definition = xstrndup(text, length);
    }
    db_reset(st);
    return code == OK && !row ? err_set(err, ERR_NOT_FOUND, NULL, "the schedule of that time is not recorded") : code;
}

enum err_code stats_store_add(struct db *tx, const struct stats_delta *deltas, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct db_stmt *st;
        enum err_code code = db_prepare(tx, &sql_stats_add, &st, err);
        if (code != OK)
            return code;
        db_bind_int(st, 1, deltas[i].task_id);
        db_bind_int(st, 2, deltas[i].hour);
        db_bind_int(st, 3, deltas[i].total);
        db_bind_int(st, 4, deltas[i].success);
        db_bind_int(st, 5, deltas[i].failure);
        db_bind_int(st, 6, deltas[i].success_duration_ms);
        if ((code = db_run(st, NULL, err)) != OK)
            return code;
    }
    return OK;
}

enum err_code ledger_store_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err)
{
    return db_run_pair(tx, &sql_purge, before_us, limit, ret_deleted, err);
}
