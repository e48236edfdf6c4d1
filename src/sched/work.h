/* SPDX-License-Identifier: Apache-2.0 */
/* A unit of work for the store: what the scheduler decided in one step, or one command, as plain rows. It becomes one
 * store operation, may be run twice, and comes back to the scheduler as a notice when it is on disk. While it is on
 * its way nobody changes it but the store's writer. */
#ifndef HORAE_SCHED_WORK_H
#define HORAE_SCHED_WORK_H

#include "base/list.h"
#include "db/store.h"
#include "sched/execution_store.h"
#include "sched/ledger_store.h"
#include "sched/notes_store.h"
#include "sched/sched_store.h"
#include "sched/scheduler.h"

/* Growing arrays of rows; their number is bounded by SCHEDULER_BULK_MAX per command and WORK_ROWS_MAX per step. */
#define WORK_ROWS(type) \
    struct { \
        type *rows; \
        size_t count, capacity; \
    }
#define WORK_ADD(array) \
    (work_grow((void **)&(array)->rows, &(array)->count, &(array)->capacity, sizeof *(array)->rows), \
     &(array)->rows[(array)->count - 1])

enum { WORK_ROWS_MAX = 8192 };

void work_grow(void **rows, size_t *count, size_t *capacity, size_t size);

enum notice_kind { NOTICE_COMMAND, NOTICE_WORK, NOTICE_ATTEMPT_ENDED, NOTICE_PROGRESS, NOTICE_ADOPT, NOTICE_STOP };

/* What arrives at the scheduler's inbox. */
struct notice {
    struct list_node node;
    enum notice_kind kind;
};

struct progress_row {
    int64_t id, fence;
    int percent;
};

struct acknowledgement {
    int64_t execution_id;
    int32_t attempt;
};

struct sched_work {
    struct notice notice;
    struct store_op op;
    struct scheduler *scheduler;
    const char *instance_id;
    struct alerts *alerts; /* borrowed; NULL = nobody is told */
    enum err_code code;    /* out */
    struct err err;        /* out */
    int64_t now_us;
    bool is_step; /* of the scheduler's own: tried again when the store refuses it */

    WORK_ROWS(struct execution_insert)
    inserts;
    WORK_ROWS(struct claim)
    claims;
    WORK_ROWS(struct execution_backoff)
    backoffs;
    WORK_ROWS(struct execution_finish)
    finishes;
    WORK_ROWS(struct execution_cancel)
    cancels;
    WORK_ROWS(struct progress_row)
    progress;
    WORK_ROWS(struct ledger_entry)
    ledger;
    WORK_ROWS(struct task_change)
    tasks; /* what executions and slots change in task rows */
    WORK_ROWS(struct stats_delta)
    stats;
    WORK_ROWS(int64_t)
    adoptions;
    WORK_ROWS(int64_t)
    reboots; /* tasks that run for this boot */
    WORK_ROWS(struct acknowledgement)
    acknowledgements;                /* nothing to write: told when this and all before it is on disk */
    char zone_rules[NOTE_VALUE_MAX]; /* what the next slots of all tasks were computed with; "" = unchanged */

    int64_t check_task_id, check_settled_us; /* with an id: refused unless the ledger of this task is on disk up to here */
    struct task_write *write;                /* owned: creates, rewrites or deletes one task; NULL = none */
    struct sched_command *command;           /* the command that it serves; NULL = a step of the scheduler's own */
    struct task_runtime *runtime;            /* of `write` */
};

struct sched_work *work_new(struct scheduler *scheduler, const char *instance_id);
void work_free(struct sched_work *work);
bool work_is_empty(const struct sched_work *work);
size_t work_size(const struct sched_work *work);
/* The row of the sums of a task's hour; an index, since rows move. */
int32_t work_stats_row(struct sched_work *work, int64_t task_id, int64_t hour);
/* Writes everything. May run again: what is derived from it (fences, lost rows, sums of ends) is made anew. */
enum err_code work_apply(struct db *tx, void *work, struct err *err);

#endif
