/* SPDX-License-Identifier: Apache-2.0 */
/* The bodies that trigger tasks (SCH-55 to SCH-60, API-14). Pure, any thread. */
#ifndef HORAE_SCHED_TRIGGER_BODY_H
#define HORAE_SCHED_TRIGGER_BODY_H

#include "base/json.h"
#include "sched/scheduler.h"

/* Into the items and `force` of the command, which owns them also after an error. `body` may be NULL: one run, now.
 * ERR_INVALID names the member. */
enum err_code trigger_body_read(const struct json *body, struct sched_command *command, struct err *err);
/* The same for many runs of one task (at most SCHEDULER_BULK_MAX), which `task_ref` gets. */
enum err_code bulk_body_read(const struct json *body, struct sched_command *command, struct err *err);

#endif
