/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/execution_metrics.h"

#include <stdio.h>

void execution_metrics_init(struct execution_metrics *metrics)
{
    for (int type = 0; type < TASK_TYPE_COUNT; type++) {
        char labels[160];
        (void)snprintf(labels, sizeof labels, "type=\"%s\"", task_type_name(type));
        metrics->started[type] =
            metric_get(METRIC_COUNTER, "horae_executions_started_total", "Attempts started, by type.", labels);
        metrics->duration[type] =
            metric_get(METRIC_HISTOGRAM, "horae_execution_duration_seconds", "From first start to end.", labels);
        for (int state = EXECUTION_SUCCESS; state < EXECUTION_STATE_COUNT; state++) {
            (void)snprintf(labels, sizeof labels, "type=\"%s\",state=\"%s\"", task_type_name(type),
                           execution_state_name((enum execution_state)state));
            metrics->finished[type][state] =
                metric_get(METRIC_COUNTER, "horae_executions_finished_total", "Executions finished, by type and state.", labels);
        }
    }
}

void execution_metrics_started(const struct execution_metrics *metrics, int type)
{
    metric_add(metrics->started[type], 1);
}

void execution_metrics_finished(const struct execution_metrics *metrics, int type, enum execution_state state,
                                int64_t duration_us)
{
    metric_add(metrics->finished[type][state], 1);
    metric_observe(metrics->duration[type], duration_us);
}
