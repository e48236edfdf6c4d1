/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions at random: every kind of schedule, every policy, zones that move their clocks. */
#include "sim.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 8192 };

#define PICK(sim, list) ((list)[sim_range(sim, 0, (int64_t)ARRAY_LEN(list) - 1)])

static const char *const zones[] = {
    "UTC",           "America/New_York", "Europe/Berlin",    "Australia/Lord_Howe", "Asia/Kathmandu",
    "Europe/Dublin", "America/Santiago", "Africa/Casablanca"};

/* To the second and the minute: for runs of hours. */
static const char *const dense_crons[] = {"*/10 * * * * *", "* * * * *",      "*/2 * * * *",     "*/5 * * * *",  "H/7 * * * *",
                                          "*/30 1-3 * * *", "30 2 * * *",     "*/15 0-4 * * *",  "17 */2 * * *", "@every 90s",
                                          "@every 7m",      "@hourly",        "0,20,40 * * * *", "@reboot",      "59 59 * * * *",
                                          "5-10 * * * *",   "*/20 * * * * *", "0 30 1 * * *"};
/* For months. */
static const char *const sparse_crons[] = {"0 2 * * *",    "30 2 * * *",  "30 1 * * *",    "0 */6 * * *",  "21 */4 * * *",
                                           "15 3 * * 1-5", "0 9 * * *",   "0 0 1,15 * *",  "0 12 * * mon", "H H * * *",
                                           "@daily",       "@weekly",     "@every 36h",    "@every 5h",    "0 0 L * *",
                                           "30 2 * * sun", "45 23 * * *", "0 4 * * sat#2", "@reboot",      "0 3,15 * * *"};
static const char *const busy_crons[] = {"0 * * * *", "H * * * *", "*/30 8-18 * * 1-5", "@every 1h", "*/15 * * * *"};
static const char *const dense_calendars[] = {"*-*-* *:0/10:00", "*-*-* *:*:00", "*-*-* 00..06:30:00", "hourly"};
static const char *const sparse_calendars[] = {"Mon..Fri *-*-* 09:00:00", "*-*-* 02:30:00", "daily", "*-*-01,15 03:00:00"};
static const char *const overlaps[] = {"skip", "skip", "queue_one", "queue_all", "cancel_running", "allow"};
static const char *const misfires[] = {"run_once", "run_all", "skip"};
static const char *const gaps[] = {"auto", "auto", "skip", "shift_forward", "run_at_edge"};
static const char *const folds[] = {"auto", "auto", "first", "last", "both"};

static void put_cron(struct sim *sim, struct buf *body)
{
    const char *text = sim->plan.dense         ? PICK(sim, dense_crons)
                       : sim_chance(sim, 0.12) ? PICK(sim, busy_crons)
                                               : PICK(sim, sparse_crons);
    buf_printf(body, ",\"is_recurring\":true,\"cron_expr\":\"%s\",\"calendar\":null,\"interval\":0", text);
}

static void put_schedule(struct sim *sim, struct buf *body)
{
    int64_t shortest = sim->plan.dense ? 20 : 3600, longest = sim->plan.dense ? 1800 : 2 * 86400;
    double dice = (double)sim_range(sim, 0, 99);
    if (dice < 60)
        put_cron(sim, body);
    else if (dice < 75)
        buf_printf(body, ",\"is_recurring\":true,\"interval\":%lld,\"cron_expr\":null,\"calendar\":null",
                   (long long)sim_range(sim, shortest, longest));
    else if (dice < 85)
        buf_printf(body, ",\"is_recurring\":true,\"calendar\":\"%s\",\"cron_expr\":null,\"interval\":0",
                   sim->plan.dense ? PICK(sim, dense_calendars) : PICK(sim, sparse_calendars));
    else if (dice < 93)
        buf_printf(body, ",\"is_recurring\":false,\"cron_expr\":null,\"calendar\":null,\"interval\":0,\"next_run\":%lld",
                   (long long)((sim->clock.wall_us + sim_range(sim, SECOND, sim->plan.length_us / 2)) / US_PER_MS));
    else
        buf_add_text(body, ",\"is_recurring\":false,\"cron_expr\":null,\"calendar\":null,\"interval\":0");
    buf_printf(body, ",\"timezone\":\"%s\",\"gap\":\"%s\",\"fold\":\"%s\"", PICK(sim, zones), PICK(sim, gaps), PICK(sim, folds));
}

