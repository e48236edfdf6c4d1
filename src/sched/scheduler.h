/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler: the one owner of tasks and executions. It runs on one thread; requests come in as commands, ends of
 * attempts and commits come in as notices, and everything it decides goes to the store before it takes effect
 * (intent → durable → act → result → durable). `scheduler_step` is a function of time, so that a simulation drives
 * the same code without threads. */
#ifndef HORAE_SCHED_SCHEDULER_H
#define HORAE_SCHED_SCHEDULER_H

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "db/store.h"
#include "sched/attempt_sink.h"
#include "sched/handler.h"

struct audit_event;
struct scheduler;
struct alerts;
struct buf;
struct event_hub;
struct http_idempotency;

enum {
    SCHEDULER_MAX_ACTIVE = 1000000, /* executions pending or running; beyond it triggers answer 503 */
    SCHEDULER_BULK_MAX = 10000,     /* items of one bulk trigger */
    SCHEDULER_RESIDENT_MAX = 16384, /* about a kilobyte each */
};

struct scheduler_options {
    struct store *store;       /* borrowed */
    const struct clock *clock; /* borrowed */
    struct event_hub *events;  /* borrowed, may be NULL */
    struct alerts *alerts;     /* borrowed, may be NULL: who is told of ends */
    const char *instance_id;
    const struct sched_label *labels; /* borrowed: what this instance offers (SCH-05) */
    size_t label_count;
    int capacity;     /* running executions at once (SCH-06) */
    int resident_max; /* tasks kept in memory beyond those that are busy; 0 = SCHEDULER_RESIDENT_MAX */
    bool plans;       /* false: ENABLE_CRON=false, schedules do not fire here */
    int default_max_duration_s, default_max_retries, default_grace_s;
    /* Scheduler thread; must not block: whether the planner's lease is certainly held (LCK-05, LCK-09). While it is not, nothing is
     * fired or started. Whoever changes that calls scheduler_wake. NULL: always. */
    bool (*may_decide)(void *arg);
    void *may_decide_arg;
    const struct handler *handlers; /* borrowed */
    size_t handler_count;
};

/* Reads tasks and active executions. Nothing runs before scheduler_start or scheduler_step. */
enum err_code scheduler_new(const struct scheduler_options *options, struct scheduler **ret, struct err *err);
/* One that was started: stopped, and its store closed before, whose thread tells it of commits. NULL allowed. */
void scheduler_free(struct scheduler *scheduler);

void scheduler_start(struct scheduler *scheduler); /* its thread */
void scheduler_wake(struct scheduler *scheduler);  /* a step now: what it asks others has changed. Any thread */
/* One step at `now`; returns the monotonic microsecond of the next thing to do. For the thread and for simulation. */
int64_t scheduler_step(struct scheduler *scheduler);

/* Stops taking work; running executions may finish until `timeout_us` has passed, then they are stopped with their
 * grace and end `interrupted`; with `handover`, commands run on and are adopted by the next server. Blocks until
 * the last write is on disk. Any thread but the scheduler's (SCH-74). */
void scheduler_stop(struct scheduler *scheduler, int64_t timeout_us, bool handover);
/* The store is another's: what runs is ended at once and nothing of it is recorded. Blocks as scheduler_stop does, but for nobody's
 * write and no attempt. */
void scheduler_abandon(struct scheduler *scheduler);
/* Does not wait; while scheduler_stop waits in another thread it sets another end. */
void scheduler_stop_by(struct scheduler *scheduler, int64_t timeout_us, bool handover);

/* ---- commands: any thread. The scheduler owns a command until `reply` was called, once, on an unknown thread. ---- */

enum sched_command_kind {
    SCHED_CREATE, /* task: the new definition (moved in) */
    SCHED_UPDATE, /* body: JSON text of a PUT or PATCH */
    SCHED_DELETE,
    SCHED_ENABLE,
    SCHED_DISABLE, /* cancel_running */
    SCHED_TRIGGER, /* items[0] */
    SCHED_BULK,    /* items */
    SCHED_CANCEL,  /* execution_ref */
    SCHED_RETRY,   /* execution_ref */
    SCHED_SETTLE,  /* brings the ledger of a task up to now, then replies */
    SCHED_DECLARE, /* task: as create, but an existing one is only rewritten where its definition changed (GEN-04) */
};

