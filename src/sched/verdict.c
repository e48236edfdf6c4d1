/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/verdict.h"

static const char *const verdicts[VERDICT_COUNT] = {"fired", "coalesced", "skipped", "missed", "shifted"};
static const char *const reasons[REASON_COUNT] = {"",         "overlap",     "blackout", "deadline", "limit",
                                                  "disabled", "no_instance", "down",     "dst_gap"};

const char *verdict_name(enum verdict verdict)
{
    return verdicts[verdict];
}

const char *verdict_reason_name(enum verdict_reason reason)
{
    return reasons[reason];
}

void verdict_counts_add(struct verdict_counts *counts, enum verdict verdict, int64_t n)
{
    counts->n[verdict] += n;
}

int64_t verdict_counts_sum(const struct verdict_counts *counts)
{
    int64_t sum = 0;
    for (int i = 0; i < VERDICT_COUNT; i++)
        sum += counts->n[i];
    return sum;
}
