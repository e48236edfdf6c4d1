/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: every nominal firing gets exactly one verdict (rulings, Occurrences). What to do with the slots between the
 * last settled instant and now is decided by schedule_settle (pure); here the decisions become executions and rows. */
#include "sched/scheduler_priv.h"

#include "base/log.h"
#include "base/panic.h"
#include "sched/clock_jump.h"
#include "sched/overlap.h"

#include <string.h>

enum { ZONES_LOOK_US = 5 * US_PER_S };

struct settling {
    struct scheduler *scheduler;
    struct task_runtime *rt;
    struct sched_work *work;
    int64_t sum; /* of verdicts given, to hold against the count from the schedule */
};

static void count_verdict(struct settling *settling, enum verdict verdict, int64_t count)
{
    struct task_change *change = scheduler_change(settling->scheduler, settling->work, settling->rt);
    verdict_counts_add(&change->verdicts, verdict, count);
    settling->sum += count;
}

/* The row of the step that is the tail of its ledger; NULL when that was sent before, or is not the last one. */
static struct ledger_entry *open_entry(const struct settling *settling)
{
    const struct sched_work *work = settling->work;
    struct ledger_entry *last = work->ledger.count ? &work->ledger.rows[work->ledger.count - 1] : NULL;
    return last && last->id == settling->rt->tail.id ? last : NULL;
}

/* A run of slots without an execution: extends the last row when verdict and reason are the same. Thousands of slots may be
 * given up one by one, after a jump of the clock: they are one row of the step. */
static void record_run(struct settling *settling, int64_t first_us, int64_t last_us, int64_t count, enum verdict verdict,
                       enum verdict_reason reason)
{
    struct scheduler *s = settling->scheduler;
    struct ledger_tail *tail = &settling->rt->tail;
    bool extends = tail->id && tail->verdict == verdict && tail->reason == reason;
    count_verdict(settling, verdict, count);
    struct ledger_entry *open = extends ? open_entry(settling) : NULL;
    if (open) {
        open->last_us = last_us;
        open->count += count;
        return;
    }
    if (!extends)
        *tail = (struct ledger_tail){s->next_ledger_id++, verdict, reason};
    *WORK_ADD(&settling->work->ledger) = (struct ledger_entry){.id = tail->id,
                                                               .task_id = settling->rt->task->id,
                                                               .epoch_id = settling->rt->epoch_id,
                                                               .first_us = first_us,
                                                               .last_us = last_us,
                                                               .count = count,
                                                               .verdict = verdict,
                                                               .reason = reason,
                                                               .extends = extends};
}

#define BY_SCHEDULER "scheduler"

/* Those that a slot before this one cancelled are on their way out: a thousand slots made up for at once would else cancel
 * each other a million times. */
static bool gives_way(const struct execution *ex)
{
    bool counts = ex->cause == CAUSE_SCHEDULE || ex->cause == CAUSE_CATCH_UP || ex->holds_place;
    return counts && !(ex->cancelled_by && strcmp(ex->cancelled_by, BY_SCHEDULER) == 0);
}

static void cancel_running_ones(struct settling *settling)
{
    struct task_runtime *rt = settling->rt;
    struct list_node *next;
    for (struct list_node *node = list_first(&rt->executions); node; node = next) {
        next = list_next(&rt->executions, node);
        struct execution *ex = CONTAINER_OF(node, struct execution, siblings);
        if (gives_way(ex))
            sched_cancel_execution(settling->scheduler, ex, BY_SCHEDULER, "a newer slot is due (overlap: cancel_running)",
                                   settling->work);
    }
}

static void start_slot(struct settling *settling, const struct settle_fire *fire)
{
    struct task_runtime *rt = settling->rt;
    struct new_execution request = {.cause = fire->cause,
                                    .shifted = fire->shifted,
                                    .scheduled_us = fire->slot_us,
                                    .due_us = fire->slot_us + rt->schedule.jitter_us,
                                    .priority = rt->task->priority};
    (void)sched_new_execution(settling->scheduler, rt, &request, settling->work);
    rt->tail.id = 0; /* the next run of others is a new row */
    count_verdict(settling, fire->shifted ? VERDICT_SHIFTED : VERDICT_FIRED, 1);
}

