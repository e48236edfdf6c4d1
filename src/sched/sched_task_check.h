/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that bind several members of a task together; run after every change (SCH-18, DATA-01). */
#ifndef HORAE_SCHED_SCHED_TASK_CHECK_H
#define HORAE_SCHED_SCHED_TASK_CHECK_H

#include "base/err.h"
#include "sched/sched_task.h"

/* ERR_INVALID naming the member and what is allowed; for an expression, the code, position and hint of the engine. */
enum err_code sched_task_check(const struct sched_task *task, struct err *err);

#endif
