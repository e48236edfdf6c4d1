/* SPDX-License-Identifier: Apache-2.0 */
/* The end: the file alone is judged, with nothing of the server but the cron engine. Every slot of every epoch is counted
 * out and must have exactly one record, of a kind that what happened at its time allows; every counter must be what the
 * history gives; everything that was acknowledged must be there, and nothing else. */
#include "sim.h"

#include "base/json.h"
#include "base/mem.h"
#include "sched/sched_task_json.h"

#include <stdio.h>
#include <string.h>

enum { LATE_US = 5 * US_PER_S, DROPS_LOOKED_AT = 100 };

static sqlite3_stmt *query(struct sim *sim, const char *sql, int64_t id)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(sim->watcher, sql, -1, &st, NULL) != SQLITE_OK)
        sim_fail(sim, "%s: %s", sql, sqlite3_errmsg(sim->watcher));
    must(st);
    (void)sqlite3_bind_int64(st, 1, id);
    return st;
}

/* ---- slots ---- */

struct epoch {
    int64_t id, begins_us, ends_us; /* slots in (begins, ends] */
    int64_t begins_mono;
    bool enabled, fits;
    struct schedule schedule;
    enum overlap_policy overlap;
    enum misfire_policy misfire;
    int64_t deadline_us;
};

/* One slot as the store has it. */
struct record {
    int64_t at_us, epoch_id; /* 0 = an execution */
    enum verdict verdict;
    enum verdict_reason reason;
    enum execution_cause cause;
};

struct ledger {
    struct sim *sim;
    int64_t task_id;
    struct epoch *epochs;
    size_t epoch_count;
    struct record *records;
    size_t record_count, capacity;
    size_t looked_at;
    bool reboot; /* an epoch is @reboot: its executions have no slot in time */
};

static void read_epoch(struct ledger *l, sqlite3_stmt *st, struct epoch *e)
{
    struct sched_task *task = xcalloc(1, sizeof *task);
    struct err err;
    must(sched_task_from_stored((const char *)sqlite3_column_text(st, 2), (size_t)sqlite3_column_bytes(st, 2), task, &err) == OK);
    *e = (struct epoch){.id = sqlite3_column_int64(st, 0),
                        .begins_us = sqlite3_column_int64(st, 1),
                        .enabled = sqlite3_column_int(st, 3) != 0,
                        .begins_mono = sqlite3_column_int64(st, 4),
                        .fits = true,
                        .overlap = task->overlap,
                        .misfire = task->misfire,
                        .deadline_us = task->start_deadline_s * SECOND};
    for (size_t i = 0; i < task->label_count; i++)
        e->fits = e->fits && strcmp(task->labels[i].value, "here") == 0;
    schedule_from_task(task, &e->schedule);
    l->reboot |= e->schedule.kind == SCHEDULE_REBOOT;
    sched_task_free(task);
}

static void read_epochs(struct ledger *l, int64_t settled_us)
{
    sqlite3_stmt *st = query(l->sim,
                             "SELECT e.id, e.started_at, e.definition, s.enabled, s.mono FROM task_epochs e JOIN sim_epochs s"
                             " ON s.epoch_id = e.id AND s.task_id = e.task_id WHERE e.task_id = ?1 ORDER BY e.id",
                             l->task_id);
    while (sqlite3_step(st) == SQLITE_ROW) {
        l->epochs = xrealloc(l->epochs, (l->epoch_count + 1) * sizeof *l->epochs);
        read_epoch(l, st, &l->epochs[l->epoch_count]);
        if (l->epoch_count) {
            l->epochs[l->epoch_count - 1].ends_us = l->epochs[l->epoch_count].begins_us;
            if (l->epochs[l->epoch_count].begins_us < l->epochs[l->epoch_count - 1].begins_us)
                sim_fail(l->sim, "task %lld: epoch %lld begins before the one before it", (long long)l->task_id,
                         (long long)l->epochs[l->epoch_count].id);
        }
        l->epoch_count++;
    }
    if (l->epoch_count)
        l->epochs[l->epoch_count - 1].ends_us = settled_us;
    (void)sqlite3_finalize(st);
}

