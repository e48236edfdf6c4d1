/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a nominal slot, and why (rulings, Occurrences). expected = sum of verdicts, always. */
#ifndef HORAE_SCHED_VERDICT_H
#define HORAE_SCHED_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/* Stored as these numbers: append only. */
enum verdict { VERDICT_FIRED, VERDICT_COALESCED, VERDICT_SKIPPED, VERDICT_MISSED, VERDICT_SHIFTED, VERDICT_COUNT };
enum verdict_reason {
    REASON_NONE,
    REASON_OVERLAP,
    REASON_BLACKOUT,
    REASON_DEADLINE,
    REASON_LIMIT,
    REASON_DISABLED,
    REASON_NO_INSTANCE,
    REASON_DOWN,
    REASON_DST_GAP,
    REASON_COUNT
};

const char *verdict_name(enum verdict verdict);
const char *verdict_reason_name(enum verdict_reason reason); /* "" for none */

struct verdict_counts {
    int64_t n[VERDICT_COUNT];
};
void verdict_counts_add(struct verdict_counts *counts, enum verdict verdict, int64_t n);
int64_t verdict_counts_sum(const struct verdict_counts *counts);

#endif
