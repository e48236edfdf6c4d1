/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of alert/ only: alerts.c (life, the loop that delivers), alert_post.c (what waits in memory). */
#ifndef HORAE_ALERT_ALERTS_PRIV_H
#define HORAE_ALERT_ALERTS_PRIV_H

#include "alert/alert_channel.h"
#include "alert/alert_rules.h"
#include "base/metrics.h"
#include "base/thread.h"

#include <stdatomic.h>

/* An alert that waits in memory for the store; the same again only counts. */
struct posted_alert {
    enum alert_kind kind;
    char subject[ALERT_SUBJECT_MAX + 1];
    char text[ALERT_TEXT_MAX + 1]; /* the newest */
    char *details;                 /* owned, NULL = none */
    int64_t count, since_us;
};

enum alert_result { ALERT_RESULT_SENT, ALERT_RESULT_FAILED, ALERT_RESULT_DEAD, ALERT_RESULT_COUNT };

struct alerts {
    struct alert_options options;
    char *instance_id;                   /* owned */
    void *channels[ALERT_CHANNEL_COUNT]; /* NULL: not configured; set before the thread starts */
    struct metric *metrics[ALERT_KIND_COUNT][ALERT_CHANNEL_COUNT][ALERT_RESULT_COUNT];

    struct mutex mutex; /* guards all below */
    struct condition wake;
    struct thread thread;
    bool poked, stopping;
    int outstanding; /* deliveries without an answer */
    struct posted_alert posted[ALERT_POSTED_MAX];
    size_t posted_count;
    struct alert_memory said[ALERT_KIND_COUNT]; /* what the log was told of posted ones */

    /* the loop's own */
    struct alert_delivery batch[ALERT_BATCH_MAX];
    size_t batch_count;
};

/* ---- alert_post.c ---- */

/* What waits now, for one transaction. */
struct posted_snapshot {
    struct posted_alert items[ALERT_POSTED_MAX];
    size_t count;
};
void alert_posted_copy(struct alerts *alerts, struct posted_snapshot *ret);
/* They are in the store: what came since stays. */
void alert_posted_written(struct alerts *alerts, const struct posted_snapshot *snapshot);
void alert_posted_release(struct posted_snapshot *snapshot);
enum err_code alert_posted_put(struct alerts *alerts, struct db *tx, const struct posted_snapshot *snapshot, int64_t now_us,
                               struct err *err);

/* ---- alerts.c ---- */

/* As alert_put. `logged`: the log has said it. */
enum err_code alert_put_rows(struct alerts *alerts, struct db *tx, const struct alert_message *message, bool logged,
                             int64_t now_us, struct err *err);

#endif
