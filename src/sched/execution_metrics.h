/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of executions by type and state, found once: each execution needs three of them. */
#ifndef HORAE_SCHED_EXECUTION_METRICS_H
#define HORAE_SCHED_EXECUTION_METRICS_H

#include "base/metrics.h"
#include "sched/execution_state.h"
#include "sched/task_types.h"

struct execution_metrics {
    struct metric *started[TASK_TYPE_COUNT], *duration[TASK_TYPE_COUNT], *finished[TASK_TYPE_COUNT][EXECUTION_STATE_COUNT];
};

/* The series are there from then on, with zeros. */
void execution_metrics_init(struct execution_metrics *metrics);
void execution_metrics_started(const struct execution_metrics *metrics, int type); /* an attempt */
void execution_metrics_finished(const struct execution_metrics *metrics, int type, enum execution_state state,
                                int64_t duration_us);

#endif
