/* SPDX-License-Identifier: Apache-2.0 */
/* States of an execution and the moves between them (DATA-13..15), and why it exists. Stored as these numbers. */
#ifndef HORAE_SCHED_EXECUTION_STATE_H
#define HORAE_SCHED_EXECUTION_STATE_H

#include <stdbool.h>

/* pending: recorded, waits. running: claimed by an instance, attempts and backoffs included. The rest is terminal
 * and never changes. States below SUCCESS are unfinished; the partial indexes rely on the order. */
enum execution_state {
    EXECUTION_PENDING,
    EXECUTION_RUNNING,
    EXECUTION_SUCCESS,
    EXECUTION_FAILURE,
    EXECUTION_TIMEOUT,
    EXECUTION_CANCELLED,
    EXECUTION_INTERRUPTED,
    EXECUTION_STATE_COUNT
};

/* schedule and catch_up have a slot: the unique index relies on their numbers, 0 and 3. */
enum execution_cause {
    CAUSE_SCHEDULE,
    CAUSE_MANUAL,
    CAUSE_RETRY,
    CAUSE_CATCH_UP,
    CAUSE_BACKFILL,
    CAUSE_ROLLOUT,
    CAUSE_JOB,
    CAUSE_COUNT
};

const char *execution_state_name(enum execution_state state);
bool execution_state_is_terminal(enum execution_state state);
bool execution_transition_allowed(enum execution_state from, enum execution_state to); /* DATA-14 */
const char *execution_cause_name(enum execution_cause cause);
const char *execution_trigger_name(enum execution_cause cause); /* "scheduled" | "manual" */

#endif