static int32_t queued_of(const struct task_runtime *rt)
{
    return sched_load_of(rt) - rt->running;
}

static void on_fire(void *arg, const struct settle_fire *fire)
{
    struct settling *settling = arg;
    struct task_runtime *rt = settling->rt;
    struct overlap_input input = {rt->task->overlap, rt->running, queued_of(rt), (int32_t)rt->task->max_concurrent};
    if (!rt->fits) {
        record_run(settling, fire->slot_us, fire->slot_us, 1, VERDICT_SKIPPED, REASON_NO_INSTANCE);
        return;
    }
    struct overlap_decision decision = overlap_decide(&input);
    switch (decision.action) {
    case OVERLAP_START:
    case OVERLAP_QUEUE: start_slot(settling, fire); break;
    case OVERLAP_CANCEL_AND_START:
        cancel_running_ones(settling);
        start_slot(settling, fire);
        break;
    case OVERLAP_DROP:
        record_run(settling, fire->slot_us, fire->slot_us, 1, decision.verdict, decision.reason);
        scheduler_change(settling->scheduler, settling->work, rt)->skipped++;
        break;
    }
}

static void on_run(void *arg, const struct settle_run *run)
{
    record_run(arg, run->first_us, run->last_us, run->count, run->verdict, run->reason);
}

static void note_slots(struct scheduler *s, struct task_runtime *rt, struct sched_work *work)
{
    struct task_change *change = scheduler_change(s, work, rt);
    change->slots_set = true;
    change->epoch_id = rt->epoch_id;
    change->settled_us = rt->settled_us;
    change->next_run_us = rt->task->enabled ? rt->next_slot_us : 0;
    rt->task->next_run_us = change->next_run_us;
    rt->recorded_us = rt->settled_us;
}

void sched_settle(struct scheduler *s, struct task_runtime *rt)
{
    int64_t now = s->now.us;
    struct sched_work *work = scheduler_step_work(s);
    if (now <= rt->settled_us)
        return; /* the clock went back: settled slots are never fired again */
    const struct sched_task *task = rt->task;
    struct settle_policy policy = {.misfire = task->misfire,
                                   .start_deadline_us = task->start_deadline_s * US_PER_S,
                                   .enabled = task->enabled,
                                   .jitter_us = rt->schedule.jitter_us};
    struct settling settling = {s, rt, work, 0};
    int64_t expected = schedule_count(&rt->schedule, rt->settled_us + 1, now + 1);
    if (expected) {
        schedule_settle(&rt->schedule, &policy, rt->settled_us, now, s->down_until_us, on_run, on_fire, &settling);
        scheduler_change(s, work, rt)->expected += expected;
        if (settling.sum != expected)
            log_error("scheduler", "task %s: %lld slots expected, %lld verdicts given", task->name, (long long)expected,
                      (long long)settling.sum);
    }
    rt->settled_us = now;
    rt->next_slot_us = schedule_next(&rt->schedule, now);
    if (rt->next_slot_us == SCHEDULE_NEVER)
        rt->next_slot_us = 0;
    if (expected)
        note_slots(s, rt, work);
}

/* SCHEDULE_REBOOT: the start of the scheduler is its slot, once per boot of the machine. */
void sched_fire_reboots(struct scheduler *s)
{
    size_t cursor = 0;
    if (s->reboots_fired)
        return;
    s->reboots_fired = true;
    for (struct task_runtime *rt; (rt = int_map_next(&s->tasks, &cursor));) {
        if (!rt->reboot_due || !rt->task->enabled)
            continue;
        struct sched_work *work = scheduler_step_work(s);
        struct settling settling = {s, rt, work, 0};
        struct settle_fire fire = {s->now.us, CAUSE_SCHEDULE, false};
        rt->reboot_due = false;
        on_fire(&settling, &fire);
        *WORK_ADD(&work->reboots) = rt->task->id;
        scheduler_change(s, work, rt)->expected++;
    }
}

