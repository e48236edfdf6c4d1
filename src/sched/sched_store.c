/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched_store.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sched/ledger_store.h"
#include "sched/sched_task_json.h"
#include "sched/task_types.h"

#include <stdio.h>
#include <string.h>

enum { DEFINITION_MAX = 1 << 20, RECENT_BITS = 10 };

#define TASK_COLUMNS \
    "t.id, t.uid, t.name, t.type, t.enabled, t.priority, t.version, t.definition, t.created_at, t.updated_at, t.next_run," \
    " t.last_executed_at, t.last_failure_error, t.total_executions, t.success_executions, t.failure_executions," \
    " t.timeout_executions, t.skipped_executions, t.consecutive_failures, t.recent_outcomes, t.settled_until, t.epoch_id," \
    " t.snapshot_id"
#define TASK_FILTER(position) \
    " FROM sched_tasks t WHERE (" position "(t.name, ?1) > 0 OR ?1 IS NULL) AND (t.type = ?2 OR ?2 IS NULL)" \
    " AND (t.enabled = ?3 OR ?3 < 0) AND (CAST(?4 AS text) IS NULL OR EXISTS (SELECT 1 FROM" \
    " sched_task_labels l WHERE l.task_id = t.id AND l.name = ?4 AND (l.value = ?5 OR ?5 IS NULL)))"
#define TASK_PAGE " AND t.id > ?6 ORDER BY t.id LIMIT ?7 OFFSET ?8"
#define EACH_DUE(position) \
    "SELECT id, CASE WHEN enabled <> 0 THEN next_run END, CASE WHEN enabled <> 0 AND " position "(definition, '@reboot') > 0" \
    " THEN 1 ELSE 0 END FROM sched_tasks ORDER BY id"

static const struct db_sql sql_insert = {
    "INSERT INTO sched_tasks (id, uid, name, type, enabled, priority, version, definition, created_at, updated_at, next_run,"
    " settled_until, epoch_id, snapshot_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"};
static const struct db_sql sql_update = {
    "UPDATE sched_tasks SET name = ?3, type = ?4, enabled = ?5, priority = ?6, version = ?7, definition = ?8, updated_at = ?10,"
    " next_run = ?11, settled_until = ?12, epoch_id = ?13, snapshot_id = ?14 WHERE id = ?1"};
static const struct db_sql sql_delete = {"DELETE FROM sched_tasks WHERE id = ?1"};
/* The totals of all tasks that were deleted stand under task 0, hour 0: statistics of all time equal the history. */
#define ADD_TO_DELETED \
    " ON CONFLICT (task_id, hour) DO UPDATE SET total = task_stats_by_hour.total + excluded.total," \
    " success = task_stats_by_hour.success + excluded.success," \
    " failure = task_stats_by_hour.failure + excluded.failure," \
    " success_duration_ms = task_stats_by_hour.success_duration_ms + excluded.success_duration_ms"
static const struct db_sql sql_keep_totals = {
    "INSERT INTO task_stats_by_hour (task_id, hour, total, success, failure, success_duration_ms)"
    " SELECT 0, 0, total_executions, success_executions, failure_executions, success_duration_ms FROM sched_tasks"
    " WHERE id = ?1" ADD_TO_DELETED};
static const struct db_sql sql_add_to_deleted = {
    "INSERT INTO task_stats_by_hour (task_id, hour, total, success, failure, success_duration_ms)"
    " VALUES (0, 0, ?1, ?2, ?3, ?4)" ADD_TO_DELETED};
static const struct db_sql sql_labels_clear = {"DELETE FROM sched_task_labels WHERE task_id = ?1"};
static const struct db_sql sql_label_add = {"INSERT INTO sched_task_labels (name, value, task_id) VALUES (?1, ?2, ?3)"};
static const struct db_sql sql_snapshot_add = {
    "INSERT INTO task_snapshots (id, task_id, task_uid, task_name, task_type) VALUES (?1, ?2, ?3, ?4, ?5)"};