struct trigger_item {
    char *override_data, *unique_key; /* owned, NULL = none */
    int64_t run_at_us;                /* 0 = now */
    int32_t priority;
    bool has_priority;
    struct uuid uid; /* out */
};

/* What the scheduler notes of a command that is recorded, for the event to be rendered in its transaction (sched_audit.h). */
struct sched_audited {
    struct uuid task_uid;
    char *task_name;           /* owned, NULL = not known */
    struct sched_task *before; /* owned: update, delete, enable, disable */
    struct uuid execution_uid; /* cancel, retry: the one that was named */
    enum execution_state state_before;
    bool unchanged; /* what was asked for was so already */
};

struct sched_command;
/* `code` OK: the outputs are filled in. Else `err` says why. The callee owns the command from here on. */
typedef void (*sched_reply_fn)(struct sched_command *command, enum err_code code, const struct err *err);

struct sched_command {
    struct list_node node;
    enum sched_command_kind kind;
    sched_reply_fn reply;
    void *arg, *context;     /* the caller's */
    int64_t arrived_us;      /* wall time of the request: what latency is measured from */
    char *caller_uid;        /* owned: who asks */
    char *task_ref;          /* owned: uid or name of the task */
    char *execution_ref;     /* owned: id or uid */
    struct sched_task *task; /* SCHED_CREATE, SCHED_DECLARE: owned, moved to the scheduler on success */
    char *body;              /* owned: SCHED_UPDATE */
    size_t body_length;
    bool merge_patch, cancel_running, force;
    bool settled;               /* the scheduler's: the ledger was brought up to the time of its arrival */
    char *reason;               /* owned: SCHED_CANCEL */
    struct trigger_item *items; /* owned */
    size_t item_count;
    const struct http_idempotency *idempotency; /* borrowed until the reply; NULL = none */
    /* Writes the answer's status and body for the idempotency record, inside the transaction; NULL = none is kept. */
    int (*answer)(struct sched_command *command, struct buf *out);
    struct audit_event *audit; /* owned: what it leaves in the audit log, in the transaction of its change; NULL = nothing */
    struct sched_audited audited;

    /* out */
    struct sched_task *result_task;       /* owned copy: create, update, enable, disable */
    struct uuid execution_uid;            /* trigger, retry */
    enum execution_state execution_state; /* cancel */
    bool created;                         /* declare */

    struct sched_work *work; /* the scheduler's, while it works on the command */
};

struct sched_command *sched_command_new(enum sched_command_kind kind, sched_reply_fn reply, void *arg);
void sched_command_free(struct sched_command *command);
/* False when the scheduler is stopping: the caller keeps the command. */
bool scheduler_submit(struct scheduler *scheduler, struct sched_command *command) MUST_CHECK;
/* Submits and waits; fills the outputs of `command`, which stays the caller's. For start-up and tests. */
enum err_code scheduler_execute(struct scheduler *scheduler, struct sched_command *command, struct err *err);

/* What its handlers report to. It adopts once after a start: what the keeper says still lives stays running with uid, attempt and
 * fence unchanged; recorded runs that are not listed end `interrupted` (SCH-70, SCH-71); what is listed and is no run of ours
 * (any more) is ended by force. */
struct attempt_sink scheduler_sink(struct scheduler *scheduler);

/* Draining: starts nothing new; what runs goes on, slots are recorded and wait. Any thread. */
void scheduler_drain(struct scheduler *scheduler, bool drain);

/* ---- figures: any thread ---- */
struct scheduler_figures {
    int64_t tasks, pending, running, started_at_us;
    bool draining, plans;
    bool store_refuses; /* what was decided last cannot be recorded; it is tried again all the time */
};
struct scheduler_figures scheduler_figures(const struct scheduler *scheduler);

#endif
