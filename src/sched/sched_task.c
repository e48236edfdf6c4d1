/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched_task.h"

#include "base/mem.h"
#include "base/panic.h"

#include <string.h>

const char *const misfire_names[] = {"run_once", "run_all", "skip"};
const char *const overlap_names[] = {"skip", "queue_one", "queue_all", "cancel_running", "allow"};
const char *const gap_names[] = {"auto", "skip", "shift_forward", "run_at_edge"};
const char *const fold_names[] = {"auto", "first", "last", "both"};
static const char *const healths[] = {"unknown", "healthy", "warning", "critical"};

const char *task_health_name(enum task_health health)
{
    return healths[health];
}

static void free_labels(struct sched_task *task)
{
    for (size_t i = 0; i < task->label_count; i++) {
        free(task->labels[i].name);
        free(task->labels[i].value);
    }
    free(task->labels);
}

void sched_task_free(struct sched_task *task)
{
    if (!task)
        return;
    free_labels(task);
    free(task->name);
    free(task->description);
    free(task->cron_expr);
    free(task->calendar);
    free(task->timezone);
    free(task->data);
    free(task->secret);
    free(task->seed);
    free(task->group_id);
    free(task->last_failure_error);
    free(task);
}

struct sched_task *sched_task_clone(const struct sched_task *task)
{
    struct sched_task *clone = xmalloc(sizeof *clone);
    *clone = *task;
    clone->labels = xcalloc(task->label_count, sizeof *clone->labels);
    for (size_t i = 0; i < task->label_count; i++)
        clone->labels[i] = (struct sched_label){xstrdup_or_null(task->labels[i].name), xstrdup_or_null(task->labels[i].value)};
    clone->name = xstrdup_or_null(task->name);
    clone->description = xstrdup_or_null(task->description);
    clone->cron_expr = xstrdup_or_null(task->cron_expr);
    clone->calendar = xstrdup_or_null(task->calendar);
    clone->timezone = xstrdup_or_null(task->timezone);
    clone->data = xstrdup_or_null(task->data);
    clone->secret = xstrdup_or_null(task->secret);
    clone->seed = xstrdup_or_null(task->seed);
    clone->group_id = xstrdup_or_null(task->group_id);
    clone->last_failure_error = xstrdup_or_null(task->last_failure_error);
    return clone;
}

void sched_task_keep_runtime(struct sched_task *task, const struct sched_task *from)
{
    task->last_executed_at_us = from->last_executed_at_us;
    task->total_executions = from->total_executions;
    task->success_executions = from->success_executions;
    task->failure_executions = from->failure_executions;
    task->timeout_executions = from->timeout_executions;
    task->skipped_executions = from->skipped_executions;
    task->consecutive_failures = from->consecutive_failures;
    task->recent_outcomes = from->recent_outcomes;
    free(task->last_failure_error);
    task->last_failure_error = xstrdup_or_null(from->last_failure_error);
}

enum { OUTCOMES = 5, OUTCOME_FINE = 1, OUTCOME_FAILED = 2, OUTCOMES_MASK = (1 << (2 * OUTCOMES)) - 1 };

void end_counts_add(struct end_counts *c, enum execution_state state, int64_t finished_us, int64_t duration_ms, const char *error)
{
    bool success = state == EXECUTION_SUCCESS, failed = state == EXECUTION_FAILURE || state == EXECUTION_TIMEOUT;
    c->total++;
    c->success += success;
    c->failure += failed;
    c->timeout += state == EXECUTION_TIMEOUT;
    c->success_duration_ms += success ? duration_ms : 0;
    c->last_executed_us = finished_us;
    c->streak_broken |= success;
    c->streak = success ? 0 : c->streak + failed;
    c->outcome_count += c->outcome_count < OUTCOMES;
    c->outcomes = (c->outcomes << 2 | (failed ? OUTCOME_FAILED : OUTCOME_FINE)) & OUTCOMES_MASK;
    if (success || failed)
        c->last_error = failed && error ? error : "";
}

