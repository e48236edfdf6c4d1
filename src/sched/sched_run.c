/* SPDX-License-Identifier: Apache-2.0 */
/* From ready to finished: order and places (SCH-03, SCH-04, SCH-06), starts, time-outs with grace (SCH-35..39),
 * retries inside one execution (SCH-45..47), ends. An effect starts only after its claim is on disk. */
#include "sched/scheduler_priv.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sched/retry.h"

#include <stdio.h>
#include <string.h>

/* Ageing (SCH-04): ten seconds of waiting weigh as much as one point of priority. */
enum { AGEING_US_PER_POINT = 10 * US_PER_S };

void attempt_result_release(struct attempt_result *result)
{
    free(result->result);
    free(result->error_message);
    free(result->error_stack);
    *result = (struct attempt_result){0};
}

void handler_job_free(struct handler_job *job)
{
    if (!job)
        return;
    free(job->task_name);
    free(job->data);
    free(job->secret);
    free(job->timezone);
    free(job);
}

/* ---- order ---- */

static int64_t order_key(const struct execution *ex)
{
    int64_t since = ex->due_us > ex->created_us ? ex->due_us : ex->created_us;
    return since - (int64_t)ex->priority * AGEING_US_PER_POINT;
}

static struct execution *first_waiting(const struct task_runtime *rt)
{
    struct heap_node *node = heap_min(&rt->waiting);
    return node ? CONTAINER_OF(node, struct execution, place) : NULL;
}

/* The task stands among the ready ones while it has something to start and room for it. */
void sched_update_ready(struct scheduler *s, struct task_runtime *rt)
{
    bool may_start = rt->waiting.count > 0 && rt->running < rt->task->max_concurrent && rt->fits;
    if (may_start)
        heap_set(&s->ready, &rt->ready_place, heap_min_key(&rt->waiting));
    else if (rt->ready_place.position)
        heap_remove(&s->ready, &rt->ready_place);
}

static bool is_internal(const struct execution *ex)
{
    return task_type_is_internal(ex->task->task->type);
}

void sched_take_place(struct scheduler *s, struct execution *ex)
{
    must(!ex->holds_place);
    ex->holds_place = true;
    ex->task->running++;
    if (!is_internal(ex)) /* maintenance is never blocked by user work, nor the other way round (SCH-06) */
        s->running++;
}

static void leave_place(struct scheduler *s, struct execution *ex)
{
    if (!ex->holds_place)
        return;
    ex->holds_place = false;
    ex->task->running--;
    if (!is_internal(ex))
        s->running--;
    sched_update_ready(s, ex->task);
}

static bool has_capacity(const struct scheduler *s, const struct task_runtime *rt)
{
    return s->running < s->options.capacity || task_type_is_internal(rt->task->type);
}

/* ---- timers ---- */

/* Timers run on monotonic time: a step of the wall clock neither shortens nor stretches a run. */
void sched_set_timer(struct scheduler *s, struct execution *ex, int64_t wall_us)
{
    heap_set(&s->timers, &ex->timer, s->mono.us + (wall_us - s->now.us));
}

static void clear_timer(struct scheduler *s, struct execution *ex)
{
    if (ex->timer.position)
        heap_remove(&s->timers, &ex->timer);
}

/* ---- making and forgetting ---- */

static char *unique_map_key(const struct task_runtime *rt, const char *unique_key)
{
    size_t n = strlen(unique_key) + 24;
    char *key = xmalloc(n);
    (void)snprintf(key, n, "%lld:%s", (long long)rt->task->id, unique_key);
    return key;
}

