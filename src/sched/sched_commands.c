/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of definitions: create, update, delete, enable, disable, declare, settle (SCH-09, SCH-10, GEN-04). While a
 * change is on its way to the store its task is frozen: commands for it wait, slots do not fire. */
#include "sched/scheduler_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sched/sched_audit.h"
#include "sched/sched_task_json.h"

#include <stdio.h>
#include <string.h>

static void refuse(struct sched_command *command, enum err_code code, const char *message)
{
    struct err err;
    scheduler_answer(command, err_set(&err, code, NULL, "%s", message), &err);
}

static struct sched_work *write_work(struct scheduler *s, struct sched_command *command, struct task_runtime *rt,
                                     enum task_write_kind kind, struct sched_task *task)
{
    struct sched_work *work = scheduler_command_work(s, command);
    work->runtime = rt;
    work->write = xcalloc(1, sizeof *work->write);
    *work->write = (struct task_write){
        .kind = kind, .task = task, .settled_us = rt->settled_us, .epoch_id = rt->epoch_id, .snapshot_id = rt->snapshot_id};
    rt->frozen = true;
    rt->armed_us = 0;
    return work;
}

/* Nothing is to be done; that it was asked for is recorded, and answered when that is on disk. */
static void answer_unchanged(struct scheduler *s, struct sched_command *command, const struct task_runtime *rt)
{
    command->result_task = sched_task_clone(rt->task);
    if (!command->audit || command->kind == SCHED_DECLARE) {
        scheduler_answer(command, OK, NULL);
        return;
    }
    sched_audit_task(command, rt->task);
    command->audited.unchanged = true;
    scheduler_send(s, scheduler_command_work(s, command));
}

/* ---- create ---- */

/* Also when nobody can tell: answered then. Two names on their way at once are told apart by the store. */
static bool name_is_taken(struct scheduler *s, struct sched_command *command, const char *name, const struct task_runtime *self)
{
    struct err err;
    struct task_runtime *other;
    enum err_code code = sched_find_task(s, name, &other, &err);
    if (code == ERR_NOT_FOUND || (code == OK && (other == self || other->deleted)))
        return false;
    if (code == OK) {
        code = err_set(&err, ERR_CONFLICT, NULL, "a task with the name \"%s\" exists already", name);
        (void)snprintf(err.param, sizeof err.param, "name");
    }
    scheduler_answer(command, code, &err);
    return true;
}

static void create_task(struct scheduler *s, struct sched_command *command)
{
    struct sched_task *task = command->task;
    if (name_is_taken(s, command, task->name, NULL))
        return;
    command->task = NULL;
    command->created = true;
    task->id = s->next_task_id++;
    task->version = 1;
    struct task_row row = {task, task->created_at_us, s->next_epoch_id++, s->next_snapshot_id++};
    struct task_runtime *rt = sched_add_runtime(s, &row);
    int64_t next = schedule_next(&rt->schedule, rt->settled_us);
    task->next_run_us = task->enabled && next != SCHEDULE_NEVER ? next : 0;
    command->result_task = sched_task_clone(task);
    sched_audit_task(command, task);
    struct sched_work *work = write_work(s, command, rt, TASK_WRITE_CREATE, sched_task_clone(task));
    work->write->new_epoch = work->write->new_snapshot = true;
    scheduler_send(s, work);
}

/* ---- update ---- */

/* What runs belongs to the handler of its type, and what waits was made for it. */
static bool type_is_in_use(struct sched_command *command, const struct task_runtime *rt, const struct sched_task *next)
{
    if (next->type == rt->task->type || !rt->executions.count)
        return false;
    struct err err;
    enum err_code code =
        err_set(&err, ERR_CONFLICT, NULL, "type cannot change from %s to %s while %zu executions of the task are unfinished",
                task_type_name(rt->task->type), task_type_name(next->type), rt->executions.count);
    (void)snprintf(err.param, sizeof err.param, "type");
    scheduler_answer(command, code, &err);
    return true;
}

