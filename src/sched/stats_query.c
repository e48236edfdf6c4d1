/* SPDX-License-Identifier: Apache-2.0 */
/* SCH-81..83: sums per task and hour, never a scan of the history. `total_tasks` comes from the task table, so tasks
 * that never ran count; what deleted tasks ran stays in the sums (sched_store.c keeps it under task 0). */
#include "sched/execution_query.h"

#include "base/clock.h"
#include "base/panic.h"

enum { TASK_STATS_MAX = 10000 };

static const struct db_sql sql_tasks = {"SELECT COUNT(*), COALESCE(SUM(enabled), 0) FROM sched_tasks"};
/* All time: the counters in the task rows. */
static const struct db_sql sql_all = {
    "SELECT name, total_executions, success_executions, failure_executions, success_duration_ms, last_executed_at"
    " FROM sched_tasks WHERE (?1 = 0 OR id = ?1) ORDER BY id LIMIT ?3"};
/* One range of hours, grouped by sorting: the plus keeps the index by task, which would mean all hours, out of it. */
#define WINDOW_ROWS \
    "SELECT t.name, SUM(h.total), SUM(h.success), SUM(h.failure), SUM(h.success_duration_ms), t.last_executed_at" \
    " FROM task_stats_by_hour h JOIN sched_tasks t ON t.id = h.task_id WHERE h.hour >= ?2 AND (?1 = 0 OR h.task_id = ?1) "
static const struct db_sql sql_window = {WINDOW_ROWS "GROUP BY +h.task_id ORDER BY +h.task_id LIMIT ?3",
                                         .pg = WINDOW_ROWS "GROUP BY t.id ORDER BY t.id LIMIT ?3"};
static const struct db_sql sql_sums = {
    "SELECT COALESCE(SUM(total), 0), COALESCE(SUM(success), 0), COALESCE(SUM(duration_ms), 0) FROM"
    " (SELECT total_executions AS total, success_executions AS success, success_duration_ms AS duration_ms FROM sched_tasks"
    " WHERE (?1 = 0 OR id = ?1) UNION ALL SELECT total, success, success_duration_ms FROM task_stats_by_hour"
    " WHERE ?1 = 0 AND task_id = 0) AS sums"};
static const struct db_sql sql_window_sums = {
    "SELECT COALESCE(SUM(total), 0), COALESCE(SUM(success), 0), COALESCE(SUM(success_duration_ms), 0)"
    " FROM task_stats_by_hour WHERE hour >= ?2 AND (?1 = 0 OR task_id = ?1)"};

const struct db_sql *const stats_query_sql[] = {&sql_tasks, &sql_all, &sql_window, &sql_sums, &sql_window_sums};
const size_t stats_query_sql_count = ARRAY_LEN(stats_query_sql);

/* SCH-82: per cent of finished executions, and the average of the successful ones. */
static void write_rates(struct json_writer *w, int64_t total, int64_t success, int64_t duration_ms)
{
    json_key(w, "success_rate");
    json_number(w, total ? 100.0 * (double)success / (double)total : 0);
    json_key(w, "average_duration_ms");
    json_number(w, success ? (double)duration_ms / (double)success : 0);
}

static enum err_code write_task_count(struct db *db, struct json_writer *w, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_tasks, &st, err);
    if (code != OK || (code = db_step(st, &row, err)) != OK)
        return code;
    must(row);
    json_put_int(w, "total_tasks", db_int(st, 0));
    json_put_int(w, "enabled_tasks", db_int(st, 1));
    db_reset(st);
    return OK;
}

static enum err_code write_sums(struct db *db, int64_t task_id, int64_t from_hour, struct json_writer *w, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, from_hour ? &sql_window_sums : &sql_sums, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, task_id);
    if (from_hour)
        db_bind_int(st, 2, from_hour);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    must(row);
    json_put_int(w, "total_executions", db_int(st, 0));
    write_rates(w, db_int(st, 0), db_int(st, 1), db_int(st, 2));
    db_reset(st);
    return OK;
}

static void write_task(struct json_writer *w, struct db_stmt *st)
{
    size_t length;
    const char *name = db_text(st, 0, &length);
    json_begin_object(w);
    json_key(w, "task_name");
    json_text_n(w, name, length);
    json_put_int(w, "total_executions", db_int(st, 1));
    json_put_int(w, "success_executions", db_int(st, 2));
    json_put_int(w, "failure_executions", db_int(st, 3));
    write_rates(w, db_int(st, 1), db_int(st, 2), db_int(st, 4));
    json_put_time_or_null(w, "last_executed_at", db_is_null(st, 5) ? 0 : db_int(st, 5), 3);
    json_end_object(w);
}

enum err_code stats_query(struct db *db, int64_t task_id, int64_t from_hour, struct json_writer *w, struct err *err)
{
    json_begin_object(w);
    enum err_code code = write_task_count(db, w, err);
    if (code == OK)
        code = write_sums(db, task_id, from_hour, w, err);
    struct db_stmt *st;
    if (code == OK)
        code = db_prepare(db, from_hour ? &sql_window : &sql_all, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, task_id);
    if (from_hour)
        db_bind_int(st, 2, from_hour);
    db_bind_int(st, 3, TASK_STATS_MAX + 1);
    json_key(w, "task_stats");
    json_begin_array(w);
    bool row = false;
    int n = 0;
    for (; (code = db_step(st, &row, err)) == OK && row && n < TASK_STATS_MAX; n++)
        write_task(w, st);
    db_reset(st);
    json_end_array(w);
    if (code == OK && row) /* said, not hidden: one task's figures are had with task_uid */
        json_put_bool(w, "task_stats_truncated", true);
    json_end_object(w);
    return code;
}
