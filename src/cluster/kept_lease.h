/* SPDX-License-Identifier: Apache-2.0 */
/* A lease that its holder keeps: renewed at a third of its time (LCK-05), taken again after a release by hand. Several
 * threads may ask for it. */
#ifndef HORAE_CLUSTER_KEPT_LEASE_H
#define HORAE_CLUSTER_KEPT_LEASE_H

#include "base/thread.h"
#include "cluster/lease.h"

struct kept_lease {
    struct mutex mutex;              /* guards all below */
    struct lease_provider *provider; /* borrowed */
    const struct clock *clock;       /* borrowed */
    struct lease lease;
    int64_t ttl_us, tried_us; /* monotonic: the last renewal */
    bool held;
};

void kept_lease_init(struct kept_lease *kept, struct lease_provider *provider, const struct clock *clock);
void kept_lease_release_memory(struct kept_lease *kept);
enum err_code kept_lease_acquire(struct kept_lease *kept, const char *key, int64_t ttl_us, const char *purpose, struct err *err);
/* Renews when a third of the time has passed since the last try; a lease whose time had passed, or that could not be taken
 * again, is taken anew with a new fence. OK when it is not due or nothing was acquired. */
enum err_code kept_lease_renew(struct kept_lease *kept, struct err *err);
/* Ends it, with `along` (NULL = nothing), and takes it again, with a new fence. ERR_NOT_FOUND when `key` is not the one that is
 * kept. */
enum err_code kept_lease_retake(struct kept_lease *kept, const char *key, const struct lease_along *along, struct err *err);
enum err_code kept_lease_release(struct kept_lease *kept, struct err *err);

#endif
