/* SPDX-License-Identifier: Apache-2.0 */
/* horae execution: history, logs, cancel, retry. */
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/subcommand.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#define EXECUTIONS "/scheduler/executions"

static const struct option_spec list_specs[] = {{"--task", 0, "NAME", "of the task with this name"},
                                                {"--state", 0, "STATE", "pending, running, success, failure, …"},
                                                {"--trigger-type", 0, "T", "scheduled or manual"},
                                                {"--from", 0, "TIME", "started at or after"},
                                                {"--to", 0, "TIME", "started at or before"},
                                                {"--page", 0, "N", "page"},
                                                {"--page-size", 0, "N", "rows of a page, at most 100"},
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
}

static int list(const struct client *client, const struct options *o)
{
    struct buf path;
    buf_init(&path, 8192);
    buf_add_text(&path, EXECUTIONS);
    client_query(&path, "task_name", options_value(o, "--task"));
    client_query(&path, "state", options_value(o, "--state"));
    client_query(&path, "trigger_type", options_value(o, "--trigger-type"));
    client_query(&path, "start_time", options_value(o, "--from"));
    client_query(&path, "end_time", options_value(o, "--to"));
    client_query(&path, "page", options_value(o, "--page"));
    client_query(&path, "page_size", options_value(o, "--page-size"));
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

static int call(const struct client *client, const struct options *o, const char *method, const char *suffix, const char *body,
                void (*print)(const struct answer *answer))
{
    char *path = subcommand_path(EXECUTIONS "/", o->positional[0], suffix);
    int code = subcommand_call(client, method, path, body, print);
    free(path);
    return code;
}

static int show(const struct client *client, const struct options *o)
{
    return call(client, o, "GET", "", NULL, print_data);
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

/* ---- logs ---- */

static const struct option_spec log_specs[] = {{"--follow", 'f', NULL, "go on until the execution ends"},
                                               {"--stream", 0, "S", "stdout, stderr or all"},
                                               {"--tail", 0, "N", "the last N lines"},
                                               CLIENT_OPTIONS,
                                               OPTIONS_END};

static void print_bytes(void *arg, const char *bytes, size_t n)
{
    (void)arg;
    (void)fwrite(bytes, 1, n, stdout);
    (void)fflush(stdout);
}

/* Server-sent events: lines "event: NAME" and "data: JSON". */
struct follower {
    struct buf line;
    char event[32];
    bool json;
    int code; /* of `end`: 1 when the execution did not succeed */
};

static void on_data(struct follower *f, const char *text, size_t n)
{
    struct json_doc *doc;
    struct err err;
    if (f->json) {
        (void)printf("%.*s\n", (int)n, text);
        (void)fflush(stdout);
    }
    if (json_parse(text, n, &doc, &err) != OK)
        return;
    struct str output = json_get_text(json_member(json_root(doc), "text")),
               state = json_get_text(json_member(json_root(doc), "state"));
    if (!f->json && output.n) {
        FILE *out = strcmp(f->event, "stderr") == 0 ? stderr : stdout;
        (void)fwrite(output.p, 1, output.n, out);
        (void)fflush(out);
    }
    if (strcmp(f->event, "end") == 0 && !str_equal(state, "success"))
        f->code = CLI_FAILED;
    json_doc_free(doc);
}

static void on_line(struct follower *f)
{
    const char *line = f->line.data ? f->line.data : "";
    if (strncmp(line, "event: ", 7) == 0)
        (void)snprintf(f->event, sizeof f->event, "%s", line + 7);
    else if (strncmp(line, "data: ", 6) == 0)
        on_data(f, line + 6, f->line.len - 6);
    buf_clear(&f->line);
}

static void take_events(void *arg, const char *bytes, size_t n)
{
    struct follower *f = arg;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n')
            on_line(f);
        else
            buf_add_char(&f->line, bytes[i]);
    }
}

static int logs(const struct client *client, const struct options *o)
{
    struct buf suffix;
    bool follow = options_flag(o, "--follow");
    struct follower f = {.json = client->json};
    buf_init(&suffix, 1024);
    buf_init(&f.line, 4 << 20);
    buf_add_text(&suffix, "/logs");
    client_query(&suffix, "stream", options_value(o, "--stream"));
    client_query(&suffix, "tail", options_value(o, "--tail"));
    client_query(&suffix, "follow", follow ? "1" : NULL);
    char *path = subcommand_path(EXECUTIONS "/", o->positional[0], suffix.data);
    int code = client_stream(client, path, follow ? take_events : print_bytes, &f);
    free(path);
    buf_release(&suffix);
    buf_release(&f.line);
    return code == CLI_DONE ? f.code : code;
}

int cli_execution(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "executions, newest first", 0, 0, list_specs, list},
        {"show", "ID", "one execution, by id or uid", 1, 1, client_only_specs, show},
        {"logs", "ID", "its output", 1, 1, log_specs, logs},
        {"cancel", "ID", "cancel it", 1, 1, cancel_specs, cancel},
        {"retry", "ID", "run the same again; prints the new uid", 1, 1, client_only_specs, retry},
    };
    return subcommand_run("execution", rows, ARRAY_LEN(rows), argc, argv);
}
