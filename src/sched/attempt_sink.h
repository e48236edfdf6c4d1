/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a handler tells how its attempts go: the scheduler. Any thread; none of the calls waits. */
#ifndef HORAE_SCHED_ATTEMPT_SINK_H
#define HORAE_SCHED_ATTEMPT_SINK_H

#include "sched/execution.h"

#include <stddef.h>

/* After a start, what a keeper still has. */
struct adopted_attempt {
    int64_t execution_id;
    int32_t attempt;
    int64_t started_us; /* when it really began, 0 = not known: its deadline counts from there */
    bool ended;         /* its end is told next */
};

struct attempt_sink {
    void (*ended)(void *context, int64_t execution_id, int32_t attempt, struct attempt_result *result); /* result is moved */
    void (*progress)(void *context, int64_t execution_id, int32_t attempt, int percent);                /* may be dropped */
    /* Called once: recorded runs of a kept type that are not listed are gone; what is listed and not known is ended by force. */
    void (*adopt)(void *context, const struct adopted_attempt *attempts, size_t count);
    void *context;
};

#endif
