/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's memory, shared by its files only: scheduler.c (life, inbox, store), sched_commands.c (definitions),
 * sched_trigger.c (executions on demand), sched_fire.c (slots and ledger), sched_run.c (starts, time-outs), sched_end.c
 * (ends, retries), sched_recover.c (what the store holds at start), sched_events.c (who follows). All of it belongs to the scheduler's thread, except where said. */
#ifndef HORAE_SCHED_SCHEDULER_PRIV_H
#define HORAE_SCHED_SCHEDULER_PRIV_H

#include "base/map.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "sched/schedule.h"
#include "sched/scheduler.h"
#include "sched/task_types.h"
#include "sched/work.h"

#include <stdatomic.h>

/* The last run of the ledger, while it can still grow. */
struct ledger_tail {
    int64_t id; /* 0 = none */
    enum verdict verdict;
    enum verdict_reason reason;
};

struct task_runtime {
    struct sched_task *task; /* owned */
    char uid_text[UUID_TEXT_LEN + 1];
    const struct handler *handler;
    struct schedule schedule;
    struct heap_node slot_timer;  /* in scheduler.slots while armed */
    struct heap waiting;          /* executions that are READY */
    struct heap_node ready_place; /* in scheduler.ready while one may start */
    struct list executions;       /* all in memory, by `siblings` */
    int64_t settled_us, epoch_id, snapshot_id;
    int64_t recorded_us;  /* settled_until as its row has it, or will have when what was decided is on disk */
    int64_t next_slot_us; /* 0 = none */
    struct ledger_tail tail;
    int32_t running;      /* places taken */
    int32_t leaving;      /* places given back by ends that are not on disk yet */
    int32_t later;        /* of its executions: not due yet, they do not count against its limit */
    int32_t change_row;   /* in the current step's `tasks`, -1 = none */
    uint32_t change_step; /* of which step number that row is */
    bool fits;            /* this instance has the task's labels */
    bool instant;         /* a run has no effect outside: claim and end in one write */
    bool reboot_due;      /* @reboot: has not run for this boot */
    bool frozen;          /* a change of it is on its way to the store */
    bool deleted;
    bool next_unsaved; /* other zone rules moved its next slot, which is not on its way to the store yet */
};

struct scheduler {
    struct scheduler_options options;
    struct queue inbox; /* any thread */
    struct thread thread;

    struct int_map tasks;      /* id → task_runtime */
    struct map tasks_by_name;  /* keys in task->name */
    struct map tasks_by_uid;   /* keys in uid_text */
    struct int_map executions; /* id → execution */
    struct map unique_keys;    /* "task id:key" → execution */

    struct heap slots;        /* tasks by wall time of the next start */
    struct heap due;          /* executions by wall time: what waits for its time */
    struct heap timers;       /* executions by monotonic time: a step of the wall clock neither shortens nor stretches a run */
    struct heap ready;        /* tasks by the order of their first waiting execution */
    int32_t running, leaving; /* places of this instance, as those of a task; maintenance is not counted */

    struct sched_work *step;         /* what this step decided */
    bool step_in_flight;             /* at most one at a time */
    struct sched_work *refused_step; /* waits for retry_step_at_us; counts as in flight */
    uint32_t step_number;
    int64_t retry_step_at_us; /* monotonic; after a failed commit */
    int works_in_flight;
    struct list deferred; /* commands that wait: for a change on its way, or for rows of a step that was not sent yet */
    bool look_again;      /* at `deferred`: something that they may wait for has happened */

    int64_t next_task_id, next_snapshot_id, next_epoch_id, next_execution_id, next_ledger_id;
    int64_t last_order_us;
    struct wall now;
    struct mono mono;
    int64_t started_us;    /* wall */
    int64_t down_until_us; /* wall: slots up to here were due while no planner looked */
    int64_t last_wall_us, last_mono_us;

    bool reboots_fired;
    uint64_t zones_seen;   /* number of the last change of zone rules that the slots follow */
    int64_t zones_look_us; /* monotonic: when to look at the zone files again */
    bool has_unsaved_next; /* some task has next_unsaved */
    bool adoption_pending; /* recorded commands may still live under a keeper */
    /* stopping */
    bool stopping, handover, stop_signalled, closed;
    int64_t stop_at_us;      /* monotonic */
    struct mutex stop_mutex; /* guards stopped */
    struct condition stop_done;
    bool stopped;

    _Atomic bool draining; /* any thread */
    _Atomic int64_t figure_tasks, figure_pending, figure_running;
    struct metric *metric_expected, *metric_verdicts[VERDICT_COUNT], *metric_queue, *metric_lateness;
};

/* scheduler.c */
bool scheduler_has_unsent(const struct scheduler *s, const struct task_runtime *rt); /* rows in the step being filled */
struct sched_work *scheduler_step_work(struct scheduler *s);                         /* the step being filled */
void scheduler_send(struct scheduler *s, struct sched_work *work);                   /* to the store; comes back as a notice */
void scheduler_answer(struct sched_command *command, enum err_code code, const struct err *err);
struct task_change *scheduler_change(struct scheduler *s, struct sched_work *work, struct task_runtime *rt);
void scheduler_publish_execution(struct scheduler *s, const struct execution *ex, const char *event);
void scheduler_publish_task(struct scheduler *s, const struct task_runtime *rt, const char *event);

