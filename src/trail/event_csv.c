/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/event_csv.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What stands in a column: a member, or a member of one. Objects are their JSON. */
static const struct {
    const char *title, *member, *inner;
} columns[] = {
    {"id", "id", NULL},
    {"timestamp", "timestamp", NULL},
    {"time", NULL, NULL}, /* the timestamp for people */
    {"action", "action", NULL},
    {"status", "status", NULL},
    {"resource_type", "resource_type", NULL},
    {"resource_id", "resource", "identifier"},
    {"resource_data", "resource", "data"},
    {"user_uid", "user", "uid"},
    {"username", "user", "username"},
    {"user_type", "user", "type"},
    {"space_path", "space_path", NULL},
    {"client_ip", "client_ip", NULL},
    {"user_agent", "user_agent", NULL},
    {"request_method", "request_method", NULL},
    {"request_id", "request_id", NULL},
    {"subsystem", "subsystem", NULL},
    {"error_message", "error_message", NULL},
    {"data", "data", NULL},
    {"old_object", "diff_object", "old_object"},
    {"new_object", "diff_object", "new_object"},
    {"truncated_fields", "diff_object", "truncated_fields"},
    {"created_at", "created_at", NULL},
};

static void add_field(struct buf *out, struct str text, bool first)
{
    bool formula = text.n && memchr("=+-@\t\r", text.p[0], 6), quote = formula;
    if (!first)
        buf_add_char(out, ',');
    for (size_t i = 0; i < text.n && !quote; i++)
        quote = memchr(",\"\r\n", text.p[i], 4) != NULL;
    if (!quote) {
        buf_add(out, text.p, text.n);
        return;
    }
    buf_add_text(out, formula ? "\"'" : "\"");
    for (struct str rest = text, part; str_split(&rest, '"', &part);) {
        buf_add(out, part.p, part.n);
        if (rest.p)
            buf_add_text(out, "\"\"");
    }
    buf_add_char(out, '"');
}

void event_csv_head(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        add_field(out, str_of(columns[i].title), i == 0);
    buf_add_text(out, "\r\n");
}

static void add_value(struct buf *out, const struct json *value, bool first)
{
    int64_t number;
    char text[24];
    if (!value || json_is_null(value)) {
        add_field(out, (struct str){"", 0}, first);
    } else if (json_is_text(value)) {
        add_field(out, json_get_text(value), first);
    } else if (json_get_int(value, &number)) {
        (void)snprintf(text, sizeof text, "%" PRId64, number);
        add_field(out, str_of(text), first);
    } else {
        bool empty = !json_count(value);
        char *printed = json_print(value);
        add_field(out, str_of(empty ? "" : printed), first);
        free(printed);
    }
}

static void add_time(struct buf *out, const struct json *timestamp)
{
    int64_t ms = 0;
    char text[40] = "";
    if (timestamp && json_get_int(timestamp, &ms) && ms >= TIME_MS_MIN && ms <= TIME_MS_MAX)
        (void)time_format_utc(ms * US_PER_MS, 3, text, sizeof text);
    add_field(out, str_of(text), false);
}

enum err_code event_csv_line(struct buf *out, struct str event, struct err *err)
{
    struct json_doc *doc;
    struct err wrong;
    if (json_parse_exact(event.p, event.n, &doc, &wrong) != OK)
        return err_set(err, ERR_CORRUPT, NULL, "a stored event is not JSON: %s", wrong.message);
    const struct json *root = json_root(doc);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        const struct json *value = columns[i].member ? json_member(root, columns[i].member) : NULL;
        if (value && columns[i].inner)
            value = json_member(value, columns[i].inner);
        if (columns[i].member)
            add_value(out, value, i == 0);
        else
            add_time(out, json_member(root, "timestamp"));
    }
    buf_add_text(out, "\r\n");
    json_doc_free(doc);
    return OK;
}
