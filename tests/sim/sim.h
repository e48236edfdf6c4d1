/* SPDX-License-Identifier: Apache-2.0 */
/* A deterministic simulation of the shipping scheduler and store: virtual clocks, a world of handlers that misbehave,
 * clients that want things, and a machine that fails. Everything follows from one seed. The scheduler, the store, the
 * SQL and the engine are those of the server; only threads, processes and clocks are played here. One thread. */
#ifndef HORAE_SIM_H
#define HORAE_SIM_H

#include "base/clock.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "db/store.h"
#include "db/store_fault.h"
#include "sched/scheduler.h"
#include "sched/scheduler_priv.h"

#include <sqlite3.h>

#define SECOND ((int64_t)US_PER_S)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum { SIM_TASKS_MAX = 4096, SIM_SPANS_MAX = 8192 };

struct sim;
struct sim_task;
typedef void (*sim_event_fn)(struct sim *sim, void *arg);

struct sim_event {
    struct heap_node node; /* in sim.events, by monotonic time */
    sim_event_fn fn;
    void *arg;
};

/* What a seed draws, or the command line fixes. Rates are per virtual day; 0 switches a kind of trouble off. */
struct sim_plan {
    uint64_t seed;
    int64_t start_us, length_us;
    int tasks, capacity;
    int resident_max; /* of the scheduler; 0 = its default, which is more than there are */
    bool dense;       /* schedules to the second and minute: for short runs */
    double operations, kills, stops, outages, hiccups, jumps, keeper_deaths, drains;
    bool torn;   /* kills may cut the log of the store in the middle of a frame */
    bool slow;   /* commits take up to seconds */
    bool unruly; /* handlers hang, ignore signals, lose ends */
};

/* ---- what clients were told ---- */

enum sim_op_kind {
    SIM_CREATE,
    SIM_UPDATE,
    SIM_ENABLE,
    SIM_DISABLE,
    SIM_DELETE,
    SIM_TRIGGER,
    SIM_BULK,
    SIM_CANCEL,
    SIM_RETRY,
    SIM_SETTLE,
    SIM_DECLARE,
};

/* One request under way. */
struct sim_op {
    struct list_node node; /* in sim.ops */
    struct sim *sim;
    enum sim_op_kind kind;
    struct sim_task *task; /* NULL: cancel, retry */
    int64_t execution_id;  /* cancel, retry */
    int64_t items;         /* executions that it asks for */
    int type_then;         /* of the task, as its clients knew it when they asked */
};

/* A task as its clients know it. */
struct sim_task {
    int index;
    int64_t id; /* 0: never acknowledged */
    char name[64], uid[UUID_TEXT_LEN + 1];
    bool declared; /* by a program, by name: never renamed */
    bool exists, enabled;
    bool uncertain;       /* an answer was lost: read it again before judging */
    bool maybe_gone;      /* a delete whose answer was lost */
    int64_t version;      /* as acknowledged last */
    int64_t maybe_manual; /* executions on demand whose answers were lost: they may exist */
    int64_t max_concurrent, max_retries, max_duration_s, grace_s;
    int64_t allowed_concurrent, allowed_retries; /* the most that was in force lately */
    int64_t relaxed_until;                       /* monotonic: until then the former definition may still show */
    struct retry_backoff backoff;
    int live; /* attempts at work */
    int type;
};

/* An execution on demand that was acknowledged. */
struct sim_promise {
    struct uuid uid;
    struct sim_task *task;
};

/* ---- the world: attempts at work ---- */

enum sim_attempt_state { SIM_ORDERED, SIM_RUNNING, SIM_ENDED };

struct sim_attempt {
    struct list_node node; /* in sim.attempts */
    struct sim *sim;
    int64_t id;
    int32_t attempt;
    int64_t fence;
    struct sim_task *task;
    bool kept, internal;
    enum sim_attempt_state state;
    int64_t started_mono, started_wall, finished_wall;
    int64_t max_duration_us, grace_us;
    int64_t stop_mono, force_mono; /* 0 = not asked */
    int64_t life_mono;             /* since when its server knows it */
    uint32_t life;                 /* and which server that is */
    int64_t jumped_us;             /* sum of clock steps since its start */
    bool adopted;
    bool success, hangs, obeys;
    struct sim_event *next;
};

enum sim_end { SIM_KILLED, SIM_STOPPED, SIM_HANDED_OVER };

/* What is remembered of an execution across attempts. */
struct sim_history {
    int64_t id, fence;
    int32_t attempts;
    int64_t last_end_mono; /* end of the last attempt; 0 = none or not known to the scheduler */
    uint32_t last_end_life;
    bool cancelled; /* a cancel was acknowledged while it was unfinished */
    bool promised;  /* acknowledged to whoever asked for it */
};

/* Wall time as the planner went through it, (from, to]: lived, or passed over by a restart or a jump of the clock. */
struct sim_span {
    int64_t from_us, to_us, to_mono;
    bool lived, cut; /* cut: its server was killed at the end, and what it had not written was lost */
};

struct sim {
    struct sim_plan plan;
    uint64_t random;
    struct fake_clock clock;
    int64_t end_mono;
    struct heap events;
    uint64_t steps, commits;

    /* the server */
    char folder[128], path[160], url[176];
    struct store *store;
    struct scheduler *scheduler;
    struct attempt_sink sink; /* the scheduler's */
    bool alive, stopping, handover;
    uint32_t life;     /* counts servers */
    int64_t life_mono; /* since when this one lives */
    int64_t wake_mono;
    struct sim_event *tick;
    int64_t drained_mono; /* 0 = not draining; since when nothing may start */
    int64_t last_look_wall, last_look_mono;

