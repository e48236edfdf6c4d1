/* SPDX-License-Identifier: Apache-2.0 */
/* Clients: they ask for things at random and remember what they were told. An answer that never came leaves a doubt,
 * which is read away after the next start, as a careful client would. */
#include "sim.h"

#include "base/mem.h"
#include "sched/sched_task_json.h"

#include <stdio.h>
#include <string.h>

enum { RELAXED_US = 30 * 60 * US_PER_S };

static const struct sched_task_defaults defaults = {3600, 3, 30};

struct sim_task *sim_client_task(struct sim *sim, int64_t id)
{
    struct sim_task *task = int_map_get(&sim->tasks_by_id, id);
    if (task)
        return task;
    sim_client_reread(sim); /* its creation was committed, the answer is on its way */
    task = int_map_get(&sim->tasks_by_id, id);
    must(task);
    return task;
}

/* ---- what an answer says about a task ---- */

static void learn(struct sim *sim, struct sim_task *task, const struct sched_task *is)
{
    bool first = task->id != is->id;
    if (first) { /* also one that was declared again after its deletion */
        task->id = is->id;
        uuid_format(&is->uid, task->uid);
        (void)int_map_put(&sim->tasks_by_id, task->id, task);
    }
    if (!task->exists)
        sim->tasks_alive++;
    task->exists = true;
    task->uncertain = task->maybe_gone = false;
    (void)snprintf(task->name, sizeof task->name, "%s", is->name);
    task->version = is->version;
    task->enabled = is->enabled;
    task->type = is->type;
    task->backoff = is->backoff;
    task->max_concurrent = is->max_concurrent;
    task->max_retries = is->max_retries;
    if (first || is->max_concurrent > task->allowed_concurrent)
        task->allowed_concurrent = is->max_concurrent;
    if (first || is->max_retries > task->allowed_retries)
        task->allowed_retries = is->max_retries;
    task->relaxed_until = first ? 0 : sim->clock.mono_us + RELAXED_US;
}

static void tighten(struct sim *sim)
{
    for (size_t i = 0; i < sim->task_count; i++) {
        struct sim_task *task = sim->tasks[i];
        if (task->relaxed_until > sim->clock.mono_us)
            continue;
        task->allowed_retries = task->max_retries;
        if (task->live <= task->max_concurrent)
            task->allowed_concurrent = task->max_concurrent;
    }
}

/* ---- reading again ---- */

static bool row_of(struct sim *sim, const struct sim_task *task, struct sched_task *ret)
{
    sqlite3_stmt *st;
    struct err err;
    bool by_name = !task->id || (task->declared && !task->exists);
    const char *sql = by_name ? "SELECT definition, id, name, version, enabled, type FROM sched_tasks WHERE name = ?2"
                              : "SELECT definition, id, name, version, enabled, type FROM sched_tasks WHERE id = ?1";
    must(sqlite3_prepare_v2(sim->watcher, sql, -1, &st, NULL) == SQLITE_OK);
    (void)sqlite3_bind_int64(st, 1, task->id);
    if (by_name)
        (void)sqlite3_bind_text(st, 2, task->name, -1, SQLITE_STATIC);
    bool found = sqlite3_step(st) == SQLITE_ROW;
    if (found) {
        *ret = (struct sched_task){0};
        must(sched_task_from_stored((const char *)sqlite3_column_text(st, 0), (size_t)sqlite3_column_bytes(st, 0), ret, &err) ==
             OK);
        free(ret->name);
        ret->id = sqlite3_column_int64(st, 1);
        ret->name = xstrdup((const char *)sqlite3_column_text(st, 2));
        ret->version = sqlite3_column_int64(st, 3);
        ret->enabled = sqlite3_column_int(st, 4) != 0;
        ret->type = task_type_from_name(str_of((const char *)sqlite3_column_text(st, 5)));
    }
    (void)sqlite3_finalize(st);
    return found;
}

static void release_row(const struct sched_task *row)
{
    struct sched_task *copy = xmalloc(sizeof *copy);
    *copy = *row;
    sched_task_free(copy);
}

static void gone(struct sim *sim, struct sim_task *task)
{
    if (task->exists)
        sim->tasks_alive--;
    task->exists = task->uncertain = task->maybe_gone = false;
}

