/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in maintenance types (RET-01, RET-05, RET-06): execution_cleanup, lock_cleanup, audit_cleanup. They run on workers, delete in
 * batches so that writers are not held up, and say in their result what they removed and up to when. */
#ifndef HORAE_SCHED_HANDLER_MAINTENANCE_H
#define HORAE_SCHED_HANDLER_MAINTENANCE_H

#include "base/clock.h"
#include "db/store.h"
#include "sched/attempt_sink.h"
#include "sched/handler.h"
#include "trail/trail.h"

struct maintenance;

/* `data_dir`: where logs of executions lie. `trail` is borrowed. */
struct maintenance *maintenance_new(struct store *store, const struct clock *clock, const char *data_dir, struct trail *trail);
void maintenance_attach(struct maintenance *maintenance, const struct attempt_sink *sink); /* copied; before the first start */
/* Writes its handlers to `out`; returns how many (≤ 4). */
size_t maintenance_handlers(struct maintenance *maintenance, struct handler *out);
void maintenance_free(struct maintenance *maintenance); /* after the scheduler has stopped */

#endif
