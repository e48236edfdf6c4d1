/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of the end of an execution (CRON-50): a failure, a timeout, and that a task has failed some times in a row or
 * does so no more. It is written in the transaction of the end, so that no crash loses it; an end that nobody is told of costs
 * nothing. */
#ifndef HORAE_SCHED_END_ALERT_H
#define HORAE_SCHED_END_ALERT_H

#include "sched/scheduler_priv.h"

struct end_alert;

/* On the scheduler's thread; NULL: nothing to say. `row` is its finish, with all texts in place. Owned by the caller. */
struct end_alert *end_alert_new(const struct scheduler *s, struct execution *ex, const struct execution_finish *row);
void end_alert_free(struct end_alert *alert); /* NULL allowed */

/* In the transaction, after ends were written and counted. */
enum err_code end_alerts_put(struct db *tx, struct sched_work *work, struct err *err);
/* In the transaction that deletes a task: it fails no more. */
enum err_code end_alert_task_deleted(struct db *tx, const struct sched_work *work, struct err *err);
/* After the commit. */
void end_alerts_committed(struct scheduler *s, const struct sched_work *work);

#endif
