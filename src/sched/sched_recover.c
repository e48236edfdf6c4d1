/* SPDX-License-Identifier: Apache-2.0 */
/* What the store holds when a server starts (SCH-70..74, and Adoption in the rulings): pending executions wait again,
 * backoffs go on, commands that a keeper still knows stay running as they are, the rest ends `interrupted`. */
#include "sched/scheduler_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "sched/notes_store.h"
#include "sched/reboot_store.h"

#include <stdlib.h>

static void free_active(const struct execution_active *active)
{
    free(active->trigger_by);
    free(active->unique_key);
    free(active->override_data);
    free(active->attempts);
    free(active->error_message);
    free(active->cancelled_by);
    free(active->cancel_reason);
}

/* Its task was deleted while it ran, and the server ended before it did. The keeper is told to end what it knows
 * under an id that no task has. */
static void close_orphan(struct scheduler *s, const struct execution_active *active)
{
    struct sched_work *work = scheduler_step_work(s);
    int64_t finished_us = s->now.us > active->started_us ? s->now.us : active->started_us;
    *WORK_ADD(&work->tasks) = (struct task_change){.task_id = active->task_id}; /* for the totals of deleted tasks (SCH-81) */
    *WORK_ADD(&work->finishes) =
        (struct execution_finish){.id = active->id,
                                  .fence = active->fence,
                                  .attempt = active->attempt,
                                  .finished_us = finished_us,
                                  .change_row = (int32_t)work->tasks.count - 1,
                                  .stats_row = work_stats_row(work, active->task_id, finished_us / (3600 * (int64_t)US_PER_S)),
                                  .state = active->cancelled_by ? EXECUTION_CANCELLED : EXECUTION_INTERRUPTED};
    free_active(active);
}

/* A reading of the store under way: what it needs besides is read on the same connection. */
struct loading {
    struct scheduler *scheduler;
    struct db *db;
};

static enum err_code load_execution(void *arg, const struct execution_active *active, struct err *err)
{
    const struct loading *loading = arg;
    struct scheduler *s = loading->scheduler;
    struct task_runtime *rt;
    enum err_code code = sched_read_task(s, loading->db, active->task_id, &rt, err);
    if (code == ERR_NOT_FOUND) {
        close_orphan(s, active);
        return OK;
    }
    if (code != OK) {
        free_active(active);
        return code;
    }
    struct execution *ex = sched_restore_execution(s, rt, active);
    ex->attempts_json = active->attempts;
    ex->last_error = active->error_message;
    bool backoff = active->state == EXECUTION_RUNNING && !active->claimed;
    if (active->state == EXECUTION_PENDING) {
        if (ex->cancelled_by)
            ex->stop = STOP_CANCEL;
        sched_make_ready(s, ex);
    } else if (backoff) {
        sched_take_place(s, ex);
        ex->phase = PHASE_WAITING;
        sched_set_timer(s, ex, sched_backoff_left(s, ex));
    } else {
        sched_take_place(s, ex);
        ex->phase = PHASE_ACTIVE; /* until the keeper has said what lives */
        ex->recovered = s->adoption_pending = true;
    }
    return OK;
}

static enum err_code load_ids(struct db *db, struct scheduler *s, struct err *err)
{
    enum err_code code = task_store_last_ids(db, &s->next_task_id, &s->next_snapshot_id, err);
    if (code == OK)
        code = epoch_store_last_id(db, &s->next_epoch_id, err);
    if (code == OK)
        code = ledger_store_last_id(db, &s->next_ledger_id, err);
    if (code == OK)
        code = execution_store_last_id(db, &s->next_execution_id, err);
    s->next_task_id++;
    s->next_snapshot_id++;
    s->next_epoch_id++;
    s->next_ledger_id++;
    s->next_execution_id++;
    return code == OK ? notes_store_get(db, NOTE_ZONE_RULES, s->zone_rules, err) : code;
}

/* @reboot is a slot of the scheduler's start, once for each boot of the machine. */
static enum err_code look_for_reboot(const struct loading *loading, int64_t task_id, struct err *err)
{
    struct task_runtime *rt;
    bool seen = true;
    enum err_code code = sched_read_task(loading->scheduler, loading->db, task_id, &rt, err);
    if (code == OK && rt->schedule.kind == SCHEDULE_REBOOT)
        code = reboot_store_seen(loading->db, task_id, &seen, err);
    if (code == OK)
        rt->reboot_due = !seen;
    return code;
}

