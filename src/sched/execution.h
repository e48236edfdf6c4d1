/* SPDX-License-Identifier: Apache-2.0 */
/* One execution in memory: everything about it while it is pending or running. Owned by the scheduler thread; the
 * row in task_executions is the record, this is the working copy. Handlers get `struct handler_job`, a copy of what
 * they need, because they work on other threads. */
#ifndef HORAE_SCHED_EXECUTION_H
#define HORAE_SCHED_EXECUTION_H

#include "base/heap.h"
#include "base/id.h"
#include "base/list.h"
#include "sched/execution_state.h"
#include "sched/sched_task.h"

struct task_runtime;

enum execution_phase {
    PHASE_RECORDING, /* its insert is on its way to the store */
    PHASE_WAITING,   /* recorded, due later: run_at, or the backoff before another attempt */
    PHASE_READY,     /* waits for a free place of its task and instance */
    PHASE_STARTING,  /* its claim is on its way to the store */
    PHASE_ACTIVE,    /* a handler works on it */
    PHASE_STOPPING,  /* the handler was told to stop; grace runs */
    PHASE_KILLED,    /* the handler was stopped by force; waits for its end */
    PHASE_FINISHING, /* its final row is on its way to the store */
};

enum stop_cause { STOP_NONE, STOP_DEADLINE, STOP_CANCEL, STOP_SHUTDOWN };

struct execution {
    int64_t id;
    struct uuid uid;
    struct task_runtime *task; /* borrowed: a task lives until its last execution is gone */
    enum execution_phase phase;
    enum execution_state state; /* as recorded */
    enum execution_cause cause;
    enum stop_cause stop;
    bool in_store;     /* its row is on disk */
    bool holds_place;  /* counted in the task's and the instance's running */
    bool left_place;   /* the end that gives it back is on its way to the store: counted in their `leaving` */
    bool grace_passed; /* stopped by force */
    bool adopted;
    bool later;           /* asked for at a time to come: it queues when that is there */
    bool recovered;       /* running in the store at start; not known yet whether it lives */
    bool by_wall;         /* `timer` is in scheduler.due */
    bool progress_queued; /* has a row in the next step */
    int32_t priority;
    int32_t attempt;          /* 0 before the first start */
    int32_t recorded_attempt; /* the last one whose end is on disk */
    int64_t fence;
    int64_t scheduled_us, created_us, due_us;
    int64_t started_us;         /* first attempt; 0 before */
    int64_t attempt_started_us; /* this attempt */
    struct heap_node timer;     /* in scheduler.due: its time; in scheduler.timers: backoff, deadline or end of grace */
    struct heap_node place;     /* in task.waiting */
    struct list_node siblings;  /* in task.executions */
    char *trigger_by, *unique_key, *override_data, *cancel_reason, *cancelled_by; /* owned, NULL = none */
    char *attempts_json; /* owned: finished attempts so far, comma-separated objects without brackets; NULL = none */
    char *last_error;    /* owned: of the attempt before */
    char *map_key;       /* owned: key in scheduler.unique_keys */
    int progress;
};

/* What a handler says when an attempt ended. Texts are owned by the receiver (free). */
struct attempt_result {
    bool success;
    bool interrupted; /* lost with its keeper or server, not by itself */
    char *result;     /* ≤ 64 KB, NULL = none */
    bool result_truncated;
    char *error_message;  /* NULL on success */
    char *error_stack;    /* ≤ 10 KB, NULL = none */
    bool stack_is_stored; /* the one of the attempt before, which stays */
    int64_t started_us;   /* 0: as recorded */
    int64_t finished_us;
};

void attempt_result_release(struct attempt_result *result);

#endif
