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

bool trail_vouch(struct trail *trail, int64_t timeout_ms)
{
    int64_t left_us = timeout_ms * US_PER_MS;
    mutex_lock(&trail->mutex);
    uint64_t mine = ++trail->vouch_asked;
    atomic_store(&trail->vouch_wanted, true);
    queue_poke(&trail->queue);
    while (trail->vouch_done < mine && trail->running && left_us > 0) {
        int64_t before_us = clock_mono(clock_real()).us;
        (void)condition_wait_for(&trail->changed, &trail->mutex, left_us);
        left_us -= clock_mono(clock_real()).us - before_us;
    }
    bool done = trail->vouch_done >= mine;
    mutex_unlock(&trail->mutex);
    return done;
}
