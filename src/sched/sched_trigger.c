/* SPDX-License-Identifier: Apache-2.0 */
/* Executions on demand: trigger, bulk trigger, retry by hand, cancel (SCH-48, SCH-55..61). */
#include "sched/scheduler_priv.h"

#include "base/mem.h"
#include "base/panic.h"
#include "sched/sched_audit.h"

#include <stdio.h>
#include <string.h>

static void refuse(struct sched_command *command, enum err_code code, const char *api_code, const char *message)
{
    struct err err;
    scheduler_answer(command, err_set(&err, code, api_code, "%s", message), &err);
}

static struct execution *unfinished_with_key(struct scheduler *s, const struct task_runtime *rt, const char *unique_key)
{
    if (!unique_key)
        return NULL;
    struct buf key;
    buf_init(&key, 1024);
    buf_printf(&key, "%lld:%s", (long long)rt->task->id, unique_key);
    struct execution *ex = map_get(&s->unique_keys, (struct str){key.data, key.len});
    buf_release(&key);
    return ex;
}

/* SCH-58: only a single trigger without run_at, on a task with overlap `skip`, is refused at the limit. */
static bool at_limit(const struct sched_command *command, const struct task_runtime *rt)
{
    return command->kind == SCHED_TRIGGER && !command->items[0].run_at_us && rt->task->overlap == OVERLAP_POLICY_SKIP &&
           sched_load_of(rt) >= rt->task->max_concurrent;
}

static enum err_code check_overrides(const struct sched_command *command, const struct task_runtime *rt, struct err *err)
{
    for (size_t i = 0; i < command->item_count; i++) {
        const char *data = command->items[i].override_data;
        if (!data)
            continue;
        struct err inner;
        if (task_type_validate(rt->task->type, data, strlen(data), &inner) == OK)
            continue;
        if (command->kind == SCHED_TRIGGER)
            return err_param(err, "override_data", "override_data: %s", inner.message);
        char name[48];
        (void)snprintf(name, sizeof name, "items[%zu].override_data", i);
        return err_param(err, name, "%s: %s", name, inner.message);
    }
    return OK;
}

/* Nobody is promised an execution that the store may still refuse. */
static bool joins_unrecorded(struct scheduler *s, const struct sched_command *command, const struct task_runtime *rt)
{
    for (size_t i = 0; i < command->item_count; i++) {
        const struct execution *ex = unfinished_with_key(s, rt, command->items[i].unique_key);
        if (ex && !ex->in_store)
            return true;
    }
    return false;
}

void sched_trigger(struct scheduler *s, struct sched_command *command, struct task_runtime *rt)
{
    struct err err;
    if (joins_unrecorded(s, command, rt)) {
        list_push_back(&s->deferred, &command->node);
        return;
    }
    if (!rt->task->enabled && !command->force) {
        refuse(command, ERR_CONFLICT, "TASK_DISABLED", "the task is disabled; `force` triggers it all the same");
        return;
    }
    if (at_limit(command, rt) && !unfinished_with_key(s, rt, command->items[0].unique_key)) {
        refuse(command, ERR_CONFLICT, "TASK_ALREADY_RUNNING", "the task has max_concurrent executions already");
        return;
    }
    if (s->executions.count + command->item_count > SCHEDULER_MAX_ACTIVE) {
        refuse(command, ERR_UNAVAILABLE, NULL, "too many executions are waiting already; try again later");
        return;
    }
    if (check_overrides(command, rt, &err) != OK) {
        scheduler_answer(command, ERR_INVALID, &err);
        return;
    }
    struct sched_work *work = scheduler_command_work(s, command);
    for (size_t i = 0; i < command->item_count; i++) {
        struct trigger_item *item = &command->items[i];
        struct execution *ex = unfinished_with_key(s, rt, item->unique_key);
        if (!ex) {
            struct new_execution request = {.cause = CAUSE_MANUAL,
                                            .scheduled_us = item->run_at_us ? item->run_at_us : s->now.us,
                                            .due_us = item->run_at_us ? item->run_at_us : s->now.us,
                                            .priority = item->has_priority ? item->priority : rt->task->priority,
                                            .trigger_by = command->caller_uid,
                                            .unique_key = item->unique_key,
                                            .override_data = item->override_data};
            ex = sched_new_execution(s, rt, &request, work);
        }
        item->uid = ex->uid;
    }
    command->execution_uid = command->items[0].uid;
    sched_audit_task(command, rt->task);
    command->audited.unchanged = !work->inserts.count; /* all of them joined executions that wait already */
    scheduler_send(s, work);
}

/* ---- retry by hand ---- */

static enum err_code find_recorded(struct db *db, void *arg, struct err *err)
{
    void **both = arg;
    return execution_store_find(db, both[0], both[1], err);
}

static enum err_code look_up(struct scheduler *s, const char *reference, struct execution_brief *ret, struct err *err)
{
    union {
        const char *in;
        void *out;
    } text = {.in = reference};
    void *both[2] = {text.out, ret};
    return store_read(s->options.store, find_recorded, both, err);
}

