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
    struct lease_keeper *keeper; /* owned, NULL before planner_start */
    bool opened, wanted;         /* wanted: this instance plans (enable_cron) */
    int64_t ttl_us;
    struct store *store; /* all borrowed */
    const struct clock *clock;
    struct alerts *alerts;
    struct scheduler *scheduler;
};

/* Makes the provider, and tries a lock server: ERR_UNAVAILABLE, ERR_DENIED, ERR_INVALID say what is wrong with it. */
enum err_code planner_open(struct planner *planner, const struct config *config, struct store *store, const struct clock *clock,
                           const char *holder, struct err *err);
/* Asks for the lease. OK also while another holds it: then it is waited for. */
enum err_code planner_acquire(struct planner *planner, struct err *err);
/* From here on it is kept. `scheduler` and `alerts` outlive planner_leave. */
void planner_start(struct planner *planner, struct scheduler *scheduler, struct alerts *alerts);
bool planner_may_decide(void *planner); /* scheduler_options.may_decide */
/* False: it does not plan, and keeps nothing. Any thread. */
bool planner_report(const struct planner *planner, struct lease_report *ret);
void planner_leave(struct planner *planner); /* gives it up */
void planner_free(struct planner *planner);

#endif
