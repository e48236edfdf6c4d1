/* SPDX-License-Identifier: Apache-2.0 */
/* SQL of the outbox (alerts, alert_subjects). Functions with `tx` run in a transaction of the store's writer and may run
 * twice. */
#ifndef HORAE_ALERT_ALERT_STORE_H
#define HORAE_ALERT_ALERT_STORE_H

#include "alert/alert_channel.h"
#include "alert/alert_rules.h"
#include "base/json_write.h"
#include "db/db.h"

struct alert_row {
    struct uuid uid;
    enum alert_channel_id channel;
    enum alert_kind kind;
    const char *subject, *payload; /* borrowed */
    bool sent;                     /* it has been, already */
};
enum err_code alert_store_insert(struct db *tx, const struct alert_row *row, int64_t now_us, struct err *err);

/* Zeroed when nothing is known. */
enum err_code alert_store_get_memory(struct db *db, enum alert_kind kind, const char *subject, struct alert_memory *ret,
                                     struct err *err);
enum err_code alert_store_put_memory(struct db *tx, enum alert_kind kind, const char *subject, const struct alert_memory *memory,
                                     struct err *err);

/* Claims what is due, at most `limit`; texts go to the caller (alert_delivery_release). */
enum err_code alert_store_take(struct db *tx, const char *owner, int64_t now_us, size_t limit, struct alert_delivery *out,
                               size_t *ret_count, struct err *err);
void alert_delivery_release(struct alert_delivery *delivery);

/* How an attempt ended: it arrived, it is due again, or it is given up. A row that is not held under its fence stays. */
enum err_code alert_store_sent(struct db *tx, const struct alert_delivery *delivery, int64_t now_us, struct err *err);
enum err_code alert_store_again(struct db *tx, const struct alert_delivery *delivery, int64_t due_us, int64_t now_us,
                                struct err *err);
enum err_code alert_store_dead(struct db *tx, const struct alert_delivery *delivery, int64_t now_us, struct err *err);

/* Gives up the oldest ones beyond `max` that wait; *ret_count of them. */
enum err_code alert_store_trim(struct db *tx, int64_t max, int64_t now_us, int64_t *ret_count, struct err *err);
/* When the next one after `after_us` is due; INT64_MAX: none. */
enum err_code alert_store_next_due(struct db *db, int64_t after_us, int64_t *ret_us, struct err *err);
/* A dead one is due now, with all its attempts before it. ERR_NOT_FOUND; ERR_CONFLICT: it is not dead. */
enum err_code alert_store_retry(struct db *tx, int64_t id, int64_t now_us, struct err *err);
/* Deletes at most `limit` that were sent or given up before `before_us`, and what was last told before it. */
enum err_code alert_store_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err);

/* ---- reading ---- */

struct alert_filter {
    int state, kind, channel; /* -1 = any */
    int64_t before_id;        /* keyset: ids below it; 0 = from the newest */
    int64_t offset;
    int limit;
};
/* Newest first, as objects of an array; *ret_more: there are older ones, *ret_last: the id of the last that was written. */
enum err_code alert_store_list(struct db *db, const struct alert_filter *filter, struct json_writer *w, bool *ret_more,
                               int64_t *ret_last, struct err *err);
enum err_code alert_store_count(struct db *db, const struct alert_filter *filter, struct row_count *ret, struct err *err);
enum err_code alert_store_get(struct db *db, int64_t id, struct json_writer *w, struct err *err);

#endif
