/* SPDX-License-Identifier: Apache-2.0 */
/* Whether something is told, and which of its repeats are counted instead. Pure. */
#ifndef HORAE_ALERT_ALERT_RULES_H
#define HORAE_ALERT_ALERT_RULES_H

#include "alert/alert_values.h"
#include "base/clock.h"

/* The same about the same is told at most once in this time; repeats are counted in the next message. */
#define ALERT_QUIET_US (60 * (int64_t)US_PER_S)

/* What is known of one kind and subject; zeroed: nothing was told yet. */
struct alert_memory {
    int64_t told_us; /* wall; when something was told last */
    int64_t repeats; /* happened since then, and not told */
    bool firing;     /* of a condition: it was told, and that it is over was not */
};

/* `count` more of the kind happened, or with `resolved` a condition is over. True: it is told, with *ret_repeats of those that
 * were not. A clock that was set back never silences anything. */
bool alert_decide(struct alert_memory *memory, enum alert_kind kind, bool resolved, int64_t count, int64_t now_us,
                  int64_t *ret_repeats);

#endif
