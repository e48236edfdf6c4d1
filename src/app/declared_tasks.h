/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks that are there from the first start (RET-01, RET-06, contract section 3): the maintenance types on their
 * schedules. Declared at every start: enabled, labels and priority stay the operator's (GEN-04). */
#ifndef HORAE_APP_DECLARED_TASKS_H
#define HORAE_APP_DECLARED_TASKS_H

#include "sched/scheduler.h"

enum err_code declare_tasks(struct scheduler *scheduler, int64_t now_us, struct err *err);

#endif
