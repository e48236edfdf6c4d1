/* SPDX-License-Identifier: Apache-2.0 */
/* horae task: everything that REST offers for tasks. */
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/subcommand.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

#define TASKS "/scheduler/tasks"

/* ---- list, show ---- */

static void print_list(const struct answer *answer)
{
    static const struct column columns[] = {
        {"NAME", "name"},     {"TYPE", "type"},         {"ENABLED", "enabled"},       {"SCHEDULE", "cron_expr"},
        {"ZONE", "timezone"}, {"NEXT RUN", "next_run"}, {"RUNS", "total_executions"}, {"HEALTH", "health"}};
    int64_t total = 0;
    const struct json *data = answer_data(answer);
    table_print(data, columns, ARRAY_LEN(columns));
    const struct json *pagination = json_member(json_root(answer->doc), "pagination");
    if (pagination && json_get_int(json_member(pagination, "total"), &total) && total > (int64_t)json_count(data))
        (void)printf("%zu of %lld; --page N shows others\n", json_count(data), (long long)total);
}

static int list(const struct client *client, const struct options *o)
{
    struct buf path;
    buf_init(&path, 8192);
    buf_add_text(&path, TASKS);
    client_query(&path, "page", options_value(o, "--page"));
    client_query(&path, "page_size", options_value(o, "--page-size") ? options_value(o, "--page-size") : "100");
    client_query(&path, "name", options_value(o, "--name"));
    client_query(&path, "type", options_value(o, "--type"));
    client_query(&path, "enabled", options_value(o, "--enabled"));
    client_query(&path, "label", options_value(o, "--label"));
    int code = subcommand_call(client, "GET", path.data, NULL, print_list);
    buf_release(&path);
    return code;
}

static void print_data(const struct answer *answer)
{
    const struct json *data = answer_data(answer);
    if (data)
        table_print_object(data);
}

static int call_task(const struct client *client, const struct options *o, const char *method, const char *suffix,
                     const char *body, void (*print)(const struct answer *answer))
{
    char *path = subcommand_path(TASKS "/", o->positional[0], suffix);
    int code = subcommand_call(client, method, path, body, print);
    free(path);
    return code;
}

static int show(const struct client *client, const struct options *o)
{
    return call_task(client, o, "GET", "", NULL, print_data);
}

/* ---- create, update ---- */

enum member_kind { MEMBER_TEXT, MEMBER_RAW, MEMBER_LABEL };

/* Options that become members of the task. */
static const struct {
    const char *option, *member;
    enum member_kind kind;
} members[] = {
    {"--name", "name", MEMBER_TEXT},
    {"--type", "type", MEMBER_TEXT},
    {"--description", "description", MEMBER_TEXT},
    {"--cron", "cron_expr", MEMBER_TEXT},
    {"--calendar", "calendar", MEMBER_TEXT},
    {"--interval", "interval", MEMBER_RAW},
    {"--once", "next_run", MEMBER_TEXT},
    {"--zone", "timezone", MEMBER_TEXT},
    {"--priority", "priority", MEMBER_RAW},
    {"--timeout", "max_duration_seconds", MEMBER_RAW},
    {"--retries", "max_retries", MEMBER_RAW},
    {"--max-concurrent", "max_concurrent", MEMBER_RAW},
    {"--overlap", "overlap", MEMBER_TEXT},
    {"--misfire", "misfire_policy", MEMBER_TEXT},
    {"--secret", "secret", MEMBER_TEXT},
};

#define TASK_OPTIONS \
    {"--file", 0, "FILE", "the task as JSON (\"-\": standard input); options below override it"}, \
        {"--name", 0, "NAME", "unique name"}, {"--type", 0, "TYPE", "command, http, noop, …"}, \
        {"--command", 0, "TEXT", "short for --type command with this shell text"}, \
        {"--data", 0, "JSON", "data of the type; @FILE reads it from a file"}, {"--cron", 0, "EXPR", "cron expression"}, \
        {"--calendar", 0, "TEXT", "OnCalendar expression"}, {"--interval", 0, "S", "every S seconds"}, \
        {"--once", 0, "TIME", "once, at a time"}, {"--zone", 0, "ZONE", "time zone of the schedule"}, \
        {"--description", 0, "TEXT", "for people"}, {"--priority", 0, "N", "larger runs first"}, \
        {"--timeout", 0, "S", "seconds that an attempt may take"}, {"--retries", 0, "N", "further attempts after a failure"}, \
        {"--max-concurrent", 0, "N", "runs at once"}, \
        {"--overlap", 0, "POLICY", "skip, queue_one, queue_all, cancel_running or allow"}, \
        {"--misfire", 0, "POLICY", "run_once, run_all or skip"}, {"--secret", 0, "TEXT", "signs http requests"}, \
        {"--label", 0, "K=V", "runs only where this label is; repeatable"}, {"--disabled", 0, NULL, "create it disabled"}, \
        CLIENT_OPTIONS, OPTIONS_END
