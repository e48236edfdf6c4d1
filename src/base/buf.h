/* SPDX-License-Identifier: Apache-2.0 */
/* Growing byte buffer that cannot be made without its maximum. Passing the maximum sets `failed` and drops what
 * comes after, so that writers check once, at the end. Always NUL-terminated when data != NULL. */
#ifndef HORAE_BASE_BUF_H
#define HORAE_BASE_BUF_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data; /* owned; NULL while empty */
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *buf, size_t max);
void buf_add_growing(struct buf *buf, const void *bytes, size_t count); /* buf_add without its fast path */

/* Inline, as answers are made of a hundred small pieces: a copy while there is room, which `cap` keeps below `max`. */
static inline void buf_add(struct buf *buf, const void *bytes, size_t count)
{
    if (buf->failed || count >= buf->cap - buf->len) {
        buf_add_growing(buf, bytes, count);
        return;
    }
    memcpy(buf->data + buf->len, bytes, count);
    buf->len += count;
    buf->data[buf->len] = '\0';
}

static inline void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

static inline void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_add_int(struct buf *buf, int64_t value);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Removes `count` bytes from the front. */
void buf_consume(struct buf *buf, size_t count);
/* Room for `count` more bytes at the end (NULL when over the maximum); then buf_commit what was written. */
char *buf_reserve(struct buf *buf, size_t count);
void buf_commit(struct buf *buf, size_t count);
void buf_clear(struct buf *buf); /* keeps the memory */
/* Hands the memory to the caller (free()); NULL stays NULL. */
char *buf_take(struct buf *buf);
void buf_release(struct buf *buf);

#endif