static void add_record(struct ledger *l, struct record record)
{
    if (l->record_count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 64;
        l->records = xrealloc(l->records, l->capacity * sizeof *l->records);
    }
    l->records[l->record_count++] = record;
}

static const struct epoch *epoch_by_id(const struct ledger *l, int64_t id)
{
    for (size_t i = 0; i < l->epoch_count; i++)
        if (l->epochs[i].id == id)
            return &l->epochs[i];
    return NULL;
}

/* A run stands for the slots that the schedule of its epoch has between its ends. */
static void add_run(struct ledger *l, sqlite3_stmt *st)
{
    const struct epoch *e = epoch_by_id(l, sqlite3_column_int64(st, 0));
    int64_t first = sqlite3_column_int64(st, 1), last = sqlite3_column_int64(st, 2), count = sqlite3_column_int64(st, 3), n = 0;
    struct record record = {.epoch_id = sqlite3_column_int64(st, 0),
                            .verdict = (enum verdict)sqlite3_column_int(st, 4),
                            .reason = (enum verdict_reason)sqlite3_column_int(st, 5),
                            .cause = CAUSE_COUNT};
    if (!e) {
        sim_fail(l->sim, "task %lld: a run of the ledger has no epoch", (long long)l->task_id);
        return;
    }
    if (e->schedule.kind == SCHEDULE_REBOOT)
        return;
    for (int64_t at = schedule_next(&e->schedule, first - 1); at != SCHEDULE_NEVER && at <= last;
         at = schedule_next(&e->schedule, at), n++) {
        record.at_us = at;
        add_record(l, record);
    }
    if (n != count)
        sim_fail(l->sim, "task %lld: a run of %lld slots from %lld to %lld has %lld by its schedule", (long long)l->task_id,
                 (long long)count, (long long)first, (long long)last, (long long)n);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = ((const struct record *)a)->at_us, y = ((const struct record *)b)->at_us;
    return (x > y) - (x < y);
}

static void read_records(struct ledger *l)
{
    sqlite3_stmt *st = query(
        l->sim, "SELECT scheduled_at, shifted, cause FROM task_executions WHERE task_id = ?1 AND cause IN (0, 3)", l->task_id);
    while (sqlite3_step(st) == SQLITE_ROW)
        add_record(l, (struct record){.at_us = sqlite3_column_int64(st, 0),
                                      .verdict = sqlite3_column_int(st, 1) ? VERDICT_SHIFTED : VERDICT_FIRED,
                                      .cause = (enum execution_cause)sqlite3_column_int(st, 2)});
    (void)sqlite3_finalize(st);
    st = query(l->sim, "SELECT epoch_id, first_at, last_at, count, verdict, reason FROM task_occurrences WHERE task_id = ?1",
               l->task_id);
    while (sqlite3_step(st) == SQLITE_ROW)
        add_run(l, st);
    (void)sqlite3_finalize(st);
    if (l->record_count)
        qsort(l->records, l->record_count, sizeof *l->records, by_time);
}

/* ---- what a slot's time allows ---- */

/* The first span after the epoch's making in which the planner came to the slot. */
static const struct sim_span *span_of(const struct sim *sim, const struct epoch *e, int64_t at_us)
{
    for (size_t i = 0; i < sim->span_count; i++)
        if (sim->spans[i].to_mono >= e->begins_mono && sim->spans[i].to_us >= at_us)
            return &sim->spans[i];
    return NULL;
}

static bool was_busy(struct ledger *l, int64_t at_us)
{
    sqlite3_stmt *st = query(l->sim,
                             "SELECT 1 FROM task_executions e LEFT JOIN sim_ends s ON s.id = e.id WHERE e.task_id = ?1"
                             " AND e.created_at <= ?2 + 5000000 AND (s.wall IS NULL OR s.wall >= ?2) LIMIT 1",
                             l->task_id);
    (void)sqlite3_bind_int64(st, 2, at_us);
    bool busy = sqlite3_step(st) == SQLITE_ROW;
    (void)sqlite3_finalize(st);
    return busy;
}

