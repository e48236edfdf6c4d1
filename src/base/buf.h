/* SPDX-License-Identifier: Apache-2.0 */
/* Growing byte buffer that cannot be made without its maximum. Passing the maximum sets `failed` and drops what
 * comes after, so that writers check once, at the end. Always NUL-terminated when data != NULL. */
#ifndef HORAE_BASE_BUF_H
#define HORAE_BASE_BUF_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct buf {
    char *data; /* owned; NULL while empty */
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *buf, size_t max);
void buf_add(struct buf *buf, const void *bytes, size_t count);
void buf_add_text(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
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
