/* SPDX-License-Identifier: Apache-2.0 */
/* A lease that its holder keeps, or waits for: renewed at a third of its time (LCK-05), taken when it is free. What it guards
 * may go on only while kept_lease_is_safe: that ends before the lease can, since it counts on monotonic time from before the
 * request that got or renewed it was sent, less a margin. Several threads may ask for it. */
#ifndef HORAE_CLUSTER_KEPT_LEASE_H
#define HORAE_CLUSTER_KEPT_LEASE_H

#include "base/thread.h"
#include "cluster/lease.h"

#include <stdatomic.h>

enum {
    KEPT_LEASE_MARGIN = 10, /* a tenth of the time: for clocks that do not run alike, and between the look and the deed */
    KEPT_LEASE_WAIT_US = 100 * US_PER_MS, /* before another try, when nobody says how long it will take */
};

struct kept_lease {
    struct mutex mutex;              /* guards all below but safe_until_us */
    struct lease_provider *provider; /* borrowed */
    const struct clock *clock;       /* borrowed */
    char key[LEASE_KEY_MAX + 1], purpose[LEASE_PURPOSE_MAX + 1];
    int64_t ttl_us;
    bool wanted, held;
    struct lease lease;            /* while held */
    int64_t next_us;               /* monotonic: the next try or renewal */
    _Atomic int64_t safe_until_us; /* monotonic */
};

void kept_lease_init(struct kept_lease *kept, struct lease_provider *provider, const struct clock *clock);
void kept_lease_release_memory(struct kept_lease *kept);
/* From now on it is wanted, and asked for once; kept_lease_renew goes on with that. ERR_CONFLICT: another holds it. */
enum err_code kept_lease_acquire(struct kept_lease *kept, const char *key, int64_t ttl_us, const char *purpose, struct err *err);
/* Does what is due: renews when a third of the time has passed; takes it anew, with a new fence, when it was lost or was never had
 * and nobody holds it now. OK: held, or nothing was due or wanted. ERR_CONFLICT: another holds it. Others: the provider's;
 * while it is held, kept_lease_is_safe says how long that does not matter. */
enum err_code kept_lease_renew(struct kept_lease *kept, struct err *err);
/* Monotonic time when kept_lease_renew has something to do; INT64_MAX = nothing is wanted. */
int64_t kept_lease_next(struct kept_lease *kept);
/* Held right now, with certainty; never waits. */
bool kept_lease_is_safe(const struct kept_lease *kept);
/* Of what is held, or was held last. */
int64_t kept_lease_fence(struct kept_lease *kept);
/* Ends it, with `along` (NULL = nothing), and takes it again, with a new fence. ERR_NOT_FOUND when `key` is not the one that is
 * kept. */
enum err_code kept_lease_retake(struct kept_lease *kept, const char *key, const struct lease_along *along, struct err *err);
enum err_code kept_lease_release(struct kept_lease *kept, struct err *err); /* and wants it no longer */

#endif
