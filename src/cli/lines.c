/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lines.h"

#include "base/mem.h"
#include "base/panic.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void lines_init(struct lines *l, int fd, FILE *out, size_t line_max)
{
    must(line_max < LINES_CAPACITY);
    *l = (struct lines){.fd = fd, .out = out, .line_max = line_max, .data = xmalloc(LINES_CAPACITY)};
}

void lines_release(struct lines *l)
{
    free(l->data);
    l->data = NULL;
}

/* Moves what is left to the front and reads more behind it. False: the stream failed. */
static bool fill(struct lines *l)
{
    memmove(l->data, l->data + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    if (fflush(l->out) != 0)
        return false;
    ssize_t got;
    do
        got = read(l->fd, l->data + l->end, LINES_CAPACITY - l->end);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return false;
    l->ended = got == 0;
    l->end += (size_t)got;
    return true;
}

static enum line_kind give(struct lines *l, size_t length, struct str *ret_line)
{
    const bool too_long = l->too_long || length > l->line_max;
    *ret_line = (struct str){l->data + l->begin, too_long ? 0 : length};
    l->too_long = false;
    return too_long ? LINE_TOO_LONG : LINE_READ;
}

enum line_kind lines_next(struct lines *l, struct str *ret_line)
{
    size_t looked_at = 0;
    for (;;) {
        const char *from = l->data + l->begin + looked_at;
        const char *found = memchr(from, '\n', l->end - l->begin - looked_at);
        if (found) {
            const size_t length = (size_t)(found - (l->data + l->begin));
            const enum line_kind kind = give(l, length, ret_line);
            l->begin += length + 1;
            return kind;
        }
        looked_at = l->end - l->begin;
        if (looked_at > l->line_max) { /* too long already: only its end is still of interest */
            l->too_long = true;
            l->begin = l->end;
            looked_at = 0;
        }
        if (l->ended) {
            if (looked_at == 0 && !l->too_long)
                return LINE_END;
            l->begin = l->end - looked_at;
            const enum line_kind kind = give(l, looked_at, ret_line);
            l->begin = l->end;
            return kind;
        }
        if (!fill(l))
            return LINE_FAILED;
    }
}