static const struct db_sql sql_taken = {"SELECT 1 FROM sched_tasks WHERE name = ?1 AND id <> ?2"};
static const struct db_sql sql_each_due = {EACH_DUE("instr"), .pg = EACH_DUE("strpos")};
static const struct db_sql sql_by_id = {"SELECT " TASK_COLUMNS " FROM sched_tasks t WHERE t.id = ?1"};
static const struct db_sql sql_by_name = {"SELECT " TASK_COLUMNS " FROM sched_tasks t WHERE t.name = ?1"};
static const struct db_sql sql_by_uid = {"SELECT " TASK_COLUMNS " FROM sched_tasks t WHERE t.uid = ?1"};
static const struct db_sql sql_list = {"SELECT " TASK_COLUMNS TASK_FILTER("instr") TASK_PAGE,
                                       .pg = "SELECT " TASK_COLUMNS TASK_FILTER("strpos") TASK_PAGE};
static const struct db_sql sql_count = {"SELECT t.id" TASK_FILTER("instr") " LIMIT ?6",
                                        .pg = "SELECT t.id" TASK_FILTER("strpos") " LIMIT ?6"};
static const struct db_sql sql_last_task = {
    "SELECT COALESCE(MAX(n), 0) FROM (SELECT MAX(id) AS n FROM sched_tasks UNION ALL SELECT MAX(task_id) FROM task_snapshots) AS given"};
static const struct db_sql sql_last_snapshot = {"SELECT COALESCE(MAX(id), 0) FROM task_snapshots"};
static const struct db_sql sql_verdicts = {
    "SELECT expected, fired, coalesced, skipped, missed, shifted FROM sched_tasks WHERE id = ?1"};
static const struct db_sql sql_change_counters = {
    "UPDATE sched_tasks SET total_executions = total_executions + ?2, success_executions = success_executions + ?3,"
    " failure_executions = failure_executions + ?4, timeout_executions = timeout_executions + ?5,"
    " skipped_executions = skipped_executions + ?6, success_duration_ms = success_duration_ms + ?7,"
    " last_executed_at = COALESCE(?8, last_executed_at),"
    " consecutive_failures = CASE WHEN ?9 = 1 THEN 0 ELSE consecutive_failures END + ?10,"
    " recent_outcomes = ((recent_outcomes * ?11) | ?12) & 1023, last_failure_error = COALESCE(?13, last_failure_error)"
    " WHERE id = ?1"};
static const struct db_sql sql_change_verdicts = {
    "UPDATE sched_tasks SET expected = expected + ?2, fired = fired + ?3, coalesced = coalesced + ?4, skipped = skipped + ?5,"
    " missed = missed + ?6, shifted = shifted + ?7 WHERE id = ?1"};
static const struct db_sql sql_change_slots = {
    "UPDATE sched_tasks SET next_run = ?2, settled_until = ?3 WHERE id = ?1 AND epoch_id = ?4"};
static const struct db_sql sql_streak = {"SELECT consecutive_failures FROM sched_tasks WHERE id = ?1"};
static const struct db_sql sql_is_settled = {"SELECT 1 FROM sched_tasks WHERE id = ?1 AND settled_until = ?2"};

const struct db_sql *const sched_store_sql[] = {&sql_keep_totals,     &sql_add_to_deleted, &sql_insert,     &sql_update,
                                                &sql_delete,          &sql_labels_clear,   &sql_label_add,  &sql_snapshot_add,
                                                &sql_taken,           &sql_each_due,       &sql_by_id,      &sql_by_name,
                                                &sql_by_uid,          &sql_list,           &sql_count,      &sql_last_task,
                                                &sql_last_snapshot,   &sql_verdicts,       &sql_is_settled, &sql_change_counters,
                                                &sql_change_verdicts, &sql_change_slots,   &sql_streak};
const size_t sched_store_sql_count = ARRAY_LEN(sched_store_sql);

void task_write_free(struct task_write *write)
{
    if (!write)
        return;
    sched_task_free(write->task);
    free(write);
}

static void bind_unless_zero(struct db_stmt *st, int index, int64_t value)
{
    if (value)
        db_bind_int(st, index, value);
    else
        db_bind_null(st, index);
}

/* One statement whose only parameter is a number. */
static enum err_code run_with_id(struct db *tx, const struct db_sql *sql, int64_t id, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    return db_run(st, NULL, err);
}

static char *definition_of(const struct sched_task *task)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, DEFINITION_MAX);
    json_writer_init(&w, &text);
    sched_task_write_stored(&w, task);
    must(!text.failed);
    return buf_take(&text);
}

