/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's memory, shared by its files only: scheduler.c (life, inbox, store), sched_commands.c (definitions),
 * sched_trigger.c (executions on demand), sched_fire.c (slots and ledger), sched_zones.c (newer zone files), sched_run.c
 * (starts, time-outs), sched_end.c (ends, retries), sched_resident.c (which tasks are in memory), sched_recover.c (what the
 * store holds at start), sched_events.c (who follows). All of it belongs to the scheduler's thread, except where said. */
#ifndef HORAE_SCHED_SCHEDULER_PRIV_H
#define HORAE_SCHED_SCHEDULER_PRIV_H

#include "base/map.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "sched/execution_metrics.h"
#include "sched/schedule.h"
#include "sched/scheduler.h"
#include "sched/slot_queue.h"
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
    struct list_node resident;    /* in scheduler.residents */
    int64_t armed_us;             /* its entry of scheduler.slots that counts; 0 = not armed, or just read: then any counts */
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
    bool failed_lately; /* a success may end a row of failures that somebody was told of */
};

struct scheduler {
    struct scheduler_options options;
    struct queue inbox; /* any thread */
    struct thread thread;

    struct int_map tasks;      /* id → task_runtime, of those in memory */
    struct map tasks_by_name;  /* keys in task->name */
    struct map tasks_by_uid;   /* keys in uid_text */
    struct list residents;     /* the same tasks, the one that was not used for longest first */
    size_t arrivals;           /* since the last sched_evict() */
    int64_t task_count;        /* in the store */
    struct int_map executions; /* id → execution */
    struct map unique_keys;    /* "task id:key" → execution */

    struct slot_queue slots;  /* when to look at a task again, by wall time: of every armed task, in memory or not */
    struct heap due;          /* executions by wall time: what waits for its time */
    struct heap timers;       /* executions by monotonic time: a step of the wall clock neither shortens nor stretches a run */
    struct heap ready;        /* tasks by the order of their first waiting execution */
    int32_t running, leaving; /* places of this instance, as those of a task; maintenance is not counted */

    struct sched_work *step;         /* what this step decided */
    bool step_in_flight;             /* at most one at a time */
    struct sched_work *refused_step; /* waits for retry_step_at_us; counts as in flight */
    uint32_t step_number, sent_step_number;
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
    int64_t barred_us;     /* monotonic: since when it may not decide; 0 = it may */
    int64_t last_wall_us, last_mono_us;

    bool reboots_fired;
    uint64_t zones_seen;                       /* number of the last change of zone rules that slots follow */
    char zone_rules[NOTE_VALUE_MAX];           /* and all files that they come from; "" = never noted */
    int64_t zones_look_us, zone_files_look_us; /* monotonic: when to look again at zones in use, at all files */
    bool walking;                              /* all tasks are looked at, since rules changed */
    int64_t walked_id;                         /* the last one so far */
    size_t walk_moved;                         /* those whose next slot is another now */
    int64_t read_again_us;                     /* monotonic: the store could not be read, tasks wait until then */

    bool adoption_pending; /* recorded commands may still live under a keeper */
    /* stopping */
    bool stopping, handover, abandoned, stop_signalled, closed;
    int64_t stop_at_us;      /* monotonic */
    struct mutex stop_mutex; /* guards stopped */
    struct condition stop_done;
    bool stopped;

    _Atomic bool draining; /* any thread */
    _Atomic bool store_refuses;
    _Atomic int64_t figure_tasks, figure_pending, figure_running;
    struct execution_metrics execution_metrics;
    struct metric *metric_expected, *metric_verdicts[VERDICT_COUNT], *metric_queue, *metric_lateness;
};

/* scheduler.c */
bool scheduler_has_unsent(const struct scheduler *s, const struct task_runtime *rt); /* rows in the step being filled */
struct sched_work *scheduler_step_work(struct scheduler *s);                         /* the step being filled */
bool scheduler_step_is_full(const struct scheduler *s); /* rows per transaction are bounded; the rest when it is sent */
void scheduler_send(struct scheduler *s, struct sched_work *work); /* to the store; comes back as a notice */
/* Empty, and of the command: to be filled and sent. */
struct sched_work *scheduler_command_work(struct scheduler *s, struct sched_command *command);
void scheduler_answer(struct sched_command *command, enum err_code code, const struct err *err);
struct task_change *scheduler_change(struct scheduler *s, struct sched_work *work, struct task_runtime *rt);
void scheduler_publish_execution(struct scheduler *s, const struct execution *ex, const char *event);
void scheduler_publish_task(struct scheduler *s, const struct task_runtime *rt, const char *event);

