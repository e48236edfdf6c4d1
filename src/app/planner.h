/* SPDX-License-Identifier: Apache-2.0 */
/* Who plans: the lease `scheduler_global` of this server, with the provider that --lock names (LCK-01, LCK-05, LCK-09). While
 * it is not certainly held nothing is fired or started, the rest goes on; an alert says so. */
#ifndef HORAE_APP_PLANNER_H
#define HORAE_APP_PLANNER_H

#include "alert/alerts.h"
#include "app/config.h"
#include "cluster/lease_keeper.h"

struct scheduler;

struct planner {
    struct lease_provider *leases; /* owned */
    struct kept_lease kept;
    bool opened, wanted, is_local; /* wanted: this instance plans (enable_cron) */
    int64_t ttl_us;
    struct store *store; /* borrowed: where it was opened */
    const struct clock *clock;
    struct mutex mutex;          /* guards the next four */
    struct lease_keeper *keeper; /* owned, NULL while it is not kept */
    struct store *in_use;        /* NULL while nobody leads here; borrowed, as the next two */
    struct alerts *alerts;
    struct scheduler *scheduler;
    void (*lost)(void *arg); /* the keeper's thread: another holds the lease; may be NULL, set before planner_keep */
    void *lost_arg;
};

/* Makes the provider, and tries a lock server: ERR_UNAVAILABLE, ERR_DENIED, ERR_INVALID say what is wrong with it. */
enum err_code planner_open(struct planner *planner, const struct config *config, struct store *store, const struct clock *clock,
                           const char *holder, struct err *err);
/* Asks for the lease. OK also while another holds it, and when this instance does not plan: kept_lease_is_safe tells. */
enum err_code planner_acquire(struct planner *planner, struct err *err);
/* From here on it is renewed, and waited for when it was lost. */
void planner_keep(struct planner *planner);
/* What is to be told of it, and where locks are recorded: all three outlive planner_detach. */
void planner_attach(struct planner *planner, struct scheduler *scheduler, struct alerts *alerts, struct store *store);
void planner_detach(struct planner *planner); /* waits until nobody uses them; locks are recorded where it was opened */
bool planner_may_decide(void *planner);       /* scheduler_options.may_decide */
/* False: it does not plan, and keeps nothing. Any thread. */
bool planner_report(struct planner *planner, struct lease_report *ret);
void planner_leave(struct planner *planner); /* gives it up; it may be asked for again */
void planner_free(struct planner *planner);

#endif