    /* the machine */
    struct store_fault fault;
    uint64_t calls, kill_at_call;
    bool dying;                      /* this server is dead from here on: nobody hears it */
    bool die_in_commit, torn_commit; /* the commit goes through, its completion does not */
    int64_t wal_before;
    double refuse;          /* share of store calls that are refused now */
    double hiccup;          /* the same, all the time; never two at once */
    int64_t hiccup_mono;    /* the last one */
    int64_t refused_until;  /* monotonic */
    int64_t disturbed_mono; /* last trouble that excuses lateness */
    int64_t jumped_us;      /* sum of clock steps, absolute */
    struct sim_span spans[SIM_SPANS_MAX];
    size_t span_count;

    /* the world */
    struct list attempts;
    struct int_map history; /* execution id → sim_history */
    int64_t last_fence;
    int live; /* attempts that count against the capacity */
    struct handler handlers[8];
    size_t handler_count;

    /* clients */
    struct sim_task *tasks[SIM_TASKS_MAX];
    size_t task_count, tasks_alive;
    struct int_map tasks_by_id;
    struct list ops;
    struct sim_promise *promises;
    size_t promise_count, promise_capacity;
    int64_t accepted, refused, unknown;

    sqlite3 *watcher; /* a connection of our own */
    sqlite3_stmt *watch_execution;

    bool look_wanted; /* after the next step */
    bool quiet;       /* the end: no more trouble, everything obeys */
    char failure[1024];
};

/* sim_loop.c */
void sim_run(struct sim *sim);
struct sim_event *sim_after(struct sim *sim, int64_t delay_us, sim_event_fn fn, void *arg);
void sim_cancel_event(struct sim *sim, struct sim_event **event);
void sim_fail(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3); /* the first one counts */
void sim_note(struct sim *sim, const char *format, ...) PRINTF_LIKE(2, 3); /* with --trace */
void sim_look(struct sim *sim, bool restarted); /* the planner looks at the clock: notes what it has not lived through */
extern bool sim_tracing;

/* sim_random.c */
uint64_t sim_random(struct sim *sim);
int64_t sim_range(struct sim *sim, int64_t low, int64_t high); /* both included */
bool sim_chance(struct sim *sim, double p);
int64_t sim_wait(struct sim *sim, double per_day); /* until the next of so many a day */
void sim_draw_plan(struct sim_plan *plan, uint64_t seed);
void sim_month_plan(struct sim_plan *plan, uint64_t seed);

/* sim_server.c */
void sim_server_start(struct sim *sim);
void sim_server_stop(struct sim *sim, bool handover);
void sim_server_turn(struct sim *sim);      /* one step, and what follows from it */
void sim_server_kill(struct sim *sim);      /* right now */
void sim_server_kill_soon(struct sim *sim); /* at one of the next calls of the store */
void sim_server_disturb(struct sim *sim);   /* lateness is excused from here */
void sim_disk_prepare(struct sim *sim);
void sim_disk_remove(struct sim *sim);
void sim_disk_tear(struct sim *sim);

/* sim_world.c */
void sim_world_init(struct sim *sim);
void sim_world_adopt(struct sim *sim);                         /* the keeper tells a new server what it has */
void sim_world_server_gone(struct sim *sim, enum sim_end end); /* what lived in its process dies with it */
void sim_world_keeper_dies(struct sim *sim);
void sim_world_jump(struct sim *sim, int64_t by_us);
void sim_world_check(struct sim *sim); /* deadlines and grace of all that runs */
void sim_world_calm(struct sim *sim);  /* what hangs lets go */
void sim_world_release(struct sim *sim);
struct sim_history *sim_history_of(struct sim *sim, int64_t id);

/* sim_client.c */
void sim_client_operation(struct sim *sim, void *arg);
void sim_client_ask(struct sim *sim); /* one request of any kind */
void sim_client_create(struct sim *sim);
void sim_client_forget(struct sim *sim); /* the server died: answers under way are lost */
void sim_client_reread(struct sim *sim); /* what was uncertain is read again */
void sim_client_settle_all(struct sim *sim);
void sim_client_disable_all(struct sim *sim, bool cancel);
struct sim_task *sim_client_task(struct sim *sim, int64_t id);

/* sim_tasks.c: JSON of definitions, owned by the caller */
char *sim_task_body(struct sim *sim, const char *name);
char *sim_task_patch(struct sim *sim, const struct sim_task *task, char *new_name, size_t capacity);
char *sim_override(struct sim *sim, int type);

/* sim_watch.c */
void sim_watch_prepare(struct sim *sim); /* once per process */
void sim_watch_open(struct sim *sim);
void sim_watch_close(struct sim *sim);
void sim_watch_check(struct sim *sim);                           /* rows and memory, while the server lives */
void sim_watch_promise(struct sim *sim, const struct uuid *uid); /* acknowledged: it is there */
void sim_watch_recorded(struct sim *sim, int64_t id, int32_t attempt);
int64_t sim_watch_number(struct sim *sim, const char *sql); /* first column of the first row, 0 = none */
char *sim_watch_text(struct sim *sim, const char *sql);     /* the same as text; owned by the caller, NULL = none */

/* sim_prove.c */
void sim_prove(struct sim *sim); /* the end: the server is closed, the file is judged */

#endif
