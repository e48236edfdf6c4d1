/* SPDX-License-Identifier: Apache-2.0 */
/* From ready to running: order and places (SCH-03, SCH-04, SCH-06), starts, time-outs with grace (SCH-35..39). An
 * effect starts only after its claim is on disk. Ends are sched_end.c. */
#include "sched/scheduler_priv.h"

#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/retry.h"

#include <stdio.h>
#include <string.h>

/* Ageing (SCH-04): ten seconds of waiting weigh as much as one point of priority. */
enum { AGEING_US_PER_POINT = 10 * US_PER_S };
#define INTERNAL_FIRST (INT64_MAX / 4)

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

/* Maintenance goes first: it takes no place of the instance, and must not wait behind those who wait for one. */
static int64_t ready_key(const struct task_runtime *rt)
{
    int64_t key = heap_min_key(&rt->waiting);
    return task_type_is_internal(rt->task->type) ? key - INTERNAL_FIRST : key;
}

/* The task stands among the ready ones while it has something to start and room for it. */
void sched_update_ready(struct scheduler *s, struct task_runtime *rt)
{
    bool may_start = rt->waiting.count > 0 && rt->running < rt->task->max_concurrent && rt->fits;
    if (may_start)
        heap_set(&s->ready, &rt->ready_place, ready_key(rt));
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
    sched_update_ready(s, ex->task);
}

void sched_leave_place(struct scheduler *s, struct execution *ex)
{
    if (!ex->holds_place)
        return;
    ex->holds_place = false;
    ex->task->running--;
    if (!is_internal(ex))
        s->running--;
    sched_update_ready(s, ex->task);
}

static void count_leaving(struct scheduler *s, const struct execution *ex, int32_t by)
{
    ex->task->leaving += by;
    if (!is_internal(ex))
        s->leaving += by;
}

void sched_pass_place(struct scheduler *s, struct execution *ex)
{
    if (!ex->holds_place)
        return;
    sched_leave_place(s, ex);
    ex->left_place = true;
    count_leaving(s, ex, 1);
}

static bool has_capacity(const struct scheduler *s, const struct task_runtime *rt)
{
    return s->running < s->options.capacity || task_type_is_internal(rt->task->type);
}

/* ---- timers ---- */

void sched_clear_timer(struct scheduler *s, struct execution *ex)
{
    if (ex->timer.position)
        heap_remove(ex->by_wall ? &s->due : &s->timers, &ex->timer);
}

void sched_set_timer(struct scheduler *s, struct execution *ex, int64_t delay_us)
{
    sched_clear_timer(s, ex);
    ex->by_wall = false;
    heap_add(&s->timers, &ex->timer, s->mono.us + delay_us);
}

void sched_set_due(struct scheduler *s, struct execution *ex)
{
    sched_clear_timer(s, ex);
    ex->by_wall = true;
    heap_add(&s->due, &ex->timer, ex->due_us);
}

/* ---- making and forgetting ---- */

int32_t sched_load_of(const struct task_runtime *rt)
{
    return (int32_t)rt->executions.count - rt->later;
}

/* A run_at to come. Slots with jitter, and retries in their backoff, have begun. */
static void note_later(const struct scheduler *s, struct execution *ex)
{
    ex->later = ex->cause == CAUSE_MANUAL && ex->attempt == 0 && ex->due_us > s->now.us;
    ex->task->later += ex->later;
}

static void clear_later(struct execution *ex)
{
    ex->task->later -= ex->later;
    ex->later = false;
}