/* sched_commands.c */
void sched_handle_command(struct scheduler *s, struct sched_command *command);
void sched_write_committed(struct scheduler *s, struct sched_work *work); /* also when it failed */
void sched_release_deferred(struct scheduler *s);                         /* looks at them again */
void sched_refuse_deferred(struct scheduler *s, enum err_code code, const struct err *err);

/* sched_resident.c */
/* By uid or name, from memory or from the store: what is found stays in memory at least until the end of the step.
 * ERR_NOT_FOUND, and what reading the store may give. By uid or id one may be found that was deleted and whose executions
 * end. */
enum err_code sched_find_task(struct scheduler *s, const char *reference, struct task_runtime **ret, struct err *err);
enum err_code sched_find_task_by_id(struct scheduler *s, int64_t id, struct task_runtime **ret, struct err *err);
/* By id, within a reading of the store that is under way. */
enum err_code sched_read_task(struct scheduler *s, struct db *db, int64_t id, struct task_runtime **ret, struct err *err);
struct task_runtime *sched_add_runtime(struct scheduler *s, const struct task_row *row); /* takes over row->task */
struct task_runtime *sched_take_in(struct scheduler *s, const struct task_row *row);     /* the same, unless it is in memory */
void sched_refresh_runtime(struct scheduler *s, struct task_runtime *rt);                /* after a change of its definition */
void sched_forget_name(struct scheduler *s, struct task_runtime *rt);
void sched_forget_if_gone(struct scheduler *s, struct task_runtime *rt); /* a deleted task without executions */
void sched_free_runtime(struct task_runtime *rt);                        /* memory only */
void sched_evict(struct scheduler *s); /* once a step: beyond options.resident_max, the ones that are not needed */

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
/* Computes its next slot and queues it; what its row says otherwise is put right in the step. True when it was. Not while a
 * change of it is on its way, nor for one that was deleted. */
bool sched_arm(struct scheduler *s, struct task_runtime *rt);
bool sched_slot_counts(const void *scheduler, const struct slot_entry *entry); /* see slot_queue.h */
void sched_note_clock(struct scheduler *s);
/* Whether it may decide now (scheduler_options.may_decide), asked once in each step. After a while in which it may not, what came due is made
 * up for as after down time. */
bool sched_may_decide(struct scheduler *s);

/* sched_zones.c */
void sched_watch_zones(struct scheduler *s);
bool sched_may_walk(const struct scheduler *s); /* right now: more tasks are to be looked at */

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
/* sched_stop.c */
void sched_take_stop(struct scheduler *s, struct notice *taken);
void sched_stop_progress(struct scheduler *s); /* at each step while it stops */
/* scheduler.c: nobody takes them any more */
void sched_drain_inbox(struct scheduler *s);
void sched_stop_deferred(struct scheduler *s);

void sched_stop_attempt(struct scheduler *s, struct execution *ex, enum stop_cause cause);
void sched_force_attempt(struct execution *ex); /* it has had its grace, or gets none */
/* Whoever started it may forget it when all that was decided up to now is on disk: its end is, or is not wanted. */
void sched_acknowledge(struct scheduler *s, int64_t id, int32_t attempt);
void sched_progress(struct scheduler *s, int64_t id, int32_t attempt, int percent);
void sched_fill_progress(struct sched_work *step); /* with the newest reports, before it is sent */
void sched_cancelled(struct scheduler *s, struct sched_work *work);
void sched_count_committed(struct scheduler *s, struct sched_work *work);
void sched_set_timer(struct scheduler *s, struct execution *ex, int64_t delay_us);
void sched_set_due(struct scheduler *s, struct execution *ex); /* at due_us, by wall time */
/* Waits for its next attempt, and its task was disabled: it ends as its last attempt did (SCH-47). */
void sched_give_up(struct scheduler *s, struct execution *ex);
int64_t sched_backoff_left(const struct scheduler *s, const struct execution *ex);
void sched_clear_timer(struct scheduler *s, struct execution *ex);

/* sched_recover.c */
enum err_code sched_load(struct scheduler *s, struct err *err);
void sched_adopt(struct scheduler *s, const struct adopted_attempt *attempts, size_t count);

#endif