static bool is_calm(const struct sim *sim)
{
    const struct sim_plan *p = &sim->plan;
    return p->jumps == 0 && p->outages == 0 && p->hiccups == 0 && !p->slow;
}

static const char *why_not(struct ledger *l, const struct epoch *e, const struct record *r)
{
    struct sim *sim = l->sim;
    const struct sim_span *span = span_of(sim, e, r->at_us);
    bool executed = r->verdict == VERDICT_FIRED || r->verdict == VERDICT_SHIFTED;
    if (e->enabled != (r->reason != REASON_DISABLED))
        return "disabled is said of an enabled task, or not of a disabled one";
    if (!e->enabled)
        return r->verdict == VERDICT_SKIPPED ? NULL : "the slot of a disabled task is not skipped";
    if (executed && !e->fits)
        return "it ran where its labels do not fit";
    if (r->reason == REASON_NO_INSTANCE && e->fits)
        return "no_instance, but this instance fits";
    if ((r->reason == REASON_DEADLINE || r->reason == REASON_DOWN) && r->reason == REASON_DEADLINE && !e->deadline_us)
        return "deadline, but there is none";
    if (r->verdict == VERDICT_SHIFTED &&
        !(e->schedule.kind == SCHEDULE_CRON && cron_is_catch_up(&e->schedule.cron, r->at_us / SECOND)))
        return "shifted, but no clock change swallowed anything";
    if (!span)
        return "the planner has not come to its time";
    bool late = span->cut || sim->plan.outages > 0 || sim->plan.hiccups > 0; /* decided, and lost with its server */
    bool down = r->reason == REASON_DOWN || r->cause == CAUSE_CATCH_UP;
    if (down && span->lived && !late)
        return "down, but the planner lived then";
    if (r->cause == CAUSE_SCHEDULE && !span->lived)
        return "fired as on time, but no planner lived then";
    if (r->verdict == VERDICT_MISSED && r->reason == REASON_DOWN && e->misfire != MISFIRE_SKIP && !e->deadline_us)
        return "missed, but the policy makes up for it";
    if (r->verdict == VERDICT_COALESCED && r->reason == REASON_DOWN && e->misfire != MISFIRE_RUN_ONCE)
        return "coalesced, but the policy is another";
    if (r->cause == CAUSE_CATCH_UP && e->misfire == MISFIRE_SKIP)
        return "made up for, but the policy is skip";
    if (r->reason == REASON_OVERLAP && e->overlap != OVERLAP_POLICY_SKIP && e->overlap != OVERLAP_POLICY_QUEUE_ONE)
        return "overlap, but the policy does not drop";
    if (r->reason == REASON_LIMIT && e->overlap != OVERLAP_POLICY_ALLOW && e->overlap != OVERLAP_POLICY_QUEUE_ALL &&
        e->misfire != MISFIRE_RUN_ALL)
        return "limit, but the policy has none";
    bool dropped = (r->reason == REASON_OVERLAP || r->reason == REASON_LIMIT) && span->lived && !late && is_calm(sim);
    if (dropped && l->looked_at++ < DROPS_LOOKED_AT && !was_busy(l, r->at_us))
        return "dropped for overlap, but nothing of this task was unfinished";
    return NULL;
}

/* ---- each slot exactly once ---- */

static void judge_slot(struct ledger *l, const struct epoch *e, const struct record *r)
{
    const char *objection = why_not(l, e, r);
    if (objection)
        sim_fail(l->sim, "task %lld, slot %lld, %s %s: %s", (long long)l->task_id, (long long)r->at_us, verdict_name(r->verdict),
                 verdict_reason_name(r->reason), objection);
}

/* Records without a slot in time are runs of @reboot. */
static void skip_reboots(const struct ledger *l, size_t *at, int64_t before_us)
{
    while (l->reboot && *at < l->record_count && l->records[*at].at_us < before_us && l->records[*at].epoch_id == 0)
        (*at)++;
}

