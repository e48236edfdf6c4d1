/* SPDX-License-Identifier: Apache-2.0 */
/* SQL of task_executions: what the scheduler writes, many rows at a time. All functions run inside a transaction of
 * the store's writer and may run twice. Reading history is execution_query.h. */
#ifndef HORAE_SCHED_EXECUTION_STORE_H
#define HORAE_SCHED_EXECUTION_STORE_H

#include "base/id.h"
#include "db/claim.h"
#include "sched/execution_state.h"
#include "sched/sched_task.h"

struct end_alert;

/* A new execution. Texts are borrowed. With started_us != 0 it is inserted already claimed: one write instead of two. */
struct execution_insert {
    int64_t id, task_id, snapshot_id;
    struct uuid uid;
    enum execution_cause cause;
    bool shifted;
    int32_t priority;
    int64_t scheduled_us, created_us, due_us, started_us;
    int64_t fence;  /* out when claimed */
    bool lost;      /* out: the slot has its execution already */
    bool cancelled; /* the scheduler's: a row of `cancels` goes with it */
    const char *trigger_by, *unique_key, *override_data;
    bool has_retry_of;
    struct uuid retry_of;
};

/* Between two attempts: stays running, due again later. */
struct execution_backoff {
    int64_t id, fence, due_us, now_us;
    int32_t attempt;                              /* that ended; not written */
    char *error_message, *error_stack, *attempts; /* owned by the work */
};

struct execution_finish {
    int64_t id, fence; /* fence 0: never claimed */
    bool instant;      /* pending → running → terminal in one write: it gets its fence here */
    enum execution_state state;
    int64_t started_us, finished_us;
    int32_t attempt, progress;
    char *result, *error_message, *error_stack, *attempts; /* owned by the work */
    char *cancel_reason, *cancelled_by;
    bool result_truncated;
    bool stack_is_stored; /* with the end of the last attempt; it stays */
    int64_t duration_us;
    int32_t change_row, stats_row; /* of the work: where it is counted; -1 = nowhere */
    struct end_alert *alert;       /* owned by the work: what is told of it; NULL = nothing */
    bool lost;                     /* out: compare-and-set found another state or fence (DATA-14, SCH-73); not counted then */
};

/* A cancel that a running execution has not obeyed yet: the next server goes on with it. */
struct execution_cancel {
    int64_t id, now_us;
    char *cancelled_by, *cancel_reason; /* owned by the work */
    bool first;                         /* the scheduler's: the one that is taken back when the store refuses it */
    int was_stop;                       /* the scheduler's: enum stop_cause before it */
};
enum err_code execution_store_cancel(struct db *tx, const struct execution_cancel *rows, size_t count, struct err *err);

/* Issues fences for the claimed ones first. A slot or unique key that exists already is ERR_CONFLICT. */
enum err_code execution_store_insert(struct db *tx, const char *instance_id, struct execution_insert *rows, size_t count,
                                     struct err *err);
enum err_code execution_store_claim(struct db *tx, const char *instance_id, struct claim *rows, size_t count, struct err *err);
enum err_code execution_store_backoff(struct db *tx, const struct execution_backoff *rows, size_t count, struct err *err);
enum err_code execution_store_finish(struct db *tx, const char *instance_id, struct execution_finish *rows, size_t count,
                                     struct err *err);
enum err_code execution_store_progress(struct db *tx, int64_t id, int64_t fence, int percent, int64_t now_us, struct err *err);
/* A new server takes over living attempts: the owner epoch moves, uid, attempt and fence do not (rulings, Adoption). */
enum err_code execution_store_adopt(struct db *tx, int64_t id, const char *instance_id, struct err *err);

/* What was pending or running when the last server ended. */
struct execution_active {
    int64_t id, task_id, fence;
    struct uuid uid;
    enum execution_state state;
    enum execution_cause cause;
    int32_t priority, attempt;
    int64_t scheduled_us, created_us, due_us, started_us;
    bool claimed; /* false while running: in backoff */
    char *trigger_by, *unique_key, *override_data, *attempts, *error_message, *cancelled_by,
        *cancel_reason; /* owned by the callee */
};
typedef enum err_code (*execution_active_fn)(void *arg, const struct execution_active *active, struct err *err);
enum err_code execution_store_each_active(struct db *db, execution_active_fn fn, void *arg, struct err *err);
enum err_code execution_store_last_id(struct db *db, int64_t *ret, struct err *err);

/* The row that a caller means by its id or uid, for retry and cancel. ERR_NOT_FOUND. Texts go to the caller (free). */
struct execution_brief {
    int64_t id, task_id;
    struct uuid uid;
    enum execution_state state;
    char *override_data;
};
enum err_code execution_store_find(struct db *db, const char *reference, struct execution_brief *ret, struct err *err);

/* Deletes at most `limit` finished executions that ended before `before_us` (RET-05). */
enum err_code execution_store_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err);

#endif
