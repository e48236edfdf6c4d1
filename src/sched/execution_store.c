/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/execution_store.h"

#include "base/mem.h"
#include "base/str.h"
#include "sched/execution_hours_store.h"

#include <string.h>

static const struct db_sql sql_insert = {
    "INSERT INTO task_executions (id, uid, task_id, snapshot_id, state, cause, shifted, priority, scheduled_at, created_at,"
    " due_at, started_at, updated_at, attempt, fence, lease_owner, trigger_by, unique_key, override_data, retry_of)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)"
    " ON CONFLICT DO NOTHING"};

static const struct claim_table claims = CLAIM_TABLE("task_executions", ", started_at = COALESCE(started_at, ?5)");

static const struct db_sql sql_note_failure = {
    "UPDATE task_executions SET error_message = ?3, error_stack = ?4, attempts = ?5" CLAIM_RUNNING};

static const struct db_sql sql_finish = {
    "UPDATE task_executions SET state = ?3, started_at = COALESCE(?4, started_at), finished_at = ?5, updated_at = ?5,"
    " attempt = ?6, progress = ?7, result = ?8, result_truncated = ?9, error_message = ?10,"
    " error_stack = CASE WHEN ?17 <> 0 THEN error_stack ELSE ?11 END,"
    " attempts = ?12, cancel_reason = ?13, cancelled_by = ?14, lease_owner = COALESCE(lease_owner, ?15), fence = ?16" CLAIM_UNFINISHED};

static const struct db_sql sql_progress = {"UPDATE task_executions SET progress = ?3, updated_at = ?4" CLAIM_RUNNING};

static const struct db_sql sql_cancel = {
    "UPDATE task_executions SET cancelled_by = ?2, cancel_reason = ?3, updated_at = ?4 WHERE id = ?1 AND state < 2"};

static const struct db_sql sql_active = {
    "SELECT id, task_id, fence, uid, state, cause, priority, attempt, scheduled_at, created_at, due_at,"
    " COALESCE(started_at, 0), trigger_by, unique_key, override_data, attempts, error_message,"
    " lease_owner, cancelled_by, cancel_reason FROM task_executions WHERE state < 2 ORDER BY state, id"};

static const struct db_sql sql_last_id = {"SELECT COALESCE(MAX(id), 0) FROM task_executions"};

static const struct db_sql sql_find = {"SELECT id, task_id, uid, state, override_data FROM task_executions WHERE id = ?1"};

/* What finished before a moment was created before it: only ids up to ?3 are looked at. */
static const struct db_sql sql_purge = {"DELETE FROM task_executions WHERE id IN (SELECT id FROM task_executions"
                                        " WHERE id <= ?3 AND state >= 2 AND finished_at < ?1 ORDER BY id LIMIT ?2)"};

const struct db_sql *const execution_store_sql[] = {
    &sql_insert, &claims.take,  &claims.release, &claims.adopt, &claims.renew, &claims.rescue, &sql_note_failure,
    &sql_finish, &sql_progress, &sql_cancel,     &sql_active,   &sql_last_id,  &sql_find,      &sql_purge};
const size_t execution_store_sql_count = ARRAY_LEN(execution_store_sql);

static void bind_time(struct db_stmt *st, int index, int64_t us)
{
    if (us)
        db_bind_int(st, index, us);
    else
        db_bind_null(st, index);
}

/* Fences come from the store, max + 1, inside the claiming transaction (rulings section 3). */

struct inserting {
    struct execution_insert *rows;
    const char *instance_id;
    int64_t fence; /* of the next row that is claimed */
};

static void note_inserted(void *arg, size_t i, int64_t added)
{
    const struct inserting *inserting = arg;
    inserting->rows[i].lost = added == 0;
}

static void bind_insert(struct db_stmt *st, void *arg, size_t i)
{
    struct inserting *inserting = arg;
    struct execution_insert *row = &inserting->rows[i];
    bool claimed = row->started_us != 0;
    row->fence = claimed ? inserting->fence++ : 0;
    db_bind_int(st, 1, row->id);
    db_bind_blob(st, 2, row->uid.b, sizeof row->uid.b);
    db_bind_int(st, 3, row->task_id);
    db_bind_int(st, 4, row->snapshot_id);
    db_bind_int(st, 5, claimed ? EXECUTION_RUNNING : EXECUTION_PENDING);
    db_bind_int(st, 6, (int64_t)row->cause);
    db_bind_int(st, 7, row->shifted);
    db_bind_int(st, 8, row->priority);
    db_bind_int(st, 9, row->scheduled_us);
    db_bind_int(st, 10, row->created_us);
    db_bind_int(st, 11, row->due_us);
    bind_time(st, 12, row->started_us);
    db_bind_int(st, 13, row->created_us);
    db_bind_int(st, 14, claimed ? 1 : 0);
    db_bind_int(st, 15, row->fence);
    db_bind_string(st, 16, claimed ? inserting->instance_id : NULL);
    db_bind_string(st, 17, row->trigger_by);
    db_bind_string(st, 18, row->unique_key);
    db_bind_string(st, 19, row->override_data);
    if (row->has_retry_of)
        db_bind_blob(st, 20, row->retry_of.b, sizeof row->retry_of.b);
    else
        db_bind_null(st, 20);
}

