/* SPDX-License-Identifier: Apache-2.0 */
/* Where an attempt runs (SCH-05, SCH-06): pure, the same answer for the same roster. */
#ifndef HORAE_SCHED_PLACEMENT_H
#define HORAE_SCHED_PLACEMENT_H

#include "sched/roster.h"

/* Why nobody gets it now. The later one is nearer to running: the nearest of all members is told. */
enum placement_reason {
    PLACEMENT_NO_INSTANCE, /* there is none */
    PLACEMENT_LABELS,      /* none has all the labels */
    PLACEMENT_SILENT,      /* those that have are not heard of */
    PLACEMENT_DRAINING,    /* … are draining */
    PLACEMENT_CAPACITY,    /* … are full: it waits for a place */
    PLACEMENT_FOUND,
    PLACEMENT_REASON_COUNT
};

struct placement {
    struct roster_member *member; /* borrowed from the roster; NULL unless PLACEMENT_FOUND */
    enum placement_reason reason;
};

/* Lower-case words for the API and the log; never NULL. */
const char *placement_reason_name(enum placement_reason reason);

/* SCH-05: all of `wanted` are among `offered`, with equal values. Nothing wanted fits anywhere. */
bool placement_labels_fit(const struct sched_label *wanted, size_t wanted_count, const struct sched_label *offered,
                          size_t offered_count);

/* The member that fits and has the smallest share of its capacity in use; of equals the first by id. Members that drain, are
 * full, or were not heard of for longer than `silent_us` get nothing. `now_us`: monotonic. Goes through the roster once. */
struct placement placement_decide(const struct roster *roster, const struct sched_label *wanted, size_t wanted_count,
                                  int64_t now_us, int64_t silent_us);

#endif