static void walk_epoch(struct ledger *l, const struct epoch *e, size_t *at)
{
    for (int64_t slot = schedule_next(&e->schedule, e->begins_us); slot != SCHEDULE_NEVER && slot <= e->ends_us;
         slot = schedule_next(&e->schedule, slot)) {
        skip_reboots(l, at, slot);
        const struct record *r = *at < l->record_count ? &l->records[*at] : NULL;
        if (!r || r->at_us > slot) {
            sim_fail(l->sim, "task %lld: slot %lld of epoch %lld (%lld to %lld) has no record", (long long)l->task_id,
                     (long long)slot, (long long)e->id, (long long)e->begins_us, (long long)e->ends_us);
            return;
        }
        if (r->at_us < slot) {
            sim_fail(l->sim, "task %lld: a record at %lld, where no slot is, or a second one (next slot %lld)",
                     (long long)l->task_id, (long long)r->at_us, (long long)slot);
            return;
        }
        judge_slot(l, e, r);
        (*at)++;
        if (l->sim->failure[0])
            return;
    }
}

static void count_verdicts(struct ledger *l, sqlite3_stmt *task)
{
    int64_t counts[VERDICT_COUNT] = {0}, expected = 0;
    for (size_t i = 0; i < l->record_count; i++)
        counts[l->records[i].verdict]++;
    for (size_t i = 0; i < l->epoch_count; i++)
        expected += schedule_count(&l->epochs[i].schedule, l->epochs[i].begins_us + 1, l->epochs[i].ends_us + 1);
    if (l->reboot)
        return; /* its slots are starts, which no schedule counts */
    if (expected != sqlite3_column_int64(task, 2))
        sim_fail(l->sim, "task %lld: its epochs have %lld slots, expected is %lld", (long long)l->task_id, (long long)expected,
                 (long long)sqlite3_column_int64(task, 2));
    for (int v = 0; v < VERDICT_COUNT; v++)
        if (counts[v] != sqlite3_column_int64(task, 3 + v))
            sim_fail(l->sim, "task %lld: %lld slots are %s, its counter says %lld", (long long)l->task_id, (long long)counts[v],
                     verdict_name((enum verdict)v), (long long)sqlite3_column_int64(task, 3 + v));
}

/* Of the last record that stands for a slot in time for sure: a run of @reboot does not. */
static int64_t last_slot(const struct ledger *l)
{
    size_t n = l->record_count;
    while (n && l->reboot && l->records[n - 1].epoch_id == 0)
        n--;
    return n ? l->records[n - 1].at_us : 0;
}

static void prove_ledger(struct sim *sim, int64_t task_id, sqlite3_stmt *task)
{
    struct ledger l = {.sim = sim, .task_id = task_id};
    read_epochs(&l, task ? sqlite3_column_int64(task, 1) : 0);
    read_records(&l);
    if (!task && l.epoch_count) /* deleted: without holes up to its last record */
        l.epochs[l.epoch_count - 1].ends_us = last_slot(&l);
    size_t at = 0;
    for (size_t i = 0; i < l.epoch_count && !sim->failure[0]; i++)
        walk_epoch(&l, &l.epochs[i], &at);
    skip_reboots(&l, &at, INT64_MAX);
    if (at < l.record_count && !sim->failure[0])
        sim_fail(sim, "task %lld: a record at %lld, where no slot is", (long long)task_id, (long long)l.records[at].at_us);
    if (task && !sim->failure[0])
        count_verdicts(&l, task);
    free(l.epochs);
    free(l.records);
}

static void prove_ledgers(struct sim *sim)
{
    sqlite3_stmt *st =
        query(sim, "SELECT id, settled_until, expected, fired, coalesced, skipped, missed, shifted FROM sched_tasks", 0);
    while (sqlite3_step(st) == SQLITE_ROW && !sim->failure[0])
        prove_ledger(sim, sqlite3_column_int64(st, 0), st);
    (void)sqlite3_finalize(st);
    st = query(sim, "SELECT DISTINCT task_id FROM task_epochs WHERE task_id NOT IN (SELECT id FROM sched_tasks)", 0);
    while (sqlite3_step(st) == SQLITE_ROW && !sim->failure[0])
        prove_ledger(sim, sqlite3_column_int64(st, 0), NULL);
    (void)sqlite3_finalize(st);
}

