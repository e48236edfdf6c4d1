/* SPDX-License-Identifier: Apache-2.0 */
/* horae execution: history, logs, cancel, retry. */
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/execution_logs.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#define EXECUTIONS "/scheduler/executions"

static const struct option_spec list_specs[] = {
    {"--task", 0, "NAME", "of the task with this name"},
    {"--task-uid", 0, "UID", "of the task with this uid"},
    {"--uid", 0, "UID", "the execution with this uid"},
    {"--run-by", 0, "ID", "run by this instance"},
    {"--state", 0, "STATE", "pending, running, success, failure, timeout, cancelled or interrupted"},
    {"--trigger-type", 0, "T", "scheduled or manual"},
    {"--from", 0, "TIME", "started at or after"},
    {"--to", 0, "TIME", "started at or before"},
    {"--page", 0, "N", "page"},
    {"--page-size", 0, "N", "rows of a page, at most 100 (20)"},
    {"--cursor", 0, "C", "next_cursor of the page before, instead of --page"},
    CLIENT_OPTIONS,
    OPTIONS_END};

static void print_list(const struct answer *answer)
{
    static const struct column columns[] = {{"ID", "id"},
                                            {"TASK", "task_name"},
                                            {"STATE", "state"},
                                            {"SCHEDULED AT", "scheduled_at"},
                                            {"STARTED AT", "started_at"},
                                            {"MS", "duration_ms"},
                                            {"BY", "trigger_type"},
                                            {"ERROR", "error_message"}};
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
    subcommand_print_page(answer);
}

static int list(const struct client *client, const struct options *o)
{
    static const struct {
        const char *option, *parameter;
    } filters[] = {{"--task", "task_name"},      {"--task-uid", "task_uid"}, {"--uid", "execution_uid"},
                   {"--run-by", "run_by"},       {"--state", "state"},       {"--trigger-type", "trigger_type"},
                   {"--from", "start_time"},     {"--to", "end_time"},       {"--page", "page"},
                   {"--page-size", "page_size"}, {"--cursor", "cursor"}};
    struct buf path;
    buf_init(&path, CLIENT_PATH_MAX);
    buf_add_text(&path, EXECUTIONS);
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        client_query(&path, filters[i].parameter, options_value(o, filters[i].option));
    int code = subcommand_call(client, "GET", path.data, NULL, print_list);
    buf_release(&path);
    return code;
}

static const struct resource execution_resource = {EXECUTIONS "/", NULL};

static int call(const struct client *client, const struct options *o, const char *method, const char *suffix, const char *body,
                void (*print)(const struct answer *answer))
{
    return subcommand_call_one(client, &execution_resource, method, o->positional[0], suffix, body, print);
}

static int show(const struct client *client, const struct options *o)
{
    return call(client, o, "GET", "", NULL, subcommand_print_data);
}

static const struct option_spec cancel_specs[] = {
    {"--reason", 0, "TEXT", "kept with the execution"}, CLIENT_OPTIONS, OPTIONS_END};

static int cancel(const struct client *client, const struct options *o)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, 8192);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_put_text_unless_empty(&w, "reason", options_value(o, "--reason"));
    json_end_object(&w);
    int code = call(client, o, "POST", "/cancel", body.data, NULL);
    buf_release(&body);
    return code;
}

static void print_uid(const struct answer *answer)
{
    struct str uid = json_get_text(json_member(json_root(answer->doc), "execution_uid"));
    (void)printf("%.*s\n", (int)uid.n, uid.p);
}

static int retry(const struct client *client, const struct options *o)
{
    return call(client, o, "POST", "/retry", NULL, print_uid);
}

int cli_execution(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "executions, newest first", 0, 0, list_specs, list},
        {"show", "ID", "one execution, by id or uid", 1, 1, client_only_specs, show},
        {"logs", "ID", "its output", 1, 1, execution_log_specs, execution_logs},
        {"cancel", "ID", "cancel it", 1, 1, cancel_specs, cancel},
        {"retry", "ID", "run the same again; prints the new uid", 1, 1, client_only_specs, retry},
    };
    return subcommand_run("execution", rows, ARRAY_LEN(rows), argc, argv);
}
