/* SPDX-License-Identifier: Apache-2.0 */
/* A task as JSON: for the API and for the store. */
#include "sched/sched_task_json.h"

#include "sched/task_types.h"

#include <string.h>

static void write_labels(struct json_writer *w, const struct sched_task *task)
{
    if (!task->label_count)
        return;
    json_key(w, "labels");
    json_begin_object(w);
    for (size_t i = 0; i < task->label_count; i++) {
        json_key_any(w, task->labels[i].name, strlen(task->labels[i].name));
        json_text(w, task->labels[i].value);
    }
    json_end_object(w);
}

static void write_limits(struct json_writer *w, const struct sched_task *task)
{
    if (!task->memory_bytes && !task->cpu_percent && !task->pids)
        return;
    json_key(w, "limits");
    json_begin_object(w);
    if (task->memory_bytes)
        json_put_int(w, "memory_bytes", task->memory_bytes);
    if (task->cpu_percent)
        json_put_int(w, "cpu_percent", task->cpu_percent);
    if (task->pids)
        json_put_int(w, "pids", task->pids);
    json_end_object(w);
}

/* What decides when it runs: in both forms, and all that an epoch needs. */
static void write_schedule(struct json_writer *w, const struct sched_task *task)
{
    json_put_bool(w, "is_recurring", task->is_recurring);
    json_put_text_unless_empty(w, "cron_expr", task->cron_expr);
    json_put_text_unless_empty(w, "calendar", task->calendar);
    json_put_text(w, "timezone", task->timezone ? task->timezone : "UTC");
    json_put_int(w, "interval", task->interval_s);
    json_put_text(w, "gap", gap_names[task->gap]);
    json_put_text(w, "fold", fold_names[task->fold]);
    if (task->anchor_us)
        json_put_time(w, "anchor", task->anchor_us, 3);
    json_put_text_unless_empty(w, "seed", task->seed);
    json_put_int(w, "jitter_seconds", task->jitter_s);
}

static void write_policies(struct json_writer *w, const struct sched_task *task)
{
    json_put_text_unless_empty(w, "description", task->description);
    json_put_int(w, "max_duration_seconds", task->max_duration_s);
    json_put_int(w, "max_retries", task->max_retries);
    json_put_int(w, "timeout_grace_period", task->timeout_grace_period_s);
    json_put_int(w, "max_concurrent", task->max_concurrent);
    write_labels(w, task);
    json_put_text_unless_empty(w, "data", task->data);
    json_put_text_unless_empty(w, "group_id", task->group_id);
    json_put_text(w, "misfire_policy", misfire_names[task->misfire]);
    json_put_int(w, "start_deadline_seconds", task->start_deadline_s);
    json_put_text(w, "overlap", overlap_names[task->overlap]);
    json_key(w, "retry_backoff");
    json_begin_object(w);
    json_put_int(w, "base_ms", task->backoff.base_ms);
    json_put_int(w, "cap_ms", task->backoff.cap_ms);
    json_put_int(w, "jitter_percent", task->backoff.jitter_percent);
    json_end_object(w);
    write_limits(w, task);
}

static void write_runtime(struct json_writer *w, const struct sched_task *task)
{
    json_put_time_or_null(w, "next_run", task->enabled ? task->next_run_us : 0, 3);
    json_put_time_or_null(w, "last_executed_at", task->last_executed_at_us, 3);
    json_put_int(w, "total_executions", task->total_executions);
    json_put_int(w, "success_executions", task->success_executions);
    json_put_int(w, "failure_executions", task->failure_executions);
    json_put_int(w, "timeout_executions", task->timeout_executions);
    json_put_int(w, "skipped_executions", task->skipped_executions);
    json_put_int(w, "consecutive_failures", task->consecutive_failures);
    json_put_text_unless_empty(w, "last_failure_error", task->last_failure_error);
    json_put_text(w, "health", task_health_name(sched_task_health(task)));
}

void sched_task_write_json(struct json_writer *w, const struct sched_task *task)
{
    json_begin_object(w);
    json_put_uuid(w, "uid", &task->uid);
    json_put_text(w, "name", task->name);
    json_put_text(w, "type", task_type_name(task->type));
    json_put_bool(w, "enabled", task->enabled);
    json_put_int(w, "priority", task->priority);
    write_schedule(w, task);
    write_policies(w, task);
    if (task->secret)
        json_put_bool(w, "has_secret", true);
    write_runtime(w, task);
    json_put_int(w, "version", task->version);
    json_put_time(w, "created_at", task->created_at_us, 3);
    json_put_time(w, "updated_at", task->updated_at_us, 3);
    json_end_object(w);
}

void sched_task_write_stored(struct json_writer *w, const struct sched_task *task)
{
    json_begin_object(w);
    json_put_text(w, "name", task->name); /* the seed when none is given: epochs need it */
    write_schedule(w, task);
    write_policies(w, task);
    json_put_text_unless_empty(w, "secret", task->secret);
    json_key(w, "x");
    json_begin_array(w); /* what decides slots to the microsecond: uid, creation, one-shot time, anchor */
    char uid[UUID_TEXT_LEN + 1];
    uuid_format(&task->uid, uid);
    json_text(w, uid);
    json_int(w, task->created_at_us);
    json_int(w, task->run_at_us);
    json_int(w, task->anchor_us);
    json_end_array(w);
    json_end_object(w);
}
