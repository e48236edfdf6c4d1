/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts (CRON-50, CRON-52): what somebody should hear of goes into an outbox, a table, and from there to every channel that is
 * configured, at least once, with backoff, until it arrived or is given up as dead. One thread delivers; it sleeps until
 * something is due. */
#ifndef HORAE_ALERT_ALERTS_H
#define HORAE_ALERT_ALERTS_H

#include "alert/alert_message.h"
#include "base/clock.h"
#include "db/store.h"

struct alerts;
struct event_hub;

enum {
    ALERT_BATCH_MAX = 32,         /* deliveries under way at once */
    ALERT_PENDING_MAX = 10000,    /* rows that wait; beyond it the oldest are given up */
    ALERT_POSTED_MAX = 8,         /* different ones that wait in memory for the store */
    ALERT_RETRY_CAP_MS = 3600000, /* between two attempts, at most; jitter comes on top */
    ALERT_RETRY_JITTER = 10,      /* per cent */
};

struct alert_options {
    struct store *store;                      /* borrowed */
    const struct clock *clock;                /* borrowed */
    struct event_hub *events;                 /* borrowed, may be NULL */
    const char *instance_id;                  /* borrowed */
    unsigned kinds;                           /* bits: what is told */
    int64_t failures_in_a_row;                /* of one task; 0 = not told */
    int64_t attempts;                         /* per channel, then it is dead */
    int64_t retry_ms;                         /* after the first failed attempt; doubles */
    const char *webhook_url, *webhook_secret; /* borrowed; NULL = none */
};

struct alerts *alerts_new(const struct alert_options *options);
void alerts_start(struct alerts *alerts); /* its thread */
/* Ends the thread; what is under way is sent again by the next server. Before the store is closed; the others below may be
 * called until alerts_free. */
void alerts_stop(struct alerts *alerts);
void alerts_free(struct alerts *alerts); /* NULL allowed */

/* Is this kind told? Any thread. */
bool alerts_want(const struct alerts *alerts, enum alert_kind kind);
int64_t alerts_failures_in_a_row(const struct alerts *alerts);

/* In the transaction of what it tells of, which may run again. Then, after the commit, alerts_wake. */
enum err_code alert_put(struct alerts *alerts, struct db *tx, const struct alert_message *message, int64_t now_us,
                        struct err *err);
void alerts_wake(struct alerts *alerts); /* any thread */

/* Where there is no transaction, or no store: the log says it at once, repeats are counted, and it is written as soon as the
 * store takes it. Any thread; never waits. */
void alert_post(struct alerts *alerts, const struct alert_message *message);
/* Those that write and hear of trouble, as they call it; `arg` is the alerts. */
void alert_store_trouble(void *arg, const struct err *err);                  /* store_watch */
void alert_audit_trouble(void *arg, int64_t dropped, const struct err *err); /* trail_options.trouble */

#endif