static void reread(struct sim *sim, struct sim_task *task)
{
    struct sched_task row;
    if (!row_of(sim, task, &row)) {
        if (task->exists && !task->maybe_gone)
            sim_fail(sim, "task %s was acknowledged and is gone", task->name);
        gone(sim, task);
        return;
    }
    if (!task->exists && !task->uncertain)
        sim_fail(sim, "task %s was deleted and is there", task->name);
    bool same = row.version == task->version && row.enabled == task->enabled && strcmp(row.name, task->name) == 0;
    if (!task->uncertain && !same)
        sim_fail(sim, "task %s: version %lld was acknowledged, the store has %lld", task->name, (long long)task->version,
                 (long long)row.version);
    bool forward = task->uncertain && (row.version == task->version || row.version > task->version);
    bool again = row.id != task->id; /* deleted, and declared anew: version 1 */
    if (task->uncertain && !forward && !again)
        sim_fail(sim, "task %s: version %lld was acknowledged, the store is back at %lld", task->name, (long long)task->version,
                 (long long)row.version);
    if (task->uncertain || !task->id)
        learn(sim, task, &row);
    release_row(&row);
}

void sim_client_reread(struct sim *sim)
{
    for (size_t i = 0; i < sim->task_count && !sim->failure[0]; i++)
        if (sim->tasks[i]->exists || sim->tasks[i]->uncertain)
            reread(sim, sim->tasks[i]);
}

/* ---- answers ---- */

static void promise(struct sim *sim, struct sim_task *task, const struct uuid *uid)
{
    struct sim_history *history = sim_history_of(sim, uuid_number(uid));
    sim_watch_promise(sim, uid);
    if (history->promised)
        return; /* the same unique_key */
    history->promised = true;
    if (sim->promise_count == sim->promise_capacity) {
        sim->promise_capacity = sim->promise_capacity ? sim->promise_capacity * 2 : 64;
        sim->promises = xrealloc(sim->promises, sim->promise_capacity * sizeof *sim->promises);
    }
    sim->promises[sim->promise_count++] = (struct sim_promise){*uid, task};
}

static void check_deleted(struct sim *sim, struct sim_task *task)
{
    struct sched_task row;
    gone(sim, task);
    if (!row_of(sim, task, &row))
        return;
    sim_fail(sim, "task %s: its deletion was acknowledged, its row is there", task->name);
    release_row(&row);
}

static void accepted(struct sim *sim, const struct sim_op *op, const struct sched_command *command)
{
    sim->accepted++;
    switch (op->kind) {
    case SIM_CREATE:
    case SIM_UPDATE:
    case SIM_ENABLE:
    case SIM_DISABLE:
    case SIM_DECLARE:
        learn(sim, op->task, command->result_task);
        reread(sim, op->task); /* acknowledged means committed */
        return;
    case SIM_DELETE: check_deleted(sim, op->task); return;
    case SIM_TRIGGER:
    case SIM_BULK:
        for (size_t i = 0; i < command->item_count; i++)
            promise(sim, op->task, &command->items[i].uid);
        return;
    case SIM_RETRY: promise(sim, op->task, &command->execution_uid); return;
    case SIM_CANCEL:
        if (command->execution_state <= EXECUTION_RUNNING || command->execution_state == EXECUTION_CANCELLED)
            sim_history_of(sim, op->execution_id)->cancelled = true;
        return;
    case SIM_SETTLE: return;
    }
}

/* Refusals must have a reason that the client can see. */
static void refused(struct sim *sim, const struct sim_op *op, enum err_code code, const struct err *err)
{
    sim->refused++;
    bool trouble = sim->refuse > 0 || sim->hiccup > 0 || sim->stopping || sim->clock.mono_us - sim->disturbed_mono < 5 * SECOND;
    bool overtaken = op->task && op->task->type != op->type_then; /* its data was made for the type before */
    bool known = code == ERR_CONFLICT || code == ERR_NOT_FOUND || (code == ERR_INVALID && overtaken);
    if (!known && !((code == ERR_UNAVAILABLE || code == ERR_BUSY) && trouble))
        sim_fail(sim, "operation %d on %s is refused: %s", op->kind, op->task ? op->task->name : "", err->message);
    if (code == ERR_NOT_FOUND && op->task && op->task->exists && !op->task->uncertain && op->kind != SIM_CANCEL &&
        op->kind != SIM_RETRY)
        sim_fail(sim, "task %s is not found", op->task->name);
}

