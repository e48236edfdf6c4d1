/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_write.h"
#include "base/clock.h"
#include "base/panic.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 32 };

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* A comma when an element of the same container came before. */
static void before_value(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    uint32_t bit = (uint32_t)1 << w->depth;
    if (w->has_items & bit)
        buf_add_char(w->out, ',');
    w->has_items |= bit;
}

static void open_container(struct json_writer *w, char c)
{
    before_value(w);
    buf_add_char(w->out, c);
    must(++w->depth < MAX_DEPTH);
    w->has_items &= ~((uint32_t)1 << w->depth);
}

static void close_container(struct json_writer *w, char c)
{
    must(w->depth > 0 && !w->after_key);
    w->depth--;
    buf_add_char(w->out, c);
}

void json_begin_object(struct json_writer *w)
{
    open_container(w, '{');
}

void json_end_object(struct json_writer *w)
{
    close_container(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    open_container(w, '[');
}

void json_end_array(struct json_writer *w)
{
    close_container(w, ']');
}

static void add_escape(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"': buf_add(out, "\\\"", 2); break;
    case '\\': buf_add(out, "\\\\", 2); break;
    case '\n': buf_add(out, "\\n", 2); break;
    case '\r': buf_add(out, "\\r", 2); break;
    case '\t': buf_add(out, "\\t", 2); break;
    default: buf_printf(out, "\\u%04x", c);
    }
}

/* Runs of plain bytes are copied whole; malformed UTF-8 becomes U+FFFD byte by byte. */
static void add_escaped(struct buf *out, const char *text, size_t length, bool valid)
{
    size_t plain = 0;
    for (size_t i = 0; i < length;) {
        unsigned char c = (unsigned char)text[i];
        size_t step = 1;
        bool bad = false;
        if (c >= 0x80 && !valid) {
            step = str_utf8_next(text + i, length - i);
            bad = step == 0;
        }
        if (c >= 0x20 && c != '"' && c != '\\' && !bad) {
            i += step;
            continue;
        }
        buf_add(out, text + plain, i - plain);
        if (bad)
            buf_add_text(out, "\xEF\xBF\xBD");
        else
            add_escape(out, c);
        plain = ++i;
    }
    buf_add(out, text + plain, length - plain);
}

/* Bytes from the front that stand for themselves: printable ASCII without the quote and the backslash. */
static size_t plain_length(const char *text, size_t length)
{
    size_t n = 0;
    for (unsigned char c; n < length && (c = (unsigned char)text[n]) >= 0x20 && c < 0x80 && c != '"' && c != '\\';)
        n++;
    return n;
}

static void add_quoted(struct buf *out, const char *text, size_t length)
{
    size_t plain = plain_length(text, length); /* mostly all of it */
    buf_add_char(out, '"');
    buf_add(out, text, plain);
    if (plain < length)
        add_escaped(out, text + plain, length - plain, str_is_utf8(text + plain, length - plain));
    buf_add_char(out, '"');
}

void json_key(struct json_writer *w, const char *key)
{
    must(!w->after_key && w->depth > 0);
    before_value(w);
    buf_add_char(w->out, '"');
    buf_add_text(w->out, key);
    buf_add(w->out, "\":", 2);
    w->after_key = true;
}

void json_key_any(struct json_writer *w, const char *key, size_t length)
{
    must(!w->after_key && w->depth > 0);
    before_value(w);
    add_quoted(w->out, key, length);
    buf_add_char(w->out, ':');
    w->after_key = true;
}

void json_text_n(struct json_writer *w, const char *text, size_t length)
{
    before_value(w);
    add_quoted(w->out, text, length);
}

void json_text(struct json_writer *w, const char *text)
{
    json_text_n(w, text, strlen(text));
}

void json_int(struct json_writer *w, int64_t value)
{
    before_value(w);
    buf_add_int(w->out, value);
}

void json_number(struct json_writer *w, double value)
{
    before_value(w);
    if (!isfinite(value)) {
        buf_add_text(w->out, "null");
        return;
    }
    char text[64];
    int n = snprintf(text, sizeof text, "%.6f", value);
    while (n > 1 && text[n - 1] == '0')
        n--;
    if (text[n - 1] == '.')
        n--;
    buf_add(w->out, text, (size_t)n);
}

void json_bool(struct json_writer *w, bool value)
{
    before_value(w);
    buf_add_text(w->out, value ? "true" : "false");
}

void json_null(struct json_writer *w)
{
    before_value(w);
    buf_add_text(w->out, "null");
}

void json_raw(struct json_writer *w, const char *text, size_t length)
{
    before_value(w);
    buf_add(w->out, text, length);
}

void json_put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_text(w, text);
}

void json_put_text_unless_empty(struct json_writer *w, const char *key, const char *text)
{
    if (text && text[0])
        json_put_text(w, key, text);
}

void json_put_int(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
    json_key(w, key);
    json_bool(w, value);
}

void json_put_time(struct json_writer *w, const char *key, int64_t us, int fraction)
{
    char text[40];
    size_t n = time_format_utc(us, fraction, text, sizeof text);
    json_key(w, key);
    before_value(w);
    buf_add_char(w->out, '"');
    buf_add(w->out, text, n);
    buf_add_char(w->out, '"');
}

void json_put_time_or_null(struct json_writer *w, const char *key, int64_t us, int fraction)
{
    if (us) {
        json_put_time(w, key, us, fraction);
        return;
    }
    json_key(w, key);
    json_null(w);
}

void json_put_uuid(struct json_writer *w, const char *key, const struct uuid *uuid)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(uuid, text);
    json_put_text(w, key, text);
}
