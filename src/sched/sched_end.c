/* SPDX-License-Identifier: Apache-2.0 */
/* From running to finished: outcomes (SCH-37, DATA-14), retries inside one execution (SCH-45..47), counters (SCH-30). */
#include "sched/scheduler_priv.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/retry.h"
#include "sched/end_alert.h"

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
    if (r->success)
        return EXECUTION_SUCCESS;
    /* Told to end at its deadline by a server that was killed before it did: the next one only sees the signal. */
    bool overdue = ex->adopted && r->finished_us - ex->attempt_started_us >= ex->task->task->max_duration_s * US_PER_S;
    return overdue ? EXECUTION_TIMEOUT : EXECUTION_FAILURE;
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

static bool wants_retry(const struct execution *ex, enum execution_state state)
{
    const struct sched_task *task = ex->task->task;
    return (state == EXECUTION_FAILURE || state == EXECUTION_TIMEOUT) && ex->attempt <= task->max_retries && task->enabled &&
           !ex->task->deleted; /* SCH-39, SCH-47; while the server stops, the next one makes the next attempt */
}

/* What is left of a backoff after a restart. It is known by wall time only, which may have moved since. A disabled task
 * has nothing to wait for (SCH-47). */
int64_t sched_backoff_left(const struct scheduler *s, const struct execution *ex)
{
    const struct retry_backoff *backoff = &ex->task->task->backoff;
    int64_t most = (backoff->cap_ms + backoff->cap_ms * backoff->jitter_percent / 100) * US_PER_MS, left = ex->due_us - s->now.us;
    return left < 0 || !ex->task->task->enabled ? 0 : left > most ? most : left;
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
    sched_set_timer(s, ex, wait_ms * US_PER_MS);
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

/* A text in quotes has its own quotes escaped: the last one found is the member of the last attempt. */
static enum execution_state last_outcome(const struct execution *ex)
{
    static const char key[] = "\"state\":\"timeout\"";
    const char *last = NULL, *at = ex->attempts_json;
    while (at && (at = strstr(at, "\"state\":\"")))
        last = at++;
    return last && strncmp(last, key, sizeof key - 1) == 0 ? EXECUTION_TIMEOUT : EXECUTION_FAILURE;
}

void sched_give_up(struct scheduler *s, struct execution *ex)
{
    struct attempt_result result = {
        .finished_us = s->now.us, .error_message = xstrdup_or_null(ex->last_error), .stack_is_stored = true};
    sched_finish(s, ex, last_outcome(ex), &result, scheduler_step_work(s));
    attempt_result_release(&result);
}

/* Who started it may forget it. Types with a memory of their own (commands) wait for this. */
static void tell_recorded(const struct scheduler *s, int64_t id, int32_t attempt)
{
    const struct execution *ex = int_map_get(&s->executions, id);
    for (size_t i = 0; i < s->options.handler_count; i++) {
        const struct handler *handler = &s->options.handlers[i];
        if (handler->recorded && (!ex || ex->task->handler == handler)) /* of an unknown execution: whoever knows it */
            handler->recorded(handler->context, id, attempt);
    }
}

void sched_acknowledge(struct scheduler *s, int64_t id, int32_t attempt)
{
    *WORK_ADD(&scheduler_step_work(s)->acknowledgements) = (struct acknowledgement){id, attempt};
}

void sched_attempt_ended(struct scheduler *s, int64_t id, int32_t attempt, struct attempt_result *result)
{
    struct execution *ex = int_map_get(&s->executions, id);
    bool works =
        ex && ex->attempt == attempt && (ex->phase == PHASE_ACTIVE || ex->phase == PHASE_STOPPING || ex->phase == PHASE_KILLED);
    if (!works) { /* a late report of an attempt that has ended otherwise (SCH-73), or one that is on its way to the store */
        if (!ex || ex->recorded_attempt >= attempt)
            sched_acknowledge(s, id, attempt);
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
    if (wants_retry(ex, state))
        back_off(s, ex, result);
    else
        sched_finish(s, ex, state, result, scheduler_step_work(s));
}

/* ---- finishing ---- */

void sched_finish(struct scheduler *s, struct execution *ex, enum execution_state state, struct attempt_result *result,
                  struct sched_work *work)
{
    must(execution_transition_allowed(ex->state, state) || ex->state == EXECUTION_PENDING);
    struct attempt_result none = {.finished_us = s->now.us};
    struct attempt_result *r = result ? result : &none;
    if (state == EXECUTION_SUCCESS)
        ex->progress = 100; /* SCH-26 */
    sched_clear_timer(s, ex);
    if (ex->place.position)
        heap_remove(&ex->task->waiting, &ex->place);
    int64_t started = ex->started_us ? ex->started_us : r->finished_us;
    int64_t duration_us = r->finished_us > started ? r->finished_us - started : 0;
    int64_t task_id = ex->task->task->id;
    int32_t change_row = (int32_t)(scheduler_change(s, work, ex->task) - work->tasks.rows);
    *WORK_ADD(&work->finishes) = (struct execution_finish){
        .id = ex->id,
        .fence = ex->fence,
        .instant = ex->attempt > 0 && ex->fence == 0,
        .state = state,
        .started_us = ex->started_us,
        .finished_us = started + duration_us,
        .duration_us = duration_us,
        .change_row = change_row,
        .stats_row = work_stats_row(work, task_id, (started + duration_us) / (3600 * (int64_t)US_PER_S)),
        .attempt = ex->attempt,
        .progress = ex->progress,
        .result = r->result,
        .result_truncated = r->result_truncated,
        .error_message = r->error_message,
        .error_stack = r->error_stack,
        .stack_is_stored = r->stack_is_stored,
        .attempts = ex->attempt > 1 ? xstrdup_or_null(ex->attempts_json) : NULL,
        .cancel_reason = xstrdup_or_null(ex->cancel_reason),
        .cancelled_by = xstrdup_or_null(ex->cancelled_by),
    };
    struct execution_finish *row = &work->finishes.rows[work->finishes.count - 1];
    row->alert = end_alert_new(s, ex, row);
    r->result = r->error_message = r->error_stack = NULL; /* moved */
    ex->state = state;
    ex->phase = PHASE_FINISHING;
    if (work == s->step) /* a command's work may be refused: then it goes on from its place */
        sched_pass_place(s, ex);
    sched_update_ready(s, ex->task);
}

/* The store refused the command that would have ended it: it waits on, as before. */
static void wait_on(struct scheduler *s, struct execution *ex)
{
    free(ex->cancelled_by);
    free(ex->cancel_reason);
    ex->cancelled_by = ex->cancel_reason = NULL;
    ex->stop = STOP_NONE;
    ex->state = ex->holds_place ? EXECUTION_RUNNING : EXECUTION_PENDING;
    if (!ex->holds_place) {
        sched_make_ready(s, ex);
        return;
    }
    ex->phase = PHASE_WAITING;
    sched_set_timer(s, ex, sched_backoff_left(s, ex));
}

static void end_recorded(struct scheduler *s, struct execution *ex, const struct execution_finish *row)
{
    if (row->lost)
        log_warn("scheduler", "execution %lld had another end or fence in the store; this end is dropped", (long long)ex->id);
    else
        execution_metrics_finished(&s->execution_metrics, ex->task->task->type, row->state, row->duration_us);
    scheduler_publish_execution(s, ex, "execution.updated");
    sched_forget_execution(s, ex);
}

static void backoff_recorded(struct scheduler *s, const struct execution_backoff *row)
{
    struct execution *ex = int_map_get(&s->executions, row->id);
    if (ex && ex->recorded_attempt < row->attempt)
        ex->recorded_attempt = row->attempt;
    tell_recorded(s, row->id, row->attempt);
}

void sched_finished(struct scheduler *s, struct sched_work *work)
{
    if (work->code == OK)
        end_alerts_committed(s, work);
    for (size_t i = 0; work->code == OK && i < work->backoffs.count; i++)
        backoff_recorded(s, &work->backoffs.rows[i]);
    for (size_t i = 0; work->code == OK && i < work->finishes.count; i++)
        if (!work->finishes.rows[i].instant)
            tell_recorded(s, work->finishes.rows[i].id, work->finishes.rows[i].attempt);
    for (size_t i = 0; work->code == OK && i < work->acknowledgements.count; i++)
        tell_recorded(s, work->acknowledgements.rows[i].execution_id, work->acknowledgements.rows[i].attempt);
    for (size_t i = 0; i < work->finishes.count; i++) {
        struct execution *ex = int_map_get(&s->executions, work->finishes.rows[i].id);
        if (!ex)
            continue;
        if (work->code == OK)
            end_recorded(s, ex, &work->finishes.rows[i]);
        else
            wait_on(s, ex);
    }
}

/* Of what is on disk now: counters of tasks in memory (SCH-30), metrics. */
void sched_count_committed(struct scheduler *s, struct sched_work *work)
{
    for (size_t i = 0; i < work->tasks.count; i++) {
        const struct task_change *change = &work->tasks.rows[i];
        metric_add(s->metric_expected, change->expected);
        for (int v = 0; v < VERDICT_COUNT; v++)
            metric_add(s->metric_verdicts[v], change->verdicts.n[v]);
        struct task_runtime *rt = int_map_get(&s->tasks, change->task_id);
        if (!rt)
            continue;
        rt->task->skipped_executions += change->skipped;
        sched_task_add_ends(rt->task, &change->ends);
    }
}

/* Newer reports replace older ones until they are sent: an outage must not collect them. */
void sched_progress(struct scheduler *s, int64_t id, int32_t attempt, int percent)
{
    struct execution *ex = int_map_get(&s->executions, id);
    if (!ex || ex->attempt != attempt || ex->phase != PHASE_ACTIVE || percent < 0 || percent > 100 || percent == ex->progress)
        return;
    ex->progress = percent;
    if (!ex->progress_queued)
        *WORK_ADD(&scheduler_step_work(s)->progress) = (struct progress_row){ex->id, ex->fence, percent};
    ex->progress_queued = true;
    scheduler_publish_execution(s, ex, "execution.updated");
}

void sched_fill_progress(struct sched_work *step)
{
    for (size_t i = 0; i < step->progress.count; i++) {
        struct execution *ex = int_map_get(&step->scheduler->executions, step->progress.rows[i].id);
        if (!ex)
            continue;
        ex->progress_queued = false;
        if (ex->fence == step->progress.rows[i].fence)
            step->progress.rows[i].percent = ex->progress;
    }
}
