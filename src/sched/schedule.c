/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/schedule.h"

#include "base/clock.h"
#include "base/panic.h"

#include <string.h>

static int64_t floor_s(int64_t us)
{
    int64_t s = us / US_PER_S;
    return us % US_PER_S < 0 ? s - 1 : s;
}

static int64_t ceil_s(int64_t us)
{
    int64_t s = us / US_PER_S;
    return us % US_PER_S > 0 ? s + 1 : s;
}

/* Jitter is a function of the uid alone, so that a restart does not move it. */
static int64_t jitter_of(const struct sched_task *task)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof task->uid.b; i++)
        h = (h ^ task->uid.b[i]) * 0x100000001b3u;
    return task->jitter_s ? (int64_t)((h >> 11) % (uint64_t)(task->jitter_s * US_PER_S)) : 0;
}

static void from_cron(const struct sched_task *task, const char *text, enum cron_syntax syntax, struct schedule *s)
{
    int64_t anchor = task->anchor_us ? task->anchor_us : task->created_at_us;
    struct cron_options options = {.syntax = syntax,
                                   .gap = task->gap,
                                   .fold = task->fold,
                                   .zone = task->timezone,
                                   .seed = task->seed ? task->seed : task->name,
                                   .anchor_s = floor_s(anchor)};
    struct cron_error error;
    s->kind = SCHEDULE_CRON;
    if (!cron_parse(text, strlen(text), &options, &s->cron, &error))
        s->kind = SCHEDULE_MANUAL; /* a zone that was removed from the system: no slots until it is back */
    else if (cron_is_reboot(&s->cron))
        s->kind = SCHEDULE_REBOOT;
}

void schedule_from_task(const struct sched_task *task, struct schedule *ret)
{
    struct schedule s = {.kind = SCHEDULE_MANUAL, .jitter_us = jitter_of(task)};
    if (task->is_recurring && task->cron_expr && task->cron_expr[0]) {
        from_cron(task, task->cron_expr, CRON_SYNTAX_CRON, &s);
    } else if (task->is_recurring && task->calendar && task->calendar[0]) {
        from_cron(task, task->calendar, CRON_SYNTAX_ONCALENDAR, &s);
    } else if (task->is_recurring && task->interval_s > 0) { /* rulings: first = created_at + interval, same lattice for ever */
        int64_t anchor = task->anchor_us ? task->anchor_us : task->created_at_us;
        s.kind = SCHEDULE_LATTICE;
        s.interval_us = task->interval_s * US_PER_S;
        s.first_us = anchor + s.interval_us;
    } else if (!task->is_recurring && task->run_at_us) {
        s.kind = SCHEDULE_ONCE;
        s.first_us = task->run_at_us;
    }
    *ret = s;
}

int64_t schedule_next(const struct schedule *s, int64_t after_us)
{
    int64_t next;
    switch (s->kind) {
    case SCHEDULE_MANUAL:
    case SCHEDULE_REBOOT: return SCHEDULE_NEVER;
    case SCHEDULE_ONCE: return s->first_us > after_us ? s->first_us : SCHEDULE_NEVER;
    case SCHEDULE_LATTICE:
        if (after_us < s->first_us)
            return s->first_us;
        return s->first_us + ((after_us - s->first_us) / s->interval_us + 1) * s->interval_us;
    case SCHEDULE_CRON:
        next = cron_next(&s->cron, floor_s(after_us));
        return next == CRON_NEVER ? SCHEDULE_NEVER : next * US_PER_S;
    }
    unreachable("schedule kind");
}

int64_t schedule_prev(const struct schedule *s, int64_t before_us)
{
    int64_t prev;
    switch (s->kind) {
    case SCHEDULE_MANUAL:
    case SCHEDULE_REBOOT: return SCHEDULE_NEVER;
    case SCHEDULE_ONCE: return s->first_us < before_us ? s->first_us : SCHEDULE_NEVER;
    case SCHEDULE_LATTICE:
        if (before_us <= s->first_us)
            return SCHEDULE_NEVER;
        return s->first_us + (before_us - 1 - s->first_us) / s->interval_us * s->interval_us;
    case SCHEDULE_CRON:
        prev = cron_prev(&s->cron, ceil_s(before_us));
        return prev == CRON_NEVER ? SCHEDULE_NEVER : prev * US_PER_S;
    }
    unreachable("schedule kind");
}

int64_t schedule_count(const struct schedule *s, int64_t from_us, int64_t to_us)
{
    if (from_us >= to_us)
        return 0;
    switch (s->kind) {
    case SCHEDULE_MANUAL:
    case SCHEDULE_REBOOT: return 0;
    case SCHEDULE_ONCE: return s->first_us >= from_us && s->first_us < to_us;
    case SCHEDULE_LATTICE: {
        int64_t first = from_us <= s->first_us ? s->first_us : schedule_next(s, from_us - 1);
        return first >= to_us ? 0 : (to_us - 1 - first) / s->interval_us + 1;
    }
    case SCHEDULE_CRON: return cron_count(&s->cron, ceil_s(from_us), ceil_s(to_us));
    }
    unreachable("schedule kind");
}

