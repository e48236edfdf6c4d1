/* SPDX-License-Identifier: Apache-2.0 */
/* Sign-in throttling: failures are counted per address and per user name, and each further failure doubles the wait
 * (1 s … 15 min). Memory only, bounded; thread-safe. */
#ifndef HORAE_ACCESS_THROTTLE_H
#define HORAE_ACCESS_THROTTLE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"

enum { THROTTLE_ENTRIES = 4096, THROTTLE_FREE_TRIES = 5, THROTTLE_FORGET_S = 900, THROTTLE_WAIT_MAX_S = 900 };

struct throttle_entry {
    uint64_t key; /* 0 = free */
    int failures;
    int64_t last_us, blocked_until_us; /* monotonic */
};

struct throttle {
    struct mutex mutex; /* guards entries */
    const struct clock *clock;
    uint64_t seed;
    struct throttle_entry *entries; /* owned */
};

void throttle_init(struct throttle *throttle, const struct clock *clock);
void throttle_release(struct throttle *throttle);
/* ERR_LIMIT with RATE_LIMITED and the seconds to wait. An attempt while blocked does not count. */
enum err_code throttle_check(struct throttle *throttle, const char *address, const char *username, struct err *err);
void throttle_note(struct throttle *throttle, const char *address, const char *username, bool success);

#endif