/* Slots that came due while no server ran are looked at in the first step. */
static enum err_code note_due(void *arg, const struct task_due *due, struct err *err)
{
    const struct loading *loading = arg;
    struct scheduler *s = loading->scheduler;
    s->task_count++;
    if (due->next_run_us)
        slot_queue_add_first(&s->slots, due->next_run_us, due->id);
    return due->on_reboot && s->options.plans ? look_for_reboot(loading, due->id, err) : OK;
}

static enum err_code load_all(struct db *db, void *arg, struct err *err)
{
    struct loading loading = {arg, db};
    enum err_code code = load_ids(db, arg, err);
    if (code == OK)
        code = task_store_each_due(db, note_due, &loading, err);
    return code == OK ? execution_store_each_active(db, load_execution, &loading, err) : code;
}

static void interrupt(struct scheduler *s, struct execution *ex)
{
    struct attempt_result result = {
        .interrupted = true, .finished_us = s->now.us, .error_message = xstrdup("interrupted: the server ended while it ran")};
    ex->recovered = false;
    if (ex->cancelled_by) /* that was wanted, and it is gone */
        ex->stop = STOP_CANCEL;
    sched_attempt_ended(s, ex->id, ex->attempt, &result);
    attempt_result_release(&result);
}

/* What needs no keeper to be known as lost: it ran inside the server that ended. */
static void interrupt_own(struct scheduler *s)
{
    size_t cursor = 0;
    for (struct execution *ex; (ex = int_map_next(&s->executions, &cursor));)
        if (ex->recovered && !task_type_is_kept(ex->task->task->type))
            interrupt(s, ex);
}

enum err_code sched_load(struct scheduler *s, struct err *err)
{
    enum err_code code = store_read(s->options.store, load_all, s, err);
    if (code == OK)
        interrupt_own(s);
    return code;
}

static void adopt(struct scheduler *s, struct execution *ex, int64_t started_us)
{
    ex->adopted = true;
    ex->recovered = false;
    if (started_us)
        ex->attempt_started_us = started_us;
    *WORK_ADD(&scheduler_step_work(s)->adoptions) = ex->id;
    if (ex->phase == PHASE_ACTIVE) /* else it was told to end while the keeper did not answer */
        sched_set_timer(s, ex, ex->attempt_started_us + ex->task->task->max_duration_s * US_PER_S - s->now.us);
    if (ex->cancelled_by)
        sched_stop_attempt(s, ex, STOP_CANCEL);
}

/* Its task was deleted, or the store is an older one that was restored: nobody could ever stop it. */
static void end_stray(const struct scheduler *s, const struct adopted_attempt *attempt)
{
    log_warn("scheduler", "execution %lld (attempt %d) lives under the keeper and is not known here: it is ended",
             (long long)attempt->execution_id, attempt->attempt);
    for (size_t i = 0; i < s->options.handler_count; i++)
        if (task_type_is_kept(task_type_from_name(str_of(s->options.handlers[i].type))))
            s->options.handlers[i].stop(s->options.handlers[i].context, attempt->execution_id, attempt->attempt, true);
}

/* True when it is a run of the former server that goes on. */
static bool take_listed(struct scheduler *s, const struct adopted_attempt *attempt)
{
    if (attempt->execution_id >= s->next_execution_id) /* of a store that was replaced by an older one */
        s->next_execution_id = attempt->execution_id + 1;
    struct execution *ex = int_map_get(&s->executions, attempt->execution_id);
    bool ours = ex && ex->attempt == attempt->attempt && ex->recorded_attempt < attempt->attempt;
    if (ours && ex->recovered) {
        adopt(s, ex, attempt->started_us);
        return true;
    }
    if (attempt->ended && !ours) /* recorded; only its acknowledgement was lost with the former server */
        sched_acknowledge(s, attempt->execution_id, attempt->attempt);
    else if (!ours)
        end_stray(s, attempt);
    return false;
}

void sched_adopt(struct scheduler *s, const struct adopted_attempt *attempts, size_t count)
{
    size_t adopted = 0, interrupted = 0, cursor = 0;
    for (size_t i = 0; i < count; i++)
        adopted += take_listed(s, &attempts[i]);
    for (struct execution *ex; s->adoption_pending && (ex = int_map_next(&s->executions, &cursor));)
        if (ex->recovered) {
            interrupt(s, ex);
            interrupted++;
        }
    s->adoption_pending = false;
    log_info("scheduler", "recovered: %zu running commands adopted, %zu executions interrupted", adopted, interrupted);
}
