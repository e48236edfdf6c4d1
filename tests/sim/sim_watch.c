/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of our own to the file of the product. Triggers judge every write of a row as it is made, whichever way
 * it came; queries judge what is committed; and the scheduler's memory is held against itself. */
#include "sim.h"

#include "base/mem.h"
#include "sched/sched_task_json.h"

#include <stdio.h>
#include <string.h>

static struct sim *watched; /* the functions of the triggers have no other way to it */

/* DATA-13, DATA-14, DATA-10, SCH-26, SCH-73, rulings section 3: on the rows themselves. */
static const struct {
    const char *name, *when;
} violations[] = {
    {"inserted_as_neither_pending_nor_running",
     "AFTER INSERT ON task_executions WHEN NEW.state NOT IN (0, 1) OR (NEW.state = 1) <> (NEW.attempt = 1) OR"
     " (NEW.state = 1) <> (NEW.fence > 0) OR (NEW.state = 1) <> (NEW.started_at IS NOT NULL) OR NEW.finished_at IS NOT NULL"},
    {"terminal_row_changed", "AFTER UPDATE ON task_executions WHEN OLD.state >= 2"},
    {"illegal_transition",
     "AFTER UPDATE ON task_executions WHEN NEW.state < OLD.state OR NEW.state > 6 OR (OLD.state = 0 AND NEW.state = 4) OR"
     " (OLD.state = 0 AND NEW.state = 2 AND NOT (NEW.attempt = 1 AND NEW.fence > 0))"},
    {"attempt_without_fence", "AFTER UPDATE ON task_executions WHEN NEW.attempt NOT IN (OLD.attempt, OLD.attempt + 1) OR"
                              " (NEW.attempt = OLD.attempt) <> (NEW.fence = OLD.fence)"},
    {"fixed_column_changed",
     "AFTER UPDATE ON task_executions WHEN NEW.id <> OLD.id OR NEW.uid <> OLD.uid OR NEW.task_id <> OLD.task_id OR"
     " NEW.scheduled_at <> OLD.scheduled_at OR NEW.cause <> OLD.cause OR NEW.created_at <> OLD.created_at OR"
     " NEW.owner_epoch < OLD.owner_epoch"},
    {"end_without_times", "AFTER UPDATE ON task_executions WHEN (NEW.state >= 2) <> (NEW.finished_at IS NOT NULL) OR"
                          " NEW.finished_at < NEW.started_at"},
    {"progress", "AFTER UPDATE ON task_executions WHEN NEW.progress NOT BETWEEN 0 AND 100 OR"
                 " (NEW.state = 2 AND NEW.progress <> 100)"},
    /* SCH-45: what failed may try again, unless the task forbids it */
    {"retry_was_lost",
     "AFTER UPDATE ON task_executions WHEN OLD.state < 2 AND NEW.state IN (3, 4) AND NEW.attempt > 0 AND NEW.attempt <="
     " (SELECT json_extract(t.definition, '$.max_retries') FROM sched_tasks t WHERE t.id = NEW.task_id AND t.enabled = 1"
     " AND t.updated_at < sim_wall() - 1800000000)"},
    {"retry_of_a_disabled_task", /* SCH-47 */
     "AFTER UPDATE ON task_executions WHEN NEW.attempt > OLD.attempt AND OLD.attempt > 0 AND EXISTS (SELECT 1 FROM sched_tasks t"
     " WHERE t.id = NEW.task_id AND t.enabled = 0 AND t.updated_at < sim_wall() - 1800000000)"},
    {"too_many_attempts", "AFTER UPDATE ON task_executions WHEN NEW.attempt > OLD.attempt AND NEW.attempt > 1 +"
                          " (SELECT json_extract(t.definition, '$.max_retries') FROM sched_tasks t WHERE t.id = NEW.task_id"
                          " AND t.updated_at < sim_wall() - 1800000000)"},
};

