/* SPDX-License-Identifier: Apache-2.0 */
/* How a scheduler ends (SCH-74): what runs may finish for a time, is handed over, or is left to whoever owns the store by now. */
#include "sched/scheduler_priv.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

struct stop_notice {
    struct notice notice;
    int64_t timeout_us;
    bool handover;
    bool abandon;
};

/* The second signal's notice, which allows no more time, may overtake that of the first: the earlier end holds. */
void sched_take_stop(struct scheduler *s, struct notice *taken)
{
    const struct stop_notice *notice = CONTAINER_OF(taken, const struct stop_notice, notice);
    int64_t at_us = s->mono.us + notice->timeout_us;
    if (!s->stopping || at_us < s->stop_at_us)
        s->stop_at_us = at_us;
    s->stopping = true;
    s->handover = s->handover || notice->handover;
    s->abandoned = s->abandoned || notice->abandon;
}

static bool survives_stop(const struct scheduler *s, const struct execution *ex)
{
    return s->handover && task_type_is_kept(ex->task->task->type);
}

/* Executions that still hold the server. */
struct holding {
    size_t working;   /* a handler works on them, and they are not handed over */
    size_t recording; /* their start or end is on its way to the store */
};

static struct holding count_holding(struct scheduler *s, bool stop_them)
{
    struct holding holding = {0};
    size_t cursor = 0;
    for (struct execution *ex; (ex = int_map_next(&s->executions, &cursor));) {
        bool works = ex->phase == PHASE_ACTIVE || ex->phase == PHASE_STOPPING || ex->phase == PHASE_KILLED;
        holding.recording += ex->phase == PHASE_STARTING || ex->phase == PHASE_FINISHING;
        if (!works || survives_stop(s, ex))
            continue;
        holding.working++;
        if (stop_them && ex->phase == PHASE_ACTIVE)
            sched_stop_attempt(s, ex, STOP_SHUTDOWN);
    }
    return holding;
}

static void close_inbox(struct scheduler *s)
{
    s->closed = true;
    queue_close(&s->inbox);
}

/* What works is told to end now, and nobody waits for it. */
static void abandon(struct scheduler *s)
{
    size_t cursor = 0;
    for (struct execution *ex; (ex = int_map_next(&s->executions, &cursor));)
        if (ex->phase == PHASE_ACTIVE || ex->phase == PHASE_STOPPING)
            sched_force_attempt(ex);
    sched_stop_deferred(s);
    close_inbox(s);
}

void sched_stop_progress(struct scheduler *s)
{
    if (s->abandoned) {
        abandon(s);
        return;
    }
    bool time_is_up = s->mono.us >= s->stop_at_us;
    struct holding holding = count_holding(s, time_is_up && !s->stop_signalled);
    if (time_is_up && !s->stop_signalled) {
        s->stop_signalled = true;
        if (holding.working)
            log_warn("scheduler", "stop time-out: %zu executions are told to end", holding.working);
    }
    if (holding.working || s->works_in_flight)
        return;
    if (!holding.recording && !s->refused_step && (!s->step || work_is_empty(s->step)))
        close_inbox(s);
    else if (s->refused_step && time_is_up) { /* nobody can say when it takes writes again; the next server finds the rows */
        log_error("scheduler", "stopping, although the store refused to record %zu ends", holding.recording);
        close_inbox(s);
    }
}

void scheduler_stop_by(struct scheduler *s, int64_t timeout_us, bool handover)
{
    struct stop_notice *notice = xcalloc(1, sizeof *notice);
    notice->notice.kind = NOTICE_STOP;
    notice->timeout_us = timeout_us;
    notice->handover = handover;
    if (!queue_push_always(&s->inbox, &notice->notice.node))
        free(notice);
}

void scheduler_abandon(struct scheduler *s)
{
    struct stop_notice *notice = xcalloc(1, sizeof *notice);
    notice->notice.kind = NOTICE_STOP;
    notice->abandon = true;
    if (!queue_push_always(&s->inbox, &notice->notice.node))
        free(notice);
    thread_join(&s->thread);
    sched_drain_inbox(s);
}

void scheduler_stop(struct scheduler *s, int64_t timeout_us, bool handover)
{
    scheduler_stop_by(s, timeout_us, handover);
    thread_join(&s->thread);
    sched_drain_inbox(s); /* what came between the last look and the closing: its callers wait */
}
