/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms in Prometheus text form. Updates are relaxed atomics on any thread. A metric lives
 * as long as the process; families are registered once at start with their help text. */
#ifndef HORAE_BASE_METRICS_H
#define HORAE_BASE_METRICS_H

#include "base/buf.h"

struct metric;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* The metric `name` with `labels` (text between the braces, e.g. `type="noop",state="success"`, already escaped;
 * "" = none). Made on first use; the same pointer ever after. At most 4,096 label sets per family: beyond it the
 * set `overflow="true"` is returned. `help` must be a literal. Takes a lock: keep the pointer on hot paths. */
struct metric *metric_get(enum metric_kind kind, const char *name, const char *help, const char *labels);

void metric_add(struct metric *metric, int64_t delta);       /* counter, gauge */
void metric_set(struct metric *metric, int64_t value);       /* gauge */
void metric_observe(struct metric *metric, int64_t us);      /* histogram of seconds: value in microseconds */
void metric_observe_count(struct metric *metric, int64_t n); /* histogram of plain numbers */
int64_t metric_value(const struct metric *metric);           /* counter, gauge; a histogram's count */

/* Everything registered, sorted by name, with # HELP and # TYPE. */
void metrics_write(struct buf *out);

#endif