/* ---- counters ---- */

static const struct {
    const char *what, *sql;
} sums[] = {
    {"violations", "SELECT what FROM sim_violations"},
    {"unfinished", "SELECT id FROM task_executions WHERE state < 2"},
    {"executions without an end that was seen",
     "SELECT id FROM task_executions WHERE state >= 2 AND id NOT IN (SELECT id FROM sim_ends)"},
    {"an execution that ended twice", "SELECT id FROM sim_ends GROUP BY id HAVING COUNT(*) > 1"},
    {"counters are not what the history gives (SCH-30)",
     "SELECT t.name || ': total ' || t.total_executions || '/' || COUNT(e.id) || ', success ' || t.success_executions || '/' ||"
     " TOTAL(e.state = 2) || ', failure ' || t.failure_executions || '/' || TOTAL(e.state IN (3, 4)) || ', timeout ' ||"
     " t.timeout_executions || '/' || TOTAL(e.state = 4) || ', duration ' || t.success_duration_ms FROM sched_tasks t"
     " LEFT JOIN task_executions e ON e.task_id = t.id AND e.state >= 2 GROUP BY t.id HAVING"
     " t.total_executions <> COUNT(e.id) OR t.success_executions <> TOTAL(e.state = 2) OR"
     " t.failure_executions <> TOTAL(e.state IN (3, 4)) OR t.timeout_executions <> TOTAL(e.state = 4) OR"
     " t.success_duration_ms <> TOTAL(CASE WHEN e.state = 2 THEN (e.finished_at - e.started_at) / 1000 ELSE 0 END)"},
    {"the sums of the hours are not what the history gives (SCH-85)",
     "SELECT a.task_id || ' hour ' || a.hour FROM (SELECT task_id, finished_at / 3600000000 AS hour, COUNT(*) AS total,"
     " TOTAL(state = 2) AS success, TOTAL(state IN (3, 4)) AS failure,"
     " TOTAL(CASE WHEN state = 2 THEN (finished_at - started_at) / 1000 ELSE 0 END) AS ms FROM task_executions WHERE state >= 2"
     " GROUP BY 1, 2) a LEFT JOIN task_stats_by_hour h ON h.task_id = a.task_id AND h.hour = a.hour WHERE h.total IS NOT a.total"
     " OR h.success <> a.success OR h.failure <> a.failure OR h.success_duration_ms <> a.ms"},
    {"more sums of hours than history", "SELECT 1 WHERE (SELECT TOTAL(total) FROM task_stats_by_hour WHERE task_id > 0) <>"
                                        " (SELECT COUNT(*) FROM task_executions WHERE state >= 2)"},
    {"the totals of deleted tasks are not what the history gives (SCH-81)",
     "SELECT d.total || '/' || COUNT(e.id) FROM (SELECT TOTAL(total) AS total, TOTAL(success) AS success FROM task_stats_by_hour"
     " WHERE task_id = 0) d LEFT JOIN task_executions e ON e.state >= 2 AND e.task_id NOT IN (SELECT id FROM sched_tasks)"
     " HAVING d.total <> COUNT(e.id) OR d.success <> TOTAL(e.state = 2)"},
    {"skipped_executions is not what the ledger gives",
     "SELECT t.name || ': ' || t.skipped_executions || '/' || COALESCE(SUM(o.count), 0) FROM sched_tasks t LEFT JOIN"
     " task_occurrences o ON o.task_id = t.id AND o.reason IN (1, 4) AND NOT (o.verdict = 1 AND o.reason = 4) GROUP BY t.id"
     " HAVING t.skipped_executions <> COALESCE(SUM(o.count), 0)"},
    {"consecutive failures are not what the history gives",
     "SELECT t.name || ': ' || t.consecutive_failures FROM sched_tasks t WHERE t.consecutive_failures <> (SELECT COUNT(*) FROM"
     " sim_ends s JOIN task_executions e ON e.id = s.id WHERE s.task_id = t.id AND e.state IN (3, 4) AND s.n > COALESCE((SELECT"
     " MAX(x.n) FROM sim_ends x JOIN task_executions y ON y.id = x.id WHERE x.task_id = t.id AND y.state = 2), 0))"},
    {"the last failure is not what the history gives",
     "SELECT t.name || ': ' || t.last_failure_error FROM sched_tasks t WHERE t.last_failure_error <> COALESCE((SELECT CASE WHEN"
     " e.state = 2 THEN '' ELSE e.error_message END FROM sim_ends s JOIN task_executions e ON e.id = s.id WHERE s.task_id = t.id"
     " AND e.state IN (2, 3, 4) ORDER BY s.n DESC LIMIT 1), '')"},
    {"a slot twice",
     "SELECT task_id || ' ' || scheduled_at FROM task_executions WHERE cause IN (0, 3) GROUP BY task_id, scheduled_at"
     " HAVING COUNT(*) > 1"},
    {"an end without what it needs",
     "SELECT id FROM task_executions WHERE state IN (2, 3, 4) AND (started_at IS NULL OR attempt < 1 OR fence < 1)"},
    {"a failure without a word", "SELECT id FROM task_executions WHERE state IN (3, 4) AND COALESCE(error_message, '') = ''"},
    {"more attempts are told than were made",
     "SELECT id FROM task_executions WHERE attempts IS NOT NULL AND json_array_length('[' || attempts || ']') > attempt"},
};

