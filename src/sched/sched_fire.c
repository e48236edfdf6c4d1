/* SPDX-License-Identifier: Apache-2.0 */
/* Slots: every nominal firing gets exactly one verdict (rulings, Occurrences). What to do with the slots between the
 * last settled instant and now is decided by schedule_settle (pure); here the decisions become executions and rows. */
#include "sched/scheduler_priv.h"

#include "base/log.h"
#include "base/panic.h"
#include "sched/clock_jump.h"
#include "sched/overlap.h"

#include <stdio.h>
#include <string.h>

enum { ZONES_LOOK_US = 5 * US_PER_S, LOOK_AGAIN_US = US_PER_S };

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

/* A run of slots without an execution: extends the last row when verdict and reason are the same. */
static void record_run(struct settling *settling, int64_t first_us, int64_t last_us, int64_t count, enum verdict verdict,
                       enum verdict_reason reason)
{
    struct scheduler *s = settling->scheduler;
    struct ledger_tail *tail = &settling->rt->tail;
    bool extends = tail->id && tail->verdict == verdict && tail->reason == reason;
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
    count_verdict(settling, verdict, count);
}

static void cancel_running_ones(struct settling *settling)
{
    struct task_runtime *rt = settling->rt;
    struct list_node *next;
    for (struct list_node *node = list_first(&rt->executions); node; node = next) {
        next = list_next(&rt->executions, node);
        struct execution *ex = CONTAINER_OF(node, struct execution, siblings);
        if (ex->cause == CAUSE_SCHEDULE || ex->cause == CAUSE_CATCH_UP || ex->holds_place)
            sched_cancel_execution(settling->scheduler, ex, "scheduler", "a newer slot is due (overlap: cancel_running)",
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
    return (int32_t)rt->executions.count - rt->running;
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
        schedule_settle(&rt->schedule, &policy, rt->settled_us, now, s->started_us, on_run, on_fire, &settling);
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

void sched_arm(struct scheduler *s, struct task_runtime *rt)
{
    int64_t next = schedule_next(&rt->schedule, rt->settled_us);
    rt->next_slot_us = next == SCHEDULE_NEVER ? 0 : next;
    rt->task->next_run_us = rt->task->enabled ? rt->next_slot_us : 0;
    int64_t at_us = rt->deleted || rt->frozen ? 0 : rt->task->next_run_us;
    if (at_us && at_us != rt->armed_us)
        slot_queue_add(&s->slots, at_us, rt->task->id);
    rt->armed_us = at_us;
}

/* The store cannot be read: its slots keep until it can. */
static void look_later(struct scheduler *s, const struct slot_entry *entry, const struct err *err)
{
    log_error("scheduler", "task %lld is due and cannot be read, trying again: %s", (long long)entry->task_id, err->message);
    slot_queue_add(&s->slots, s->now.us + LOOK_AGAIN_US, entry->task_id);
}

void sched_fire_due(struct scheduler *s)
{
    struct slot_entry entry;
    while (slot_queue_first(&s->slots) <= s->now.us) {
        if (work_size(scheduler_step_work(s)) >= WORK_ROWS_MAX || !slot_queue_pop(&s->slots, &entry))
            return; /* the rest right after this step is on disk */
        struct task_runtime *rt;
        struct err err;
        enum err_code code = sched_find_task_by_id(s, entry.task_id, &rt, &err);
        if (code != OK && code != ERR_NOT_FOUND) {
            look_later(s, &entry, &err);
            return;
        }
        bool stale = code == ERR_NOT_FOUND || rt->frozen || rt->deleted || (rt->armed_us && rt->armed_us != entry.at_us);
        if (stale) /* it is armed anew when the change of it is on disk, or has another entry */
            continue;
        rt->armed_us = 0;
        sched_settle(s, rt);
        sched_arm(s, rt);
    }
}

/* ---- newer zone files (cron semantics, section 5) ---- */

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

/* Its next slot under the rules of now. A task that is not in memory stays only when that is to be written. */
static enum err_code look_at_row(void *arg, const struct task_row *row, struct err *err)
{
    (void)err;
    struct scheduler *s = arg;
    struct task_runtime *rt = int_map_get(&s->tasks, row->task->id);
    if (rt)
        sched_task_free(row->task);
    else
        rt = sched_add_runtime(s, row);
    int64_t stored_us = rt->task->next_run_us;
    if (!rt->frozen) /* else it is armed when its change is on disk */
        sched_arm(s, rt);
    if (rt->task->next_run_us != stored_us)
        rt->next_unsaved = s->has_unsaved_next = true;
    s->moved_slots += rt->next_unsaved;
    if (s->tasks.count > (size_t)s->options.resident_max)
        sched_evict(s);
    return OK;
}

static enum err_code look_at_rows(struct db *db, void *arg, struct err *err)
{
    return task_store_each(db, look_at_row, arg, err);
}

/* All tasks, in one go: an hour of a million tasks is worth the seconds, and it happens a few times a year. */
enum err_code sched_look_at_all(struct scheduler *s, struct err *err)
{
    s->moved_slots = 0;
    enum err_code code = store_read(s->options.store, look_at_rows, s, err);
    if (code == OK && s->moved_slots)
        log_info("scheduler", "time zone rules changed: the next slots of %zu tasks were computed anew", s->moved_slots);
    return code;
}

/* Slots up to the last settled one keep their verdicts; what the new rules put between it and now is due at once. */
void sched_watch_zones(struct scheduler *s)
{
    if (s->mono.us >= s->zones_look_us) {
        char files[CRON_ZONES_SIGNATURE_MAX];
        struct err err;
        s->zones_look_us = s->mono.us + ZONES_LOOK_US;
        const uint64_t change = cron_zones_refresh();
        cron_zones_signature(files);
        bool changed = change != s->zones_seen || strcmp(files, s->zone_files) != 0;
        if (changed && sched_look_at_all(s, &err) != OK) {
            log_error("scheduler", "time zone rules changed, and tasks cannot be read, trying again: %s", err.message);
        } else if (changed) {
            s->zones_seen = change;
            (void)snprintf(s->zone_files, sizeof s->zone_files, "%s", files);
            s->zone_files_unsaved = true;
        }
    }
    if (s->has_unsaved_next)
        save_moved_slots(s);
    if (!s->has_unsaved_next && s->zone_files_unsaved) { /* not before: a start that finds the same files trusts the rows */
        s->zone_files_unsaved = false;
        (void)snprintf(scheduler_step_work(s)->zone_files, sizeof s->zone_files, "%s", s->zone_files);
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
    if (jump == CLOCK_NORMAL)
        return;
    log_warn("scheduler", "the wall clock moved by %lld s against the monotonic clock (%s)",
             (long long)((wall_step - mono_step) / US_PER_S), clock_jump_name(jump));
    if (clock_jump_is_downtime(jump))
        s->started_us = s->now.us;
}