/* Puts a new definition in place; slots up to now belong to the old one and were settled before. NULL: answered. The
 * command may be gone once the work is sent. */
static struct sched_work *rewrite(struct scheduler *s, struct sched_command *command, struct task_runtime *rt,
                                  struct sched_task *next)
{
    const struct sched_task *old = rt->task;
    if (name_is_taken(s, command, next->name, rt) || type_is_in_use(command, rt, next)) {
        sched_task_free(next);
        return NULL;
    }
    bool renamed = strcmp(next->name, old->name) != 0 || next->type != old->type;
    struct sched_work *work = write_work(s, command, rt, TASK_WRITE_UPDATE, next);
    sched_task_keep_runtime(next, rt->task); /* counters and the like go on */
    next->version = old->version + 1;
    next->updated_at_us = s->now.us;
    struct schedule schedule;
    schedule_from_task(next, &schedule);
    int64_t slot = schedule_next(&schedule, rt->settled_us);
    next->next_run_us = next->enabled && slot != SCHEDULE_NEVER ? slot : 0;
    work->check_task_id = old->id;
    work->check_settled_us = rt->recorded_us;
    work->write->new_epoch = true;
    work->write->epoch_id = s->next_epoch_id++;
    work->write->new_snapshot = renamed;
    if (renamed)
        work->write->snapshot_id = s->next_snapshot_id++;
    command->result_task = sched_task_clone(next);
    sched_audit_change(command, old);
    return work;
}

static void rewrite_task(struct scheduler *s, struct sched_command *command, struct task_runtime *rt, struct sched_task *next)
{
    struct sched_work *work = rewrite(s, command, rt, next);
    if (work)
        scheduler_send(s, work);
}

static void cancel_all(struct scheduler *s, struct task_runtime *rt, const char *by, const char *reason, struct sched_work *work)
{
    struct list_node *following;
    for (struct list_node *node = list_first(&rt->executions); node; node = following) {
        following = list_next(&rt->executions, node);
        sched_cancel_execution(s, CONTAINER_OF(node, struct execution, siblings), by, reason, work);
    }
}

static void update_task(struct scheduler *s, struct sched_command *command, struct task_runtime *rt)
{
    struct err err;
    struct sched_task *next = NULL;
    enum sched_task_json_mode mode = command->merge_patch ? SCHED_TASK_JSON_MERGE_PATCH : SCHED_TASK_JSON_PUT;
    struct sched_task_defaults defaults = {s->options.default_max_duration_s, s->options.default_max_retries,
                                           s->options.default_grace_s};
    enum err_code code =
        sched_task_from_json(command->body, command->body_length, mode, rt->task, &defaults, s->now.us, &next, &err);
    if (code != OK) {
        scheduler_answer(command, code, &err);
        return;
    }
    rewrite_task(s, command, rt, next);
}

static void enable_task(struct scheduler *s, struct sched_command *command, struct task_runtime *rt, bool enabled)
{
    if (rt->task->enabled == enabled && !command->cancel_running) {
        answer_unchanged(s, command, rt);
        return;
    }
    struct sched_task *next = sched_task_clone(rt->task);
    next->enabled = enabled;
    struct sched_work *work = rewrite(s, command, rt, next);
    if (work && command->cancel_running)
        cancel_all(s, rt, command->caller_uid, "the task was disabled", work);
    if (work)
        scheduler_send(s, work);
}

/* GEN-04: a service declares its task at every start; operators' enable/disable, labels and priority stay. */
static void declare_task(struct scheduler *s, struct sched_command *command, struct task_runtime *rt)
{
    if (!rt || rt->deleted) {
        create_task(s, command);
        return;
    }
    struct sched_task *next = sched_task_redeclare(rt->task, command->task);
    if (!next) { /* the same definition */
        answer_unchanged(s, command, rt);
        return;
    }
    rewrite_task(s, command, rt, next);
}

/* ---- delete ---- */