static void prove_sums(struct sim *sim)
{
    for (size_t i = 0; i < ARRAY_LEN(sums) && !sim->failure[0]; i++) {
        auto_free char *found = sim_watch_text(sim, sums[i].sql);
        if (found)
            sim_fail(sim, "%s: %s", sums[i].what, found);
    }
}

/* ---- acknowledged = present ---- */

static void prove_promises(struct sim *sim)
{
    for (size_t i = 0; i < sim->promise_count && !sim->failure[0]; i++)
        sim_watch_promise(sim, &sim->promises[i].uid);
    size_t cursor = 0;
    for (const struct sim_history *h; (h = int_map_next(&sim->history, &cursor)) && !sim->failure[0];) {
        if (!h->cancelled)
            continue;
        sqlite3_stmt *st = query(sim, "SELECT state FROM task_executions WHERE id = ?1", h->id);
        if (sqlite3_step(st) != SQLITE_ROW || sqlite3_column_int(st, 0) != EXECUTION_CANCELLED)
            sim_fail(sim, "execution %lld: its cancellation was acknowledged, its state is %d", (long long)h->id,
                     sqlite3_column_int(st, 0));
        (void)sqlite3_finalize(st);
    }
}

/* What was refused has left nothing; what was never answered may have been done once. */
static void prove_nothing_else(struct sim *sim)
{
    for (size_t i = 0; i < sim->task_count && !sim->failure[0]; i++) {
        const struct sim_task *task = sim->tasks[i];
        if (!task->id)
            continue;
        int64_t there = 0, promised = 0;
        sqlite3_stmt *st = query(sim, "SELECT id FROM task_executions WHERE task_id = ?1 AND cause NOT IN (0, 3)", task->id);
        while (sqlite3_step(st) == SQLITE_ROW) {
            const struct sim_history *h = int_map_get(&sim->history, sqlite3_column_int64(st, 0));
            promised += h && h->promised;
            there++;
        }
        (void)sqlite3_finalize(st);
        if (there - promised > task->maybe_manual)
            sim_fail(sim, "task %s: %lld executions on demand, %lld were promised and %lld may be", task->name, (long long)there,
                     (long long)promised, (long long)task->maybe_manual);
    }
}

void sim_prove(struct sim *sim)
{
    sim_watch_open(sim);
    prove_sums(sim);
    if (!sim->failure[0])
        sim_client_reread(sim);
    prove_promises(sim);
    prove_nothing_else(sim);
    prove_ledgers(sim);
    sim_watch_close(sim);
}
