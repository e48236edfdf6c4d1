/* SPDX-License-Identifier: Apache-2.0 */
/* A command as its caller holds it: made, freed, and waited for. */
#include "audit/audit_event.h"
#include "base/mem.h"
#include "base/thread.h"
#include "sched/sched_task.h"
#include "sched/scheduler.h"

struct sched_command *sched_command_new(enum sched_command_kind kind, sched_reply_fn reply, void *arg)
{
    struct sched_command *command = xcalloc(1, sizeof *command);
    command->kind = kind;
    command->reply = reply;
    command->arg = arg;
    return command;
}

void sched_command_free(struct sched_command *command)
{
    if (!command)
        return;
    for (size_t i = 0; i < command->item_count; i++) {
        free(command->items[i].override_data);
        free(command->items[i].unique_key);
    }
    free(command->items);
    free(command->caller_uid);
    free(command->task_ref);
    free(command->execution_ref);
    free(command->body);
    free(command->reason);
    sched_task_free(command->task);
    sched_task_free(command->result_task);
    audit_event_free(command->audit);
    free(command->audited.task_name);
    sched_task_free(command->audited.before);
    free(command);
}

struct waiter {
    struct mutex mutex;
    struct condition done;
    bool is_done;
    enum err_code code;
    struct err err;
};

static void wake_waiter(struct sched_command *command, enum err_code code, const struct err *err)
{
    struct waiter *waiter = command->arg;
    mutex_lock(&waiter->mutex);
    waiter->code = code;
    if (code != OK)
        waiter->err = *err;
    waiter->is_done = true;
    condition_signal(&waiter->done);
    mutex_unlock(&waiter->mutex);
}

enum err_code scheduler_execute(struct scheduler *s, struct sched_command *command, struct err *err)
{
    struct waiter waiter = {.is_done = false};
    mutex_init(&waiter.mutex);
    condition_init(&waiter.done);
    command->reply = wake_waiter;
    /* cppcheck-suppress autoVariables ; nobody uses it after the wait below */
    command->arg = &waiter;
    if (!scheduler_submit(s, command)) {
        waiter.code = err_set(&waiter.err, ERR_UNAVAILABLE, NULL, "the server is stopping");
        waiter.is_done = true;
    }
    mutex_lock(&waiter.mutex);
    while (!waiter.is_done)
        condition_wait(&waiter.done, &waiter.mutex);
    mutex_unlock(&waiter.mutex);
    condition_release(&waiter.done);
    mutex_release(&waiter.mutex);
    if (waiter.code != OK && err)
        *err = waiter.err;
    return waiter.code;
}
