/* SPDX-License-Identifier: Apache-2.0 */
#include "app/declared_tasks.h"

#include "audit/audit_event.h"
#include "sched/sched_task_json.h"

#include <string.h>

static const char *const declared[] = {
    "{\"name\":\"execution_cleanup\",\"type\":\"execution_cleanup\",\"is_recurring\":true,\"cron_expr\":\"0 2 * * *\","
    "\"description\":\"Deletes executions, ledger rows and logs that are older than their retention.\"}",
    "{\"name\":\"lock_cleanup\",\"type\":\"lock_cleanup\",\"is_recurring\":true,\"cron_expr\":\"0 3 * * *\","
    "\"description\":\"Deletes released and expired locks that are older than their retention.\"}",
    "{\"name\":\"audit_cleanup\",\"type\":\"audit_cleanup\",\"is_recurring\":true,\"cron_expr\":\"0 2 * * *\","
    "\"description\":\"Drops audit events that are older than their retention.\"}",
};

enum err_code declare_tasks(struct scheduler *scheduler, int64_t now_us, struct err *err)
{
    static const struct sched_task_defaults defaults = {3600, 3, 30};
    for (size_t i = 0; i < ARRAY_LEN(declared); i++) {
        struct sched_task *task;
        enum err_code code =
            sched_task_from_json(declared[i], strlen(declared[i]), SCHED_TASK_JSON_CREATE, NULL, &defaults, now_us, &task, err);
        if (code != OK)
            return code;
        struct sched_command *command = sched_command_new(SCHED_DECLARE, NULL, NULL);
        command->task = task;
        command->audit = audit_event_new(AUDIT_ACTION_CREATED, AUDIT_RESOURCE_SCHEDULED_TASK, task->name);
        audit_event_set(command->audit, AUDIT_TEXT_SUBSYSTEM, "scheduler");
        code = scheduler_execute(scheduler, command, err);
        sched_command_free(command);
        if (code != OK)
            return code;
    }
    return OK;
}