/* ---- definitions ---- */

static enum err_code refuse_taken_name(struct db *tx, const struct sched_task *task, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(tx, &sql_taken, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, task->name);
    db_bind_int(st, 2, task->id);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    db_reset(st);
    return row ? err_set(err, ERR_CONFLICT, NULL, "a task with the name \"%s\" exists already", task->name) : OK;
}

static enum err_code write_row(struct db *tx, const struct db_sql *sql, const struct task_write *write, const char *definition,
                               struct err *err)
{
    const struct sched_task *task = write->task;
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, task->id);
    if (write->kind == TASK_WRITE_CREATE) {
        db_bind_blob(st, 2, task->uid.b, sizeof task->uid.b);
        db_bind_int(st, 9, task->created_at_us);
    }
    db_bind_string(st, 3, task->name);
    db_bind_string(st, 4, task_type_name(task->type));
    db_bind_int(st, 5, task->enabled);
    db_bind_int(st, 6, task->priority);
    db_bind_int(st, 7, task->version);
    db_bind_string(st, 8, definition);
    db_bind_int(st, 10, task->updated_at_us);
    bind_unless_zero(st, 11, task->next_run_us);
    db_bind_int(st, 12, write->settled_us);
    db_bind_int(st, 13, write->epoch_id);
    db_bind_int(st, 14, write->snapshot_id);
    return db_run(st, NULL, err);
}

static enum err_code write_labels(struct db *tx, const struct sched_task *task, struct err *err)
{
    enum err_code code = run_with_id(tx, &sql_labels_clear, task->id, err);
    for (size_t i = 0; code == OK && i < task->label_count; i++) {
        struct db_stmt *st;
        if ((code = db_prepare(tx, &sql_label_add, &st, err)) != OK)
            break;
        db_bind_string(st, 1, task->labels[i].name);
        db_bind_string(st, 2, task->labels[i].value);
        db_bind_int(st, 3, task->id);
        code = db_run(st, NULL, err);
    }
    return code;
}

static enum err_code write_snapshot(struct db *tx, const struct task_write *write, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_snapshot_add, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, write->snapshot_id);
    db_bind_int(st, 2, write->task->id);
    db_bind_blob(st, 3, write->task->uid.b, sizeof write->task->uid.b);
    db_bind_string(st, 4, write->task->name);
    db_bind_string(st, 5, task_type_name(write->task->type));
    return db_run(st, NULL, err);
}

static enum err_code write_definition(struct db *tx, const struct task_write *write, struct err *err)
{
    auto_free char *definition = definition_of(write->task);
    enum err_code code = refuse_taken_name(tx, write->task, err);
    if (code == OK)
        code = write_row(tx, write->kind == TASK_WRITE_CREATE ? &sql_insert : &sql_update, write, definition, err);
    if (code == OK)
        code = write_labels(tx, write->task, err);
    if (code == OK && write->new_snapshot)
        code = write_snapshot(tx, write, err);
    struct epoch_entry epoch = {write->epoch_id, write->task->id, write->settled_us, definition};
    return code == OK && write->new_epoch ? epoch_store_add(tx, &epoch, err) : code;
}

enum err_code task_store_write(struct db *tx, const struct task_write *write, struct err *err)
{
    if (write->kind != TASK_WRITE_DELETE)
        return write_definition(tx, write, err);
    enum err_code code = run_with_id(tx, &sql_labels_clear, write->task->id, err);
    if (code == OK)
        code = run_with_id(tx, &sql_keep_totals, write->task->id, err);
    return code == OK ? run_with_id(tx, &sql_delete, write->task->id, err) : code;
}

/* ---- what executions and slots change ---- */

/* An execution of a task that was deleted meanwhile. */
static enum err_code add_to_deleted(struct db *tx, const struct end_counts *ends, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_add_to_deleted, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, ends->total);
    db_bind_int(st, 2, ends->success);
    db_bind_int(st, 3, ends->failure);
    db_bind_int(st, 4, ends->success_duration_ms);
    return db_run(st, NULL, err);
}

