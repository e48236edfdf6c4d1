/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched_task.h"

#include "base/mem.h"
#include "base/panic.h"

#include <string.h>

static const char *const misfires[] = {"run_once", "run_all", "skip"};
static const char *const overlaps[] = {"skip", "queue_one", "queue_all", "cancel_running", "allow"};
static const char *const gaps[] = {"auto", "skip", "shift_forward", "run_at_edge"};
static const char *const folds[] = {"auto", "first", "last", "both"};
static const char *const healths[] = {"unknown", "healthy", "warning", "critical"};

const char *misfire_name(enum misfire_policy policy)
{
    return misfires[policy];
}

const char *overlap_name(enum overlap_policy policy)
{
    return overlaps[policy];
}

const char *gap_name(enum cron_gap gap)
{
    return gaps[gap];
}

const char *fold_name(enum cron_fold fold)
{
    return folds[fold];
}

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

enum { OUTCOMES = 5, OUTCOME_FINE = 1, OUTCOME_FAILED = 2 };

void sched_task_note_outcome(struct sched_task *task, bool success, bool failed)
{
    if (success)
        task->consecutive_failures = 0;
    if (failed)
        task->consecutive_failures++;
    int64_t kept = task->recent_outcomes & ((1 << (2 * (OUTCOMES - 1))) - 1);
    task->recent_outcomes = kept << 2 | (failed ? OUTCOME_FAILED : OUTCOME_FINE);
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

bool sched_task_redeclare(struct sched_task *task, const struct sched_task *declared)
{
    if (task->type == declared->type && same_text(task->description, declared->description) &&
        same_text(task->cron_expr, declared->cron_expr) && same_text(task->data, declared->data) &&
        task->interval_s == declared->interval_s && task->max_duration_s == declared->max_duration_s)
        return false;
    free(task->description);
    free(task->cron_expr);
    free(task->data);
    task->type = declared->type;
    task->description = xstrdup_or_null(declared->description);
    task->cron_expr = xstrdup_or_null(declared->cron_expr);
    task->data = xstrdup_or_null(declared->data);
    task->interval_s = declared->interval_s;
    task->max_duration_s = declared->max_duration_s;
    return true;
}
