/* SPDX-License-Identifier: Apache-2.0 */
/* From running to finished: outcomes (SCH-37, DATA-14), retries inside one execution (SCH-45..47), counters (SCH-30). */
#include "sched/scheduler_priv.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sched/retry.h"

#include <stdio.h>
#include <string.h>

/* ---- the end of an attempt ---- */

static enum execution_state outcome_of(const struct scheduler *s, const struct execution *ex, const struct attempt_result *r)
{
    (void)s;
    switch (ex->stop) {
    case STOP_DEADLINE: return EXECUTION_TIMEOUT; /* also when it ended well within its grace (CON-12) */
    case STOP_CANCEL: return EXECUTION_CANCELLED;
    case STOP_SHUTDOWN: /* exit 0 after SIGTERM says that it obeyed, not that it was done (rulings section 1, Stop) */
        return r->success && !task_type_is_kept(ex->task->task->type) ? EXECUTION_SUCCESS : EXECUTION_INTERRUPTED;
    case STOP_NONE: break;
    }
    if (r->interrupted)
        return EXECUTION_INTERRUPTED;
    return r->success ? EXECUTION_SUCCESS : EXECUTION_FAILURE;
}

static void name_outcome(const struct execution *ex, enum execution_state state, struct attempt_result *r)
{
    char text[160];
    if (state == EXECUTION_TIMEOUT)
        (void)snprintf(text, sizeof text,
                       ex->grace_passed ? "deadline of %lld s exceeded; grace period of %lld s exceeded, stopped by force"
                                        : "deadline of %lld s exceeded; exited within the grace period of %lld s",
                       (long long)ex->task->task->max_duration_s, (long long)ex->task->task->timeout_grace_period_s);
    else if (state == EXECUTION_CANCELLED)
        (void)snprintf(text, sizeof text, "cancelled%s", ex->grace_passed ? "; grace period exceeded, stopped by force" : "");
    else if (state == EXECUTION_INTERRUPTED)
        (void)snprintf(text, sizeof text, "%s", r->error_message ? r->error_message : "interrupted: the server stopped");
    else
        return;
    free(r->error_message);
    r->error_message = xstrdup(text);
}

/* {attempt, started_at, finished_at, state, error_message, fencing_token} (rulings section 1) */
static void note_attempt(struct execution *ex, enum execution_state state, const struct attempt_result *r)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (ex->attempts_json)
        buf_printf(&text, "%s,", ex->attempts_json);
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_put_int(&w, "attempt", ex->attempt);
    json_put_time(&w, "started_at", ex->attempt_started_us, 6);
    json_put_time(&w, "finished_at", r->finished_us, 6);
    json_put_text(&w, "state", execution_state_name(state));
    json_put_text_unless_empty(&w, "error_message", r->error_message);
    json_put_int(&w, "fencing_token", ex->fence);
    json_end_object(&w);
    free(ex->attempts_json);
    ex->attempts_json = buf_take(&text);
    buf_release(&text);
}

static bool wants_retry(const struct scheduler *s, const struct execution *ex, enum execution_state state)
{
    const struct sched_task *task = ex->task->task;
    return (state == EXECUTION_FAILURE || state == EXECUTION_TIMEOUT) && ex->attempt <= task->max_retries && task->enabled &&
           !ex->task->deleted && !s->stopping; /* SCH-39, SCH-47 */
}

/* A disabled task that was forced to run retries like an enabled one would not: it stops after this attempt. */
static void back_off(struct scheduler *s, struct execution *ex, struct attempt_result *r)
{
    const struct sched_task *task = ex->task->task;
    int64_t wait_ms = retry_backoff_ms(&task->backoff, ex->attempt, (uint64_t)ex->id);
    ex->phase = PHASE_WAITING; /* keeps its place and stays running (rulings, Deadline) */
    ex->stop = STOP_NONE;
    ex->grace_passed = false;
    ex->due_us = s->now.us + wait_ms * US_PER_MS;
    sched_set_timer(s, ex, ex->due_us);
    free(ex->last_error);
    ex->last_error = xstrdup_or_null(r->error_message);
    *WORK_ADD(&scheduler_step_work(s)->backoffs) = (struct execution_backoff){
        .id = ex->id,
        .fence = ex->fence,
        .due_us = ex->due_us,
        .now_us = s->now.us,
        .attempt = ex->attempt,
        .error_message = xstrdup_or_null(r->error_message),
        .error_stack = xstrdup_or_null(r->error_stack),
        .attempts = xstrdup_or_null(ex->attempts_json),
    };
    scheduler_publish_execution(s, ex, "execution.updated");
}

