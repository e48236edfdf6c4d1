/* SPDX-License-Identifier: Apache-2.0 */
/* Output of executions: as text, or followed as server-sent events: lines "event: NAME" and "data: JSON". */
#include "cli/execution_logs.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { EVENT_MAX = 4 << 20, QUERY_MAX = 4096 };

const struct option_spec execution_log_specs[] = {
    {"--follow", 'f', NULL, "go on until the execution ends; exit 1 when it does not succeed"},
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

struct follower {
    struct buf line;
    char event[32];
    bool json, ended;
    int code; /* of `end`: 1 when the execution did not succeed */
};

static void on_end(struct follower *f, struct str state)
{
    f->ended = true;
    if (str_equal(state, "success"))
        return;
    f->code = CLI_FAILED;
    (void)fflush(stdout);
    (void)fprintf(stderr, "horae: the execution ended as %.*s\n", (int)state.n, state.p);
}

static void on_data(struct follower *f, const char *text, size_t n)
{
    struct json_doc *doc;
    struct err err;
    if (f->json)
        (void)printf("%.*s\n", (int)n, text);
    if (json_parse(text, n, &doc, &err) != OK)
        return;
    struct str output = json_get_text(json_member(json_root(doc), "text"));
    if (!f->json && output.n) {
        FILE *out = strcmp(f->event, "stderr") == 0 ? stderr : stdout;
        (void)fwrite(output.p, 1, output.n, out);
    }
    (void)fflush(stdout);
    if (strcmp(f->event, "end") == 0)
        on_end(f, json_get_text(json_member(json_root(doc), "state")));
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

static char *log_path(const char *id, const char *stream, const char *tail, bool follow)
{
    struct buf suffix;
    buf_init(&suffix, QUERY_MAX);
    buf_add_text(&suffix, "/logs");
    client_query(&suffix, "stream", stream);
    client_query(&suffix, "tail", tail);
    client_query(&suffix, "follow", follow ? "1" : NULL);
    char *path = subcommand_path("/scheduler/executions/", id, suffix.data ? suffix.data : "");
    buf_release(&suffix);
    return path;
}

int execution_follow(const struct client *client, const char *id, const char *stream, const char *tail)
{
    struct follower f = {.json = client->json};
    buf_init(&f.line, EVENT_MAX);
    char *path = log_path(id, stream, tail, true);
    int code = client_stream(client, path, take_events, &f);
    free(path);
    buf_release(&f.line);
    if (code == CLI_DONE && !f.ended) {
        (void)fprintf(stderr, "horae: the connection ended before the execution did\n");
        return CLI_UNREACHABLE;
    }
    return code == CLI_DONE ? f.code : code;
}

int execution_logs(const struct client *client, const struct options *o)
{
    const char *stream = options_value(o, "--stream"), *tail = options_value(o, "--tail");
    if (options_flag(o, "--follow"))
        return execution_follow(client, o->positional[0], stream, tail);
    char *path = log_path(o->positional[0], stream, tail, false);
    int code = client_stream(client, path, print_bytes, NULL);
    free(path);
    return code;
}