static const struct option_spec create_specs[] = {TASK_OPTIONS};

static bool read_file(const char *name, struct buf *out)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    char block[8192];
    size_t n;
    if (!file) {
        (void)fprintf(stderr, "horae: cannot read %s\n", name);
        return false;
    }
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        buf_add(out, block, n);
    if (file != stdin)
        (void)fclose(file);
    if (out->failed)
        (void)fprintf(stderr, "horae: %s has more than %d bytes\n", name, FILE_MAX);
    return !out->failed;
}

static void write_command(struct json_writer *w, const char *text)
{
    struct buf data;
    struct json_writer inner;
    buf_init(&data, FILE_MAX);
    json_writer_init(&inner, &data);
    json_begin_object(&inner);
    json_put_text(&inner, "command", text);
    json_end_object(&inner);
    json_put_text(w, "data", data.data);
    buf_release(&data);
}

static bool write_data(struct json_writer *w, const char *data)
{
    struct buf text;
    buf_init(&text, FILE_MAX);
    bool fine = data[0] != '@' || read_file(data + 1, &text);
    if (fine)
        json_put_text(w, "data", data[0] == '@' ? (text.data ? text.data : "") : data);
    buf_release(&text);
    return fine;
}

static void write_labels(struct json_writer *w, const struct options *o)
{
    if (!options_nth(o, "--label", 0))
        return;
    json_key(w, "labels");
    json_begin_object(w);
    const char *label;
    for (size_t i = 0; (label = options_nth(o, "--label", i)); i++) {
        size_t n = strcspn(label, "=");
        json_key_any(w, label, n);
        json_text(w, label[n] ? label + n + 1 : "");
    }
    json_end_object(w);
}

/* Is this member of the file given as an option too? */
static bool is_overridden(const struct options *o, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (str_equal(name, members[i].member) && options_value(o, members[i].option))
            return true;
    return (str_equal(name, "data") && (options_value(o, "--data") || options_value(o, "--command"))) ||
           (str_equal(name, "type") && options_value(o, "--command")) ||
           (str_equal(name, "labels") && options_value(o, "--label")) ||
           (str_equal(name, "enabled") && options_flag(o, "--disabled"));
}

static bool copy_file(struct json_writer *w, const struct options *o)
{
    const char *name = options_value(o, "--file");
    struct buf text;
    struct json_doc *doc;
    struct err err;
    if (!name)
        return true;
    buf_init(&text, FILE_MAX);
    bool fine = read_file(name, &text);
    if (fine && (json_parse(text.data ? text.data : "", text.len, &doc, &err) != OK)) {
        (void)fprintf(stderr, "horae: %s: %s\n", name, err.message);
        fine = false;
    } else if (fine) {
        struct json_walk walk = {0};
        struct str member;
        const struct json *value;
        while (json_walk_object(json_root(doc), &walk, &member, &value)) {
            if (is_overridden(o, member))
                continue;
            char *printed = json_print(value);
            json_key_any(w, member.p, member.n);
            json_raw(w, printed, strlen(printed));
            free(printed);
        }
        json_doc_free(doc);
    }
    buf_release(&text);
    return fine;
}

static bool is_number(const char *text)
{
    int64_t number;
    return str_to_int(str_of(text), INT64_MIN + 1, INT64_MAX, &number);
}

/* The body of a create or update from file and options. */
static bool build_body(const struct options *o, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    if (!copy_file(&w, o))
        return false;
    const char *command = options_value(o, "--command"), *data = options_value(o, "--data");
    if (command && !options_value(o, "--type"))
        json_put_text(&w, "type", "command");
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *value = options_value(o, members[i].option);
        if (!value)
            continue;
        if (members[i].kind == MEMBER_RAW && !is_number(value)) {
            (void)fprintf(stderr, "horae: %s \"%s\" is not allowed; it must be a whole number\n", members[i].option, value);
            return false;
        }
        json_key(&w, members[i].member);
        if (members[i].kind == MEMBER_RAW)
            json_raw(&w, value, strlen(value));
        else
            json_text(&w, value);
    }
    if (command)
        write_command(&w, command);
    else if (data && !write_data(&w, data))
        return false;
    write_labels(&w, o);
    if (options_flag(o, "--disabled"))
        json_put_bool(&w, "enabled", false);
    json_end_object(&w);
    return true;
}

