/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/audit_log.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/json_difference.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/text_width.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_OUT_MAX = 1 << 28 };

#define EVENTS "/audit/events"

void audit_log_filters(struct buf *path, const struct options *o)
{
    static const struct {
        const char *option, *parameter;
    } filters[] = {{"--user", "user_uid"},           {"--action", "action"},       {"--resource-type", "resource_type"},
                   {"--resource-id", "resource_id"}, {"--status", "status"},       {"--client-ip", "client_ip"},
                   {"--request-id", "request_id"},   {"--subsystem", "subsystem"}, {"--space-path", "space_path"},
                   {"--from", "start_time"},         {"--to", "end_time"},         {"--text", "q"}};
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        client_query(path, filters[i].parameter, options_value(o, filters[i].option));
}

/* ---- list ---- */

const struct option_spec audit_list_specs[] = {AUDIT_FILTER_OPTIONS,
                                               {"--page", 0, "N", "page"},
                                               {"--page-size", 0, "N", "rows of a page, at most 100 (20)"},
                                               {"--cursor", 0, "C", "next_cursor of the page before, instead of --page"},
                                               CLIENT_OPTIONS,
                                               OPTIONS_END};

static char *when(const struct json *event)
{
    int64_t ms = 0;
    char text[40];
    const struct json *timestamp = json_member(event, "timestamp");
    if (!timestamp || !json_get_int(timestamp, &ms) || ms < TIME_MS_MIN || ms > TIME_MS_MAX)
        return xstrdup("?");
    size_t n = time_format_utc(ms * US_PER_MS, 3, text, sizeof text);
    return table_time(text, n, true);
}

static struct str text_at(const struct json *event, const char *member, const char *inner)
{
    const struct json *value = json_member(event, member);
    if (value && inner)
        value = json_member(value, inner);
    struct str text = value ? json_get_text(value) : (struct str){"", 0};
    return text.p ? text : (struct str){"", 0};
}

static char *join(struct str a, const char *between, struct str b)
{
    struct buf text;
    buf_init(&text, TEXT_OUT_MAX);
    buf_add(&text, a.p, a.n);
    if (a.n && b.n)
        buf_add_text(&text, between);
    buf_add(&text, b.p, b.n);
    buf_add_text(&text, "");
    char *joined = buf_take(&text);
    return joined ? joined : xstrdup("");
}

/* Its name, by which people know it; what has none, and what was named nothing, by its identifier. */
static struct str name_of_resource(const struct json *resource)
{
    static const char *const members[] = {"name", "resourceName"}; /* the latter in events that were migrated (MIG-02) */
    const struct json *data = json_member(resource, "data");
    for (size_t i = 0; data && i < ARRAY_LEN(members); i++) {
        struct str name = text_at(data, members[i], NULL);
        if (name.n)
            return name;
    }
    return text_at(resource, "identifier", NULL);
}

static char *on_what(const struct json *event)
{
    const struct json *resource = json_member(event, "resource");
    return join(text_at(event, "resource_type", NULL), " ", resource ? name_of_resource(resource) : (struct str){"", 0});
}

static char *by_whom(const struct json *event)
{
    struct str name = text_at(event, "user", "username");
    return join(name.n ? name : text_at(event, "user", "uid"), "", (struct str){"", 0});
}

static const struct column columns[] = {
    {"TIME", NULL, when}, {"ACTION", "action"}, {"RESOURCE", NULL, on_what}, {"USER", NULL, by_whom}, {"FROM", "client_ip"},
    {"STATUS", "status"}, {"ID", "id"}};

static void print_list(const struct answer *answer)
{
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
    struct str cursor = json_get_text(json_member(json_member(json_root(answer->doc), "pagination"), "next_cursor"));
    if (cursor.n)
        (void)fprintf(stderr, "there are more: --cursor %.*s goes on\n", (int)cursor.n, cursor.p);
}

int audit_list(const struct client *client, const struct options *o)
{
    struct buf path;
    buf_init(&path, CLIENT_PATH_MAX);
    buf_add_text(&path, EVENTS);
    audit_log_filters(&path, o);
    client_query(&path, "page", options_value(o, "--page"));
    client_query(&path, "page_size", options_value(o, "--page-size"));
    client_query(&path, "cursor", options_value(o, "--cursor"));
    int code = subcommand_call(client, "GET", path.data, NULL, print_list);
    buf_release(&path);
    return code;
}

void audit_log_print_line(const struct json *event)
{
    char *time = when(event), *what = on_what(event), *who = by_whom(event);
    struct str action = text_at(event, "action", NULL), from = text_at(event, "client_ip", NULL),
               status = text_at(event, "status", NULL);
    text_tame(what, "");
    text_tame(who, "");
    (void)printf("%s  %-9.*s  %s  by %s%s%.*s%s\n", time, (int)action.n, action.p, what, who, from.n ? " from " : "", (int)from.n,
                 from.p, str_equal(status, "failure") ? "  FAILURE" : "");
    (void)fflush(stdout);
    free(time);
    free(what);
    free(who);
}

/* ---- show ---- */

/* A JSON text inside the event; NULL: there is none, or it is not JSON. */
static struct json_doc *parse_object(const struct json *diff, const char *member)
{
    struct json_doc *doc;
    struct err err;
    const struct json *value = json_member(diff, member);
    struct str text = value ? json_get_text(value) : (struct str){NULL, 0};
    return text.n && json_parse_exact(text.p, text.n, &doc, &err) == OK ? doc : NULL;
}