/* Who started it may forget it. Types with a memory of their own (commands) wait for this. */
void sched_tell_recorded(const struct scheduler *s, int64_t id, int32_t attempt)
{
    const struct execution *ex = int_map_get(&s->executions, id);
    for (size_t i = 0; i < s->options.handler_count; i++) {
        const struct handler *handler = &s->options.handlers[i];
        if (handler->recorded && (!ex || ex->task->handler == handler)) /* of an unknown execution: whoever knows it */
            handler->recorded(handler->context, id, attempt);
    }
}

void sched_attempt_ended(struct scheduler *s, int64_t id, int32_t attempt, struct attempt_result *result)
{
    struct execution *ex = int_map_get(&s->executions, id);
    bool works =
        ex && ex->attempt == attempt && (ex->phase == PHASE_ACTIVE || ex->phase == PHASE_STOPPING || ex->phase == PHASE_KILLED);
    if (!works) { /* a late report of an attempt that has ended otherwise (SCH-73), or one that is on its way to the store */
        if (!ex || ex->attempt > attempt)
            sched_tell_recorded(s, id, attempt);
        return;
    }
    sched_clear_timer(s, ex);
    if (!result->finished_us)
        result->finished_us = s->now.us;
    if (result->started_us) {
        if (attempt == 1)
            ex->started_us = result->started_us;
        ex->attempt_started_us = result->started_us;
    }
    enum execution_state state = outcome_of(s, ex, result);
    name_outcome(ex, state, result);
    note_attempt(ex, state, result);
    if (wants_retry(s, ex, state))
        back_off(s, ex, result);
    else
        sched_finish(s, ex, state, result, scheduler_step_work(s));
}

/* ---- finishing ---- */

static struct metric *finished_metric(int type, enum execution_state state)
{
    char labels[160];
    (void)snprintf(labels, sizeof labels, "type=\"%s\",state=\"%s\"", task_type_name(type), execution_state_name(state));
    return metric_get(METRIC_COUNTER, "horae_executions_finished_total", "Executions finished, by type and state.", labels);
}

static struct metric *duration_metric(int type)
{
    char labels[80];
    (void)snprintf(labels, sizeof labels, "type=\"%s\"", task_type_name(type));
    return metric_get(METRIC_HISTOGRAM, "horae_execution_duration_seconds", "From first start to end.", labels);
}

void sched_register_metrics(int type)
{
    char labels[80];
    (void)snprintf(labels, sizeof labels, "type=\"%s\"", task_type_name(type));
    (void)metric_get(METRIC_COUNTER, "horae_executions_started_total", "Attempts started, by type.", labels);
    (void)duration_metric(type);
    for (int state = EXECUTION_SUCCESS; state < EXECUTION_STATE_COUNT; state++)
        (void)finished_metric(type, (enum execution_state)state);
}

static void count_finish(const struct execution *ex, enum execution_state state, int64_t duration_us)
{
    int type = ex->task->task->type;
    metric_add(finished_metric(type, state), 1);
    metric_observe(duration_metric(type), duration_us);
}

static void add_stats(struct sched_work *work, int64_t task_id, int64_t hour, const struct stats_delta *add)
{
    struct stats_delta *row = NULL;
    if (work->stats.count) { /* neighbours are mostly of one task */
        struct stats_delta *last = &work->stats.rows[work->stats.count - 1];
        if (last->task_id == task_id && last->hour == hour)
            row = last;
    }
    if (!row) {
        row = WORK_ADD(&work->stats);
        *row = (struct stats_delta){.task_id = task_id, .hour = hour};
    }
    row->total++;
    row->success += add->success;
    row->failure += add->failure;
    row->success_duration_ms += add->success_duration_ms;
}