static void lost(struct sim *sim, const struct sim_op *op)
{
    sim->unknown++;
    if (!op->task)
        return;
    op->task->maybe_manual += op->items;
    bool writes = op->kind != SIM_TRIGGER && op->kind != SIM_BULK && op->kind != SIM_RETRY && op->kind != SIM_CANCEL;
    op->task->uncertain |= writes;
    op->task->maybe_gone |= op->kind == SIM_DELETE;
}

static void on_reply(struct sched_command *command, enum err_code code, const struct err *err)
{
    struct sim_op *op = command->arg;
    struct sim *sim = op->sim;
    list_remove(&sim->ops, &op->node);
    sim_note(sim, "operation %d on %s: %s", op->kind, op->task ? op->task->name : "",
             sim->dying   ? "no answer"
             : code == OK ? "done"
                          : err->message);
    if (sim->dying)
        lost(sim, op);
    else if (code == OK)
        accepted(sim, op, command);
    else
        refused(sim, op, code, err);
    free(op);
    sched_command_free(command);
}

void sim_client_forget(struct sim *sim)
{
    if (sim->ops.count)
        sim_fail(sim, "%zu requests were never answered", sim->ops.count);
}

/* ---- requests ---- */

static struct sched_command *new_command(struct sim *sim, enum sim_op_kind kind, struct sim_task *task)
{
    static const enum sched_command_kind kinds[] = {
        [SIM_CREATE] = SCHED_CREATE, [SIM_UPDATE] = SCHED_UPDATE,   [SIM_ENABLE] = SCHED_ENABLE,   [SIM_DISABLE] = SCHED_DISABLE,
        [SIM_DELETE] = SCHED_DELETE, [SIM_TRIGGER] = SCHED_TRIGGER, [SIM_BULK] = SCHED_BULK,       [SIM_CANCEL] = SCHED_CANCEL,
        [SIM_RETRY] = SCHED_RETRY,   [SIM_SETTLE] = SCHED_SETTLE,   [SIM_DECLARE] = SCHED_DECLARE,
    };
    struct sim_op *op = xcalloc(1, sizeof *op);
    *op = (struct sim_op){.sim = sim, .kind = kind, .task = task, .type_then = task ? task->type : 0};
    struct sched_command *command = sched_command_new(kinds[kind], on_reply, op);
    command->arrived_us = sim->clock.wall_us;
    command->caller_uid = xstrdup("client");
    if (task)
        command->task_ref = xstrdup(task->id ? task->uid : task->name);
    return command;
}

static void submit(struct sim *sim, struct sched_command *command)
{
    struct sim_op *op = command->arg;
    list_push_back(&sim->ops, &op->node);
    if (scheduler_submit(sim->scheduler, command))
        return;
    list_remove(&sim->ops, &op->node); /* the server has stopped taking requests */
    free(op);
    sched_command_free(command);
}

static struct sched_task *parse(struct sim *sim, char *body)
{
    struct sched_task *task = NULL;
    struct err err;
    if (sched_task_from_json(body, strlen(body), SCHED_TASK_JSON_CREATE, NULL, &defaults, sim->clock.wall_us, &task, &err) != OK)
        sim_fail(sim, "%s: %s", body, err.message);
    free(body);
    return task;
}

static struct sim_task *new_task(struct sim *sim, bool declared)
{
    struct sim_task *task = xcalloc(1, sizeof *task);
    task->index = (int)sim->task_count;
    task->declared = declared;
    (void)snprintf(task->name, sizeof task->name, "%s-%d", declared ? "declared" : "task", task->index);
    sim->tasks[sim->task_count++] = task;
    return task;
}

static void submit_definition(struct sim *sim, enum sim_op_kind kind, struct sim_task *task)
{
    struct sched_command *command = new_command(sim, kind, task);
    command->task = parse(sim, sim_task_body(sim, task->name));
    if (command->task)
        submit(sim, command);
}

void sim_client_create(struct sim *sim)
{
    if (sim->alive && sim->task_count < SIM_TASKS_MAX)
        submit_definition(sim, SIM_CREATE, new_task(sim, false));
}