static void put_limits(struct sim *sim, struct buf *body)
{
    int64_t duration = sim_chance(sim, 0.3) ? sim_range(sim, 2, 20) : sim_range(sim, 20, 600);
    buf_printf(body, ",\"max_duration_seconds\":%lld,\"timeout_grace_period\":%lld", (long long)duration,
               (long long)sim_range(sim, 0, duration - 1 < 40 ? duration - 1 : 40));
    buf_printf(body, ",\"max_retries\":%lld,\"max_concurrent\":%lld", (long long)sim_range(sim, 0, 4),
               (long long)(sim_chance(sim, 0.6) ? 1 : sim_range(sim, 2, 5)));
    int64_t base = sim_range(sim, 0, 3000);
    buf_printf(body, ",\"retry_backoff\":{\"base_ms\":%lld,\"cap_ms\":%lld,\"jitter_percent\":%lld}", (long long)base,
               (long long)(base + sim_range(sim, 0, 60000)), (long long)sim_range(sim, 0, 50));
}

static void put_policies(struct sim *sim, struct buf *body)
{
    buf_printf(body, ",\"overlap\":\"%s\",\"misfire_policy\":\"%s\"", PICK(sim, overlaps), PICK(sim, misfires));
    buf_printf(body, ",\"start_deadline_seconds\":%lld", (long long)(sim_chance(sim, 0.7) ? 0 : sim_range(sim, 1, 3600)));
    buf_printf(body, ",\"jitter_seconds\":%lld", (long long)(sim_chance(sim, 0.7) ? 0 : sim_range(sim, 1, 60)));
    buf_printf(body, ",\"priority\":%lld", (long long)sim_range(sim, -5, 5));
    if (sim_chance(sim, 0.15))
        buf_printf(body, ",\"labels\":{\"zone\":\"%s\"}", sim_chance(sim, 0.5) ? "here" : "elsewhere");
    else
        buf_add_text(body, ",\"labels\":null");
}

static const struct {
    const char *type, *data;
} types[] = {
    {"command", "{\\\"command\\\":\\\"true\\\"}"},
    {"command", "{\\\"argv\\\":[\\\"/bin/true\\\"]}"},
    {"http", "{\\\"url\\\":\\\"http://127.0.0.1:1/\\\"}"},
    {"noop", "{\\\"sleep_ms\\\":1000}"},
    {"noop", ""},
    {"noop", "{\\\"result\\\":\\\"instant\\\"}"},
    {"lock_cleanup", ""},
};

char *sim_task_body(struct sim *sim, const char *name)
{
    struct buf body;
    buf_init(&body, BODY_MAX);
    size_t type = (size_t)sim_range(sim, 0, sim_chance(sim, 0.1) ? (int64_t)ARRAY_LEN(types) - 1 : 5);
    buf_printf(&body, "{\"name\":\"%s\",\"type\":\"%s\",\"data\":\"%s\"", name, types[type].type, types[type].data);
    put_schedule(sim, &body);
    put_limits(sim, &body);
    put_policies(sim, &body);
    if (sim_chance(sim, 0.08))
        buf_add_text(&body, ",\"enabled\":false");
    buf_add_char(&body, '}');
    must(!body.failed);
    return buf_take(&body);
}

/* A merge patch of some of it. `new_name` is filled in when it renames, else "". */
char *sim_task_patch(struct sim *sim, const struct sim_task *task, char *new_name, size_t capacity)
{
    struct buf body;
    buf_init(&body, BODY_MAX);
    new_name[0] = '\0';
    buf_add_text(&body, "{\"description\":\"changed\"");
    if (sim_chance(sim, 0.5))
        put_schedule(sim, &body);
    if (sim_chance(sim, 0.4))
        put_limits(sim, &body);
    if (sim_chance(sim, 0.4))
        put_policies(sim, &body);
    if (sim_chance(sim, 0.1))
        buf_printf(&body, ",\"enabled\":%s", sim_chance(sim, 0.5) ? "true" : "false");
    if (!task->declared && sim_chance(sim, 0.15)) { /* sometimes a name that another task has */
        int64_t number = sim_chance(sim, 0.3) ? sim_range(sim, 0, (int64_t)sim->task_count - 1) : task->index;
        if (!sim->tasks[number]->id) /* its making may still be under way, to be recognised by its name */
            number = task->index;
        (void)snprintf(new_name, capacity, "task-%lld%s", (long long)number, sim_chance(sim, 0.5) ? "-renamed" : "");
        buf_printf(&body, ",\"name\":\"%s\"", new_name);
    }
    if (sim_chance(sim, 0.1))
        buf_printf(&body, ",\"version\":%lld", (long long)(task->version + (sim_chance(sim, 0.5) ? 0 : 1)));
    buf_add_char(&body, '}');
    must(!body.failed);
    return buf_take(&body);
}

char *sim_override(struct sim *sim, int type)
{
    static const char *const texts[TASK_TYPE_COUNT] = {
        [TASK_TYPE_COMMAND] = "{\"command\":\"false\"}",
        [TASK_TYPE_HTTP] = "{\"url\":\"http://127.0.0.1:2/\"}",
        [TASK_TYPE_NOOP] = "{\"sleep_ms\":5}",
    };
    return texts[type] && sim_chance(sim, 0.2) ? xstrdup(texts[type]) : NULL;
}
