/* SPDX-License-Identifier: Apache-2.0 */
/* A slot is due while the task still runs: what happens (SCH-03, rulings). A decision table, pure. */
#ifndef HORAE_SCHED_OVERLAP_H
#define HORAE_SCHED_OVERLAP_H

#include "sched/verdict.h"

enum overlap_policy {
    OVERLAP_POLICY_SKIP,
    OVERLAP_POLICY_QUEUE_ONE,
    OVERLAP_POLICY_QUEUE_ALL,
    OVERLAP_POLICY_CANCEL_RUNNING,
    OVERLAP_POLICY_ALLOW,
    OVERLAP_POLICY_COUNT
};

enum { OVERLAP_QUEUE_MAX = 10000 }; /* queue_all keeps at most so many waiting per task */

struct overlap_input {
    enum overlap_policy policy;
    int32_t running, queued, max_concurrent;
};

enum overlap_action { OVERLAP_START, OVERLAP_QUEUE, OVERLAP_CANCEL_AND_START, OVERLAP_DROP };

struct overlap_decision {
    enum overlap_action action;
    enum verdict verdict; /* OVERLAP_DROP: what the slot is recorded as */
    enum verdict_reason reason;
};

struct overlap_decision overlap_decide(const struct overlap_input *input);

#endif
