/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints of the audit log in the database: audit_checkpoints. Rows are added only. */
#ifndef HORAE_TRAIL_CHECKPOINT_STORE_H
#define HORAE_TRAIL_CHECKPOINT_STORE_H

#include "db/db.h"
#include "trail/checkpoint.h"

/* In a transaction of the writer: takes kind, segment, seq, genesis, head, min_ms, max_ms, reason and created_ms of `c`, fills in
 * the rest and signs it. May run again. */
enum err_code checkpoint_store_add(struct db *tx, const struct audit_key *key, struct checkpoint *c, struct err *err);

/* Rows after `after_id`, ascending, or before it, descending (0 = from the newest); of one segment, or of all (0). At most
 * `limit`; `fn` returns false to end. */
struct checkpoint_query {
    int64_t after_id;
    bool descending;
    int64_t segment;
    int64_t offset, limit;
};
enum err_code checkpoint_store_each(struct db *db, const struct checkpoint_query *query,
                                    bool (*fn)(void *arg, const struct checkpoint *c), void *arg, struct err *err);
/* The last one of a segment, or of all (0). */
enum err_code checkpoint_store_last(struct db *db, int64_t segment, struct checkpoint *ret, bool *ret_found, struct err *err);
/* Greatest number of a segment that any of them is about; 0 = none. */
enum err_code checkpoint_store_last_segment(struct db *db, int64_t *ret, struct err *err);
/* Adds to a copy of a database what came after it in `from`, as it is: the log itself was not copied back, and its proof stays whole.
 * ERR_CONFLICT: the one does not continue the other. */
enum err_code checkpoint_store_carry(struct db *from, struct db *tx, struct err *err);
enum err_code checkpoint_store_count(struct db *db, int64_t *ret, struct err *err);

#endif