/* A program declares its tasks at every start: mostly the same ones again. */
static void declare(struct sim *sim)
{
    for (size_t i = 0; i < sim->task_count; i++)
        if (sim->tasks[i]->declared && sim_chance(sim, 0.7)) {
            submit_definition(sim, SIM_DECLARE, sim->tasks[i]);
            return;
        }
    if (sim->task_count < SIM_TASKS_MAX)
        submit_definition(sim, SIM_DECLARE, new_task(sim, true));
}

static struct sim_task *any_task(struct sim *sim)
{
    for (int tries = 0; tries < 20 && sim->task_count; tries++) {
        struct sim_task *task = sim->tasks[sim_range(sim, 0, (int64_t)sim->task_count - 1)];
        if (task->exists || sim_chance(sim, 0.02))
            return task;
    }
    return NULL;
}

static void fill_item(struct sim *sim, const struct sim_task *task, struct trigger_item *item, bool bulk)
{
    int64_t far = sim->plan.dense ? 20 * MINUTE : DAY;
    *item = (struct trigger_item){0};
    if (!task->declared) /* a program may give it another type */
        item->override_data = sim_override(sim, task->type);
    if (sim_chance(sim, 0.3))
        item->run_at_us = sim->clock.wall_us + sim_range(sim, 1, far);
    if (sim_chance(sim, 0.3)) {
        item->has_priority = true;
        item->priority = (int32_t)sim_range(sim, -100, 100);
    }
    if (sim_chance(sim, bulk ? 0.1 : 0.3)) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%d", (int)sim_range(sim, 0, 3));
        item->unique_key = xstrdup(key);
    }
}

static void trigger(struct sim *sim, struct sim_task *task, enum sim_op_kind kind)
{
    struct sched_command *command = new_command(sim, kind, task);
    size_t count = kind == SIM_TRIGGER ? 1 : (size_t)sim_range(sim, 1, sim_chance(sim, 0.1) ? 200 : 12);
    command->items = xcalloc(count, sizeof *command->items);
    command->item_count = count;
    command->force = sim_chance(sim, 0.3);
    for (size_t i = 0; i < count; i++)
        fill_item(sim, task, &command->items[i], kind == SIM_BULK);
    ((struct sim_op *)command->arg)->items = (int64_t)count;
    submit(sim, command);
}

static void update(struct sim *sim, struct sim_task *task)
{
    char renamed[64];
    struct sched_command *command = new_command(sim, SIM_UPDATE, task);
    command->body = sim_task_patch(sim, task, renamed, sizeof renamed);
    command->body_length = strlen(command->body);
    command->merge_patch = true;
    submit(sim, command);
}

/* An execution that somebody knows of: promised, or seen at work. 0 = none. */
static int64_t any_execution(struct sim *sim, struct sim_task **ret_task)
{
    if (sim->attempts.count && sim_chance(sim, 0.5)) {
        int64_t skip = sim_range(sim, 0, (int64_t)sim->attempts.count - 1);
        struct list_node *node = list_first(&sim->attempts);
        while (skip-- > 0)
            node = list_next(&sim->attempts, node);
        const struct sim_attempt *a = CONTAINER_OF(node, struct sim_attempt, node);
        *ret_task = a->task;
        return a->id;
    }
    if (!sim->promise_count)
        return 0;
    int64_t newest = (int64_t)sim->promise_count - 1, oldest = newest > 50 && sim_chance(sim, 0.8) ? newest - 50 : 0;
    const struct sim_promise *p = &sim->promises[sim_range(sim, oldest, newest)];
    *ret_task = p->task;
    return uuid_number(&p->uid);
}

static void on_execution(struct sim *sim, enum sim_op_kind kind)
{
    struct sim_task *task = NULL;
    int64_t id = any_execution(sim, &task);
    if (!id)
        return;
    char text[24];
    struct sched_command *command = new_command(sim, kind, task);
    struct sim_op *op = command->arg;
    (void)snprintf(text, sizeof text, "%lld", (long long)id);
    command->execution_ref = xstrdup(text);
    op->execution_id = id;
    op->items = kind == SIM_RETRY;
    command->reason = kind == SIM_CANCEL ? xstrdup("enough") : NULL;
    submit(sim, command);
}