/* SCH-30, and the last five outcomes for SCH-84. */
static void count_in_task(struct scheduler *s, struct sched_work *work, struct execution *ex, enum execution_state state,
                          int64_t finished_us, int64_t duration_ms, const char *error)
{
    struct task_runtime *rt = ex->task;
    struct sched_task *task = rt->task;
    struct task_change *change = scheduler_change(s, work, rt);
    bool success = state == EXECUTION_SUCCESS, failed = state == EXECUTION_FAILURE || state == EXECUTION_TIMEOUT;
    struct stats_delta delta = {.success = success, .failure = failed, .success_duration_ms = success ? duration_ms : 0};
    change->total++;
    change->success += delta.success;
    change->failure += delta.failure;
    change->timeout += state == EXECUTION_TIMEOUT;
    change->success_duration_ms += delta.success_duration_ms;
    sched_task_note_outcome(task, success, failed);
    change->outcomes_set = true;
    change->consecutive_failures = task->consecutive_failures;
    change->recent_outcomes = task->recent_outcomes;
    change->last_executed_us = task->last_executed_at_us = finished_us;
    if (success || failed) {
        free(change->last_failure_error);
        change->last_failure_error = xstrdup(failed && error ? error : "");
        free(task->last_failure_error);
        task->last_failure_error = xstrdup(change->last_failure_error);
    }
    task->total_executions++;
    task->success_executions += success;
    task->failure_executions += failed;
    task->timeout_executions += state == EXECUTION_TIMEOUT;
    add_stats(work, task->id, finished_us / (3600 * (int64_t)US_PER_S), &delta);
}

void sched_finish(struct scheduler *s, struct execution *ex, enum execution_state state, struct attempt_result *result,
                  struct sched_work *work)
{
    must(execution_transition_allowed(ex->state, state) || ex->state == EXECUTION_PENDING);
    struct attempt_result none = {.finished_us = s->now.us};
    struct attempt_result *r = result ? result : &none;
    bool success = state == EXECUTION_SUCCESS;
    if (success)
        ex->progress = 100; /* SCH-26 */
    sched_clear_timer(s, ex);
    if (ex->place.position)
        heap_remove(&ex->task->waiting, &ex->place);
    int64_t started = ex->started_us ? ex->started_us : r->finished_us;
    int64_t duration_us = r->finished_us > started ? r->finished_us - started : 0;
    *WORK_ADD(&work->finishes) = (struct execution_finish){
        .id = ex->id,
        .fence = ex->fence,
        .instant = ex->attempt > 0 && ex->fence == 0,
        .state = state,
        .started_us = ex->started_us,
        .finished_us = started + duration_us,
        .attempt = ex->attempt,
        .progress = ex->progress,
        .result = r->result,
        .result_truncated = r->result_truncated,
        .error_message = r->error_message,
        .error_stack = r->error_stack,
        .attempts = ex->attempt > 1 ? xstrdup_or_null(ex->attempts_json) : NULL,
        .cancel_reason = xstrdup_or_null(ex->cancel_reason),
        .cancelled_by = xstrdup_or_null(ex->cancelled_by),
    };
    r->result = r->error_message = r->error_stack = NULL; /* moved */
    const struct execution_finish *row = &work->finishes.rows[work->finishes.count - 1];
    count_finish(ex, state, duration_us);
    count_in_task(s, work, ex, state, row->finished_us, duration_us / US_PER_MS, row->error_message);
    ex->state = state;
    ex->phase = PHASE_FINISHING;
    sched_leave_place(s, ex);
    sched_update_ready(s, ex->task);
}

void sched_finished(struct scheduler *s, struct sched_work *work)
{
    for (size_t i = 0; work->code == OK && i < work->backoffs.count; i++)
        sched_tell_recorded(s, work->backoffs.rows[i].id, work->backoffs.rows[i].attempt);
    for (size_t i = 0; work->code == OK && i < work->finishes.count; i++)
        if (!work->finishes.rows[i].instant)
            sched_tell_recorded(s, work->finishes.rows[i].id, work->finishes.rows[i].attempt);
    for (size_t i = 0; i < work->finishes.count; i++) {
        struct execution *ex = int_map_get(&s->executions, work->finishes.rows[i].id);
        if (!ex)
            continue;
        if (work->code != OK) { /* a command's work was refused: the execution is as before */
            ex->state = EXECUTION_PENDING;
            ex->stop = STOP_NONE;
            sched_make_ready(s, ex);
            continue;
        }
        if (work->finishes.rows[i].lost)
            log_warn("scheduler", "execution %lld had another end or fence in the store; this end is dropped", (long long)ex->id);
        scheduler_publish_execution(s, ex, "execution.updated");
        sched_forget_execution(s, ex);
    }
}

void sched_progress(struct scheduler *s, int64_t id, int32_t attempt, int percent)
{
    struct execution *ex = int_map_get(&s->executions, id);
    if (!ex || ex->attempt != attempt || ex->phase != PHASE_ACTIVE || percent < 0 || percent > 100 || percent == ex->progress)
        return;
    ex->progress = percent;
    *WORK_ADD(&scheduler_step_work(s)->progress) = (struct progress_row){ex->id, ex->fence, percent};
    scheduler_publish_execution(s, ex, "execution.updated");
}