void sched_retry(struct scheduler *s, struct sched_command *command)
{
    struct err err;
    struct execution_brief brief = {0};
    enum err_code code = look_up(s, command->execution_ref, &brief, &err);
    if (code != OK) {
        scheduler_answer(command, code, &err);
        return;
    }
    auto_free char *data = brief.override_data;
    if (brief.state < EXECUTION_SUCCESS) {
        refuse(command, ERR_CONFLICT, "CONFLICT", "the execution has not finished yet");
        return;
    }
    struct task_runtime *rt = NULL;
    code = sched_find_task_by_id(s, brief.task_id, &rt, &err);
    if (code == ERR_NOT_FOUND || (code == OK && rt->deleted)) {
        refuse(command, ERR_NOT_FOUND, NULL, "the task of this execution was deleted");
        return;
    }
    if (code != OK) {
        scheduler_answer(command, code, &err);
        return;
    }
    if (rt->frozen) { /* perhaps it is being deleted */
        list_push_back(&s->deferred, &command->node);
        return;
    }
    struct sched_work *work = scheduler_command_work(s, command);
    struct new_execution request = {.cause = CAUSE_RETRY,
                                    .scheduled_us = s->now.us,
                                    .due_us = s->now.us,
                                    .priority = rt->task->priority,
                                    .trigger_by = command->caller_uid,
                                    .override_data = data,
                                    .retry_of = &brief.uid};
    command->execution_uid = sched_new_execution(s, rt, &request, work)->uid;
    sched_audit_task(command, rt->task);
    command->audited.execution_uid = brief.uid;
    scheduler_send(s, work);
}

/* ---- cancel ---- */

static void note_canceller(struct execution *ex, const char *by, const char *reason)
{
    if (ex->cancelled_by)
        return;
    ex->cancelled_by = xstrdup(by ? by : "");
    ex->cancel_reason = xstrdup_or_null(reason);
}

void sched_cancel_execution(struct scheduler *s, struct execution *ex, const char *by, const char *reason,
                            struct sched_work *work)
{
    bool first = !ex->cancelled_by;
    if (ex->phase == PHASE_WAITING || ex->phase == PHASE_READY) {
        note_canceller(ex, by, reason);
        sched_finish(s, ex, EXECUTION_CANCELLED, NULL, work);
        return;
    }
    if (ex->phase != PHASE_FINISHING)
        note_canceller(ex, by, reason);
    *WORK_ADD(&work->cancels) = (struct execution_cancel){.id = ex->id,
                                                          .now_us = s->now.us,
                                                          .first = first && ex->phase != PHASE_FINISHING,
                                                          .was_stop = (int)ex->stop,
                                                          .cancelled_by = xstrdup(ex->cancelled_by ? ex->cancelled_by
                                                                                  : by             ? by
                                                                                                   : ""),
                                                          .cancel_reason = xstrdup_or_null(ex->cancel_reason)};
    if (ex->phase != PHASE_FINISHING)
        ex->stop = STOP_CANCEL; /* outranks a deadline; however it ends from here on, it was cancelled */
}

static void take_back(struct execution *ex, const struct execution_cancel *row)
{
    if (!row->first || ex->phase == PHASE_FINISHING)
        return;
    ex->stop = (enum stop_cause)row->was_stop;
    free(ex->cancelled_by);
    free(ex->cancel_reason);
    ex->cancelled_by = ex->cancel_reason = NULL;
}

/* The wish is on disk: now it takes effect, and the next server goes on with it if this one ends before. */
static void carry_out(struct scheduler *s, struct execution *ex, const struct execution_cancel *row)
{
    note_canceller(ex, row->cancelled_by, row->cancel_reason);
    switch (ex->phase) {
    case PHASE_WAITING:
    case PHASE_READY: sched_finish(s, ex, EXECUTION_CANCELLED, NULL, scheduler_step_work(s)); return;
    case PHASE_ACTIVE: sched_stop_attempt(s, ex, STOP_CANCEL); return;
    case PHASE_RECORDING:
    case PHASE_STARTING: /* noticed when its write is on disk */
    case PHASE_STOPPING:
    case PHASE_KILLED: ex->stop = STOP_CANCEL; return;
    case PHASE_FINISHING: return;
    }
}

void sched_cancelled(struct scheduler *s, struct sched_work *work)
{
    for (size_t i = 0; i < work->cancels.count; i++) {
        const struct execution_cancel *row = &work->cancels.rows[i];
        struct execution *ex = int_map_get(&s->executions, row->id);
        if (ex && work->code == OK)
            carry_out(s, ex, row);
        else if (ex)
            take_back(ex, row);
    }
}

static struct execution *find_in_memory(struct scheduler *s, const char *reference)
{
    struct uuid uid;
    int64_t id;
    if (uuid_parse(reference, strlen(reference), &uid)) {
        struct execution *ex = int_map_get(&s->executions, uuid_number(&uid));
        return ex && memcmp(ex->uid.b, uid.b, sizeof uid.b) == 0 ? ex : NULL;
    }
    return str_to_int(str_of(reference), 1, INT64_MAX, &id) ? int_map_get(&s->executions, id) : NULL;
}

void sched_cancel(struct scheduler *s, struct sched_command *command)
{
    struct execution *ex = find_in_memory(s, command->execution_ref);
    if (!ex) { /* finished long ago, or never made: nothing changes (SCH-61) */
        struct err err;
        struct execution_brief brief = {0};
        enum err_code code = look_up(s, command->execution_ref, &brief, &err);
        free(brief.override_data);
        command->execution_state = brief.state;
        command->audited.execution_uid = brief.uid;
        command->audited.state_before = brief.state;
        command->audited.unchanged = true;
        if (code == OK && command->audit)
            scheduler_send(s, scheduler_command_work(s, command));
        else
            scheduler_answer(command, code, &err);
        return;
    }
    if (scheduler_has_unsent(s, ex->task)) { /* perhaps its own row: the wish must not arrive before it */
        list_push_back(&s->deferred, &command->node);
        return;
    }
    struct sched_work *work = scheduler_command_work(s, command);
    sched_audit_task(command, ex->task->task);
    command->audited.execution_uid = ex->uid;
    command->audited.state_before = ex->state;
    sched_cancel_execution(s, ex, command->caller_uid, command->reason, work);
    command->execution_state = ex->state;
    scheduler_send(s, work);
}
