/* SPDX-License-Identifier: Apache-2.0 */
/* Appending text to a caller's array, with snprintf's contract: never beyond the capacity, always a NUL when there is
 * room for one, and the length that the whole text would have.
 * Parts of one text_putf are at most 511 bytes. */
#ifndef HORAE_CRON_TEXT_H
#define HORAE_CRON_TEXT_H

#include "base/compiler.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct text {
    char *out;
    size_t cap, len;
};

static inline struct text text_over(char *out, size_t cap)
{
    return (struct text){out, cap, 0};
}

static inline void text_put_byte(struct text *t, char byte)
{
    if (t->len + 1 < t->cap)
        t->out[t->len] = byte;
    t->len++;
}

static inline void text_put(struct text *t, const char *string)
{
    for (; *string != '\0'; string++)
        text_put_byte(t, *string);
}

PRINTF_LIKE(2, 3) static inline void text_putf(struct text *t, const char *format, ...)
{
    char part[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(part, sizeof(part), format, arguments);
    va_end(arguments);
    text_put(t, part);
}

static inline size_t text_end(struct text *t)
{
    if (t->cap > 0)
        t->out[t->len < t->cap ? t->len : t->cap - 1] = '\0';
    return t->len;
}

#endif
