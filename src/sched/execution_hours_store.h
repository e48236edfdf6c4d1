/* SPDX-License-Identifier: Apache-2.0 */
/* Which ids were given in which hour: turns a range of creation times into a range of ids, exactly, whatever the wall clock
 * did in between. Ids are noted in blocks, so that a busy hour costs a row per 4096 executions. */
#ifndef HORAE_SCHED_EXECUTION_HOURS_STORE_H
#define HORAE_SCHED_EXECUTION_HOURS_STORE_H

#include "db/db.h"

/* Writer's transaction: the ids first … last were created at `created_us`. */
enum err_code execution_hours_note(struct db *tx, int64_t created_us, int64_t first_id, int64_t last_id, struct err *err);

/* All ids that were created in [from, to] lie in [*ret_low, *ret_high]; both 0 when there are none. */
enum err_code execution_hours_bounds(struct db *db, int64_t from_us, int64_t to_us, int64_t *ret_low, int64_t *ret_high,
                                     struct err *err);

/* Retention: blocks below the oldest execution that is left. */
enum err_code execution_hours_purge(struct db *tx, struct err *err);

#endif