/* ---- settling ---- */

struct settling {
    const struct schedule *s;
    const struct settle_policy *policy;
    int64_t to_us;
    void (*on_run)(void *arg, const struct settle_run *run);
    void (*on_fire)(void *arg, const struct settle_fire *fire);
    void *arg;
};

/* All slots in (from, to] with one fate. */
static void give_run(const struct settling *x, int64_t from_us, int64_t to_us, enum verdict verdict, enum verdict_reason reason)
{
    int64_t count = schedule_count(x->s, from_us + 1, to_us + 1);
    if (!count)
        return;
    struct settle_run run = {schedule_next(x->s, from_us), schedule_prev(x->s, to_us + 1), count, verdict, reason};
    x->on_run(x->arg, &run);
}

static void give_fire(const struct settling *x, int64_t slot_us, enum execution_cause cause)
{
    bool shifted = x->s->kind == SCHEDULE_CRON && cron_is_catch_up(&x->s->cron, slot_us / US_PER_S);
    struct settle_fire fire = {slot_us, cause, shifted};
    x->on_fire(x->arg, &fire);
}

/* The slots that are still worth catching up with: those whose start deadline has not passed. */
static int64_t deadline_floor(const struct settling *x)
{
    return x->policy->start_deadline_us ? x->to_us - x->policy->start_deadline_us - 1 : INT64_MIN + 1;
}

/* Due while no planner ran, in (from, to]. */
static void settle_down(const struct settling *x, int64_t from_us, int64_t to_us)
{
    int64_t worth = deadline_floor(x);
    int64_t lost_to = worth < to_us ? worth : to_us;
    if (lost_to > from_us) {
        give_run(x, from_us, lost_to, VERDICT_MISSED, REASON_DOWN);
        from_us = lost_to;
    }
    int64_t last = schedule_prev(x->s, to_us + 1);
    if (last == SCHEDULE_NEVER || last <= from_us)
        return;
    switch (x->policy->misfire) {
    case MISFIRE_SKIP: give_run(x, from_us, to_us, VERDICT_MISSED, REASON_DOWN); return;
    case MISFIRE_RUN_ONCE: /* the catch-up carries the latest slot, the others are merged into it */
        give_run(x, from_us, last - 1, VERDICT_COALESCED, REASON_DOWN);
        give_fire(x, last, CAUSE_CATCH_UP);
        return;
    case MISFIRE_RUN_ALL: {
        int64_t first = last;
        for (int i = 1; i < SCHEDULE_RUN_ALL_MAX && first != SCHEDULE_NEVER && first > from_us; i++) {
            int64_t before = schedule_prev(x->s, first);
            if (before == SCHEDULE_NEVER || before <= from_us)
                break;
            first = before;
        }
        give_run(x, from_us, first - 1, VERDICT_COALESCED, REASON_LIMIT);
        for (int64_t slot = first; slot != SCHEDULE_NEVER && slot <= last; slot = schedule_next(x->s, slot))
            give_fire(x, slot, CAUSE_CATCH_UP);
        return;
    }
    case MISFIRE_COUNT: break;
    }
    unreachable("misfire policy");
}

/* Due while a planner ran, in (from, to]: the normal case, one slot or a few. */
static void settle_live(const struct settling *x, int64_t from_us, int64_t to_us)
{
    int64_t worth = deadline_floor(x);
    if (worth > from_us) {
        int64_t late_to = worth < to_us ? worth : to_us;
        give_run(x, from_us, late_to, VERDICT_SKIPPED, REASON_DEADLINE);
        from_us = late_to;
    }
    for (int64_t slot = schedule_next(x->s, from_us); slot != SCHEDULE_NEVER && slot <= to_us; slot = schedule_next(x->s, slot))
        give_fire(x, slot, CAUSE_SCHEDULE);
}

void schedule_settle(const struct schedule *s, const struct settle_policy *policy, int64_t from_us, int64_t to_us,
                     int64_t down_until_us, void (*on_run)(void *arg, const struct settle_run *run),
                     void (*on_fire)(void *arg, const struct settle_fire *fire), void *arg)
{
    struct settling x = {s, policy, to_us, on_run, on_fire, arg};
    if (!policy->enabled) {
        give_run(&x, from_us, to_us, VERDICT_SKIPPED, REASON_DISABLED);
        return;
    }
    int64_t down_to = down_until_us < to_us ? down_until_us : to_us;
    if (down_to > from_us) {
        settle_down(&x, from_us, down_to);
        from_us = down_to;
    }
    settle_live(&x, from_us, to_us);
}