static char *unique_map_key(const struct task_runtime *rt, const char *unique_key)
{
    size_t n = strlen(unique_key) + 24;
    char *key = xmalloc(n);
    (void)snprintf(key, n, "%lld:%s", (long long)rt->task->id, unique_key);
    return key;
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

static bool starts_anything(const struct scheduler *s)
{
    return !s->stopping && !atomic_load_explicit(&s->draining, memory_order_relaxed);
}

/* With a free place and nobody waiting, it is inserted already claimed: one write instead of two. A place whose end is
 * not on disk yet is not free for that: this write may get there without it. */
static bool may_start_at_once(const struct scheduler *s, const struct task_runtime *rt)
{
    bool has_place = task_type_is_internal(rt->task->type) || s->running + s->leaving < s->options.capacity;
    return has_place && rt->running + rt->leaving < rt->task->max_concurrent && rt->fits && !rt->instant && !rt->waiting.count &&
           !s->ready.count && starts_anything(s);
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
    ex->trigger_by = xstrdup_or_null(request->trigger_by);
    ex->unique_key = xstrdup_or_null(request->unique_key);
    ex->override_data = xstrdup_or_null(request->override_data);
    add_to_memory(s, ex);
    note_later(s, ex);

    bool at_once = ex->due_us <= s->now.us && may_start_at_once(s, rt);
    ex->phase = at_once ? PHASE_STARTING : PHASE_RECORDING;
    ex->state = at_once ? EXECUTION_RUNNING : EXECUTION_PENDING;
    if (at_once) {
        ex->attempt = 1;
        sched_take_place(s, ex);
    }
    *WORK_ADD(&work->inserts) = (struct execution_insert){
        .id = ex->id,
        .uid = ex->uid,
        .task_id = rt->task->id,
        .snapshot_id = rt->snapshot_id,
        .cause = ex->cause,
        .shifted = request->shifted,
        .priority = ex->priority,
        .scheduled_us = ex->scheduled_us,
        .created_us = s->now.us,
        .due_us = ex->due_us,
        .started_us = at_once ? s->now.us : 0,
        .trigger_by = ex->trigger_by,
        .unique_key = ex->unique_key,
        .override_data = ex->override_data,
        .has_retry_of = request->retry_of != NULL,
        .retry_of = request->retry_of ? *request->retry_of : (struct uuid){{0}},
    };
    return ex;
}

struct execution *sched_restore_execution(struct scheduler *s, struct task_runtime *rt, const struct execution_active *active)
{
    struct execution *ex = xcalloc(1, sizeof *ex);
    *ex = (struct execution){.id = active->id,
                             .uid = active->uid,
                             .task = rt,
                             .state = active->state,
                             .cause = active->cause,
                             .priority = active->priority,
                             .in_store = true,
                             .attempt = active->attempt,
                             .recorded_attempt = active->claimed ? active->attempt - 1 : active->attempt,
                             .fence = active->fence,
                             .scheduled_us = active->scheduled_us,
                             .created_us = active->created_us,
                             .due_us = active->due_us,
                             .started_us = active->started_us,
                             /* a later attempt began when its backoff was over; a keeper knows better */
                             .attempt_started_us =
                                 active->attempt > 1 && active->due_us > active->started_us ? active->due_us : active->started_us,
                             .trigger_by = active->trigger_by,
                             .unique_key = active->unique_key,
                             .override_data = active->override_data,
                             .cancelled_by = active->cancelled_by,
                             .cancel_reason = active->cancel_reason};
    add_to_memory(s, ex);
    note_later(s, ex);
    return ex;
}

void sched_free_execution(struct execution *ex)
{
    free(ex->trigger_by);
    free(ex->unique_key);
    free(ex->override_data);
    free(ex->cancel_reason);
    free(ex->cancelled_by);
    free(ex->attempts_json);
    free(ex->last_error);
    free(ex->map_key);
    free(ex);
}

void sched_forget_execution(struct scheduler *s, struct execution *ex)
{
    struct task_runtime *rt = ex->task;
    sched_clear_timer(s, ex);
    if (ex->place.position)
        heap_remove(&rt->waiting, &ex->place);
    sched_leave_place(s, ex);
    if (ex->left_place)
        count_leaving(s, ex, -1);
    clear_later(ex);
    sched_update_ready(s, rt);
    list_remove(&rt->executions, &ex->siblings);
    (void)int_map_remove(&s->executions, ex->id);
    if (ex->map_key && map_get(&s->unique_keys, str_of(ex->map_key)) == ex)
        (void)map_remove(&s->unique_keys, str_of(ex->map_key));
    sched_free_execution(ex);
    sched_forget_if_gone(s, rt);
}

void sched_make_ready(struct scheduler *s, struct execution *ex)
{
    if (ex->due_us > s->now.us) {
        ex->phase = PHASE_WAITING;
        sched_set_due(s, ex);
        return;
    }
    ex->phase = PHASE_READY;
    clear_later(ex);
    heap_add(&ex->task->waiting, &ex->place, order_key(ex));
    sched_update_ready(s, ex->task);
}

/* ---- starting ---- */

static struct handler_job *make_job(const struct scheduler *s, const struct execution *ex)
{
    const struct sched_task *task = ex->task->task;
    struct handler_job *job = xcalloc(1, sizeof *job);
    *job = (struct handler_job){
        .execution_id = ex->id,
        .uid = ex->uid,
        .attempt = ex->attempt,
        .fence = ex->fence,
        .scheduled_us = ex->scheduled_us,
        .started_us = s->now.us,
        .deadline_us = s->now.us + task->max_duration_s * US_PER_S,
        .task_name = xstrdup(task->name),
        .data = xstrdup(ex->override_data ? ex->override_data
                        : task->data      ? task->data
                                          : ""),
        .secret = xstrdup_or_null(task->secret),
        .timezone = xstrdup_or_null(task->timezone),
        .memory_bytes = task->memory_bytes,
        .cpu_percent = task->cpu_percent,
        .pids = task->pids,
    };
    return job;
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
    sched_set_timer(s, ex, ex->task->task->max_duration_s * US_PER_S);
    execution_metrics_started(&s->execution_metrics, ex->task->task->type);
    if (ex->cause == CAUSE_SCHEDULE && ex->attempt == 1)
        metric_observe(s->metric_lateness, s->now.us - ex->scheduled_us);
    scheduler_publish_execution(s, ex, "execution.updated");
    struct handler_job *job = make_job(s, ex);
    const struct handler *handler = ex->task->handler;
    struct err err;
    enum err_code code =
        handler ? handler->start(handler->context, job, &err)
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
    execution_metrics_started(&s->execution_metrics, ex->task->task->type);
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
    *WORK_ADD(&scheduler_step_work(s)->claims) = (struct claim){.id = ex->id, .attempt = ex->attempt, .now_us = s->now.us};
}

void sched_admit(struct scheduler *s)
{
    while (s->ready.count && !scheduler_step_is_full(s)) { /* the rest with the next step */
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
        ex->in_store = true;
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
    sched_set_timer(s, ex, ex->task->task->timeout_grace_period_s * US_PER_S);
    const struct handler *handler = ex->task->handler;
    if (handler)
        handler->stop(handler->context, ex->id, ex->attempt, false);
}

void sched_force_attempt(struct execution *ex)
{
    ex->phase = PHASE_KILLED;
    ex->grace_passed = true;
    const struct handler *handler = ex->task->handler;
    if (handler)
        handler->stop(handler->context, ex->id, ex->attempt, true);
}

/* Their time has come. */
static void run_due(struct scheduler *s)
{
    while (heap_min_key(&s->due) <= s->now.us)
        sched_make_ready(s, CONTAINER_OF(heap_pop(&s->due), struct execution, timer));
}

void sched_run_timers(struct scheduler *s)
{
    if (!s->stopping)
        run_due(s);
    while (heap_min_key(&s->timers) <= s->mono.us) {
        struct execution *ex = CONTAINER_OF(heap_pop(&s->timers), struct execution, timer);
        switch (ex->phase) {
        case PHASE_WAITING:
            if (s->stopping) /* the next server goes on with it */
                break;
            if (ex->task->task->enabled)
                claim(s, ex); /* kept its place through the backoff */
            else
                sched_give_up(s, ex);
            break;
        case PHASE_ACTIVE: sched_stop_attempt(s, ex, STOP_DEADLINE); break;
        case PHASE_STOPPING: sched_force_attempt(ex); break;
        case PHASE_RECORDING:
        case PHASE_READY:
        case PHASE_STARTING:
        case PHASE_KILLED:
        case PHASE_FINISHING: break;
        }
    }
}
