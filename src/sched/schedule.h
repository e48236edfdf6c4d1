/* SPDX-License-Identifier: Apache-2.0 */
/* Which slots a task has, and what becomes of those that are due: pure functions of definition and time. Times are
 * UTC microseconds. */
#ifndef HORAE_SCHED_SCHEDULE_H
#define HORAE_SCHED_SCHEDULE_H

#include "base/err.h"
#include "sched/execution_state.h"
#include "sched/sched_task.h"
#include "sched/verdict.h"

#define SCHEDULE_NEVER INT64_MIN
enum { SCHEDULE_RUN_ALL_MAX = 10000 }; /* catch-ups of one down time under run_all */

enum schedule_kind { SCHEDULE_MANUAL, SCHEDULE_CRON, SCHEDULE_LATTICE, SCHEDULE_ONCE, SCHEDULE_REBOOT };

/* Plain value. */
struct schedule {
    enum schedule_kind kind;
    struct cron_schedule cron;
    int64_t first_us, interval_us; /* LATTICE: first + k * interval; ONCE: first */
    int64_t jitter_us;             /* of this task, stable: delays the start, never the slot */
};

/* The definition was validated: this cannot fail. */
void schedule_from_task(const struct sched_task *task, struct schedule *ret);
int64_t schedule_next(const struct schedule *s, int64_t after_us);                /* strictly after; SCHEDULE_NEVER */
int64_t schedule_prev(const struct schedule *s, int64_t before_us);               /* strictly before */
int64_t schedule_count(const struct schedule *s, int64_t from_us, int64_t to_us); /* in [from, to) */

struct settle_policy {
    enum misfire_policy misfire;
    int64_t start_deadline_us; /* 0 = none */
    int64_t jitter_us;
    bool enabled;
};

/* Slots of equal fate; `count` of them from first to last. */
struct settle_run {
    int64_t first_us, last_us, count;
    enum verdict verdict;
    enum verdict_reason reason;
};

struct settle_fire {
    int64_t slot_us;
    enum execution_cause cause; /* CAUSE_SCHEDULE | CAUSE_CATCH_UP */
    bool shifted;               /* the catch-up instant of a daylight-saving gap */
};

/* Gives every slot in (from, to] one fate, in time order. Slots up to `down_until` were due while no planner ran.
 * Work grows with the number of runs and fires, not of slots. */
void schedule_settle(const struct schedule *s, const struct settle_policy *policy, int64_t from_us, int64_t to_us,
                     int64_t down_until_us, void (*on_run)(void *arg, const struct settle_run *run),
                     void (*on_fire)(void *arg, const struct settle_fire *fire), void *arg);

#endif
