/* SPDX-License-Identifier: Apache-2.0 */
/* One row of history as the API shows it (DATA-10, API-30, API-32, API-35). */
#ifndef HORAE_SCHED_EXECUTION_JSON_H
#define HORAE_SCHED_EXECUTION_JSON_H

#include "base/json_write.h"
#include "db/db.h"

/* What a statement selects, in this order, from task_executions e and task_snapshots s. */
#define EXECUTION_COLUMNS \
    "e.id, e.uid, s.task_uid, s.task_name, s.task_type, e.state, e.cause, e.scheduled_at, e.created_at, e.started_at," \
    " e.finished_at, e.updated_at, e.attempt, e.fence, e.lease_owner, e.progress, e.result, e.result_truncated," \
    " e.error_message, e.error_stack, e.trigger_by, e.override_data, e.attempts, e.cancel_reason, e.cancelled_by," \
    " e.retry_of, e.unique_key, e.priority"

/* The current row of such a statement, as an object; members without a value are left out. */
void execution_write_json(struct json_writer *w, struct db_stmt *st);

#endif
