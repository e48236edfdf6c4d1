/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/overlap.h"

#include "base/panic.h"

static struct overlap_decision drop(enum verdict verdict, enum verdict_reason reason)
{
    return (struct overlap_decision){OVERLAP_DROP, verdict, reason};
}

struct overlap_decision overlap_decide(const struct overlap_input *in)
{
    struct overlap_decision start = {.action = OVERLAP_START}, queue = {.action = OVERLAP_QUEUE};
    switch (in->policy) {
    case OVERLAP_POLICY_SKIP:
        return in->running + in->queued < in->max_concurrent ? start : drop(VERDICT_SKIPPED, REASON_OVERLAP);
    case OVERLAP_POLICY_ALLOW: return in->running + in->queued < in->max_concurrent ? start : drop(VERDICT_SKIPPED, REASON_LIMIT);
    case OVERLAP_POLICY_QUEUE_ONE:
        if (in->running < in->max_concurrent && in->queued == 0)
            return start;
        return in->queued == 0 ? queue : drop(VERDICT_COALESCED, REASON_OVERLAP);
    case OVERLAP_POLICY_QUEUE_ALL: return in->queued < OVERLAP_QUEUE_MAX ? queue : drop(VERDICT_SKIPPED, REASON_LIMIT);
    case OVERLAP_POLICY_CANCEL_RUNNING:
        if (in->running + in->queued < in->max_concurrent)
            return start;
        return (struct overlap_decision){.action = OVERLAP_CANCEL_AND_START};
    case OVERLAP_POLICY_COUNT: break;
    }
    unreachable("overlap policy");
}
