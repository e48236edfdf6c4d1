/* SPDX-License-Identifier: Apache-2.0 */
/* SQL of scheduled tasks (sched_tasks, their labels and snapshots). The scheduler is the only writer. */
#ifndef HORAE_SCHED_SCHED_STORE_H
#define HORAE_SCHED_SCHED_STORE_H

#include "db/db.h"
#include "sched/sched_task.h"
#include "sched/verdict.h"

enum task_write_kind { TASK_WRITE_CREATE, TASK_WRITE_UPDATE, TASK_WRITE_DELETE };

/* One change of a definition, in one transaction with its epoch and snapshot. */
struct task_write {
    enum task_write_kind kind;
    struct sched_task *task; /* owned: the new definition */
    int64_t settled_us, epoch_id, snapshot_id;
    bool new_epoch;    /* the schedule, or what decides its slots, changed */
    bool new_snapshot; /* name or type changed */
};
void task_write_free(struct task_write *write);

/* A duplicate name is ERR_CONFLICT with the name in the message. */
enum err_code task_store_write(struct db *tx, const struct task_write *write, struct err *err);

/* What executions and slots change in a task's row: sums to add, and values to set. */
struct end_alert;
struct task_change {
    int64_t task_id;
    bool slots_set;      /* the next three count */
    int64_t epoch_id;    /* of which schedule: a row of another epoch keeps its own */
    int64_t next_run_us; /* 0 = none */
    int64_t settled_us;
    int64_t skipped;                /* to add */
    struct verdict_counts verdicts; /* to add */
    int64_t expected;               /* to add: counted from the schedule itself */
    struct end_counts ends;         /* to add (SCH-30) */
    const struct end_alert *alert;  /* borrowed, of one of these ends; within work_apply */
};
enum err_code task_store_change(struct db *tx, const struct task_change *changes, size_t count, struct err *err);

/* Failures in a row as they stand now; 0 for a task that is gone. */
enum err_code task_store_streak(struct db *db, int64_t task_id, int64_t *ret, struct err *err);

/* OK when the ledger of the task is on disk up to `settled_us`; else ERR_UNAVAILABLE. For writes that build on it. */
enum err_code task_store_check_settled(struct db *tx, int64_t task_id, int64_t settled_us, struct err *err);

/* A stored task with what the scheduler keeps beside the definition. */
struct task_row {
    struct sched_task *task; /* owned by the callee */
    int64_t settled_us, epoch_id, snapshot_id;
};
typedef enum err_code (*task_row_fn)(void *arg, const struct task_row *row, struct err *err);
/* What a start needs of every task: when it is due (0 = not armed) and whether it may be one of @reboot. */
struct task_due {
    int64_t id, next_run_us;
    bool on_reboot;
};
typedef enum err_code (*task_due_fn)(void *arg, const struct task_due *due, struct err *err);
enum err_code task_store_each_due(struct db *db, task_due_fn fn, void *arg, struct err *err);
/* By uid or name; ERR_NOT_FOUND. */
enum err_code task_store_get(struct db *db, const char *reference, struct task_row *ret, struct err *err);
enum err_code task_store_get_by_id(struct db *db, int64_t id, struct task_row *ret, struct err *err);

struct task_filter {
    const char *name, *type, *label_name, *label_value; /* NULL = any; name: a part of it */
    int enabled;                                        /* -1 any */
    int64_t after_id;                                   /* keyset: ids above it, 0 = from the start */
    int64_t offset;
    int limit;
};
/* In the order of their making. */
enum err_code task_store_list(struct db *db, const struct task_filter *filter, task_row_fn fn, void *arg, struct err *err);
enum err_code task_store_count(struct db *db, const struct task_filter *filter, struct row_count *ret, struct err *err);
/* Largest ids of tasks and snapshots, ever. */
enum err_code task_store_last_ids(struct db *db, int64_t *ret_task, int64_t *ret_snapshot, struct err *err);
/* Verdict counters of a task as recorded: ret_expected beside the sums. */
enum err_code task_store_verdicts(struct db *db, int64_t task_id, struct verdict_counts *ret, int64_t *ret_expected,
                                  struct err *err);

#endif
