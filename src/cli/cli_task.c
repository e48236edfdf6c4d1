/* SPDX-License-Identifier: Apache-2.0 */
/* horae task: everything that REST offers for tasks. */
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/subcommand.h"
#include "cli/table.h"
#include "cli/task_body.h"
#include "cli/task_edit.h"
#include "cli/task_trigger.h"

#include <stdio.h>
#include <string.h>

#define TASKS "/scheduler/tasks"

const struct resource task_resource = {TASKS "/", "name"};

/* ---- list, show ---- */

/* Tasks have one of several kinds of schedule. */
static char *schedule_text(const struct json *task)
{
    static const char *const members[] = {"cron_expr", "calendar"};
    int64_t interval = 0;
    char text[64];
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        struct str schedule = json_get_text(json_member(task, members[i]));
        if (schedule.n)
            return xstrndup(schedule.p, schedule.n);
    }
    if (json_get_int(json_member(task, "interval"), &interval) && interval > 0) {
        (void)snprintf(text, sizeof text, "every %lld s", (long long)interval);
        return xstrdup(text);
    }
    return xstrdup(json_get_text(json_member(task, "next_run")).n ? "once" : "-");
}

static void print_list(const struct answer *answer)
{
    static const struct column columns[] = {
        {"NAME", "name"},     {"TYPE", "type"},         {"ENABLED", "enabled"},       {"SCHEDULE", NULL, schedule_text},
        {"ZONE", "timezone"}, {"NEXT RUN", "next_run"}, {"RUNS", "total_executions"}, {"HEALTH", "health"}};
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
    subcommand_print_page(answer);
}

static const struct option_spec list_specs[] = {{"--name", 0, "TEXT", "part of the name"},
                                                {"--type", 0, "TYPE", "of this type"},
                                                {"--enabled", 0, "BOOL", "true or false"},
                                                {"--label", 0, "K=V", "with this label"},
                                                {"--page", 0, "N", "page"},
                                                {"--page-size", 0, "N", "rows of a page, at most 100"},
                                                {"--cursor", 0, "C", "next_cursor of the page before, instead of --page"},
                                                CLIENT_OPTIONS,
                                                OPTIONS_END};

static int list(const struct client *client, const struct options *o)
{
    struct buf path;
    buf_init(&path, CLIENT_PATH_MAX);
    buf_add_text(&path, TASKS);
    client_query(&path, "page", options_value(o, "--page"));
    client_query(&path, "page_size", options_value(o, "--page-size") ? options_value(o, "--page-size") : "100");
    client_query(&path, "cursor", options_value(o, "--cursor"));
    client_query(&path, "name", options_value(o, "--name"));
    client_query(&path, "type", options_value(o, "--type"));
    client_query(&path, "enabled", options_value(o, "--enabled"));
    client_query(&path, "label", options_value(o, "--label"));
    int code = subcommand_call(client, "GET", path.data, NULL, print_list);
    buf_release(&path);
    return code;
}

static int call_task(const struct client *client, const struct options *o, const char *method, const char *suffix,
                     const char *body, void (*print)(const struct answer *answer))
{
    return subcommand_call_one(client, &task_resource, method, o->positional[0], suffix, body, print);
}

static int show(const struct client *client, const struct options *o)
{
    return call_task(client, o, "GET", "", NULL, subcommand_print_data);
}

/* ---- create, update ---- */

static void print_next(struct str next)
{
    char *time = table_time(next.p, next.n, true);
    (void)printf("  next run %s", time);
    free(time);
}

static void print_changed(const struct answer *answer)
{
    const struct json *data = answer_data(answer);
    struct str name = json_get_text(json_member(data, "name")), uid = json_get_text(json_member(data, "uid")),
               next = json_get_text(json_member(data, "next_run"));
    (void)printf("%.*s  %.*s", (int)name.n, name.p, (int)uid.n, uid.p);
    if (next.n)
        print_next(next);
    (void)putchar('\n');
}