void sched_task_add_ends(struct sched_task *task, const struct end_counts *c)
{
    if (!c->total)
        return;
    task->total_executions += c->total;
    task->success_executions += c->success;
    task->failure_executions += c->failure;
    task->timeout_executions += c->timeout;
    task->last_executed_at_us = c->last_executed_us;
    task->consecutive_failures = (c->streak_broken ? 0 : task->consecutive_failures) + c->streak;
    task->recent_outcomes = (task->recent_outcomes << (2 * c->outcome_count) | c->outcomes) & OUTCOMES_MASK;
    if (!c->last_error)
        return;
    free(task->last_failure_error);
    task->last_failure_error = c->last_error[0] ? xstrdup(c->last_error) : NULL;
}

enum task_health sched_task_health(const struct sched_task *task)
{
    if (!task->recent_outcomes)
        return HEALTH_UNKNOWN;
    int failures = 0;
    for (int i = 0; i < OUTCOMES; i++)
        failures += ((task->recent_outcomes >> (2 * i)) & 3) == OUTCOME_FAILED;
    return failures == 0 ? HEALTH_HEALTHY : failures < 3 ? HEALTH_WARNING : HEALTH_CRITICAL;
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* No zone is UTC, and is stored as that. */
static bool same_zone(const char *a, const char *b)
{
    return strcmp(a ? a : "UTC", b ? b : "UTC") == 0;
}

static bool same_schedule(const struct sched_task *a, const struct sched_task *b)
{
    return a->is_recurring == b->is_recurring && same_text(a->cron_expr, b->cron_expr) && same_text(a->calendar, b->calendar) &&
           same_zone(a->timezone, b->timezone) && same_text(a->seed, b->seed) && a->interval_s == b->interval_s &&
           a->run_at_us == b->run_at_us && a->anchor_us == b->anchor_us && a->gap == b->gap && a->fold == b->fold &&
           a->jitter_s == b->jitter_s;
}

static bool same_policies(const struct sched_task *a, const struct sched_task *b)
{
    return a->max_duration_s == b->max_duration_s && a->max_retries == b->max_retries &&
           a->timeout_grace_period_s == b->timeout_grace_period_s && a->max_concurrent == b->max_concurrent &&
           a->misfire == b->misfire && a->start_deadline_s == b->start_deadline_s && a->overlap == b->overlap &&
           a->backoff.base_ms == b->backoff.base_ms && a->backoff.cap_ms == b->backoff.cap_ms &&
           a->backoff.jitter_percent == b->backoff.jitter_percent && a->memory_bytes == b->memory_bytes &&
           a->cpu_percent == b->cpu_percent && a->pids == b->pids;
}

/* The program's part of the definition, whole: half of an old schedule and half of a new one make none. */
struct sched_task *sched_task_redeclare(const struct sched_task *task, const struct sched_task *declared)
{
    if (task->type == declared->type && same_text(task->description, declared->description) &&
        same_text(task->data, declared->data) && same_text(task->group_id, declared->group_id) && same_schedule(task, declared) &&
        same_policies(task, declared))
        return NULL;
    struct sched_task *next = sched_task_clone(declared), *kept = sched_task_clone(task);
    next->id = task->id;
    next->uid = task->uid;
    next->enabled = task->enabled;
    next->priority = task->priority;
    next->version = task->version;
    next->created_at_us = task->created_at_us;
    next->next_run_us = task->next_run_us;
    free_labels(next);
    next->labels = kept->labels;
    next->label_count = kept->label_count;
    kept->labels = NULL;
    kept->label_count = 0;
    if (!next->secret) {
        next->secret = kept->secret;
        kept->secret = NULL;
    }
    sched_task_keep_runtime(next, task);
    sched_task_free(kept);
    return next;
}
