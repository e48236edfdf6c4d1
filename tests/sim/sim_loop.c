/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual time: events, trouble, and the end. Time jumps from one event to the next. */
#include "sim.h"

#include "base/id.h"
#include "base/mem.h"
#include "sched/reboot_store.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool sim_tracing;

/* ---- telling ---- */

static void stamp(const struct sim *sim, char out[32])
{
    (void)time_format_utc(sim->clock.wall_us, 6, out, 32);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->failure[0])
        return;
    char when[32], what[900];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    stamp(sim, when);
    (void)snprintf(sim->failure, sizeof sim->failure, "at %s (virtual): %s", when, what);
}

void sim_note(struct sim *sim, const char *format, ...)
{
    if (!sim_tracing)
        return;
    char when[32];
    va_list args;
    stamp(sim, when);
    (void)fprintf(stderr, "%s %lld ", when, (long long)sim->clock.mono_us);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

/* ---- events ---- */

struct sim_event *sim_after(struct sim *sim, int64_t delay_us, sim_event_fn fn, void *arg)
{
    struct sim_event *event = xcalloc(1, sizeof *event);
    event->fn = fn;
    event->arg = arg;
    heap_add(&sim->events, &event->node, sim->clock.mono_us + delay_us);
    return event;
}

void sim_cancel_event(struct sim *sim, struct sim_event **event)
{
    if (!*event)
        return;
    heap_remove(&sim->events, &(*event)->node);
    free(*event);
    *event = NULL;
}

static void run_due(struct sim *sim)
{
    while (heap_min_key(&sim->events) <= sim->clock.mono_us) {
        struct sim_event *event = CONTAINER_OF(heap_pop(&sim->events), struct sim_event, node);
        sim_event_fn fn = event->fn;
        void *arg = event->arg;
        free(event);
        fn(sim, arg);
    }
}

static void turn(struct sim *sim, int64_t until_mono)
{
    int64_t at = heap_min_key(&sim->events);
    if (sim->alive && sim->wake_mono < at)
        at = sim->wake_mono;
    if (at > until_mono)
        at = until_mono;
    if (at > sim->clock.mono_us)
        fake_clock_advance(&sim->clock, at - sim->clock.mono_us);
    run_due(sim);
    sim_server_turn(sim);
}

static void run_until(struct sim *sim, int64_t mono)
{
    while (!sim->failure[0] && sim->clock.mono_us < mono)
        turn(sim, mono);
}

void sim_look(struct sim *sim, bool restarted)
{
    int64_t wall = sim->clock.wall_us, lived = sim->clock.mono_us - sim->last_look_mono;
    bool passed_over = restarted || wall - sim->last_look_wall - lived > 5 * SECOND;
    struct sim_span *last = sim->span_count ? &sim->spans[sim->span_count - 1] : NULL;
    if (last && last->lived && !passed_over && wall >= last->to_us) {
        last->to_us = wall;
        last->to_mono = sim->clock.mono_us;
    } else if (sim->last_look_wall) {
        must(sim->span_count < SIM_SPANS_MAX);
        int64_t from = wall < sim->last_look_wall ? wall : sim->last_look_wall; /* it went back */
        sim->spans[sim->span_count++] = (struct sim_span){from, wall, sim->clock.mono_us, !passed_over, false};
    }
    sim->last_look_wall = wall;
    sim->last_look_mono = sim->clock.mono_us;
}

/* ---- trouble ---- */

/* Best while there is much to do. */
static void kill_server(struct sim *sim)
{
    for (int64_t i = sim_range(sim, 0, 20); sim->alive && i > 0; i--)
        sim_client_ask(sim);
    sim_server_kill_soon(sim);
}

static void stop_server(struct sim *sim)
{
    sim_server_stop(sim, sim_chance(sim, 0.5));
    if (sim_chance(sim, 0.1)) {
        char boot[32];
        (void)snprintf(boot, sizeof boot, "boot-%llu", (unsigned long long)sim_random(sim));
        reboot_use_boot_id(boot); /* the machine goes down with it */
    }
}

static void outage_ends(struct sim *sim, void *arg)
{
    (void)arg;
    if (sim->clock.mono_us < sim->refused_until)
        return;
    sim->refuse = 0;
    sim_server_disturb(sim);
    sim_note(sim, "the store answers again");
}

static void break_store(struct sim *sim)
{
    static const double shares[] = {1.0, 1.0, 0.5, 0.1};
    int64_t length = sim_chance(sim, 0.6) ? sim_range(sim, SECOND, 20 * SECOND) : sim_range(sim, SECOND, 15 * MINUTE);
    sim->refuse = shares[sim_range(sim, 0, 3)];
    sim->refused_until = sim->clock.mono_us + length;
    sim_note(sim, "the store refuses %.0f %% for %lld s", sim->refuse * 100, (long long)(length / SECOND));
    (void)sim_after(sim, length, outage_ends, NULL);
}

static void jump_clock(struct sim *sim)
{
    static const int64_t steps[] = {3 * SECOND, 30 * SECOND, 10 * MINUTE, HOUR, 5 * HOUR, DAY};
    int64_t by = steps[sim_range(sim, 0, (int64_t)ARRAY_LEN(steps) - 1)];
    if (sim_chance(sim, 0.5))
        by = -by;
    sim_note(sim, "the wall clock moves by %lld s", (long long)(by / SECOND));
    fake_clock_step_wall(&sim->clock, by);
    sim->jumped_us += by < 0 ? -by : by;
    sim_world_jump(sim, by);
    sim_server_disturb(sim);
}

static void keeper_dies(struct sim *sim)
{
    sim_world_keeper_dies(sim);
}

static void drain_ends(struct sim *sim, void *arg)
{
    (void)arg;
    if (!sim->alive)
        return;
    sim->drained_mono = 0;
    scheduler_drain(sim->scheduler, false);
    sim_server_disturb(sim);
}

static void drain(struct sim *sim)
{
    if (!sim->alive)
        return;
    sim_note(sim, "drain");
    scheduler_drain(sim->scheduler, true);
    (void)sim_after(sim, sim_range(sim, SECOND, 10 * MINUTE), drain_ends, NULL);
}

static void look_around(struct sim *sim)
{
    sim->look_wanted = true;
}

struct trouble {
    void (*act)(struct sim *sim);
    double per_day;
};

static void trouble_event(struct sim *sim, void *arg)
{
    struct trouble *trouble = arg;
    if (sim->quiet)
        return;
    trouble->act(sim);
    (void)sim_after(sim, sim_wait(sim, trouble->per_day), trouble_event, trouble);
}

enum { TROUBLES = 7 };

static void plan_trouble(struct sim *sim, struct trouble list[TROUBLES])
{
    const struct sim_plan *p = &sim->plan;
    double looks = p->dense ? 24 * 30 : 24;
    const struct trouble kinds[TROUBLES] = {
        {kill_server, p->kills}, {stop_server, p->stops},         {break_store, p->outages}, {jump_clock, p->jumps},
        {drain, p->drains},      {keeper_dies, p->keeper_deaths}, {look_around, looks},
    };
    memcpy(list, kinds, sizeof kinds);
    for (size_t i = 0; i < TROUBLES; i++)
        if (list[i].per_day > 0)
            (void)sim_after(sim, sim_wait(sim, list[i].per_day), trouble_event, &list[i]);
    sim->hiccup = p->hiccups;
}

/* ---- the end ---- */

static void calm_down(struct sim *sim)
{
    sim_note(sim, "all trouble ends");
    sim->quiet = true;
    sim->refuse = sim->hiccup = 0;
    sim->kill_at_call = 0;
    sim_world_calm(sim);
    for (int i = 0; i < 1000 && !sim->failure[0] && (!sim->alive || sim->stopping); i++)
        run_until(sim, sim->clock.mono_us + MINUTE);
    if (!sim->alive) {
        sim_fail(sim, "the server does not come back");
        return;
    }
    scheduler_drain(sim->scheduler, false);
    sim->drained_mono = 0;
    run_until(sim, sim->clock.mono_us + 10 * MINUTE); /* what waited for the store's return */
}

/* Those that wait for an instance with other labels wait rightly. */
#define UNFINISHED \
    " FROM task_executions e LEFT JOIN sched_tasks t ON t.id = e.task_id WHERE e.state < 2 AND NOT" \
    " (e.state = 0 AND COALESCE(json_extract(t.definition, '$.labels.zone'), 'here') <> 'here')"

/* Everything that was begun comes to its end. */
static void come_to_rest(struct sim *sim)
{
    sim_client_disable_all(sim, false);
    for (int hours = 0; hours < 24 * 60 && !sim->failure[0]; hours++) {
        run_until(sim, sim->clock.mono_us + HOUR);
        if (!sim->failure[0] && sim_watch_number(sim, "SELECT COUNT(*)" UNFINISHED) == 0) {
            sim_client_disable_all(sim, true);
            run_until(sim, sim->clock.mono_us + MINUTE);
            return;
        }
    }
    if (sim->failure[0])
        return;
    auto_free char *which = sim_watch_text(
        sim,
        "SELECT GROUP_CONCAT(e.id || ' of task ' || COALESCE(t.name, e.task_id) || ' state ' || e.state || ' due ' || e.due_at)" UNFINISHED);
    sim_fail(sim, "they never end: %s", which);
}

static void finish(struct sim *sim)
{
    calm_down(sim);
    sim->look_wanted = true;
    if (!sim->failure[0])
        come_to_rest(sim);
    if (!sim->failure[0])
        sim_client_settle_all(sim);
    run_until(sim, sim->clock.mono_us + MINUTE);
    sim->look_wanted = true;
    run_until(sim, sim->clock.mono_us + MINUTE);
    sim_server_stop(sim, false);
    for (int i = 0; i < 100 && !sim->failure[0] && sim->alive; i++)
        run_until(sim, sim->clock.mono_us + SECOND);
    if (!sim->failure[0] && sim->alive)
        sim_fail(sim, "an idle server does not stop");
    if (!sim->failure[0])
        sim_prove(sim);
}

static void free_events(struct sim *sim)
{
    for (struct heap_node *node; (node = heap_pop(&sim->events));)
        free(CONTAINER_OF(node, struct sim_event, node));
    heap_release(&sim->events);
}

void sim_run(struct sim *sim)
{
    struct trouble troubles[TROUBLES];
    sim->random = sim->plan.seed;
    id_random_seed(sim->plan.seed);
    reboot_use_boot_id("boot-0");
    fake_clock_init(&sim->clock, sim->plan.start_us);
    heap_init(&sim->events);
    int_map_init(&sim->history);
    int_map_init(&sim->tasks_by_id);
    list_init(&sim->attempts);
    list_init(&sim->ops);
    sim_disk_prepare(sim);
    sim_world_init(sim);
    sim_server_start(sim);
    for (int i = 0; i < sim->plan.tasks; i++)
        sim_client_create(sim);
    run_until(sim, sim->clock.mono_us + SECOND);
    plan_trouble(sim, troubles);
    if (sim->plan.operations > 0)
        (void)sim_after(sim, SECOND, sim_client_operation, NULL);
    run_until(sim, sim->clock.mono_us + sim->plan.length_us);
    if (!sim->failure[0])
        finish(sim);
    if (sim->alive) {
        sim->quiet = true;
        sim_server_kill(sim);
    }
    free_events(sim);
    sim_world_release(sim);
    sim_disk_remove(sim);
}
