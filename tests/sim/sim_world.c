/* SPDX-License-Identifier: Apache-2.0 */
/* The world in which attempts run: a keeper whose commands outlive servers, calls over a network, sleepers inside the
 * server. They take their time, fail, hang, ignore signals, report progress, and their ends get lost on the way until
 * somebody has written them down. What the scheduler does to them is judged here. */
#include "sim.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { SLACK_US = 20 * US_PER_MS };

/* ---- what is remembered ---- */

struct sim_history *sim_history_of(struct sim *sim, int64_t id)
{
    struct sim_history *history = int_map_get(&sim->history, id);
    if (!history) {
        history = xcalloc(1, sizeof *history);
        history->id = id;
        (void)int_map_put(&sim->history, id, history);
    }
    return history;
}

/* `attempt` 0: whichever. */
static struct sim_attempt *find(struct sim *sim, int64_t id, int32_t attempt)
{
    for (struct list_node *node = list_first(&sim->attempts); node; node = list_next(&sim->attempts, node)) {
        struct sim_attempt *a = CONTAINER_OF(node, struct sim_attempt, node);
        if (a->id == id && (!attempt || a->attempt == attempt))
            return a;
    }
    return NULL;
}

static void count_live(struct sim_attempt *a, int by)
{
    a->task->live += by;
    if (!a->internal)
        a->sim->live += by;
}

static void forget(struct sim_attempt *a)
{
    sim_note(a->sim, "execution %lld attempt %d of %s is forgotten%s", (long long)a->id, a->attempt, a->task->name,
             a->state == SIM_ENDED ? "" : ", it was at work");
    if (a->state != SIM_ENDED)
        count_live(a, -1);
    sim_cancel_event(a->sim, &a->next);
    list_remove(&a->sim->attempts, &a->node);
    free(a);
}

/* ---- ends ---- */

static void report(struct sim_attempt *a)
{
    struct sim *sim = a->sim;
    struct attempt_result result = {.success = a->success, .finished_us = a->finished_wall};
    result.started_us = a->kept ? a->started_wall : 0;
    if (a->success)
        result.result = xstrdup("done");
    else
        result.error_message = xstrdup("exit status 1");
    struct sim_history *history = sim_history_of(sim, a->id);
    if (history->attempts == a->attempt && !history->last_end_mono) {
        history->last_end_mono = sim->clock.mono_us;
        history->last_end_life = sim->life;
    }
    sim->sink.ended(sim->sink.context, a->id, a->attempt, &result);
    attempt_result_release(&result);
}

/* The keeper repeats an end until it is acknowledged. */
static void tell_end(struct sim *sim, void *arg)
{
    struct sim_attempt *a = arg;
    a->next = NULL;
    bool heard = sim->alive && !sim->dying && (sim->quiet || !sim->plan.unruly || !sim_chance(sim, 0.1));
    if (heard)
        report(a);
    if (sim->alive)
        a->next = sim_after(sim, sim_range(sim, SECOND, 30 * SECOND), tell_end, a);
}

static void end(struct sim_attempt *a)
{
    struct sim *sim = a->sim;
    sim_note(sim, "execution %lld attempt %d of %s ends", (long long)a->id, a->attempt, a->task->name);
    count_live(a, -1);
    a->state = SIM_ENDED;
    a->finished_wall = sim->clock.wall_us;
    sim_cancel_event(sim, &a->next);
    if (!a->kept) { /* inside the server: nothing lies between */
        if (sim->alive && !sim->dying)
            report(a);
        forget(a);
    } else {
        a->next = sim_after(sim, sim_range(sim, 0, 3 * US_PER_MS), tell_end, a);
    }
}

static void end_event(struct sim *sim, void *arg)
{
    (void)sim;
    struct sim_attempt *a = arg;
    a->next = NULL;
    end(a);
}

/* ---- life ---- */

static void progress_event(struct sim *sim, void *arg);

