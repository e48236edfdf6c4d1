/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: every nominal firing gets exactly one verdict (rulings, Occurrences). What to do with the slots between the
 * last settled instant and now is decided by schedule_settle (pure); here the decisions become executions and rows. */
#include "sched/scheduler_priv.h"

#include "base/log.h"
#include "base/panic.h"
#include "sched/clock_jump.h"
#include "sched/overlap.h"

#include <string.h>

enum {
    DUE_AT_ONCE = 512,
    READ_AGAIN_US = US_PER_S,
    BARRED_IS_DOWN_US = 5 * US_PER_S, /* longer than another instance needs to take over */
};

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
        bool due = rt->reboot_due && rt->task->enabled;
        rt->reboot_due = false;
        if (!due)
            continue;
        struct sched_work *work = scheduler_step_work(s);
        struct settling settling = {s, rt, work, 0};
        struct settle_fire fire = {s->now.us, CAUSE_SCHEDULE, false};
        on_fire(&settling, &fire);
        *WORK_ADD(&work->reboots) = rt->task->id;
        scheduler_change(s, work, rt)->expected++;
    }
}

/* ---- when slots come due ---- */

bool sched_slot_counts(const void *scheduler, const struct slot_entry *entry)
{
    const struct scheduler *s = scheduler;
    const struct task_runtime *rt = int_map_get(&s->tasks, entry->task_id);
    return !rt || !rt->armed_us || rt->armed_us == entry->at_us;
}

bool sched_arm(struct scheduler *s, struct task_runtime *rt)
{
    must(!rt->frozen && !rt->deleted);
    int64_t next = schedule_next(&rt->schedule, rt->settled_us), stored_us = rt->task->next_run_us;
    rt->next_slot_us = next == SCHEDULE_NEVER ? 0 : next;
    int64_t at_us = rt->task->enabled ? rt->next_slot_us : 0;
    if (at_us && at_us != rt->armed_us)
        slot_queue_add(&s->slots, at_us, rt->task->id);
    rt->armed_us = at_us;
    if (at_us == stored_us)
        return false;
    note_slots(s, rt, scheduler_step_work(s)); /* zone rules are others than when it was stored */
    return true;
}

struct due_batch {
    struct scheduler *scheduler;
    struct slot_entry entries[DUE_AT_ONCE];
    size_t count;
};

static enum err_code read_due(struct db *db, void *arg, struct err *err)
{
    const struct due_batch *due = arg;
    enum err_code code = OK;
    for (size_t i = 0; code == OK && i < due->count; i++) {
        struct task_runtime *rt;
        code = sched_read_task(due->scheduler, db, due->entries[i].task_id, &rt, err);
        if (code == ERR_NOT_FOUND) /* deleted */
            code = OK;
    }
    return code;
}

/* All of them are in memory then, but those that are gone. False: the store cannot be read, and their slots keep. */
static bool bring_in(struct scheduler *s, struct due_batch *due)
{
    struct err err;
    bool missing = false;
    for (size_t i = 0; i < due->count && !missing; i++)
        missing = !int_map_get(&s->tasks, due->entries[i].task_id);
    if (!missing || store_read(s->options.store, read_due, due, &err) == OK)
        return true;
    log_error("scheduler", "tasks are due and cannot be read, trying again: %s", err.message);
    s->read_again_us = s->mono.us + READ_AGAIN_US;
    return false;
}

/* Else it is gone, is armed anew when the change of it is on disk, or has a later entry. */
static void fire_entry(struct scheduler *s, const struct slot_entry *entry)
{
    struct task_runtime *rt = int_map_get(&s->tasks, entry->task_id);
    if (!rt || rt->frozen || rt->deleted || !rt->task->enabled || rt->armed_us > s->now.us)
        return;
    rt->armed_us = 0;
    sched_settle(s, rt);
    (void)sched_arm(s, rt);
}

static bool some_due(const struct scheduler *s)
{
    return slot_queue_first(&s->slots) <= s->now.us && !scheduler_step_is_full(s) && s->mono.us >= s->read_again_us;
}

void sched_fire_due(struct scheduler *s)
{
    struct due_batch due = {.scheduler = s};
    while (some_due(s)) {
        size_t done = 0;
        for (due.count = 0; due.count < DUE_AT_ONCE && slot_queue_first(&s->slots) <= s->now.us; due.count++)
            (void)slot_queue_pop(&s->slots, &due.entries[due.count]);
        bool readable = bring_in(s, &due);
        while (readable && done < due.count && !scheduler_step_is_full(s))
            fire_entry(s, &due.entries[done++]);
        for (; done < due.count; done++) /* right after this step is on disk */
            slot_queue_add(&s->slots, due.entries[done].at_us, due.entries[done].task_id);
    }
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

bool sched_may_decide(struct scheduler *s)
{
    bool may = !s->options.may_decide || s->options.may_decide(s->options.may_decide_arg);
    if (!may && !s->barred_us) {
        s->barred_us = s->mono.us;
    } else if (may && s->barred_us) {
        if (s->mono.us - s->barred_us > BARRED_IS_DOWN_US)
            s->down_until_us = s->now.us;
        s->barred_us = 0;
    }
    return may;
}
