/* SPDX-License-Identifier: Apache-2.0 */
/* Parse errors (section 6): setting them, and the text form with the expression and a caret. */
#include "cron/parse.h"

#include "cron/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 160 /* columns of the expression that the text form prints */

bool error_set(struct cron_error *e, const char *code, size_t pos, size_t len, const char *format, ...)
{
    *e = (struct cron_error){.pos = pos, .len = len == 0 ? 1 : len};
    (void)snprintf(e->code, sizeof(e->code), "%s", code);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(e->message, sizeof(e->message), format, arguments);
    va_end(arguments);
    return false;
}

void error_hint(struct cron_error *e, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(e->hint, sizeof(e->hint), format, arguments);
    va_end(arguments);
}

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80; /* of a UTF-8 sequence: no column of its own */
}

/* The expression from `from` on, control bytes made visible so that a terminal cannot be played with. */
static void put_line(struct text *t, const char *text, size_t from, size_t to)
{
    text_put(t, "  ");
    if (from > 0)
        text_put(t, "...");
    for (size_t i = from; i < to; i++) {
        const unsigned char byte = (unsigned char)text[i];
        text_put_byte(t, byte == '\t' ? ' ' : byte < 0x20 || byte == 0x7f ? '?' : text[i]);
    }
    text_put(t, "\n");
}

/* `^~~` below [pos, pos + len) of the text that is shown from `from` to `to`. *at is the first byte without a column yet. */
static void put_mark(struct text *t, const char *text, size_t to, struct cron_span span, size_t *at)
{
    for (; *at < span.pos && *at < to; (*at)++)
        if (!is_continuation(text[*at]))
            text_put_byte(t, ' ');
    for (size_t i = span.pos; i < span.pos + span.len && (i < to || i == span.pos); i++) {
        if (i < to && is_continuation(text[i]))
            continue;
        text_put_byte(t, i == span.pos ? '^' : '~');
    }
    *at = span.pos + span.len;
}

static void put_marks(struct text *t, const char *text, size_t from, size_t to, const struct cron_error *e)
{
    size_t at = from;
    text_put(t, from > 0 ? "     " : "  ");
    put_mark(t, text, to, (struct cron_span){e->pos, e->len}, &at);
    for (size_t i = 0; i < CRON_ERROR_MORE_MAX && e->more[i].len > 0 && e->more[i].pos < to; i++)
        put_mark(t, text, to, e->more[i], &at);
    text_put(t, "\n");
}

size_t cron_format_error(const char *text, const struct cron_error *e, char *out, size_t cap)
{
    struct text t = text_over(out, cap);
    const size_t len = strlen(text);
    const bool never = strcmp(e->code, "never") == 0;
    text_putf(&t, "horae: %s%s\n", never ? "this schedule never fires: " : "schedule error: ", e->message);
    struct cron_error shown = *e;
    if (shown.pos > len)
        shown.pos = len; /* the text holds a NUL byte and ends there */
    /* A long text is shown around the position only. */
    const size_t from = shown.pos > SHOWN_MAX / 2 && len > SHOWN_MAX ? shown.pos - SHOWN_MAX / 2 : 0;
    const size_t to = len - from > SHOWN_MAX ? from + SHOWN_MAX : len;
    put_line(&t, text, from, to);
    if (shown.pos + shown.len > to)
        shown.len = to > shown.pos ? to - shown.pos : 1;
    put_marks(&t, text, from, to, &shown);
    if (e->hint[0] != '\0')
        text_putf(&t, "  hint: %s\n", e->hint);
    return text_end(&t);
}
