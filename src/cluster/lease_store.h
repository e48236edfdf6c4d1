/* SPDX-License-Identifier: Apache-2.0 */
/* SQL of task_locks (DATA-20..25): the record of locks and the source of their fencing numbers. */
#ifndef HORAE_CLUSTER_LEASE_STORE_H
#define HORAE_CLUSTER_LEASE_STORE_H

#include "base/json_write.h"
#include "cluster/lease.h"
#include "db/db.h"

/* Records a new holder and gives it its fence. ERR_CONFLICT "LOCK_HELD" while another row of the key is active; a row
 * whose time has passed is closed first. */
enum err_code lease_store_acquire(struct db *tx, struct lease *lease, struct err *err);
enum err_code lease_store_release(struct db *tx, const char *token, int64_t now_us, struct err *err);
/* All active rows, or those of a key whose time has passed, become `expired`. key NULL = all. */
enum err_code lease_store_expire(struct db *tx, const char *key, int64_t now_us, struct err *err);
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