static void delete_task(struct scheduler *s, struct sched_command *command, struct task_runtime *rt)
{
    struct sched_work *work = write_work(s, command, rt, TASK_WRITE_DELETE, sched_task_clone(rt->task));
    sched_audit_change(command, rt->task);
    cancel_all(s, rt, command->caller_uid, "the task was deleted", work);
    scheduler_send(s, work);
}

/* ---- settle ---- */

/* Answered when the ledger is on disk up to here: the step that holds it went before. */
static void settle_task(struct scheduler *s, struct sched_command *command, const struct task_runtime *rt)
{
    struct sched_work *work = scheduler_command_work(s, command);
    work->check_task_id = rt->task->id;
    work->check_settled_us = rt->recorded_us;
    scheduler_send(s, work);
}

/* ---- committed ---- */

/* SCH-47: what waits for its next attempt gets none any more, and does not wait until then to say so. */
static void end_backoffs(struct scheduler *s, struct task_runtime *rt)
{
    for (struct list_node *node = list_first(&rt->executions); node; node = list_next(&rt->executions, node)) {
        struct execution *ex = CONTAINER_OF(node, struct execution, siblings);
        if (ex->phase == PHASE_WAITING && ex->holds_place)
            sched_set_timer(s, ex, 0);
    }
}

static void apply_write(struct scheduler *s, struct task_runtime *rt, struct task_write *write)
{
    switch (write->kind) {
    case TASK_WRITE_CREATE: s->task_count++; break;
    case TASK_WRITE_UPDATE:
        sched_forget_name(s, rt);
        sched_task_keep_runtime(write->task, rt->task); /* runs may have ended meanwhile */
        sched_task_free(rt->task);
        rt->task = write->task;
        write->task = NULL;
        (void)map_put(&s->tasks_by_name, str_of(rt->task->name), rt);
        rt->settled_us = rt->recorded_us = write->settled_us;
        rt->epoch_id = write->epoch_id;
        rt->snapshot_id = write->snapshot_id;
        rt->tail.id = 0; /* ledger rows belong to one epoch */
        sched_refresh_runtime(s, rt);
        if (!rt->task->enabled)
            end_backoffs(s, rt);
        break;
    case TASK_WRITE_DELETE:
        rt->deleted = true;
        s->task_count--;
        break;
    }
}

static void undo_write(struct task_runtime *rt, const struct task_write *write)
{
    if (write->kind == TASK_WRITE_CREATE)
        rt->deleted = true;
    else
        log_warn("scheduler", "a change of task %s was refused by the store", rt->task->name);
}

void sched_write_committed(struct scheduler *s, struct sched_work *work)
{
    struct task_runtime *rt = work->runtime;
    static const char *const events[] = {"task.created", "task.updated", "task.deleted"};
    rt->frozen = false;
    if (work->code == OK) {
        apply_write(s, rt, work->write);
        scheduler_publish_task(s, rt, events[work->write->kind]);
    } else {
        undo_write(rt, work->write);
    }
    if (rt->deleted) {
        rt->armed_us = 0;
        sched_forget_name(s, rt); /* the name is free again at once */
    } else {
        (void)sched_arm(s, rt);
        sched_update_ready(s, rt);
    }
    sched_forget_if_gone(s, rt); /* rt may be gone from here on */
}

/* ---- dispatch ---- */

static void task_command(struct scheduler *s, struct sched_command *command, struct task_runtime *rt)
{
    switch (command->kind) {
    case SCHED_UPDATE: update_task(s, command, rt); break;
    case SCHED_DELETE: delete_task(s, command, rt); break;
    case SCHED_ENABLE: enable_task(s, command, rt, true); break;
    case SCHED_DISABLE: enable_task(s, command, rt, false); break;
    case SCHED_TRIGGER:
    case SCHED_BULK: sched_trigger(s, command, rt); break;
    case SCHED_SETTLE: settle_task(s, command, rt); break;
    case SCHED_CREATE:
    case SCHED_DECLARE:
    case SCHED_CANCEL:
    case SCHED_RETRY: unreachable("not a command for one task");
    }
}