static void live_on(struct sim_attempt *a)
{
    struct sim *sim = a->sim;
    if (sim->plan.unruly && sim_chance(sim, 0.2)) {
        a->next = sim_after(sim, sim_range(sim, 1, 5 * SECOND), progress_event, a);
        return;
    }
    if (a->hangs && !sim->quiet)
        return;
    int64_t dice = sim_range(sim, 0, 99), length;
    if (dice < 50)
        length = sim_range(sim, US_PER_MS, 2 * SECOND);
    else if (dice < 92)
        length = sim_range(sim, SECOND, 40 * SECOND);
    else
        length = sim_range(sim, 0, 2 * a->max_duration_us);
    a->next = sim_after(sim, length, end_event, a);
}

static void progress_event(struct sim *sim, void *arg)
{
    struct sim_attempt *a = arg;
    a->next = NULL;
    if (sim->alive && !sim->dying)
        sim->sink.progress(sim->sink.context, a->id, a->attempt, (int)sim_range(sim, -5, 105));
    live_on(a);
}

static void start_event(struct sim *sim, void *arg)
{
    struct sim_attempt *a = arg;
    a->next = NULL;
    a->state = SIM_RUNNING;
    a->started_mono = sim->clock.mono_us;
    a->started_wall = sim->clock.wall_us;
    live_on(a);
}

/* ---- what the scheduler asks for ---- */

static void judge_backoff(struct sim *sim, const struct sim_history *history, const struct sim_task *task)
{
    if (!history->last_end_mono || history->last_end_life != sim->life || task->relaxed_until > sim->clock.mono_us)
        return;
    int64_t waited = sim->clock.mono_us - history->last_end_mono, wait_ms = task->backoff.base_ms;
    for (int i = 1; i < history->attempts && wait_ms < task->backoff.cap_ms; i++)
        wait_ms *= 2;
    if (wait_ms > task->backoff.cap_ms)
        wait_ms = task->backoff.cap_ms;
    int64_t spread = wait_ms * task->backoff.jitter_percent / 100;
    if (waited + SLACK_US < (wait_ms - spread) * US_PER_MS)
        sim_fail(sim, "execution %lld: attempt %d began %lld ms after the end of the one before; the backoff is %lld ms",
                 (long long)history->id, history->attempts + 1, (long long)(waited / US_PER_MS), (long long)wait_ms);
    bool excused = sim->disturbed_mono >= history->last_end_mono || sim->plan.slow;
    if (!excused && waited > (wait_ms + spread) * US_PER_MS + 200 * US_PER_MS)
        sim_fail(sim, "execution %lld: attempt %d began %lld ms after the end of the one before; the backoff is only %lld ms",
                 (long long)history->id, history->attempts + 1, (long long)(waited / US_PER_MS), (long long)wait_ms);
}

static void judge_start(struct sim *sim, const struct handler_job *job, const struct execution *ex, struct sim_task *task)
{
    struct sim_history *history = sim_history_of(sim, job->execution_id);
    bool internal = task_type_is_internal(task->type);
    const struct sim_attempt *other = find(sim, job->execution_id, 0);
    if (other && other->state != SIM_ENDED)
        sim_fail(sim, "execution %lld: attempt %d begins while attempt %d is at work", (long long)job->execution_id, job->attempt,
                 other->attempt);
    if (job->attempt != history->attempts + 1)
        sim_fail(sim, "execution %lld: attempt %d after attempt %d", (long long)job->execution_id, job->attempt,
                 history->attempts);
    if (job->fence <= sim->last_fence)
        sim_fail(sim, "execution %lld: fence %lld was given after %lld", (long long)job->execution_id, (long long)job->fence,
                 (long long)sim->last_fence);
    if (task->live >= task->allowed_concurrent)
        sim_fail(sim, "task %s: attempt %d at once, max_concurrent %lld", task->name, task->live + 1,
                 (long long)task->allowed_concurrent);
    if (!internal && sim->live >= sim->plan.capacity)
        sim_fail(sim, "%d attempts at once, capacity %d", sim->live + 1, sim->plan.capacity);
    if (sim->drained_mono && job->attempt == 1)
        sim_fail(sim, "execution %lld begins while the server drains", (long long)job->execution_id);
    if (job->attempt > task->allowed_retries + 1)
        sim_fail(sim, "execution %lld: attempt %d, max_retries %lld", (long long)job->execution_id, job->attempt,
                 (long long)task->allowed_retries);
    if (job->attempt == 1 && ex->due_us > sim->clock.wall_us + sim->jumped_us)
        sim_fail(sim, "execution %lld begins before it is due", (long long)job->execution_id);
    if (job->attempt > 1)
        judge_backoff(sim, history, task);
    sim->last_fence = job->fence;
    history->attempts = job->attempt;
    history->fence = job->fence;
    history->last_end_mono = 0;
}