static int save(const struct client *client, const struct options *o, bool update)
{
    struct buf body;
    buf_init(&body, 4 * TASK_FILE_MAX);
    int code = CLI_USAGE;
    if (task_body_build(o, update, &body))
        code = update ? call_task(client, o, "PATCH", "", body.data, print_changed)
                      : subcommand_call(client, "POST", TASKS, body.data, print_changed);
    buf_release(&body);
    return code;
}

static int create(const struct client *client, const struct options *o)
{
    return save(client, o, false);
}

static int update(const struct client *client, const struct options *o)
{
    return save(client, o, true);
}

static int edit(const struct client *client, const struct options *o)
{
    return task_edit(client, o->positional[0], print_changed);
}

/* ---- the rest ---- */

static int delete (const struct client *client, const struct options *o)
{
    return call_task(client, o, "DELETE", "", NULL, NULL);
}

static int enable(const struct client *client, const struct options *o)
{
    return call_task(client, o, "POST", "/enable", NULL, NULL);
}

static const struct option_spec disable_specs[] = {
    {"--cancel-running", 0, NULL, "cancel what runs"}, CLIENT_OPTIONS, OPTIONS_END};

static int disable(const struct client *client, const struct options *o)
{
    return call_task(client, o, "POST", options_flag(o, "--cancel-running") ? "/disable?cancel_running=true" : "/disable", NULL,
                     NULL);
}

static const struct option_spec next_specs[] = {
    {"--count", 'n', "N", "how many (10)"}, {"--from", 0, "TIME", "after this time"}, CLIENT_OPTIONS, OPTIONS_END};

static void print_times(const struct answer *answer)
{
    struct json_walk walk = {0};
    const struct json *item;
    while (json_walk_array(answer_data(answer), &walk, &item)) {
        char *time = table_time(json_get_text(item).p, json_get_text(item).n, true);
        (void)puts(time);
        free(time);
    }
}

static int next(const struct client *client, const struct options *o)
{
    struct buf suffix;
    buf_init(&suffix, 1024);
    buf_add_text(&suffix, "/next");
    client_query(&suffix, "count", options_value(o, "--count"));
    client_query(&suffix, "from", options_value(o, "--from"));
    int code = call_task(client, o, "GET", suffix.data, NULL, print_times);
    buf_release(&suffix);
    return code;
}

static const struct option_spec occurrence_specs[] = {{"--from", 0, "TIME", "first slot"},
                                                      {"--to", 0, "TIME", "slots before this time"},
                                                      {"--page", 0, "N", "page"},
                                                      {"--page-size", 0, "N", "rows of a page, at most 100"},
                                                      CLIENT_OPTIONS,
                                                      OPTIONS_END};

static void print_occurrences(const struct answer *answer)
{
    static const struct column columns[] = {
        {"SCHEDULED AT", "scheduled_at"}, {"VERDICT", "verdict"}, {"REASON", "reason"}, {"EXECUTION", "execution_uid"}};
    const char *gap = "";
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
    subcommand_print_page(answer);
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    int64_t number = 0;
    const struct json *summary = json_member(json_root(answer->doc), "summary");
    while (summary && json_walk_object(summary, &walk, &name, &value) && json_get_int(value, &number)) {
        (void)printf("%s%.*s %lld", gap, (int)name.n, name.p, (long long)number);
        gap = "  ";
    }
    (void)putchar('\n');
}

static int occurrences(const struct client *client, const struct options *o)
{
    struct buf suffix;
    buf_init(&suffix, 1024);
    buf_add_text(&suffix, "/occurrences");
    client_query(&suffix, "from", options_value(o, "--from"));
    client_query(&suffix, "to", options_value(o, "--to"));
    client_query(&suffix, "page", options_value(o, "--page"));
    client_query(&suffix, "page_size", options_value(o, "--page-size"));
    int code = call_task(client, o, "GET", suffix.data, NULL, print_occurrences);
    buf_release(&suffix);
    return code;
}

