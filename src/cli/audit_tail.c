/* SPDX-License-Identifier: Apache-2.0 */
/* horae audit tail: the newest events, then those to come, as the server's stream tells of them. The stream is opened first, so
 * that nothing falls between; what both tell of is printed once. */
#include "base/mem.h"
#include "cli/audit_log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1 << 20, SHOWN_MAX = 100, RECONNECT_US = 500000, DEFAULT_COUNT = 10 };

const struct option_spec audit_tail_specs[] = {
    {"--lines", 'n', "N", "first the newest N events, at most 100 (10)"}, CLIENT_OPTIONS, OPTIONS_END};

struct tail {
    const struct client *client;
    struct buf line;
    char event[32], place[64]; /* of the stream: the kind of the event in hand, the last id */
    char shown[SHOWN_MAX][40]; /* ids of what the list has told of */
    size_t shown_count;
    int64_t count;
    bool begun, missed;
};

static void print(const struct tail *t, const struct json *event)
{
    if (!t->client->json) {
        audit_log_print_line(event);
        return;
    }
    char *text = json_print(event);
    (void)printf("%s\n", text);
    (void)fflush(stdout);
    free(text);
}

/* Oldest first, the newest `count`. Those before them are noted, too: the stream may still tell of some of them. */
static void print_newest(struct tail *t)
{
    char path[64];
    struct answer answer;
    (void)snprintf(path, sizeof path, "/audit/events?page_size=%d", SHOWN_MAX);
    if (client_call(t->client, "GET", path, NULL, &answer) == CLI_DONE) {
        const struct json *data = answer_data(&answer);
        for (size_t i = data ? json_count(data) : 0; i-- > 0;) {
            const struct json *event = json_item(data, i);
            struct str id = json_get_text(json_member(event, "id"));
            (void)str_copy(t->shown[t->shown_count++], sizeof t->shown[0], id.p, id.n);
            if (i < (size_t)t->count)
                print(t, event);
        }
    }
    answer_release(&answer);
}

static bool was_shown(const struct tail *t, struct str id)
{
    for (size_t i = 0; i < t->shown_count; i++)
        if (str_equal(id, t->shown[i]))
            return true;
    return false;
}

/* The stream tells of events by reference; their own text is asked for. */
static void show_by_id(const struct tail *t, struct str id)
{
    char text[40];
    struct answer answer;
    (void)str_copy(text, sizeof text, id.p, id.n);
    char *path = subcommand_path("/audit/events/", text, "");
    if (client_ask(t->client, "GET", path, NULL, &answer) == CLI_DONE && answer_data(&answer))
        print(t, answer_data(&answer));
    answer_release(&answer);
    free(path);
}

static void on_data(struct tail *t, const char *text, size_t n)
{
    struct json_doc *doc;
    struct err err;
    if (strcmp(t->event, "resync") == 0) {
        (void)fprintf(stderr, "horae: events may be missing here: see horae audit list\n");
        return;
    }
    if (json_parse(text, n, &doc, &err) != OK)
        return;
    struct str id = json_get_text(json_member(json_root(doc), "id"));
    if (id.n && !was_shown(t, id))
        show_by_id(t, id);
    json_doc_free(doc);
}

static void on_line(struct tail *t)
{
    const char *line = t->line.data ? t->line.data : "";
    if (strncmp(line, "event: ", 7) == 0)
        (void)snprintf(t->event, sizeof t->event, "%s", line + 7);
    else if (strncmp(line, "id: ", 4) == 0)
        (void)snprintf(t->place, sizeof t->place, "%s", line + 4);
    else if (strncmp(line, "data: ", 6) == 0)
        on_data(t, line + 6, t->line.len - 6);
    if (!t->begun && line[0]) { /* we are connected: what happens from here on comes by the stream */
        t->begun = true;
        if (t->count)
            print_newest(t);
    }
    buf_clear(&t->line);
}

static void take(void *arg, const char *bytes, size_t n)
{
    struct tail *t = arg;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n')
            on_line(t);
        else
            buf_add_char(&t->line, bytes[i]);
    }
}

int audit_tail(const struct client *client, const struct options *o)
{
    static struct tail t;
    const char *lines = options_value(o, "--lines");
    t = (struct tail){.client = client, .count = DEFAULT_COUNT};
    if (lines && !str_to_int(str_of(lines), 0, SHOWN_MAX, &t.count)) {
        (void)fprintf(stderr, "horae audit tail: --lines must be a number between 0 and %d\n", SHOWN_MAX);
        return CLI_USAGE;
    }
    buf_init(&t.line, LINE_MAX_BYTES);
    int code;
    do { /* the server ends a stream after an hour; we go on where it was */
        struct buf path;
        buf_init(&path, CLIENT_PATH_MAX);
        buf_add_text(&path, "/stream?topics=audit");
        client_query(&path, "since", t.place[0] ? t.place : NULL);
        code = client_stream(client, path.data, take, &t);
        buf_clear(&t.line);
        buf_release(&path);
        if (code == CLI_DONE)
            (void)usleep(RECONNECT_US);
    } while (code == CLI_DONE);
    buf_release(&t.line);
    return code;
}
