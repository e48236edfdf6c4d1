/* SPDX-License-Identifier: Apache-2.0 */
/* What a task type provides to run its executions (GEN-02, SCH-25). A handler is asynchronous: `start` returns at
 * once, and the end arrives through its sink (attempt_sink.h). handler_noop.c is the file to copy. */
#ifndef HORAE_SCHED_HANDLER_H
#define HORAE_SCHED_HANDLER_H

#include "base/err.h"
#include "sched/execution.h"

/* One attempt, as given to a handler; a copy that the handler may keep until it reports the end. Owned by the
 * handler after a successful start (handler_job_free). */
struct handler_job {
    int64_t execution_id;
    struct uuid uid;
    int32_t attempt;
    int64_t fence;
    int64_t scheduled_us, started_us, deadline_us;
    char *task_name, *data, *secret, *timezone; /* owned; secret and timezone may be NULL */
    int64_t memory_bytes, cpu_percent, pids;    /* 0 = no limit */
};

void handler_job_free(struct handler_job *job);

struct handler {
    const char *type; /* as in task_types.def */
    /* Scheduler thread; must not block. On failure nothing runs, the job stays the caller's, and the attempt ends
     * with the error's message. */
    enum err_code (*start)(void *context, struct handler_job *job, struct err *err);
    /* Scheduler thread. `force` false: ask to end (SIGTERM, cancel); true: end now. The end is still reported. */
    void (*stop)(void *context, int64_t execution_id, int32_t attempt, bool force);
    /* Scheduler thread; may be NULL. The end of this attempt is on disk (or not wanted): nothing has to remember it any
     * more. Also called for ends that were reported again. */
    void (*recorded)(void *context, int64_t execution_id, int32_t attempt);
    void *context; /* the handler's own state, set by app */
};

/* GEN-03, checked before a scheduler is made, which ends all registration: every handler has a type that exists, and no
 * two have the same; it can start and stop. ERR_INVALID naming the type. A type without a handler is allowed: its runs
 * fail and say so (DATA-16). */
enum err_code handlers_check(const struct handler *handlers, size_t count, struct err *err);

#endif