static enum err_code world_start(void *context, struct handler_job *job, struct err *err)
{
    struct sim *sim = context;
    const struct execution *ex = int_map_get(&sim->scheduler->executions, job->execution_id);
    must(ex);
    struct sim_task *task = sim_client_task(sim, ex->task->task->id);
    task->type = ex->task->task->type;
    judge_start(sim, job, ex, task);
    if (sim->plan.unruly && sim_chance(sim, 0.01)) {
        struct sim_history *history = sim_history_of(sim, job->execution_id);
        history->last_end_mono = sim->clock.mono_us;
        history->last_end_life = sim->life;
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot be started (simulation)");
    }
    struct sim_attempt *a = xcalloc(1, sizeof *a);
    *a = (struct sim_attempt){.sim = sim,
                              .id = job->execution_id,
                              .attempt = job->attempt,
                              .fence = job->fence,
                              .task = task,
                              .kept = task_type_is_kept(task->type),
                              .internal = task_type_is_internal(task->type),
                              .started_mono = sim->clock.mono_us,
                              .started_wall = sim->clock.wall_us,
                              .life_mono = sim->clock.mono_us,
                              .life = sim->life,
                              .max_duration_us = job->deadline_us - job->started_us,
                              .grace_us = ex->task->task->timeout_grace_period_s * SECOND,
                              .success = sim_chance(sim, sim->plan.unruly ? 0.7 : 0.9),
                              .hangs = sim->plan.unruly && sim_chance(sim, 0.04),
                              .obeys = !sim->plan.unruly || sim_chance(sim, 0.7)};
    list_push_back(&sim->attempts, &a->node);
    sim_note(sim, "execution %lld attempt %d of %s begins", (long long)a->id, a->attempt, task->name);
    count_live(a, 1);
    a->next = sim_after(sim, sim_range(sim, 0, 3 * US_PER_MS), start_event, a);
    handler_job_free(job);
    return OK;
}

static void judge_stop(struct sim *sim, struct sim_attempt *a, const struct execution *ex)
{
    int64_t ran = sim->clock.mono_us - a->started_mono;
    bool wanted = sim->stopping || (ex && ex->cancelled_by);
    /* The start of an adopted one is known by wall time only, and its deadline follows the definition of the next start. */
    bool excused = a->adopted && (a->jumped_us || a->task->relaxed_until > sim->clock.mono_us);
    if (!wanted && !excused && ran + SLACK_US < a->max_duration_us)
        sim_fail(sim, "execution %lld: %sattempt %d is stopped after %lld ms; its deadline is %lld ms", (long long)a->id,
                 a->adopted ? "adopted " : "", a->attempt, (long long)(ran / US_PER_MS),
                 (long long)(a->max_duration_us / US_PER_MS));
}