static void print_changed(const struct answer *answer)
{
    const struct json *data = answer_data(answer);
    struct str name = json_get_text(json_member(data, "name")), uid = json_get_text(json_member(data, "uid")),
               next = json_get_text(json_member(data, "next_run"));
    (void)printf("%.*s  %.*s", (int)name.n, name.p, (int)uid.n, uid.p);
    if (next.n)
        (void)printf("  next run %.*s", (int)next.n, next.p);
    (void)putchar('\n');
}

static int create(const struct client *client, const struct options *o)
{
    struct buf body;
    buf_init(&body, 4 * FILE_MAX);
    int code = build_body(o, &body) ? subcommand_call(client, "POST", TASKS, body.data, print_changed) : CLI_USAGE;
    buf_release(&body);
    return code;
}

static int update(const struct client *client, const struct options *o)
{
    struct buf body;
    buf_init(&body, 4 * FILE_MAX);
    int code = build_body(o, &body) ? call_task(client, o, "PATCH", "", body.data, print_changed) : CLI_USAGE;
    buf_release(&body);
    return code;
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

static const struct option_spec trigger_specs[] = {{"--data", 0, "JSON", "data for this run only"},
                                                   {"--at", 0, "TIME", "run at a time"},
                                                   {"--priority", 0, "N", "of this run"},
                                                   {"--unique-key", 0, "KEY", "at most one unfinished run with this key"},
                                                   {"--force", 0, NULL, "also when the task is disabled"},
                                                   CLIENT_OPTIONS,
                                                   OPTIONS_END};

static void print_execution(const struct answer *answer)
{
    struct str uid = json_get_text(json_member(json_root(answer->doc), "execution_uid"));
    (void)printf("%.*s\n", (int)uid.n, uid.p);
}

static int trigger(const struct client *client, const struct options *o)
{
    struct buf body;
    struct json_writer w;
    const char *priority = options_value(o, "--priority");
    if (priority && !is_number(priority)) {
        (void)fprintf(stderr, "horae: --priority \"%s\" is not allowed; it must be a whole number\n", priority);
        return CLI_USAGE;
    }
    buf_init(&body, FILE_MAX);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_put_text_unless_empty(&w, "override_data", options_value(o, "--data"));
    json_put_text_unless_empty(&w, "run_at", options_value(o, "--at"));
    json_put_text_unless_empty(&w, "unique_key", options_value(o, "--unique-key"));
    if (priority) {
        json_key(&w, "priority");
        json_raw(&w, priority, strlen(priority));
    }
    if (options_flag(o, "--force"))
        json_put_bool(&w, "force", true);
    json_end_object(&w);
    int code = call_task(client, o, "POST", "/trigger", body.data, print_execution);
    buf_release(&body);
    return code;
}

static const struct option_spec next_specs[] = {
    {"--count", 'n', "N", "how many (10)"}, {"--from", 0, "TIME", "after this time"}, CLIENT_OPTIONS, OPTIONS_END};

static void print_times(const struct answer *answer)
{
    struct json_walk walk = {0};
    const struct json *item;
    while (json_walk_array(answer_data(answer), &walk, &item))
        (void)printf("%.*s\n", (int)json_get_text(item).n, json_get_text(item).p);
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
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    int64_t number = 0;
    const struct json *summary = json_member(json_root(answer->doc), "summary");
    while (summary && json_walk_object(summary, &walk, &name, &value) && json_get_int(value, &number))
        (void)printf("%.*s %lld  ", (int)name.n, name.p, (long long)number);
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

static const struct option_spec list_specs[] = {{"--name", 0, "TEXT", "part of the name"},
                                                {"--type", 0, "TYPE", "of this type"},
                                                {"--enabled", 0, "BOOL", "true or false"},
                                                {"--label", 0, "K=V", "with this label"},
                                                {"--page", 0, "N", "page"},
                                                {"--page-size", 0, "N", "rows of a page, at most 100"},
                                                CLIENT_OPTIONS,
                                                OPTIONS_END};

int cli_task(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "tasks", 0, 0, list_specs, list},
        {"show", "ID", "one task, by name or uid", 1, 1, client_only_specs, show},
        {"create", "", "create a task", 0, 0, create_specs, create},
        {"update", "ID", "change what is given", 1, 1, create_specs, update},
        {"delete", "ID", "delete a task; its history stays", 1, 1, client_only_specs, delete},
        {"enable", "ID", "enable a task", 1, 1, client_only_specs, enable},
        {"disable", "ID", "disable a task", 1, 1, disable_specs, disable},
        {"trigger", "ID", "run a task; prints the execution's uid", 1, 1, trigger_specs, trigger},
        {"next", "ID", "coming slots", 1, 1, next_specs, next},
        {"occurrences", "ID", "slots with their verdicts", 1, 1, occurrence_specs, occurrences},
        {"stats", "", "statistics", 0, 0, stats_specs, stats},
    };
    return subcommand_run("task", rows, ARRAY_LEN(rows), argc, argv);
}
