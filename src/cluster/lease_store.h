/* SPDX-License-Identifier: Apache-2.0 */
/* SQL of task_locks (DATA-20..25): the record of locks and the source of their fencing numbers. */
#ifndef HORAE_CLUSTER_LEASE_STORE_H
#define HORAE_CLUSTER_LEASE_STORE_H

#include "base/json_write.h"
#include "cluster/lease.h"
#include "db/db.h"

/* What time it is for all that share the store: its own clock, or `clock` where it has none (the embedded one). */
enum err_code lease_store_now(struct db *db, const struct clock *clock, int64_t *ret_us, struct err *err);
/* Records a new holder and gives it its fence. ERR_CONFLICT "LOCK_HELD" while another row of the key is active; a row
 * whose time has passed is closed first. */
enum err_code lease_store_acquire(struct db *tx, struct lease *lease, struct err *err);
/* ERR_NOT_FOUND "LOCK_NOT_HELD": no active row has this token, or its time had passed at `live_us` (0 = that does not matter). */
enum err_code lease_store_release(struct db *tx, const char *token, int64_t now_us, int64_t live_us, struct err *err);
/* An active row whose time has not passed lasts until `expires_us`; else ERR_NOT_FOUND "LOCK_NOT_HELD". */
enum err_code lease_store_renew(struct db *tx, const char *token, int64_t now_us, int64_t expires_us, struct err *err);
/* Active rows whose time has not passed: one key, or all (`key` NULL) in order of their keys, at most LEASE_LIST_MAX. */
enum { LEASE_LIST_MAX = 10000 };
enum err_code lease_store_held(struct db *db, const char *key, int64_t now_us, void (*fn)(void *arg, const struct lease *lease),
                               void *arg, struct err *err);
/* An active row becomes `expired`: its time passed at `expired_us`, whatever was recorded. None is fine. */
enum err_code lease_store_expire(struct db *tx, const char *token, int64_t now_us, int64_t expired_us, struct err *err);
/* All active rows become `expired`. */
enum err_code lease_store_expire_all(struct db *tx, int64_t now_us, struct err *err);
/* Active rows whose time has passed become `expired` (LCK-07). */
enum err_code lease_store_sweep(struct db *tx, int64_t now_us, struct err *err);
/* Locks that ended, newest first, as objects of an open array. */
enum lease_ended { LEASE_ENDED_ANY, LEASE_ENDED_EXPIRED, LEASE_ENDED_RELEASED };
struct lease_history {
    enum lease_ended which;
    int64_t before_id, offset; /* before_id: keyset, 0 = from the newest */
    int limit;
    int64_t last_id; /* out: of the last row written */
    bool more;       /* out: rows follow it */
};
enum err_code lease_store_history(struct db *db, struct lease_history *history, struct json_writer *w, struct err *err);
enum err_code lease_store_count(struct db *db, enum lease_ended which, struct row_count *ret, struct err *err);
/* Deletes at most `limit` released or expired rows that ended before `before_us` (RET-01). */
enum err_code lease_store_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err);

/* The API's object of a lock (rulings section 2, Shapes; DATA-22); released_us 0 = not released. */
void lease_write_json(struct json_writer *w, const struct lease *lease, const char *state, int64_t released_us);

#endif
