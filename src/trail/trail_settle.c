/* SPDX-License-Identifier: Apache-2.0 */
/* What readers need of the trail. */
#include "base/clock.h"
#include "trail/pending_store.h"
#include "trail/trail_priv.h"

#include <unistd.h>

enum { LOOK_US = 500 }; /* a commit takes a few milliseconds */

static enum err_code read_last(struct db *db, void *arg, struct err *err)
{
    return pending_store_last(db, arg, err);
}

const struct audit_key *trail_key(const struct trail *trail)
{
    return &trail->key;
}

bool trail_settle(struct trail *trail, int64_t timeout_ms)
{
    int64_t last = 0, until_us = clock_mono(clock_real()).us + timeout_ms * US_PER_MS;
    if (store_read(trail->options.store, read_last, &last, NULL) != OK)
        return false;
    if (last <= pending_store_moved_to())
        return true;
    atomic_store(&trail->hurry, true);
    atomic_store(&trail->pending_wanted, true);
    queue_poke(&trail->queue);
    while (last > pending_store_moved_to()) {
        if (clock_mono(clock_real()).us >= until_us)
            return false;
        (void)usleep(LOOK_US);
    }
    return true;
}