static enum err_code change_counters(struct db *tx, const struct task_change *c, struct err *err)
{
    const struct end_counts *ends = &c->ends;
    if (!ends->total && !c->skipped)
        return OK;
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_change_counters, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, c->task_id);
    db_bind_int(st, 2, ends->total);
    db_bind_int(st, 3, ends->success);
    db_bind_int(st, 4, ends->failure);
    db_bind_int(st, 5, ends->timeout);
    db_bind_int(st, 6, c->skipped);
    db_bind_int(st, 7, ends->success_duration_ms);
    bind_unless_zero(st, 8, ends->last_executed_us);
    db_bind_int(st, 9, ends->streak_broken);
    db_bind_int(st, 10, ends->streak);
    db_bind_int(st, 11, 1 << (2 * ends->outcome_count < RECENT_BITS ? 2 * ends->outcome_count : RECENT_BITS));
    db_bind_int(st, 12, ends->outcomes);
    db_bind_string(st, 13, ends->last_error);
    int64_t changed = 0;
    code = db_run(st, &changed, err);
    return code == OK && !changed && ends->total ? add_to_deleted(tx, ends, err) : code;
}

static enum err_code change_verdicts(struct db *tx, const struct task_change *c, struct err *err)
{
    if (!c->expected && !verdict_counts_sum(&c->verdicts))
        return OK;
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_change_verdicts, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, c->task_id);
    db_bind_int(st, 2, c->expected);
    for (int i = 0; i < VERDICT_COUNT; i++)
        db_bind_int(st, 3 + i, c->verdicts.n[i]);
    return db_run(st, NULL, err);
}

static enum err_code change_slots(struct db *tx, const struct task_change *c, struct err *err)
{
    if (!c->slots_set)
        return OK;
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_change_slots, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, c->task_id);
    bind_unless_zero(st, 2, c->next_run_us);
    db_bind_int(st, 3, c->settled_us);
    db_bind_int(st, 4, c->epoch_id);
    return db_run(st, NULL, err);
}

enum err_code task_store_streak(struct db *db, int64_t task_id, int64_t *ret, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    *ret = 0;
    enum err_code code = db_prepare(db, &sql_streak, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, task_id);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    if (row)
        *ret = db_int(st, 0);
    db_reset(st);
    return OK;
}

enum err_code task_store_check_settled(struct db *tx, int64_t task_id, int64_t settled_us, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(tx, &sql_is_settled, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, task_id);
    db_bind_int(st, 2, settled_us);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    db_reset(st);
    return row ? OK : err_set(err, ERR_UNAVAILABLE, NULL, "the store refused what came before this change; try again");
}

enum err_code task_store_change(struct db *tx, const struct task_change *changes, size_t count, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; code == OK && i < count; i++) {
        code = change_counters(tx, &changes[i], err);
        if (code == OK)
            code = change_verdicts(tx, &changes[i], err);
        if (code == OK)
            code = change_slots(tx, &changes[i], err);
    }
    return code;
}

/* ---- reading ---- */

static void read_columns(struct db_stmt *st, struct task_row *row)
{
    struct sched_task *task = row->task;
    task->id = db_int(st, 0);
    task->name = xstrdup(db_text(st, 2, NULL));
    task->enabled = db_int(st, 4) != 0;
    task->priority = (int32_t)db_int(st, 5);
    task->version = db_int(st, 6);
    task->updated_at_us = db_int(st, 9);
    task->next_run_us = db_int(st, 10);
    task->last_executed_at_us = db_int(st, 11);
    const char *error = db_text(st, 12, NULL);
    task->last_failure_error = error && error[0] ? xstrdup(error) : NULL;
    task->total_executions = db_int(st, 13);
    task->success_executions = db_int(st, 14);
    task->failure_executions = db_int(st, 15);
    task->timeout_executions = db_int(st, 16);
    task->skipped_executions = db_int(st, 17);
    task->consecutive_failures = db_int(st, 18);
    task->recent_outcomes = db_int(st, 19);
    row->settled_us = db_int(st, 20);
    row->epoch_id = db_int(st, 21);
    row->snapshot_id = db_int(st, 22);
}