static void judge_force(struct sim *sim, struct sim_attempt *a, const struct execution *ex)
{
    if (!ex) { /* the server does not know it: its task was deleted, and the server ended before it did */
        if (a->task->exists && !a->task->uncertain && !a->task->maybe_gone)
            sim_fail(sim, "execution %lld: attempt %d is killed as a stray, and its task exists", (long long)a->id, a->attempt);
        if (!a->internal) /* its place is free */
            sim->live--;
        a->internal = true;
        return;
    }
    if (!a->stop_mono) {
        sim_fail(sim, "execution %lld: attempt %d is killed without having been asked to end", (long long)a->id, a->attempt);
        return;
    }
    if (sim->clock.mono_us - a->stop_mono + SLACK_US < a->grace_us)
        sim_fail(sim, "execution %lld: attempt %d is killed %lld ms after it was asked to end; its grace is %lld ms",
                 (long long)a->id, a->attempt, (long long)((sim->clock.mono_us - a->stop_mono) / US_PER_MS),
                 (long long)(a->grace_us / US_PER_MS));
}

static void world_stop(void *context, int64_t id, int32_t attempt, bool force)
{
    struct sim *sim = context;
    struct sim_attempt *a = find(sim, id, attempt);
    if (!a || a->state == SIM_ENDED)
        return;
    const struct execution *ex = int_map_get(&sim->scheduler->executions, id);
    sim_note(sim, "execution %lld attempt %d is %s", (long long)id, attempt, force ? "killed" : "asked to end");
    if (force) {
        judge_force(sim, a, ex);
        a->force_mono = sim->clock.mono_us;
        a->success = false;
        sim_cancel_event(sim, &a->next);
        a->next = sim_after(sim, sim_range(sim, 0, 50 * US_PER_MS), end_event, a);
        return;
    }
    judge_stop(sim, a, ex);
    if (a->stop_mono)
        return;
    a->stop_mono = sim->clock.mono_us;
    if (ex)
        a->grace_us = ex->task->task->timeout_grace_period_s * SECOND;
    if (!a->obeys && !sim->quiet)
        return;
    a->success = a->success && sim_chance(sim, 0.5); /* some finish what they were doing */
    sim_cancel_event(sim, &a->next);
    a->next = sim_after(sim, sim_range(sim, 0, a->grace_us + SECOND), end_event, a);
}

static void world_recorded(void *context, int64_t id, int32_t attempt)
{
    struct sim *sim = context;
    struct sim_attempt *a = find(sim, id, attempt);
    if (!a || a->state != SIM_ENDED)
        return;
    sim_watch_recorded(sim, id, attempt);
    forget(a);
}

/* ---- servers and keepers ---- */

void sim_world_adopt(struct sim *sim)
{
    size_t n = 0;
    struct adopted_attempt *list = xcalloc(sim->attempts.count, sizeof *list);
    for (struct list_node *node = list_first(&sim->attempts); node; node = list_next(&sim->attempts, node)) {
        struct sim_attempt *a = CONTAINER_OF(node, struct sim_attempt, node);
        list[n++] = (struct adopted_attempt){a->id, a->attempt, a->started_wall, a->state == SIM_ENDED};
        sim_note(sim, "execution %lld attempt %d of %s is known to the keeper", (long long)a->id, a->attempt, a->task->name);
        a->adopted = true;
        a->life_mono = sim->clock.mono_us;
        a->life = sim->life;
        if (a->state == SIM_ENDED && !a->next)
            a->next = sim_after(sim, sim_range(sim, 1, SECOND), tell_end, a);
    }
    sim->sink.adopt(sim->sink.context, list, n);
    free(list);
}

void sim_world_server_gone(struct sim *sim, enum sim_end end_kind)
{
    struct list_node *following;
    for (struct list_node *node = list_first(&sim->attempts); node; node = following) {
        following = list_next(&sim->attempts, node);
        struct sim_attempt *a = CONTAINER_OF(node, struct sim_attempt, node);
        bool may_live = end_kind == SIM_KILLED || (end_kind == SIM_HANDED_OVER && a->kept);
        if (a->state != SIM_ENDED && !may_live)
            sim_fail(sim, "execution %lld: attempt %d is at work after its server has stopped", (long long)a->id, a->attempt);
        bool lost = !a->kept || (a->state == SIM_ORDERED && end_kind == SIM_KILLED); /* an order that did not reach the keeper */
        if (lost)
            forget(a);
        else
            a->stop_mono = a->force_mono = 0; /* the next server has to ask again */
    }
}