/* sched_commands.c */
void sched_handle_command(struct scheduler *s, struct sched_command *command);
void sched_write_committed(struct scheduler *s, struct sched_work *work); /* also when it failed */
void sched_release_deferred(struct scheduler *s);                         /* looks at them again */
void sched_refuse_deferred(struct scheduler *s, enum err_code code, const struct err *err);
struct task_runtime *sched_find_task(struct scheduler *s, const char *reference);
struct task_runtime *sched_add_runtime(struct scheduler *s, struct sched_task *task, int64_t settled_us, int64_t epoch_id,
                                       int64_t snapshot_id);
void sched_forget_if_gone(struct scheduler *s, struct task_runtime *rt); /* a deleted task without executions */
void sched_free_runtime(struct task_runtime *rt);                        /* memory only */

/* sched_trigger.c */
void sched_trigger(struct scheduler *s, struct sched_command *command, struct task_runtime *rt);
void sched_cancel(struct scheduler *s, struct sched_command *command);
void sched_retry(struct scheduler *s, struct sched_command *command);
/* Ends it as cancelled: at once when nothing runs, else the handler is told. The finish goes into `work`. */
void sched_cancel_execution(struct scheduler *s, struct execution *ex, const char *by, const char *reason,
                            struct sched_work *work);

/* sched_fire.c */
void sched_fire_due(struct scheduler *s);
void sched_fire_reboots(struct scheduler *s); /* once, at the start */
/* Gives every slot up to now its verdict, in the step: a step that is refused is tried again, so no slot is lost. */
void sched_settle(struct scheduler *s, struct task_runtime *rt);
void sched_arm(struct scheduler *s, struct task_runtime *rt);
void sched_disarm(struct scheduler *s, struct task_runtime *rt);
void sched_note_clock(struct scheduler *s);
void sched_watch_zones(struct scheduler *s);

/* sched_run.c */
struct new_execution {
    enum execution_cause cause;
    bool shifted;
    int64_t scheduled_us, due_us;
    int32_t priority;
    const char *trigger_by, *unique_key, *override_data;
    const struct uuid *retry_of;
};
struct execution *sched_new_execution(struct scheduler *s, struct task_runtime *rt, const struct new_execution *request,
                                      struct sched_work *work);
void sched_forget_execution(struct scheduler *s, struct execution *ex);
void sched_free_execution(struct execution *ex); /* memory only */
/* From its row, at start; takes over the texts. */
struct execution *sched_restore_execution(struct scheduler *s, struct task_runtime *rt, const struct execution_active *active);
/* Executions that run or wait for a place (max_concurrent limits starts; a run_at to come is no start yet). */
int32_t sched_load_of(const struct task_runtime *rt);
void sched_take_place(struct scheduler *s, struct execution *ex);
void sched_leave_place(struct scheduler *s, struct execution *ex);
/* With its end in the step: claims may have the place at once, since they go into the store after it. */
void sched_pass_place(struct scheduler *s, struct execution *ex);
void sched_update_ready(struct scheduler *s, struct task_runtime *rt);
void sched_make_ready(struct scheduler *s, struct execution *ex); /* READY, or WAITING until it is due */
void sched_admit(struct scheduler *s);
void sched_run_timers(struct scheduler *s);
void sched_inserted(struct scheduler *s, struct sched_work *work);
void sched_claimed(struct scheduler *s, struct sched_work *work);
void sched_finished(struct scheduler *s, struct sched_work *work);
void sched_attempt_ended(struct scheduler *s, int64_t id, int32_t attempt, struct attempt_result *result);
void sched_finish(struct scheduler *s, struct execution *ex, enum execution_state state, struct attempt_result *result,
                  struct sched_work *work);
void sched_stop_attempt(struct scheduler *s, struct execution *ex, enum stop_cause cause);
/* Whoever started it may forget it when all that was decided up to now is on disk: its end is, or is not wanted. */
void sched_acknowledge(struct scheduler *s, int64_t id, int32_t attempt);
void sched_progress(struct scheduler *s, int64_t id, int32_t attempt, int percent);
void sched_register_metrics(int type);             /* the families of a task type */
void sched_fill_progress(struct sched_work *step); /* with the newest reports, before it is sent */
void sched_cancelled(struct scheduler *s, struct sched_work *work);
void sched_count_committed(struct scheduler *s, struct sched_work *work);
void sched_set_timer(struct scheduler *s, struct execution *ex, int64_t delay_us);
void sched_set_due(struct scheduler *s, struct execution *ex); /* at due_us, by wall time */
int64_t sched_backoff_left(const struct scheduler *s, const struct execution *ex);
void sched_clear_timer(struct scheduler *s, struct execution *ex);

/* sched_recover.c */
enum err_code sched_load(struct scheduler *s, struct err *err);
void sched_adopt(struct scheduler *s, const struct adopted_attempt *attempts, size_t count);

#endif
