/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/execution_state.h"

#include <string.h>

static const char *const states[EXECUTION_STATE_COUNT] = {"pending", "running",   "success",    "failure",
                                                          "timeout", "cancelled", "interrupted"};
static const char *const causes[CAUSE_COUNT] = {"schedule", "manual", "retry", "catch_up", "backfill", "rollout", "job"};

/* DATA-14, one row per state, one bit per state that may follow. */
#define TO(state) (1u << EXECUTION_##state)
static const unsigned transitions[EXECUTION_STATE_COUNT] = {
    [EXECUTION_PENDING] = TO(RUNNING) | TO(CANCELLED) | TO(INTERRUPTED) | TO(FAILURE),
    [EXECUTION_RUNNING] = TO(SUCCESS) | TO(FAILURE) | TO(TIMEOUT) | TO(CANCELLED) | TO(INTERRUPTED),
};

const char *execution_state_name(enum execution_state state)
{
    return states[state];
}

bool execution_state_is_terminal(enum execution_state state)
{
    return state >= EXECUTION_SUCCESS;
}

bool execution_transition_allowed(enum execution_state from, enum execution_state to)
{
    return (transitions[from] & (1u << to)) != 0;
}

const char *execution_cause_name(enum execution_cause cause)
{
    return causes[cause];
}

const char *execution_trigger_name(enum execution_cause cause)
{
    return cause == CAUSE_SCHEDULE || cause == CAUSE_CATCH_UP ? "scheduled" : "manual";
}
