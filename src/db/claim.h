/* SPDX-License-Identifier: Apache-2.0 */
/* Claim, lease, fence: the one mechanism by which an owner works on a row (executions now; rollout tasks, job runs and
 * deliveries later). A claimable table has the columns id, state, attempt, fence, lease_owner, lease_until, owner_epoch,
 * due_at and updated_at; states below 2 are unfinished, 0 pending and 1 running. A fence is issued in the transaction
 * that claims, from one counter that only grows (rulings section 3), and every later write names it. Functions run in a
 * transaction of the store's writer and may run twice. */
#ifndef HORAE_DB_CLAIM_H
#define HORAE_DB_CLAIM_H

#include "db/db.h"

/* The statements over one table; an object at the top of the store that owns it. */
struct claim_table {
    struct db_sql take, release, adopt, renew, rescue;
};

/* What a write of the owner must name, as the end of its WHERE: ?1 is the id, ?2 the fence. A stale owner changes nothing
 * (SCH-73). */
#define CLAIM_UNFINISHED " WHERE id = ?1 AND state < 2 AND fence = ?2"
#define CLAIM_RUNNING " WHERE id = ?1 AND state = 1 AND fence = ?2"

/* `state < 2` beside `state = 1` names the partial index of what is unfinished: without it the whole history is read.
 * `on_take`: further assignments of the table's own, which may use ?5 (now); begins with a comma, or "". */
#define CLAIM_TABLE(table, on_take) \
    { \
        .take = {"UPDATE " table " SET state = 1, attempt = ?2, fence = ?3, lease_owner = ?4, updated_at = ?5" on_take \
                 " WHERE id = ?1 AND state < 2 AND attempt = ?2 - 1"}, \
        .release = {"UPDATE " table " SET lease_owner = NULL, lease_until = NULL, due_at = ?3, updated_at = ?4" CLAIM_RUNNING}, \
        .adopt = {"UPDATE " table " SET lease_owner = ?2, owner_epoch = owner_epoch + 1 WHERE id = ?1 AND state = 1"}, \
        .renew = {"UPDATE " table " SET lease_until = ?2 WHERE state = 1 AND state < 2 AND lease_owner = ?1"}, \
        .rescue = {"UPDATE " table " SET lease_owner = NULL, lease_until = NULL, owner_epoch = owner_epoch + 1" \
                   " WHERE state = 1 AND state < 2 AND lease_owner IS NOT NULL AND lease_until <= ?1"}, \
    }

struct claim {
    int64_t id;
    int32_t attempt; /* the one that begins: the row must stand at the one before */
    int64_t now_us;
    int64_t fence; /* out */
    bool lost;     /* out: somebody else was faster, or the row is finished */
};

/* `count` new fences; the first goes to *ret_first. */
enum err_code claim_take_fences(struct db *tx, int64_t count, int64_t *ret_first, struct err *err);
/* Many at a time; those that are lost are marked, not errors. */
enum err_code claim_take(struct db *tx, const struct claim_table *table, const char *owner, struct claim *claims, size_t count,
                         struct err *err);
/* Between two attempts: the row stays running, without an owner, until it is due. ERR_CONFLICT: not ours any more. */
enum err_code claim_release(struct db *tx, const struct claim_table *table, int64_t id, int64_t fence, int64_t due_us,
                            int64_t now_us, struct err *err);
/* A new owner for work that lives on: fence and attempt stay (rulings, Adoption). */
enum err_code claim_adopt(struct db *tx, const struct claim_table *table, int64_t id, const char *owner, struct err *err);
/* All leases of an owner end at `until_us`; *ret_count of them. For shared stores. */
enum err_code claim_renew(struct db *tx, const struct claim_table *table, const char *owner, int64_t until_us, int64_t *ret_count,
                          struct err *err);
/* Leases whose time has passed lose their owner (SCH-71); *ret_count of them. For shared stores. */
enum err_code claim_rescue(struct db *tx, const struct claim_table *table, int64_t now_us, int64_t *ret_count, struct err *err);

#endif