void sim_world_keeper_dies(struct sim *sim)
{
    sim_note(sim, "the keeper dies");
    sim_server_disturb(sim);
    struct list_node *following;
    for (struct list_node *node = list_first(&sim->attempts); node; node = following) {
        following = list_next(&sim->attempts, node);
        struct sim_attempt *a = CONTAINER_OF(node, struct sim_attempt, node);
        if (!a->kept)
            continue;
        struct attempt_result lost = {.interrupted = true, .finished_us = sim->clock.wall_us};
        lost.error_message = xstrdup("interrupted: its keeper was killed, and the command with it");
        int64_t id = a->id;
        int32_t attempt = a->attempt;
        forget(a);
        if (sim->alive && !sim->dying)
            sim->sink.ended(sim->sink.context, id, attempt, &lost);
        attempt_result_release(&lost);
    }
}

void sim_world_jump(struct sim *sim, int64_t by_us)
{
    for (struct list_node *node = list_first(&sim->attempts); node; node = list_next(&sim->attempts, node))
        CONTAINER_OF(node, struct sim_attempt, node)->jumped_us += by_us < 0 ? -by_us : by_us;
}

/* Nothing runs on beyond its deadline and its grace while a server is there to end it (SCH-35, SCH-36). */
void sim_world_check(struct sim *sim)
{
    for (struct list_node *node = list_first(&sim->attempts); node; node = list_next(&sim->attempts, node)) {
        const struct sim_attempt *a = CONTAINER_OF(node, struct sim_attempt, node);
        if (a->state != SIM_RUNNING || a->life != sim->life)
            continue; /* the keeper has not told this server yet */
        int64_t now = sim->clock.mono_us, since = a->adopted ? a->life_mono : a->started_mono;
        int64_t excuse = a->jumped_us + 3 * SECOND;
        if (!a->stop_mono && now - since > a->max_duration_us + excuse)
            sim_fail(sim, "execution %lld: attempt %d runs for %lld ms; its deadline is %lld ms", (long long)a->id, a->attempt,
                     (long long)((now - since) / US_PER_MS), (long long)(a->max_duration_us / US_PER_MS));
        if (a->stop_mono && !a->force_mono && now - a->stop_mono > a->grace_us + excuse)
            sim_fail(sim, "execution %lld: attempt %d was asked to end %lld ms ago; its grace is %lld ms", (long long)a->id,
                     a->attempt, (long long)((now - a->stop_mono) / US_PER_MS), (long long)(a->grace_us / US_PER_MS));
    }
}

void sim_world_calm(struct sim *sim)
{
    for (struct list_node *node = list_first(&sim->attempts); node; node = list_next(&sim->attempts, node)) {
        struct sim_attempt *a = CONTAINER_OF(node, struct sim_attempt, node);
        a->obeys = true;
        if (a->state == SIM_RUNNING && !a->next)
            a->next = sim_after(sim, sim_range(sim, 0, SECOND), end_event, a);
    }
}

void sim_world_init(struct sim *sim)
{
    for (int type = 0; type < TASK_TYPE_COUNT; type++) {
        struct handler handler = {.type = task_type_name(type), .start = world_start, .stop = world_stop, .context = sim};
        if (task_type_is_kept(type))
            handler.recorded = world_recorded;
        sim->handlers[sim->handler_count++] = handler;
    }
}

void sim_world_release(struct sim *sim)
{
    for (struct list_node *node; (node = list_pop_front(&sim->attempts));)
        free(CONTAINER_OF(node, struct sim_attempt, node));
    size_t cursor = 0;
    for (struct sim_history *history; (history = int_map_next(&sim->history, &cursor));)
        free(history);
    int_map_release(&sim->history);
}
