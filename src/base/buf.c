/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

char *buf_reserve(struct buf *buf, size_t count)
{
    must(buf->max > 0);
    if (buf->failed || count > buf->max - buf->len) {
        buf->failed = true;
        return NULL;
    }
    size_t need = buf->len + count + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap * 2 : 64;
        while (cap < need)
            cap *= 2;
        if (cap > buf->max + 1)
            cap = buf->max + 1;
        buf->data = xrealloc(buf->data, cap);
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_commit(struct buf *buf, size_t count)
{
    must(buf->len + count < buf->cap);
    buf->len += count;
    buf->data[buf->len] = '\0';
}

void buf_add_growing(struct buf *buf, const void *bytes, size_t count)
{
    char *at = buf_reserve(buf, count);
    if (!at)
        return;
    if (count)
        memcpy(at, bytes, count);
    buf_commit(buf, count);
}

void buf_add_int(struct buf *buf, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        digits[--at] = '-';
    buf_add(buf, digits + at, sizeof digits - at);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    must(n >= 0);
    char *at = buf_reserve(buf, (size_t)n);
    if (at) {
        (void)vsnprintf(at, (size_t)n + 1, format, again);
        buf_commit(buf, (size_t)n);
    }
    va_end(again);
}

void buf_consume(struct buf *buf, size_t count)
{
    must(count <= buf->len);
    if (!count)
        return;
    memmove(buf->data, buf->data + count, buf->len - count + 1);
    buf->len -= count;
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

char *buf_take(struct buf *buf)
{
    char *data = buf->data;
    *buf = (struct buf){.max = buf->max};
    return data;
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}