/* ---- order ---- */

enum needs {
    NEEDS_LEDGER = 1, /* slots up to its arrival have their verdicts first */
    NEEDS_ORDER = 2,  /* what was decided for its task before is sent first */
};
static const unsigned needs[] = {
    [SCHED_UPDATE] = NEEDS_LEDGER | NEEDS_ORDER,
    [SCHED_ENABLE] = NEEDS_LEDGER | NEEDS_ORDER,
    [SCHED_DISABLE] = NEEDS_LEDGER | NEEDS_ORDER,
    [SCHED_DECLARE] = NEEDS_LEDGER | NEEDS_ORDER,
    [SCHED_SETTLE] = NEEDS_LEDGER | NEEDS_ORDER,
    [SCHED_DELETE] = NEEDS_ORDER,
    [SCHED_TRIGGER] = 0,
    [SCHED_BULK] = 0,
};

/* The next look at it is when a change of its task is on disk, or when the step in hand was sent. */
static bool must_wait(struct scheduler *s, struct sched_command *command, struct task_runtime *rt)
{
    if (rt->frozen)
        return true;
    if (needs[command->kind] & NEEDS_LEDGER && !command->settled) {
        command->settled = true;
        if (s->options.plans && !rt->deleted) {
            sched_settle(s, rt);
            (void)sched_arm(s, rt);
        }
    }
    return needs[command->kind] & NEEDS_ORDER && scheduler_has_unsent(s, rt);
}

static void defer(struct scheduler *s, struct sched_command *command)
{
    if (s->refused_step) /* nobody knows how long the store will refuse what comes before */
        scheduler_answer(command, s->refused_step->err.code, &s->refused_step->err);
    else
        list_push_back(&s->deferred, &command->node);
}

void sched_release_deferred(struct scheduler *s)
{
    struct list waiting;
    s->look_again = false;
    list_init(&waiting);
    list_splice(&waiting, &s->deferred);
    for (struct list_node *node; (node = list_pop_front(&waiting));)
        sched_handle_command(s, CONTAINER_OF(node, struct sched_command, node));
}

void sched_refuse_deferred(struct scheduler *s, enum err_code code, const struct err *err)
{
    for (struct list_node *node; (node = list_pop_front(&s->deferred));)
        scheduler_answer(CONTAINER_OF(node, struct sched_command, node), code, err);
}

void sched_handle_command(struct scheduler *s, struct sched_command *command)
{
    if (s->stopping) {
        refuse(command, ERR_UNAVAILABLE, "the server is stopping");
        return;
    }
    switch (command->kind) {
    case SCHED_CREATE: create_task(s, command); return;
    case SCHED_CANCEL: sched_cancel(s, command); return;
    case SCHED_RETRY: sched_retry(s, command); return;
    case SCHED_DECLARE:
    case SCHED_UPDATE:
    case SCHED_DELETE:
    case SCHED_ENABLE:
    case SCHED_DISABLE:
    case SCHED_TRIGGER:
    case SCHED_BULK:
    case SCHED_SETTLE: break;
    }
    const char *reference = command->kind == SCHED_DECLARE ? command->task->name : command->task_ref;
    struct task_runtime *rt = NULL;
    struct err err;
    enum err_code code = sched_find_task(s, reference, &rt, &err);
    if (code != OK && (code != ERR_NOT_FOUND || command->kind != SCHED_DECLARE)) {
        scheduler_answer(command, code, &err);
        return;
    }
    if (rt && must_wait(s, command, rt)) {
        defer(s, command);
        return;
    }
    if (command->kind == SCHED_DECLARE)
        declare_task(s, command, rt);
    else if (!rt || rt->deleted)
        refuse(command, ERR_NOT_FOUND, "Resource not found");
    else
        task_command(s, command, rt);
}