/* A server from the past, with a fence from the past: whatever it writes must change nothing (SCH-73). */
struct stale_write {
    struct store_op op;
    struct sim *sim;
    struct execution_finish row;
};

static enum err_code stale_run(struct db *tx, void *arg, struct err *err)
{
    struct stale_write *stale = arg;
    return execution_store_finish(tx, "ghost", &stale->row, 1, err);
}

static void stale_done(void *arg, enum err_code code, const struct err *err)
{
    (void)err;
    struct stale_write *stale = arg;
    if (code == OK && !stale->row.lost)
        sim_fail(stale->sim, "execution %lld: a write under the old fence %lld took effect", (long long)stale->row.id,
                 (long long)stale->row.fence);
    free(stale);
}

static void haunt(struct sim *sim)
{
    struct sim_task *task;
    int64_t id = any_execution(sim, &task);
    const struct sim_history *history = id ? int_map_get(&sim->history, id) : NULL;
    if (!history || history->fence < 2)
        return;
    struct attempt_result late = {.success = true, .finished_us = sim->clock.wall_us};
    if (history->attempts > 1)
        sim->sink.ended(sim->sink.context, id, history->attempts - 1, &late);
    struct stale_write *stale = xcalloc(1, sizeof *stale);
    stale->sim = sim;
    stale->op = (struct store_op){.run = stale_run, .done = stale_done, .arg = stale};
    stale->row = (struct execution_finish){.id = id,
                                           .fence = history->fence - 1,
                                           .state = EXECUTION_SUCCESS,
                                           .started_us = sim->clock.wall_us,
                                           .finished_us = sim->clock.wall_us,
                                           .attempt = 1,
                                           .progress = 100};
    if (!store_submit(sim->store, &stale->op))
        free(stale);
}

static void on_task(struct sim *sim, int64_t dice)
{
    struct sim_task *task = any_task(sim);
    if (!task)
        return;
    if (dice < 38) {
        trigger(sim, task, SIM_TRIGGER);
    } else if (dice < 48) {
        trigger(sim, task, SIM_BULK);
    } else if (dice < 64) {
        update(sim, task);
    } else if (dice < 78) {
        struct sched_command *command = new_command(sim, dice < 71 || !task->enabled ? SIM_ENABLE : SIM_DISABLE, task);
        command->cancel_running = sim_chance(sim, 0.3);
        submit(sim, command);
    } else if (dice < 84) {
        submit(sim, new_command(sim, SIM_SETTLE, task));
    } else if (dice < 87) {
        declare(sim);
    } else {
        submit(sim, new_command(sim, SIM_DELETE, task));
    }
}

void sim_client_ask(struct sim *sim)
{
    int64_t dice = sim_range(sim, 0, 99);
    tighten(sim);
    if (sim->tasks_alive < (size_t)sim->plan.tasks && dice < 8)
        sim_client_create(sim);
    else if (dice < 25)
        on_execution(sim, dice < 18 ? SIM_CANCEL : SIM_RETRY);
    else if (dice < 28)
        haunt(sim);
    else
        on_task(sim, sim_range(sim, 0, 90));
}

void sim_client_operation(struct sim *sim, void *arg)
{
    (void)arg;
    if (sim->quiet)
        return;
    (void)sim_after(sim, sim_wait(sim, sim->plan.operations), sim_client_operation, NULL);
    int64_t burst = sim_chance(sim, 0.15) ? sim_range(sim, 2, 10) : 1; /* several at the same moment */
    for (int64_t i = 0; sim->alive && i < burst; i++)
        sim_client_ask(sim);
}

/* ---- the end ---- */

static void for_all(struct sim *sim, enum sim_op_kind kind, bool cancel)
{
    for (size_t i = 0; i < sim->task_count; i++)
        if (sim->tasks[i]->exists) {
            struct sched_command *command = new_command(sim, kind, sim->tasks[i]);
            command->cancel_running = cancel;
            submit(sim, command);
        }
}

void sim_client_settle_all(struct sim *sim)
{
    for_all(sim, SIM_SETTLE, false);
}

void sim_client_disable_all(struct sim *sim, bool cancel)
{
    for_all(sim, SIM_DISABLE, cancel);
}