static enum err_code read_row(struct db_stmt *st, struct task_row *ret, struct err *err)
{
    struct task_row row = {.task = xcalloc(1, sizeof *row.task)};
    size_t length, uid_length;
    const char *definition = db_text(st, 7, &length);
    enum err_code code = sched_task_from_stored(definition, length, row.task, err);
    if (code == OK) {
        free(row.task->name); /* the column counts */
        read_columns(st, &row);
        row.task->type = task_type_from_name(str_of(db_text(st, 3, NULL)));
        const void *uid = db_blob(st, 1, &uid_length);
        must(uid_length == sizeof row.task->uid.b);
        memcpy(row.task->uid.b, uid, sizeof row.task->uid.b);
        if (row.task->type < 0)
            code = err_set(err, ERR_CORRUPT, NULL, "task %s has the type %s, which this program does not know", row.task->name,
                           db_text(st, 3, NULL));
    }
    if (code != OK) {
        sched_task_free(row.task);
        return code;
    }
    *ret = row;
    return OK;
}

static enum err_code each_row(struct db_stmt *st, task_row_fn fn, void *arg, struct err *err)
{
    bool row = false;
    enum err_code code;
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct task_row read;
        code = read_row(st, &read, err);
        if (code == OK)
            code = fn(arg, &read, err);
        if (code != OK) {
            db_reset(st);
            break;
        }
    }
    return code;
}

enum err_code task_store_each_due(struct db *db, task_due_fn fn, void *arg, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_each_due, &st, err);
    while (code == OK && (code = db_step(st, &row, err)) == OK && row) {
        struct task_due due = {db_int(st, 0), db_int(st, 1), db_int(st, 2) != 0};
        if ((code = fn(arg, &due, err)) != OK)
            db_reset(st);
    }
    return code;
}

static enum err_code read_one(struct db_stmt *st, struct task_row *ret, struct err *err)
{
    bool row = false;
    enum err_code code = db_step(st, &row, err);
    if (code != OK)
        return code;
    if (!row)
        return err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
    code = read_row(st, ret, err);
    db_reset(st);
    return code;
}

enum err_code task_store_get_by_id(struct db *db, int64_t id, struct task_row *ret, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_by_id, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    return read_one(st, ret, err);
}

enum err_code task_store_get(struct db *db, const char *reference, struct task_row *ret, struct err *err)
{
    struct uuid uid;
    struct db_stmt *st;
    bool by_uid = uuid_parse(reference, strlen(reference), &uid);
    enum err_code code = db_prepare(db, by_uid ? &sql_by_uid : &sql_by_name, &st, err);
    if (code != OK)
        return code;
    if (by_uid)
        db_bind_blob(st, 1, uid.b, sizeof uid.b);
    else
        db_bind_string(st, 1, reference);
    return read_one(st, ret, err);
}

static void bind_filter(struct db_stmt *st, const struct task_filter *filter)
{
    db_bind_string(st, 1, filter->name);
    db_bind_string(st, 2, filter->type);
    db_bind_int(st, 3, filter->enabled);
    db_bind_string(st, 4, filter->label_name);
    db_bind_string(st, 5, filter->label_value);
}

enum err_code task_store_list(struct db *db, const struct task_filter *filter, task_row_fn fn, void *arg, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_list, &st, err);
    if (code != OK)
        return code;
    bind_filter(st, filter);
    db_bind_int(st, 6, filter->after_id);
    db_bind_int(st, 7, filter->limit);
    db_bind_int(st, 8, filter->offset);
    return each_row(st, fn, arg, err);
}

enum err_code task_store_count(struct db *db, const struct task_filter *filter, struct row_count *ret, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_count, &st, err);
    if (code != OK)
        return code;
    bind_filter(st, filter);
    db_bind_int(st, 6, ROW_COUNT_MAX + 1);
    return db_count_rows(db, st, ret, err);
}

enum err_code task_store_last_ids(struct db *db, int64_t *ret_task, int64_t *ret_snapshot, struct err *err)
{
    enum err_code code = db_read_number(db, &sql_last_task, ret_task, err);
    return code == OK ? db_read_number(db, &sql_last_snapshot, ret_snapshot, err) : code;
}

enum err_code task_store_verdicts(struct db *db, int64_t task_id, struct verdict_counts *ret, int64_t *ret_expected,
                                  struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_verdicts, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, task_id);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    if (!row)
        return err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
    *ret_expected = db_int(st, 0);
    for (int i = 0; i < VERDICT_COUNT; i++)
        ret->n[i] = db_int(st, 1 + i);
    db_reset(st);
    return OK;
}