static char *copy_or_null(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static void add_to_memory(struct scheduler *s, struct execution *ex)
{
    (void)int_map_put(&s->executions, ex->id, ex);
    list_push_back(&ex->task->executions, &ex->siblings);
    if (ex->unique_key) {
        ex->map_key = unique_map_key(ex->task, ex->unique_key);
        (void)map_put(&s->unique_keys, str_of(ex->map_key), ex);
    }
}

struct execution *sched_new_execution(struct scheduler *s, struct task_runtime *rt, const struct new_execution *request,
                                      struct sched_work *work)
{
    struct execution *ex = xcalloc(1, sizeof *ex);
    ex->id = s->next_execution_id++;
    ex->uid = uuid_v7_numbered(s->now.us, ex->id);
    ex->task = rt;
    ex->cause = request->cause;
    ex->priority = request->priority;
    ex->scheduled_us = request->scheduled_us;
    ex->created_us = s->now.us > s->last_order_us ? s->now.us : s->last_order_us + 1; /* keeps the order of arrival */
    s->last_order_us = ex->created_us;
    ex->due_us = request->due_us;
    ex->trigger_by = copy_or_null(request->trigger_by);
    ex->unique_key = copy_or_null(request->unique_key);
    ex->override_data = copy_or_null(request->override_data);
    add_to_memory(s, ex);

    /* With a free place and nobody waiting, it is inserted already claimed: one write instead of two. */
    bool at_once = ex->due_us <= s->now.us && rt->fits && !rt->instant && !rt->waiting.count && !s->ready.count &&
                   rt->running < rt->task->max_concurrent && has_capacity(s, rt) && !s->stopping;
    ex->phase = at_once ? PHASE_STARTING : PHASE_RECORDING;
    ex->state = at_once ? EXECUTION_RUNNING : EXECUTION_PENDING;
    if (at_once) {
        ex->attempt = 1;
        sched_take_place(s, ex);
    }
    *WORK_ADD(&work->inserts) = (struct execution_insert){
        .id = ex->id, .uid = ex->uid, .task_id = rt->task->id, .snapshot_id = rt->snapshot_id, .cause = ex->cause,
        .shifted = request->shifted, .priority = ex->priority, .scheduled_us = ex->scheduled_us,
        .created_us = s->now.us, .due_us = ex->due_us, .started_us = at_once ? s->now.us : 0,
        .trigger_by = ex->trigger_by, .unique_key = ex->unique_key, .override_data = ex->override_data,
        .has_retry_of = request->retry_of != NULL,
        .retry_of = request->retry_of ? *request->retry_of : (struct uuid){{0}},
    };
    return ex;
}

struct execution *sched_restore_execution(struct scheduler *s, struct task_runtime *rt, const struct execution_active *active)
{
    struct execution *ex = xcalloc(1, sizeof *ex);
    *ex = (struct execution){
        .id = active->id, .uid = active->uid, .task = rt, .state = active->state, .cause = active->cause,
        .priority = active->priority, .attempt = active->attempt, .fence = active->fence,
        .scheduled_us = active->scheduled_us, .created_us = active->created_us, .due_us = active->due_us,
        .started_us = active->started_us, .attempt_started_us = active->started_us, .trigger_by = active->trigger_by,
        .unique_key = active->unique_key, .override_data = active->override_data, .cancelled_by = active->cancelled_by,
        .cancel_reason = active->cancel_reason, .recovered = true};
    add_to_memory(s, ex);
    return ex;
}

void sched_forget_execution(struct scheduler *s, struct execution *ex)
{
    struct task_runtime *rt = ex->task;
    clear_timer(s, ex);
    if (ex->place.position)
        heap_remove(&rt->waiting, &ex->place);
    leave_place(s, ex);
    sched_update_ready(s, rt);
    list_remove(&rt->executions, &ex->siblings);
    (void)int_map_remove(&s->executions, ex->id);
    if (ex->map_key && map_get(&s->unique_keys, str_of(ex->map_key)) == ex)
        (void)map_remove(&s->unique_keys, str_of(ex->map_key));
    free(ex->trigger_by);
    free(ex->unique_key);
    free(ex->override_data);
    free(ex->cancel_reason);
    free(ex->cancelled_by);
    free(ex->attempts_json);
    free(ex->last_error);
    free(ex->map_key);
    free(ex);
    sched_forget_if_gone(s, rt);
}

void sched_make_ready(struct scheduler *s, struct execution *ex)
{
    if (ex->due_us > s->now.us) {
        ex->phase = PHASE_WAITING;
        sched_set_timer(s, ex, ex->due_us);
        return;
    }
    ex->phase = PHASE_READY;
    heap_add(&ex->task->waiting, &ex->place, order_key(ex));
    sched_update_ready(s, ex->task);
}

/* ---- starting ---- */

static struct handler_job *make_job(const struct scheduler *s, const struct execution *ex)
{
    const struct sched_task *task = ex->task->task;
    struct handler_job *job = xcalloc(1, sizeof *job);
    *job = (struct handler_job){
        .execution_id = ex->id, .uid = ex->uid, .attempt = ex->attempt, .fence = ex->fence,
        .scheduled_us = ex->scheduled_us, .started_us = s->now.us,
        .deadline_us = s->now.us + task->max_duration_s * US_PER_S,
        .task_name = xstrdup(task->name), .data = xstrdup(ex->override_data ? ex->override_data : task->data ? task->data : ""),
        .secret = copy_or_null(task->secret), .timezone = copy_or_null(task->timezone),
        .memory_bytes = task->memory_bytes, .cpu_percent = task->cpu_percent, .pids = task->pids,
    };
    return job;
}

static void count_start(const struct execution *ex)
{
    char labels[320];
    (void)snprintf(labels, sizeof labels, "type=\"%s\"", task_type_name(ex->task->task->type));
    metric_add(metric_get(METRIC_COUNTER, "horae_executions_started_total", "Attempts started, by type.", labels), 1);
}

/* Its claim is on disk: now the effect may begin. */
static void start_attempt(struct scheduler *s, struct execution *ex)
{
    ex->state = EXECUTION_RUNNING;
    ex->attempt_started_us = s->now.us;
    if (!ex->started_us)
        ex->started_us = s->now.us;
    if (ex->stop != STOP_NONE || s->stopping) { /* cancelled, or the server stops, while the claim was on its way */
        struct attempt_result none = {.interrupted = ex->stop == STOP_NONE, .finished_us = s->now.us};
        ex->phase = PHASE_ACTIVE;
        sched_attempt_ended(s, ex->id, ex->attempt, &none);
        return;
    }
    ex->phase = PHASE_ACTIVE;
    sched_set_timer(s, ex, s->now.us + ex->task->task->max_duration_s * US_PER_S);
    count_start(ex);
    if (ex->cause == CAUSE_SCHEDULE && ex->attempt == 1)
        metric_observe(s->metric_lateness, s->now.us - ex->scheduled_us);
    scheduler_publish_execution(s, ex, "execution.updated");
    struct handler_job *job = make_job(s, ex);
    const struct handler *handler = ex->task->handler;
    struct err err;
    enum err_code code = handler ? handler->start(handler->context, job, &err)
                                 : err_set(&err, ERR_NOT_FOUND, NULL, "no handler for task type %s", task_type_name(ex->task->task->type));
    if (code == OK)
        return;
    handler_job_free(job);
    struct attempt_result failed = {.error_message = xstrdup(err.message), .finished_us = s->now.us};
    sched_attempt_ended(s, ex->id, ex->attempt, &failed);
    attempt_result_release(&failed);
}

/* A run without an effect outside ends in the same write that would claim it. */
static void run_instantly(struct scheduler *s, struct execution *ex)
{
    ex->attempt++;
    ex->started_us = ex->attempt_started_us = s->now.us;
    ex->progress = 100;
    count_start(ex);
    if (ex->cause == CAUSE_SCHEDULE)
        metric_observe(s->metric_lateness, s->now.us - ex->scheduled_us);
    struct attempt_result result = {.success = true, .finished_us = s->now.us};
    const char *data = ex->override_data ? ex->override_data : ex->task->task->data;
    result.result = task_type_instant_result(data);
    sched_finish(s, ex, EXECUTION_SUCCESS, &result, scheduler_step_work(s));
    attempt_result_release(&result);
}

static void claim(struct scheduler *s, struct execution *ex)
{
    if (!ex->holds_place)
        sched_take_place(s, ex);
    ex->phase = PHASE_STARTING;
    ex->attempt++;
    *WORK_ADD(&scheduler_step_work(s)->claims) =
        (struct execution_claim){.id = ex->id, .attempt = ex->attempt, .started_us = s->now.us};
}

void sched_admit(struct scheduler *s)
{
    if (s->step && work_size(s->step) >= WORK_ROWS_MAX)
        return; /* the rest with the next step: rows per transaction are bounded */
    while (s->ready.count && work_size(scheduler_step_work(s)) < WORK_ROWS_MAX) {
        struct task_runtime *rt = CONTAINER_OF(heap_min(&s->ready), struct task_runtime, ready_place);
        if (!has_capacity(s, rt))
            break;
        struct execution *ex = first_waiting(rt);
        heap_remove(&rt->waiting, &ex->place);
        if (rt->instant && !ex->override_data)
            run_instantly(s, ex);
        else
            claim(s, ex);
        sched_update_ready(s, rt);
    }
}

void sched_inserted(struct scheduler *s, struct sched_work *work)
{
    for (size_t i = 0; i < work->inserts.count; i++) {
        const struct execution_insert *row = &work->inserts.rows[i];
        struct execution *ex = int_map_get(&s->executions, row->id);
        if (!ex)
            continue;
        if (work->code != OK || row->lost) {
            sched_forget_execution(s, ex);
            continue;
        }
        scheduler_publish_execution(s, ex, "execution.created");
        if (row->started_us) {
            ex->fence = row->fence;
            start_attempt(s, ex);
        } else if (ex->stop != STOP_NONE) {
            sched_finish(s, ex, EXECUTION_CANCELLED, NULL, scheduler_step_work(s));
        } else {
            sched_make_ready(s, ex);
        }
    }
}

void sched_claimed(struct scheduler *s, struct sched_work *work)
{
    for (size_t i = 0; i < work->claims.count; i++) {
        struct execution *ex = int_map_get(&s->executions, work->claims.rows[i].id);
        if (!ex)
            continue;
        if (work->claims.rows[i].lost) {
            log_warn("scheduler", "execution %lld was changed by somebody else; it is left alone", (long long)ex->id);
            sched_forget_execution(s, ex);
            continue;
        }
        ex->fence = work->claims.rows[i].fence;
        start_attempt(s, ex);
    }
}

/* ---- stopping one ---- */

void sched_stop_attempt(struct scheduler *s, struct execution *ex, enum stop_cause cause)
{
    if (ex->stop == STOP_NONE)
        ex->stop = cause;
    if (ex->phase != PHASE_ACTIVE)
        return; /* a claim on its way notices when it arrives; a stopping one is being stopped */
    ex->phase = PHASE_STOPPING;
    sched_set_timer(s, ex, s->now.us + ex->task->task->timeout_grace_period_s * US_PER_S);
    const struct handler *handler = ex->task->handler;
    if (handler)
        handler->stop(handler->context, ex->id, ex->attempt, false);
}

static void force(struct execution *ex)
{
    ex->phase = PHASE_KILLED;
    ex->grace_passed = true;
    const struct handler *handler = ex->task->handler;
    if (handler)
        handler->stop(handler->context, ex->id, ex->attempt, true);
}

void sched_run_timers(struct scheduler *s)
{
    while (heap_min_key(&s->timers) <= s->mono.us) {
        struct execution *ex = CONTAINER_OF(heap_pop(&s->timers), struct execution, timer);
        switch (ex->phase) {
        case PHASE_WAITING:
            if (ex->due_us > s->now.us) /* the wall clock went back */
                sched_set_timer(s, ex, ex->due_us);
            else if (ex->holds_place)
                claim(s, ex); /* kept its place through the backoff */
            else
                sched_make_ready(s, ex);
            break;
        case PHASE_ACTIVE: sched_stop_attempt(s, ex, STOP_DEADLINE); break;
        case PHASE_STOPPING: force(ex); break;
        case PHASE_RECORDING:
        case PHASE_READY:
        case PHASE_STARTING:
        case PHASE_KILLED:
        case PHASE_FINISHING: break;
        }
    }
}

/* ---- the end of an attempt ---- */

static enum execution_state outcome_of(const struct scheduler *s, const struct execution *ex, const struct attempt_result *r)
{
    (void)s;
    switch (ex->stop) {
    case STOP_DEADLINE: return EXECUTION_TIMEOUT; /* also when it ended well within its grace (CON-12) */
    case STOP_CANCEL: return EXECUTION_CANCELLED;
    case STOP_SHUTDOWN: return r->success ? EXECUTION_SUCCESS : EXECUTION_INTERRUPTED;
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
        (void)snprintf(text, sizeof text, ex->grace_passed ? "deadline of %lld s exceeded; grace period of %lld s exceeded, stopped by force"
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
    return (state == EXECUTION_FAILURE || state == EXECUTION_TIMEOUT) && ex->attempt <= task->max_retries &&
           task->enabled && !ex->task->deleted && !s->stopping; /* SCH-39, SCH-47 */
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
    ex->last_error = copy_or_null(r->error_message);
    *WORK_ADD(&scheduler_step_work(s)->backoffs) = (struct execution_backoff){
        .id = ex->id, .fence = ex->fence, .due_us = ex->due_us, .now_us = s->now.us,
        .error_message = copy_or_null(r->error_message), .error_stack = copy_or_null(r->error_stack),
        .attempts = copy_or_null(ex->attempts_json),
    };
    scheduler_publish_execution(s, ex, "execution.updated");
}

void sched_attempt_ended(struct scheduler *s, int64_t id, int32_t attempt, struct attempt_result *result)
{
    struct execution *ex = int_map_get(&s->executions, id);
    bool works = ex && ex->attempt == attempt &&
                 (ex->phase == PHASE_ACTIVE || ex->phase == PHASE_STOPPING || ex->phase == PHASE_KILLED);
    if (!works)
        return; /* a late report of an attempt that has ended otherwise (SCH-73) */
    clear_timer(s, ex);
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

static void count_finish(const struct execution *ex, enum execution_state state, int64_t duration_us)
{
    char labels[360];
    const char *type = task_type_name(ex->task->task->type);
    (void)snprintf(labels, sizeof labels, "type=\"%s\",state=\"%s\"", type, execution_state_name(state));
    metric_add(metric_get(METRIC_COUNTER, "horae_executions_finished_total", "Executions finished, by type and state.", labels), 1);
    (void)snprintf(labels, sizeof labels, "type=\"%s\"", type);
    metric_observe(metric_get(METRIC_HISTOGRAM, "horae_execution_duration_seconds", "From first start to end.", labels), duration_us);
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
    clear_timer(s, ex);
    if (ex->place.position)
        heap_remove(&ex->task->waiting, &ex->place);
    int64_t started = ex->started_us ? ex->started_us : r->finished_us;
    int64_t duration_us = r->finished_us > started ? r->finished_us - started : 0;
    *WORK_ADD(&work->finishes) = (struct execution_finish){
        .id = ex->id, .fence = ex->fence, .instant = ex->attempt > 0 && ex->fence == 0, .state = state,
        .started_us = ex->started_us, .finished_us = started + duration_us, .attempt = ex->attempt, .progress = ex->progress,
        .result = r->result, .result_truncated = r->result_truncated,
        .error_message = r->error_message, .error_stack = r->error_stack,
        .attempts = ex->attempt > 1 ? copy_or_null(ex->attempts_json) : NULL,
        .cancel_reason = copy_or_null(ex->cancel_reason), .cancelled_by = copy_or_null(ex->cancelled_by),
    };
    r->result = r->error_message = r->error_stack = NULL; /* moved */
    const struct execution_finish *row = &work->finishes.rows[work->finishes.count - 1];
    count_finish(ex, state, duration_us);
    count_in_task(s, work, ex, state, row->finished_us, duration_us / US_PER_MS, row->error_message);
    ex->state = state;
    ex->phase = PHASE_FINISHING;
    leave_place(s, ex);
    sched_update_ready(s, ex->task);
}

void sched_finished(struct scheduler *s, struct sched_work *work)
{
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