/* Ids grow from row to row; all rows of one moment are noted together. */
static enum err_code note_hours(struct db *tx, const struct execution_insert *rows, size_t count, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0, first = 0; code == OK && i < count; i++) {
        if (i + 1 < count && rows[i + 1].created_us == rows[first].created_us)
            continue;
        code = execution_hours_note(tx, rows[first].created_us, rows[first].id, rows[i].id, err);
        first = i + 1;
    }
    return code;
}

enum err_code execution_store_insert(struct db *tx, const char *instance_id, struct execution_insert *rows, size_t count,
                                     struct err *err)
{
    int64_t claimed = 0;
    struct inserting inserting = {rows, instance_id, 0};
    for (size_t i = 0; i < count; i++)
        claimed += rows[i].started_us != 0;
    enum err_code code = claim_take_fences(tx, claimed, &inserting.fence, err);
    if (code == OK)
        code = db_run_rows(tx, &sql_insert, &(struct db_rows){count, bind_insert, note_inserted, &inserting}, err);
    if (code == OK)
        code = note_hours(tx, rows, count, err);
    return code;
}

enum err_code execution_store_claim(struct db *tx, const char *instance_id, struct claim *rows, size_t count, struct err *err)
{
    return claim_take(tx, &claims, instance_id, rows, count, err);
}

static enum err_code note_failure(struct db *tx, const struct execution_backoff *row, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_note_failure, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, row->id);
    db_bind_int(st, 2, row->fence);
    db_bind_string(st, 3, row->error_message);
    db_bind_string(st, 4, row->error_stack);
    db_bind_string(st, 5, row->attempts);
    return db_run(st, NULL, err);
}

enum err_code execution_store_backoff(struct db *tx, const struct execution_backoff *rows, size_t count, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; code == OK && i < count; i++) {
        code = note_failure(tx, &rows[i], err);
        if (code == OK)
            code = claim_release(tx, &claims, rows[i].id, rows[i].fence, rows[i].due_us, rows[i].now_us, err);
        if (code == ERR_CONFLICT)
            code = OK; /* not ours any more: what the new owner does counts (SCH-73) */
    }
    return code;
}

struct finishing {
    struct execution_finish *rows;
    const char *instance_id;
    int64_t fence; /* of the next row that begins and ends at once */
};

static void note_finished(void *arg, size_t i, int64_t changed)
{
    const struct finishing *finishing = arg;
    finishing->rows[i].lost = changed == 0;
}

static void bind_finish(struct db_stmt *st, void *arg, size_t i)
{
    struct finishing *finishing = arg;
    const struct execution_finish *row = &finishing->rows[i];
    db_bind_int(st, 1, row->id);
    db_bind_int(st, 2, row->fence);
    db_bind_int(st, 3, (int64_t)row->state);
    bind_time(st, 4, row->started_us);
    db_bind_int(st, 5, row->finished_us);
    db_bind_int(st, 6, row->attempt);
    db_bind_int(st, 7, row->progress);
    db_bind_string(st, 8, row->result);
    db_bind_int(st, 9, row->result_truncated);
    db_bind_string(st, 10, row->error_message);
    db_bind_string(st, 11, row->error_stack);
    db_bind_string(st, 12, row->attempts);
    db_bind_string(st, 13, row->cancel_reason);
    db_bind_string(st, 14, row->cancelled_by);
    db_bind_string(st, 15, row->started_us ? finishing->instance_id : NULL);
    db_bind_int(st, 16, row->instant ? finishing->fence++ : row->fence);
    db_bind_int(st, 17, row->stack_is_stored);
}

enum err_code execution_store_finish(struct db *tx, const char *instance_id, struct execution_finish *rows, size_t count,
                                     struct err *err)
{
    int64_t instant = 0;
    struct finishing finishing = {rows, instance_id, 0};
    for (size_t i = 0; i < count; i++)
        instant += rows[i].instant;
    enum err_code code = claim_take_fences(tx, instant, &finishing.fence, err);
    return code == OK ? db_run_rows(tx, &sql_finish, &(struct db_rows){count, bind_finish, note_finished, &finishing}, err)
                      : code;
}