void sched_disarm(struct scheduler *s, struct task_runtime *rt)
{
    if (rt->slot_timer.position)
        heap_remove(&s->slots, &rt->slot_timer);
}

void sched_arm(struct scheduler *s, struct task_runtime *rt)
{
    sched_disarm(s, rt);
    int64_t next = schedule_next(&rt->schedule, rt->settled_us);
    rt->next_slot_us = next == SCHEDULE_NEVER ? 0 : next;
    rt->task->next_run_us = rt->task->enabled ? rt->next_slot_us : 0;
    if (rt->task->enabled && !rt->deleted && !rt->frozen && rt->next_slot_us)
        heap_add(&s->slots, &rt->slot_timer, rt->next_slot_us);
}

void sched_fire_due(struct scheduler *s)
{
    while (heap_min_key(&s->slots) <= s->now.us) {
        if (work_size(scheduler_step_work(s)) >= WORK_ROWS_MAX)
            return; /* the rest right after this step is on disk */
        struct task_runtime *rt = CONTAINER_OF(heap_min(&s->slots), struct task_runtime, slot_timer);
        sched_settle(s, rt);
        sched_arm(s, rt);
    }
}

static void save_moved_slots(struct scheduler *s)
{
    size_t cursor = 0;
    bool left = false;
    for (struct task_runtime *rt; (rt = int_map_next(&s->tasks, &cursor));) {
        if (!rt->next_unsaved)
            continue;
        if (rt->frozen || work_size(scheduler_step_work(s)) >= WORK_ROWS_MAX) {
            left = true;
            continue;
        }
        rt->next_unsaved = false;
        note_slots(s, rt, scheduler_step_work(s));
    }
    s->has_unsaved_next = left;
}

/* The machine got newer zone files: the next slots of the zones that changed are computed anew (cron semantics, section 5).
 * Slots up to the last settled one keep their verdicts; what the new rules put between it and now is due at once. */
void sched_watch_zones(struct scheduler *s)
{
    if (s->mono.us >= s->zones_look_us) {
        s->zones_look_us = s->mono.us + ZONES_LOOK_US;
        const uint64_t change = cron_zones_refresh();
        size_t cursor = 0, moved = 0;
        for (struct task_runtime *rt; change != s->zones_seen && (rt = int_map_next(&s->tasks, &cursor));) {
            if (rt->schedule.kind != SCHEDULE_CRON || rt->deleted || cron_zone_changed_in(&rt->schedule.cron) <= s->zones_seen)
                continue;
            if (!rt->frozen) /* else it is armed when its change is on disk */
                sched_arm(s, rt);
            rt->next_unsaved = s->has_unsaved_next = true;
            moved++;
        }
        if (change != s->zones_seen)
            log_info("scheduler", "time zone rules changed: the next slots of %zu tasks were computed anew", moved);
        s->zones_seen = change;
    }
    if (s->has_unsaved_next)
        save_moved_slots(s);
}

/* A step of the wall clock, seen as the difference between the two clocks. Settled slots stay settled when it goes
 * back; when it goes far ahead, what it jumped over counts as down time and follows the misfire policy. */
void sched_note_clock(struct scheduler *s)
{
    int64_t wall_step = s->now.us - s->last_wall_us, mono_step = s->mono.us - s->last_mono_us;
    enum clock_jump jump = clock_jump_classify(mono_step, wall_step);
    s->last_wall_us = s->now.us;
    s->last_mono_us = s->mono.us;
    if (s->down_until_us > s->now.us) /* set back: what comes again from here on has a planner */
        s->down_until_us = s->now.us;
    if (jump == CLOCK_NORMAL)
        return;
    log_warn("scheduler", "the wall clock moved by %lld s against the monotonic clock (%s)",
             (long long)((wall_step - mono_step) / US_PER_S), clock_jump_name(jump));
    if (clock_jump_is_downtime(jump))
        s->down_until_us = s->now.us;
}
