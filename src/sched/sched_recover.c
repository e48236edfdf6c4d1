/* SPDX-License-Identifier: Apache-2.0 */
/* What the store holds when a server starts (SCH-70..74, and Adoption in the rulings): pending executions wait again,
 * backoffs go on, commands that a keeper still knows stay running as they are, the rest ends `interrupted`. */
#include "sched/scheduler_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "sched/notes_store.h"
#include "sched/reboot_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    *WORK_ADD(&scheduler_step_work(s)->finishes) = (struct execution_finish){
        .id = active->id,
        .fence = active->fence,
        .attempt = active->attempt,
        .finished_us = s->now.us > active->started_us ? s->now.us : active->started_us,
        .change_row = -1,
        .stats_row = work_stats_row(scheduler_step_work(s), active->task_id, s->now.us / (3600 * (int64_t)US_PER_S)),
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
        s->adoption_pending = true;
    }
    return OK;
}

static enum err_code load_ids(struct db *db, void *arg, struct err *err)
{
    struct scheduler *s = arg;
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
    return code == OK ? notes_store_get(db, "zone_files", s->zone_files, err) : code;
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

static enum err_code note_due(void *arg, const struct task_due *due, struct err *err)
{
    const struct loading *loading = arg;
    struct scheduler *s = loading->scheduler;
    s->task_count++;
    if (due->next_run_us)
        slot_queue_add(&s->slots, due->next_run_us, due->id);
    return due->on_reboot ? look_for_reboot(loading, due->id, err) : OK;
}

static enum err_code load_work(struct db *db, void *arg, struct err *err)
{
    struct loading loading = {arg, db};
    enum err_code code = task_store_each_due(db, note_due, &loading, err);
    return code == OK ? execution_store_each_active(db, load_execution, &loading, err) : code;
}

/* Slots that came due while no server ran are looked at in the first step. */
enum err_code sched_load(struct scheduler *s, struct err *err)
{
    char files[CRON_ZONES_SIGNATURE_MAX];
    enum err_code code = store_read(s->options.store, load_ids, s, err);
    if (code == OK)
        code = store_read(s->options.store, load_work, s, err);
    cron_zones_signature(files);
    if (code != OK || strcmp(files, s->zone_files) == 0)
        return code;
    (void)snprintf(s->zone_files, sizeof s->zone_files, "%s", files);
    s->zone_files_unsaved = true;
    return sched_look_at_all(s, err);
}

static int by_execution(const void *a, const void *b)
{
    int64_t x = ((const struct adopted_attempt *)a)->execution_id, y = ((const struct adopted_attempt *)b)->execution_id;
    return (x > y) - (x < y);
}

static void adopt(struct scheduler *s, struct execution *ex, const struct adopted_attempt *attempt)
{
    ex->adopted = true;
    *WORK_ADD(&scheduler_step_work(s)->adoptions) = ex->id;
    if (attempt->started_us)
        ex->attempt_started_us = attempt->started_us;
    sched_set_timer(s, ex, ex->attempt_started_us + ex->task->task->max_duration_s * US_PER_S - s->now.us);
    if (ex->cancelled_by)
        sched_stop_attempt(s, ex, STOP_CANCEL);
}

static void interrupt(struct scheduler *s, struct execution *ex)
{
    struct attempt_result result = {
        .interrupted = true, .finished_us = s->now.us, .error_message = xstrdup("interrupted: the server ended while it ran")};
    if (ex->cancelled_by) /* that was wanted, and it is gone */
        ex->stop = STOP_CANCEL;
    sched_attempt_ended(s, ex->id, ex->attempt, &result);
    attempt_result_release(&result);
}

/* Alive, but no execution of ours: its task was deleted, or its row was closed. Nobody would ever end it. */
static void end_strangers(struct scheduler *s, const struct adopted_attempt *attempts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct execution *ex = int_map_get(&s->executions, attempts[i].execution_id);
        if (ex && ex->attempt == attempts[i].attempt)
            continue;
        for (size_t h = 0; h < s->options.handler_count; h++)
            if (task_type_is_kept(task_type_from_name(str_of(s->options.handlers[h].type))))
                s->options.handlers[h].stop(s->options.handlers[h].context, attempts[i].execution_id, attempts[i].attempt, true);
    }
}

void sched_adopt(struct scheduler *s, struct adopted_attempt *attempts, size_t count)
{
    if (count)
        qsort(attempts, count, sizeof *attempts, by_execution);
    end_strangers(s, attempts, count);
    if (!s->adoption_pending)
        return;
    s->adoption_pending = false;
    size_t adopted = 0, interrupted = 0, cursor = 0;
    for (struct execution *ex; (ex = int_map_next(&s->executions, &cursor));) {
        if (ex->phase != PHASE_ACTIVE || !ex->recovered)
            continue;
        ex->recovered = false;
        struct adopted_attempt wanted = {.execution_id = ex->id};
        const struct adopted_attempt *found = count ? bsearch(&wanted, attempts, count, sizeof *attempts, by_execution) : NULL;
        if (found && found->attempt == ex->attempt) {
            adopt(s, ex, found);
            adopted++;
        } else {
            interrupt(s, ex);
            interrupted++;
        }
    }
    log_info("scheduler", "recovered: %zu running commands adopted, %zu executions interrupted", adopted, interrupted);
}