#define GROWS \
    " BEGIN INSERT INTO sim_violations SELECT 'fence_does_not_grow ' || NEW.id FROM sim_fence WHERE NEW.fence <= last;" \
    " UPDATE sim_fence SET last = max(last, NEW.fence); END"

static const char *const tables[] = {
    "CREATE TABLE IF NOT EXISTS sim_violations (what TEXT)",
    "CREATE TABLE IF NOT EXISTS sim_fence (last INTEGER)",
    "INSERT INTO sim_fence SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM sim_fence)",
    "CREATE TABLE IF NOT EXISTS sim_ends (n INTEGER PRIMARY KEY, id INTEGER, task_id INTEGER, wall INTEGER)",
    "CREATE INDEX IF NOT EXISTS sim_ends_id ON sim_ends (id)",
    "CREATE TABLE IF NOT EXISTS sim_epochs (task_id INTEGER, epoch_id INTEGER, enabled INTEGER, mono INTEGER,"
    " PRIMARY KEY (task_id, epoch_id))",
    "CREATE TRIGGER IF NOT EXISTS sim_fence_insert AFTER INSERT ON task_executions WHEN NEW.fence > 0" GROWS,
    "CREATE TRIGGER IF NOT EXISTS sim_fence_update AFTER UPDATE ON task_executions WHEN NEW.fence <> OLD.fence" GROWS,
    "CREATE TRIGGER IF NOT EXISTS sim_note_end AFTER UPDATE ON task_executions WHEN OLD.state < 2 AND NEW.state >= 2"
    " BEGIN INSERT INTO sim_ends (id, task_id, wall) VALUES (NEW.id, NEW.task_id, sim_wall()); END",
    "CREATE TRIGGER IF NOT EXISTS sim_note_epoch_insert AFTER INSERT ON sched_tasks"
    " BEGIN INSERT OR REPLACE INTO sim_epochs VALUES (NEW.id, NEW.epoch_id, NEW.enabled, sim_mono()); END",
    "CREATE TRIGGER IF NOT EXISTS sim_note_epoch AFTER UPDATE OF epoch_id ON sched_tasks"
    " BEGIN INSERT OR REPLACE INTO sim_epochs VALUES (NEW.id, NEW.epoch_id, NEW.enabled, sim_mono()); END",
};

static void wall_now(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc, (void)argv;
    sqlite3_result_int64(context, watched->clock.wall_us);
}

static void mono_now(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc, (void)argv;
    sqlite3_result_int64(context, watched->clock.mono_us);
}

/* On every connection of this process, the product's too. */
static int add_functions(sqlite3 *handle, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    (void)sqlite3_create_function(handle, "sim_wall", 0, SQLITE_UTF8, NULL, wall_now, NULL, NULL);
    return sqlite3_create_function(handle, "sim_mono", 0, SQLITE_UTF8, NULL, mono_now, NULL, NULL);
}

void sim_watch_prepare(struct sim *sim)
{
    watched = sim;
    must(sqlite3_auto_extension((void (*)(void))add_functions) == SQLITE_OK);
}

static void add(struct sim *sim, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(sim->watcher, sql, NULL, NULL, &message) != SQLITE_OK)
        sim_fail(sim, "%s: %s", sql, message);
    sqlite3_free(message);
}