static const struct option_spec stats_specs[] = {
    {"--task", 0, "ID", "of one task"}, {"--window", 0, "W", "1h, 24h, 7d or all"}, CLIENT_OPTIONS, OPTIONS_END};

static void print_stats(const struct answer *answer)
{
    static const struct column columns[] = {{"TASK", "task_name"},
                                            {"RUNS", "total_executions"},
                                            {"SUCCESS", "success_executions"},
                                            {"FAILURE", "failure_executions"},
                                            {"SUCCESS %", "success_rate"},
                                            {"AVERAGE MS", "average_duration_ms"},
                                            {"LAST RUN", "last_executed_at"}};
    static const char *const sums[] = {"total_tasks", "enabled_tasks", "total_executions", "success_rate", "average_duration_ms"};
    const struct json *data = answer_data(answer);
    for (size_t i = 0; data && i < ARRAY_LEN(sums); i++) {
        char *text = json_print(json_member(data, sums[i]));
        (void)printf("%-22s %s\n", sums[i], text);
        free(text);
    }
    if (data)
        table_print(json_member(data, "task_stats"), columns, ARRAY_LEN(columns));
}

static int stats(const struct client *client, const struct options *o)
{
    struct buf path;
    buf_init(&path, 2048);
    buf_add_text(&path, "/scheduler/stats");
    client_query(&path, "task_uid", options_value(o, "--task"));
    client_query(&path, "window", options_value(o, "--window"));
    int code = subcommand_call(client, "GET", path.data, NULL, print_stats);
    buf_release(&path);
    return code;
}

/* ---- types ---- */

static void print_types(const struct answer *answer)
{
    static const struct column columns[] = {{"TYPE", "type"}, {"DESCRIPTION", "description"}};
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
}

static bool print_type(const struct answer *answer, const char *wanted)
{
    struct json_walk walk = {0};
    const struct json *type;
    while (json_walk_array(answer_data(answer), &walk, &type))
        if (str_equal(json_get_text(json_member(type, "type")), wanted)) {
            table_print_object(type);
            return true;
        }
    (void)fprintf(stderr, "horae: there is no type \"%s\"; \"horae task types\" lists them\n", wanted);
    return false;
}

static int types(const struct client *client, const struct options *o)
{
    struct answer answer;
    if (!o->positional_count || client->json)
        return subcommand_call(client, "GET", "/scheduler/types", NULL, print_types);
    int code = client_call(client, "GET", "/scheduler/types", NULL, &answer);
    if (code == CLI_DONE && !print_type(&answer, o->positional[0]))
        code = CLI_FAILED;
    answer_release(&answer);
    return code;
}

int cli_task(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "tasks", 0, 0, list_specs, list},
        {"show", "ID", "one task, by name or uid", 1, 1, client_only_specs, show},
        {"create", "", "create a task", 0, 0, task_create_specs, create},
        {"update", "ID", "change what is given", 1, 1, task_update_specs, update},
        {"edit", "ID", "change it as JSON in an editor (VISUAL, EDITOR)", 1, 1, client_only_specs, edit},
        {"delete", "ID", "delete a task; its history stays", 1, 1, client_only_specs, delete},
        {"enable", "ID", "enable a task", 1, 1, client_only_specs, enable},
        {"disable", "ID", "disable a task", 1, 1, disable_specs, disable},
        {"trigger", "ID", "run a task; prints the execution's uid", 1, 1, task_trigger_specs, task_trigger},
        {"next", "ID", "coming slots", 1, 1, next_specs, next},
        {"occurrences", "ID", "slots with their verdicts", 1, 1, occurrence_specs, occurrences},
        {"stats", "", "statistics", 0, 0, stats_specs, stats},
        {"types", "[TYPE]", "what tasks can do; with TYPE the schema of its data", 0, 1, client_only_specs, types},
    };
    return subcommand_run("task", rows, ARRAY_LEN(rows), argc, argv);
}
