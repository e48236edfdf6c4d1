/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that keeps a lease (kept_lease.h) for as long as it is wanted: asking a lock server may take its time, and nobody
 * else waits for it. It says when the lease is had, lost or cannot be asked for, in the log, in metrics
 * (horae_lock_held{key}, horae_lock_provider_up{provider}) and to whoever listens (LCK-05, LCK-09). */
#ifndef HORAE_CLUSTER_LEASE_KEEPER_H
#define HORAE_CLUSTER_LEASE_KEEPER_H

#include "cluster/kept_lease.h"

enum lease_state {
    LEASE_STATE_HELD,
    LEASE_STATE_WAITING, /* another holds it */
    LEASE_STATE_AWAY,    /* not held, and the provider does not say who holds it */
};
extern const char *const lease_state_names[]; /* held | waiting | away */

struct lease_report {
    enum lease_state state;
    bool failing;     /* the last request failed; while the state is held that does not matter yet */
    char reason[256]; /* of that, or who holds it; "" = none. No secrets */
};

struct lease_keeper;

/* `kept` is borrowed, and wanted already. `changed` is called on the keeper's thread, which waits for it, after the state has changed. */
struct lease_keeper *lease_keeper_start(struct kept_lease *kept, void (*changed)(void *arg, const struct lease_report *report),
                                        void *arg);
void lease_keeper_report(struct lease_keeper *keeper, struct lease_report *ret); /* any thread; never waits for the provider */
/* What is due now is done now: the lease was changed by another thread. */
void lease_keeper_wake(struct lease_keeper *keeper);
void lease_keeper_stop(struct lease_keeper *keeper); /* ends the thread and frees it; the lease stays as it is. NULL allowed */

#endif
