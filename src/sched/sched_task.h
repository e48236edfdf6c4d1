/* SPDX-License-Identifier: Apache-2.0 */
/* The definition of a scheduled task as a value (DATA-01, DATA-05, rulings section 1), with the counters that the API
 * shows beside it. Owns its strings. */
#ifndef HORAE_SCHED_SCHED_TASK_H
#define HORAE_SCHED_SCHED_TASK_H

#include "base/id.h"
#include "base/retry.h"
#include "cron/cron.h"
#include "sched/execution_state.h"
#include "sched/overlap.h"

enum {
    TASK_NAME_MAX = 255,
    TASK_DESCRIPTION_MAX = 4096,
    TASK_DATA_MAX = 10240,
    TASK_LABELS_MAX = 64,
    LABEL_NAME_MAX = 63,
    LABEL_VALUE_MAX = 255,
    TASK_PRIORITY_MAX = 1000000,
    TASK_RETRIES_MAX = 100,
    TASK_CONCURRENT_MAX = 10000,
    TASK_DURATION_MAX_S = 31536000,
    TASK_CRON_MAX = 255,
    TASK_SECRET_MAX = 1024,
};

enum misfire_policy { MISFIRE_RUN_ONCE, MISFIRE_RUN_ALL, MISFIRE_SKIP, MISFIRE_COUNT };
enum task_health { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_WARNING, HEALTH_CRITICAL };

/* By enum value, as the API has them. */
extern const char *const misfire_names[3], *const overlap_names[5], *const gap_names[4], *const fold_names[4];

struct sched_label {
    char *name, *value; /* owned */
};

struct sched_task {
    int64_t id;
    struct uuid uid;
    char *name;
    int type; /* index of task_types.h */
    char *description;
    bool is_recurring;
    char *cron_expr, *calendar, *timezone; /* NULL = none; timezone NULL = UTC */
    int64_t interval_s;
    int64_t run_at_us; /* one-shot: when; 0 = none or done */
    bool enabled;
    int64_t max_duration_s, max_retries, timeout_grace_period_s, max_concurrent;
    int32_t priority;
    struct sched_label *labels; /* sorted by name */
    size_t label_count;
    char *data, *secret, *seed, *group_id;
    enum misfire_policy misfire;
    int64_t start_deadline_s, jitter_s;
    enum overlap_policy overlap;
    enum cron_gap gap;
    enum cron_fold fold;
    struct retry_backoff backoff;
    int64_t anchor_us; /* 0: created_at */
    int64_t memory_bytes, cpu_percent, pids;
    int64_t version, created_at_us, updated_at_us;

    /* shown beside the definition; the scheduler keeps them */
    int64_t next_run_us, last_executed_at_us;
    int64_t total_executions, success_executions, failure_executions, timeout_executions, skipped_executions;
    int64_t consecutive_failures;
    int64_t recent_outcomes; /* last five: 2 bits each, newest lowest: 0 none, 1 fine, 2 failed */
    char *last_failure_error;
};

void sched_task_free(struct sched_task *task); /* NULL allowed */
struct sched_task *sched_task_clone(const struct sched_task *task);
/* Counters, outcomes and last error of `from`: a rewritten definition goes on with them. */
void sched_task_keep_runtime(struct sched_task *task, const struct sched_task *from);

/* Ends of executions, summed up (SCH-30): what is added to a task's counters, so that the order in which two sums are
 * added does not matter to any of them but the last five outcomes (SCH-84) and the last error. */
struct end_counts {
    int64_t total, success, failure, timeout, success_duration_ms;
    int64_t last_executed_us; /* 0 = none ended */
    bool streak_broken;       /* a success: consecutive failures begin again */
    int64_t streak;           /* failures since then */
    int outcome_count;        /* at most five */
    int64_t outcomes;         /* 2 bits each, newest lowest, as recent_outcomes */
    const char *last_error;   /* borrowed; NULL = unchanged, "" = cleared */
};
/* One more. `error` is borrowed as long as `counts` is used. */
void end_counts_add(struct end_counts *counts, enum execution_state state, int64_t finished_us, int64_t duration_ms,
                    const char *error);
void sched_task_add_ends(struct sched_task *task, const struct end_counts *counts);
enum task_health sched_task_health(const struct sched_task *task);
const char *task_health_name(enum task_health health);
/* GEN-04: the definition of `task` as the program declares it now; enabled, labels and priority stay the operator's, and
 * a secret stays when none is declared. NULL when nothing changes. Owned by the caller. */
struct sched_task *sched_task_redeclare(const struct sched_task *task, const struct sched_task *declared);

#endif
