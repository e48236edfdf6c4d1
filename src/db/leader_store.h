/* SPDX-License-Identifier: Apache-2.0 */
/* Who leads on a store that several instances share, as a number that only grows: what a leader writes names it in each transaction, so
 * that one which was paused or cut off writes nothing after another has begun (docs/decisions/0016-instances.md). */
#ifndef HORAE_DB_LEADER_STORE_H
#define HORAE_DB_LEADER_STORE_H

#include "base/clock.h"
#include "db/db.h"

enum { INSTANCE_STALE_US = 10 * US_PER_S }; /* an instance that was not heard of for so long is gone (SCH-75) */

/* Outside of a transaction: returns once what the former leader has open has ended. ERR_CONFLICT: another has led with this number or a
 * larger one; ERR_BUSY: a transaction did not end in time. */
enum err_code leader_store_take(struct db *db, int64_t epoch, struct err *err);
/* ERR_BUSY names an instance that is at work on this store. OK where there is none, and on a database without tables. */
enum err_code leader_store_refuse_used(struct db *db, struct err *err);

#endif