static void print_names(const char *title, const struct json *list)
{
    if (!list || !json_count(list))
        return;
    char *text = json_print(list);
    (void)printf("\n%s: %s\n", title, text);
    free(text);
}

static void print_changes(const struct json *diff)
{
    struct buf text;
    struct json_doc *old_doc = parse_object(diff, "old_object"), *new_doc = parse_object(diff, "new_object");
    buf_init(&text, TEXT_OUT_MAX);
    json_difference(&text, old_doc ? json_root(old_doc) : NULL, new_doc ? json_root(new_doc) : NULL, false);
    if (text.data) {
        text_tame(text.data, "\n");
        (void)printf("\nChanges:\n%s", text.data);
    }
    print_names("Cut", json_member(diff, "truncated_fields"));
    print_names("Sent, but left out: this action has no such object", json_member(diff, "left_out"));
    buf_release(&text);
    json_doc_free(old_doc);
    json_doc_free(new_doc);
}

/* The event without its objects, which are shown as changes. */
static void print_event(const struct answer *answer)
{
    const struct json *event = answer_data(answer), *value;
    struct json_walk walk = {0};
    struct str name;
    struct buf rest;
    struct json_writer w;
    struct json_doc *doc;
    struct err err;
    buf_init(&rest, TEXT_OUT_MAX);
    json_writer_init(&w, &rest);
    json_begin_object(&w);
    while (json_walk_object(event, &walk, &name, &value)) {
        if (str_equal(name, "diff_object"))
            continue;
        char *text = json_print(value);
        json_key_any(&w, name.p, name.n);
        json_raw(&w, text, strlen(text));
        free(text);
    }
    json_end_object(&w);
    if (json_parse(rest.data, rest.len, &doc, &err) == OK) {
        char *time = when(event);
        (void)printf("%-24s %s\n", "when", time);
        free(time);
        table_print_object(json_root(doc));
        json_doc_free(doc);
    }
    buf_release(&rest);
    if (json_member(event, "diff_object"))
        print_changes(json_member(event, "diff_object"));
}

int audit_show(const struct client *client, const struct options *o)
{
    char *path = subcommand_path(EVENTS "/", o->positional[0], "");
    int code = subcommand_call(client, "GET", path, NULL, print_event);
    free(path);
    return code;
}

/* ---- export ---- */

const struct option_spec audit_export_specs[] = {
    AUDIT_FILTER_OPTIONS,
    {"--format", 0, "F", "ndjson (default), which horae audit verify can prove when nothing is filtered, or csv"},
    {"--out", 'o', "FILE", "write to this file, which is there only when it is whole (standard output)"},
    CLIENT_OPTIONS,
    OPTIONS_END};

struct saving {
    FILE *file;
    size_t lines, total;
    bool failed;
};

static void save(void *arg, const char *bytes, size_t n)
{
    struct saving *saving = arg;
    for (const char *at = bytes; (at = memchr(at, '\n', n - (size_t)(at - bytes))); at++)
        saving->lines++;
    saving->failed |= fwrite(bytes, 1, n, saving->file) != n;
    progress_show("exported", saving->lines < saving->total ? saving->lines : saving->total, saving->total);
}

/* For the progress only: a lower bound is good enough. */
static size_t ask_total(const struct client *client, const struct options *o)
{
    struct buf path;
    struct answer answer;
    int64_t total = 0;
    buf_init(&path, CLIENT_PATH_MAX);
    buf_add_text(&path, EVENTS);
    audit_log_filters(&path, o);
    client_query(&path, "page_size", "1");
    if (client_ask(client, "GET", path.data, NULL, &answer) == CLI_DONE)
        (void)json_get_int(json_member(json_member(json_root(answer.doc), "pagination"), "total"), &total);
    answer_release(&answer);
    buf_release(&path);
    return total > 0 ? (size_t)total : 0;
}

static int run_export(const struct client *client, const struct options *o, struct saving *saving)
{
    struct buf path;
    buf_init(&path, CLIENT_PATH_MAX);
    buf_add_text(&path, EVENTS "/export");
    audit_log_filters(&path, o);
    client_query(&path, "format", options_value(o, "--format"));
    if (isatty(STDERR_FILENO))
        saving->total = ask_total(client, o);
    int code = client_stream(client, path.data, save, saving);
    progress_clear();
    buf_release(&path);
    return code;
}

static int fail_file(const char *what, const char *path)
{
    (void)fprintf(stderr, "horae audit export: cannot %s %s: %s\n", what, path, strerror(errno));
    return CLI_FAILED;
}

static int export_to_file(const struct client *client, const struct options *o, const char *out)
{
    struct saving saving = {0};
    struct buf part;
    int code;
    buf_init(&part, 65536);
    buf_printf(&part, "%s.part", out);
    saving.file = fopen(part.data, "we");
    if (!saving.file) {
        code = fail_file("write", part.data);
        buf_release(&part);
        return code;
    }
    code = run_export(client, o, &saving);
    if (fclose(saving.file) != 0 || saving.failed)
        code = code == CLI_DONE ? fail_file("write", part.data) : code;
    if (code == CLI_DONE && rename(part.data, out) != 0)
        code = fail_file("make", out);
    if (code != CLI_DONE)
        (void)unlink(part.data);
    buf_release(&part);
    return code;
}

int audit_export(const struct client *client, const struct options *o)
{
    const char *out = options_value(o, "--out");
    struct saving saving = {.file = stdout};
    if (out && strcmp(out, "-") != 0)
        return export_to_file(client, o, out);
    int code = run_export(client, o, &saving);
    return fflush(stdout) != 0 || saving.failed ? fail_file("write to", "standard output") : code;
}
