/* SPDX-License-Identifier: Apache-2.0 */
/* What a command leaves in the audit log (AUD-02, AUD-40): its caller made the event, the scheduler notes what it is about, and
 * the rest is rendered in the transaction of the change, on the store's thread. Commands without an event cost nothing here. */
#ifndef HORAE_SCHED_SCHED_AUDIT_H
#define HORAE_SCHED_SCHED_AUDIT_H

#include "sched/work.h"

/* Items of a bulk trigger whose values are recorded; of more than these the event has the count and the last uid. */
enum { SCHED_AUDIT_ITEMS = 20 };

/* The scheduler's thread. The second keeps a copy of the definition, for the object before the change. */
void sched_audit_task(struct sched_command *command, const struct sched_task *task);
void sched_audit_change(struct sched_command *command, const struct sched_task *before);

/* Writer's transaction; may run again. Nothing for a step, or a command without an event. */
enum err_code sched_audit_put(struct db *tx, struct sched_work *work, struct err *err);

#endif