void sim_watch_open(struct sim *sim)
{
    must(sqlite3_open_v2(sim->path, &sim->watcher, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    (void)sqlite3_busy_timeout(sim->watcher, 1000);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        add(sim, tables[i]);
    for (size_t i = 0; i < ARRAY_LEN(violations); i++) {
        char sql[1024];
        int n = snprintf(sql, sizeof sql,
                         "CREATE TRIGGER IF NOT EXISTS sim_%s %s BEGIN INSERT INTO sim_violations VALUES ('%s ' || NEW.id); END",
                         violations[i].name, violations[i].when, violations[i].name);
        must(n > 0 && (size_t)n < sizeof sql);
        add(sim, sql);
    }
    must(sqlite3_prepare_v2(sim->watcher, "SELECT state, attempt, lease_owner IS NULL, uid FROM task_executions WHERE id = ?1",
                            -1, &sim->watch_execution, NULL) == SQLITE_OK);
}

void sim_watch_close(struct sim *sim)
{
    (void)sqlite3_finalize(sim->watch_execution);
    (void)sqlite3_close(sim->watcher);
    sim->watcher = NULL;
    sim->watch_execution = NULL;
}

char *sim_watch_text(struct sim *sim, const char *sql)
{
    sqlite3_stmt *st;
    char *text = NULL;
    if (sqlite3_prepare_v2(sim->watcher, sql, -1, &st, NULL) != SQLITE_OK) {
        sim_fail(sim, "%s: %s", sql, sqlite3_errmsg(sim->watcher));
        return NULL;
    }
    if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
        text = xstrdup((const char *)sqlite3_column_text(st, 0));
    (void)sqlite3_finalize(st);
    return text;
}

int64_t sim_watch_number(struct sim *sim, const char *sql)
{
    auto_free char *text = sim_watch_text(sim, sql);
    return text ? strtoll(text, NULL, 10) : 0;
}

/* ---- what was acknowledged ---- */

void sim_watch_promise(struct sim *sim, const struct uuid *uid)
{
    sqlite3_stmt *st = sim->watch_execution;
    (void)sqlite3_bind_int64(st, 1, uuid_number(uid));
    bool there = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_bytes(st, 3) == (int)sizeof uid->b &&
                 memcmp(sqlite3_column_blob(st, 3), uid->b, sizeof uid->b) == 0;
    (void)sqlite3_reset(st);
    if (!there)
        sim_fail(sim, "execution %lld was acknowledged and is not in the store", (long long)uuid_number(uid));
}

/* The keeper is told to forget an end: then the store must hold what came of it. */
void sim_watch_recorded(struct sim *sim, int64_t id, int32_t attempt)
{
    sqlite3_stmt *st = sim->watch_execution;
    (void)sqlite3_bind_int64(st, 1, id);
    bool there = sqlite3_step(st) == SQLITE_ROW;
    int64_t state = sqlite3_column_int64(st, 0), stands_at = sqlite3_column_int64(st, 1);
    bool free = sqlite3_column_int(st, 2) != 0;
    (void)sqlite3_reset(st);
    if (there && state < 2 && !(stands_at > attempt || (stands_at == attempt && free)))
        sim_fail(sim, "execution %lld: the end of attempt %d is acknowledged and not in the store", (long long)id, attempt);
}

/* ---- what is committed ---- */

/* Each selects what must not be there, as a text. */
static const struct {
    const char *what, *sql;
} rules[] = {
    {"a write broke a rule", "SELECT what FROM sim_violations"},
    {"expected is not the sum of the verdicts",
     "SELECT name || ': ' || expected || ' = ' || fired || '+' || coalesced || '+' || skipped || '+' || missed || '+' || shifted"
     " FROM sched_tasks WHERE expected <> fired + coalesced + skipped + missed + shifted"},
    {"counters do not add up (SCH-30)", "SELECT name FROM sched_tasks WHERE timeout_executions > failure_executions OR"
                                        " success_executions + failure_executions > total_executions"},
    {"overlap (SCH-03): more scheduled executions than the policy allows",
     "SELECT t.name || ' ' || json_extract(t.definition, '$.overlap') || ': ' || COUNT(*) FROM task_executions e"
     " JOIN sched_tasks t ON t.id = e.task_id WHERE e.state < 2 AND e.cause IN (0, 3) AND e.scheduled_at >"
     " (SELECT started_at FROM task_epochs p WHERE p.task_id = t.id ORDER BY p.id DESC LIMIT 1)"
     " AND (e.cancelled_by IS NULL OR json_extract(t.definition, '$.overlap') <> 'cancel_running')"
     " AND json_extract(t.definition, '$.overlap') <> 'queue_all' GROUP BY t.id HAVING COUNT(*) >"
     " json_extract(t.definition, '$.max_concurrent') + (json_extract(t.definition, '$.overlap') = 'queue_one')"},
    {"a task that is disabled has a next run", "SELECT name FROM sched_tasks WHERE enabled = 0 AND next_run IS NOT NULL"},
};

/* Closed by the first steps of a server, once the store takes them. */
static const char orphans[] = "SELECT e.id FROM task_executions e WHERE e.state = 0 AND e.due_at < sim_wall() - 1800000000"
                              " AND NOT EXISTS (SELECT 1 FROM sched_tasks t WHERE t.id = e.task_id)";

static void check_orphans(struct sim *sim)
{
    if (sim->clock.mono_us - sim->life_mono < MINUTE || sim->clock.mono_us - sim->disturbed_mono < MINUTE)
        return;
    auto_free char *found = sim_watch_text(sim, orphans);
    if (found)
        sim_fail(sim, "an unfinished execution of a task that is gone: %s", found);
}

static void check_rules(struct sim *sim)
{
    check_orphans(sim);
    for (size_t i = 0; i < ARRAY_LEN(rules) && !sim->failure[0]; i++) {
        auto_free char *found = sim_watch_text(sim, rules[i].sql);
        if (found)
            sim_fail(sim, "%s: %s", rules[i].what, found);
    }
}

/* Places are taken by attempts and by what waits between two of them. */
static void check_limits(struct sim *sim)
{
    int64_t running = sim_watch_number(sim, "SELECT COUNT(*) FROM task_executions e JOIN task_snapshots n ON n.id = e.snapshot_id"
                                            " WHERE e.state = 1 AND n.task_type NOT LIKE '%cleanup'");
    if (running > sim->plan.capacity)
        sim_fail(sim, "%lld executions are running, capacity %d (SCH-06)", (long long)running, sim->plan.capacity);
    sqlite3_stmt *st;
    must(sqlite3_prepare_v2(sim->watcher, "SELECT task_id, COUNT(*) FROM task_executions WHERE state = 1 GROUP BY task_id", -1,
                            &st, NULL) == SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const struct sim_task *task = int_map_get(&sim->tasks_by_id, sqlite3_column_int64(st, 0));
        if (task && sqlite3_column_int64(st, 1) > task->allowed_concurrent)
            sim_fail(sim, "task %s: %lld executions are running, max_concurrent %lld", task->name,
                     (long long)sqlite3_column_int64(st, 1), (long long)task->allowed_concurrent);
    }
    (void)sqlite3_finalize(st);
}

/* An entry may come too early, never too late. */
static bool is_queued(const struct scheduler *s, int64_t task_id, int64_t next_us)
{
    for (size_t i = 0; i < s->slots.count; i++)
        if (s->slots.entries[i].task_id == task_id && s->slots.entries[i].at_us <= next_us)
            return true;
    return false;
}

/* Of those that are not in memory: the others are looked at there. */
static void check_queue(struct sim *sim, int64_t task_id, int64_t next_us)
{
    const struct scheduler *s = sim->scheduler;
    if (next_us && !int_map_get(&s->tasks, task_id) && !is_queued(s, task_id, next_us) && !s->stopping)
        sim_fail(sim, "task %lld is not in memory, and nobody will look at it", (long long)task_id);
}

/* next_run of every task, from its definition and from how far it is settled. */
static void check_next_runs(struct sim *sim)
{
    sqlite3_stmt *st;
    must(sqlite3_prepare_v2(sim->watcher,
                            "SELECT name, definition, settled_until, next_run, id FROM sched_tasks WHERE enabled = 1", -1, &st,
                            NULL) == SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW && !sim->failure[0]) {
        struct schedule schedule;
        struct err err;
        must(schedule_from_json((const char *)sqlite3_column_text(st, 1), (size_t)sqlite3_column_bytes(st, 1), &schedule, &err) ==
             OK);
        int64_t next = schedule_next(&schedule, sqlite3_column_int64(st, 2));
        if (sqlite3_column_int64(st, 3) != (next == SCHEDULE_NEVER ? 0 : next))
            sim_fail(sim, "task %s: next_run is %lld, must be %lld", (const char *)sqlite3_column_text(st, 0),
                     (long long)sqlite3_column_int64(st, 3), (long long)next);
        check_queue(sim, sqlite3_column_int64(st, 4), sqlite3_column_int64(st, 3));
    }
    (void)sqlite3_finalize(st);
}

/* ---- memory ---- */

static void check_execution(struct sim *sim, const struct execution *ex)
{
    bool timed = ex->phase == PHASE_WAITING || ex->phase == PHASE_STOPPING || (ex->phase == PHASE_ACTIVE && !ex->recovered);
    bool works =
        ex->phase == PHASE_STARTING || ex->phase == PHASE_ACTIVE || ex->phase == PHASE_STOPPING || ex->phase == PHASE_KILLED;
    if ((ex->phase == PHASE_READY) != (ex->place.position != 0))
        sim_fail(sim, "execution %lld is ready and stands in no queue, or the other way round", (long long)ex->id);
    if (timed && !ex->timer.position && !(sim->stopping && ex->phase == PHASE_WAITING))
        sim_fail(sim, "execution %lld (phase %d) waits for no time", (long long)ex->id, ex->phase);
    if (works && !ex->holds_place)
        sim_fail(sim, "execution %lld works without a place", (long long)ex->id);
}

static void check_task_memory(struct sim *sim, const struct task_runtime *rt, int32_t held)
{
    const struct scheduler *s = sim->scheduler;
    if (rt->running != held)
        sim_fail(sim, "task %s: %d places are taken, %d are counted", rt->task->name, held, rt->running);
    bool ready = rt->waiting.count > 0 && rt->running < rt->task->max_concurrent && rt->fits;
    if (ready != (rt->ready_place.position != 0))
        sim_fail(sim, "task %s could start something and is not asked, or the other way round", rt->task->name);
    int64_t next = schedule_next(&rt->schedule, rt->settled_us);
    bool armed = rt->task->enabled && !rt->frozen && !rt->deleted && next != SCHEDULE_NEVER;
    if (armed && !is_queued(s, rt->task->id, next) && !s->stopping)
        sim_fail(sim, "task %s has a next slot and nobody will look at it", rt->task->name);
}

static void check_memory(struct sim *sim)
{
    struct scheduler *s = sim->scheduler;
    size_t cursor = 0, count = 0;
    int32_t running = 0;
    for (struct task_runtime *rt; (rt = int_map_next(&s->tasks, &cursor)) && !sim->failure[0];) {
        int32_t held = 0;
        for (struct list_node *node = list_first(&rt->executions); node; node = list_next(&rt->executions, node)) {
            const struct execution *ex = CONTAINER_OF(node, struct execution, siblings);
            check_execution(sim, ex);
            held += ex->holds_place;
            count++;
        }
        check_task_memory(sim, rt, held);
        if (!task_type_is_internal(rt->task->type))
            running += held;
    }
    if (running != s->running || count != s->executions.count)
        sim_fail(sim, "%d places are taken, %d are counted; %zu executions, %zu are known", running, s->running, count,
                 s->executions.count);
    if (s->residents.count != s->tasks.count)
        sim_fail(sim, "%zu tasks are in memory, %zu in the list", s->tasks.count, s->residents.count);
    bool at_rest = !s->works_in_flight && !s->refused_step && (!s->step || work_is_empty(s->step));
    if (at_rest && s->ready.count && s->running < sim->plan.capacity && !atomic_load(&s->draining) && !s->stopping)
        sim_fail(sim, "%u tasks could start something, there is room, and nothing happens", s->ready.count);
}

void sim_watch_check(struct sim *sim)
{
    if (!sim->alive || sim->dying || sim->failure[0])
        return;
    check_rules(sim);
    check_limits(sim);
    check_next_runs(sim);
    check_memory(sim);
    sim_world_check(sim);
}