enum err_code execution_store_progress(struct db *tx, int64_t id, int64_t fence, int percent, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_progress, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    db_bind_int(st, 2, fence);
    db_bind_int(st, 3, percent);
    db_bind_int(st, 4, now_us);
    return db_run(st, NULL, err);
}

enum err_code execution_store_cancel(struct db *tx, const struct execution_cancel *rows, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct db_stmt *st;
        enum err_code code = db_prepare(tx, &sql_cancel, &st, err);
        if (code != OK)
            return code;
        db_bind_int(st, 1, rows[i].id);
        db_bind_string(st, 2, rows[i].cancelled_by);
        db_bind_string(st, 3, rows[i].cancel_reason);
        db_bind_int(st, 4, rows[i].now_us);
        if ((code = db_run(st, NULL, err)) != OK)
            return code;
    }
    return OK;
}

enum err_code execution_store_adopt(struct db *tx, int64_t id, const char *instance_id, struct err *err)
{
    return claim_adopt(tx, &claims, id, instance_id, err);
}

static char *take_text(struct db_stmt *st, int column)
{
    size_t length;
    if (db_is_null(st, column))
        return NULL;
    const char *text = db_text(st, column, &length);
    return xstrndup(text, length);
}

static struct uuid take_uuid(struct db_stmt *st, int column)
{
    struct uuid uuid = {{0}};
    size_t length;
    const void *bytes = db_blob(st, column, &length);
    if (bytes && length == sizeof uuid.b)
        memcpy(uuid.b, bytes, sizeof uuid.b);
    return uuid;
}

static struct execution_active read_active(struct db_stmt *st)
{
    return (struct execution_active){
        .id = db_int(st, 0),
        .task_id = db_int(st, 1),
        .fence = db_int(st, 2),
        .uid = take_uuid(st, 3),
        .state = (enum execution_state)db_int(st, 4),
        .cause = (enum execution_cause)db_int(st, 5),
        .priority = (int32_t)db_int(st, 6),
        .attempt = (int32_t)db_int(st, 7),
        .scheduled_us = db_int(st, 8),
        .created_us = db_int(st, 9),
        .due_us = db_int(st, 10),
        .started_us = db_int(st, 11),
        .trigger_by = take_text(st, 12),
        .unique_key = take_text(st, 13),
        .override_data = take_text(st, 14),
        .attempts = take_text(st, 15),
        .error_message = take_text(st, 16),
        .claimed = !db_is_null(st, 17),
        .cancelled_by = take_text(st, 18),
        .cancel_reason = take_text(st, 19),
    };
}

enum err_code execution_store_each_active(struct db *db, execution_active_fn fn, void *arg, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_active, &st, err);
    if (code != OK)
        return code;
    bool row = false;
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct execution_active active = read_active(st);
        if ((code = fn(arg, &active, err)) != OK)
            break;
    }
    db_reset(st);
    return code;
}

enum err_code execution_store_last_id(struct db *db, int64_t *ret, struct err *err)
{
    return db_read_number(db, &sql_last_id, ret, err);
}

/* The id in a reference: the number itself, or the one that a uid carries. 0 when it is neither. */
static int64_t reference_id(const char *reference, bool *ret_by_uid, struct uuid *ret_uid)
{
    int64_t id;
    *ret_by_uid = uuid_parse(reference, strlen(reference), ret_uid);
    if (*ret_by_uid)
        return uuid_number(ret_uid);
    return str_to_int(str_of(reference), 1, INT64_MAX, &id) ? id : 0;
}

enum err_code execution_store_find(struct db *db, const char *reference, struct execution_brief *ret, struct err *err)
{
    bool by_uid, row = false;
    struct uuid uid;
    int64_t id = reference_id(reference, &by_uid, &uid);
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_find, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    code = db_step(st, &row, err);
    if (code == OK && row) {
        struct execution_brief brief = {db_int(st, 0), db_int(st, 1), take_uuid(st, 2), (enum execution_state)db_int(st, 3),
                                        NULL};
        row = !by_uid || memcmp(uid.b, brief.uid.b, sizeof uid.b) == 0;
        if (row) {
            brief.override_data = take_text(st, 4);
            *ret = brief;
        }
    }
    db_reset(st);
    return code == OK && !row ? err_set(err, ERR_NOT_FOUND, NULL, "Resource not found") : code;
}

enum err_code execution_store_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err)
{
    struct db_stmt *st;
    int64_t low, high;
    enum err_code code = execution_hours_bounds(tx, 0, before_us, &low, &high, err);
    if (code == OK)
        code = db_prepare(tx, &sql_purge, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, before_us);
    db_bind_int(st, 2, limit);
    db_bind_int(st, 3, high);
    if ((code = db_run(st, ret_deleted, err)) == OK && *ret_deleted)
        code = execution_hours_purge(tx, err);
    return code;
}
