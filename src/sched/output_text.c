/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/output_text.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

enum { CHARACTER_MAX = 4, REPLACEMENT_BYTES = 3 };

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static bool is_clean(const char *bytes, size_t length)
{
    return str_is_utf8(bytes, length) && !memchr(bytes, 0, length);
}

/* The bytes with everything that is no character replaced; runs of characters are copied whole. */
static void clean(const char *bytes, size_t length, struct buf *out)
{
    size_t plain = 0;
    for (size_t i = 0; i < length;) {
        size_t step = bytes[i] ? str_utf8_next(bytes + i, length - i) : 0;
        if (step) {
            i += step;
            continue;
        }
        buf_add(out, bytes + plain, i - plain);
        buf_add_text(out, "\xEF\xBF\xBD");
        plain = ++i;
    }
    buf_add(out, bytes + plain, length - plain);
}

char *output_text_end(const char *bytes, size_t length, size_t max, bool is_tail, bool *ret_cut)
{
    size_t lead = 0;
    while (is_tail && lead < length && lead < CHARACTER_MAX - 1 && is_continuation(bytes[lead]))
        lead++;
    if (lead == CHARACTER_MAX - 1 && length > lead && is_continuation(bytes[lead]))
        lead = 0; /* not the rest of a character: no text at all */
    bytes += lead;
    length -= lead;
    struct buf out;
    buf_init(&out, length * REPLACEMENT_BYTES + 1);
    if (!is_clean(bytes, length)) {
        clean(bytes, length, &out);
        bytes = out.data;
        length = out.len;
    }
    size_t skip = length > max ? length - max : 0;
    while (skip && skip < length && is_continuation(bytes[skip]))
        skip++;
    *ret_cut |= skip > 0 || lead > 0;
    char *text = length > skip ? xstrndup(bytes + skip, length - skip) : NULL;
    buf_release(&out);
    return text;
}

/* Bytes at the end that begin a character and do not end it. */
static size_t unfinished(const char *bytes, size_t length)
{
    for (size_t back = 1; back < CHARACTER_MAX && back <= length; back++) {
        unsigned char c = (unsigned char)bytes[length - back];
        if (is_continuation((char)c))
            continue;
        size_t need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        return need > back ? back : 0;
    }
    return 0;
}

char *output_text_begin(const char *bytes, size_t length, size_t max, bool is_head, bool *ret_cut)
{
    if (is_head)
        length -= unfinished(bytes, length);
    struct buf out;
    buf_init(&out, length * REPLACEMENT_BYTES + 1);
    if (!is_clean(bytes, length)) {
        clean(bytes, length, &out);
        bytes = out.data;
        length = out.len;
    }
    size_t keep = str_utf8_cut(bytes, length, max);
    *ret_cut |= keep < length;
    char *text = keep ? xstrndup(bytes, keep) : NULL;
    buf_release(&out);
    return text;
}
