/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const api_codes[] = {
    [OK] = "OK",
    [ERR_INVALID] = "INVALID_PARAMETER",
    [ERR_NOT_FOUND] = "NOT_FOUND",
    [ERR_CONFLICT] = "CONFLICT",
    [ERR_DENIED] = "FORBIDDEN",
    [ERR_UNAUTHENTICATED] = "UNAUTHORIZED",
    [ERR_LIMIT] = "RATE_LIMITED",
    [ERR_BUSY] = "UNAVAILABLE",
    [ERR_TIMEOUT] = "UNAVAILABLE",
    [ERR_CANCELLED] = "UNAVAILABLE",
    [ERR_UNAVAILABLE] = "UNAVAILABLE",
    [ERR_CORRUPT] = "INTERNAL_ERROR",
    [ERR_INTERNAL] = "INTERNAL_ERROR",
};

/* A text that was cut to fit its buffer may end inside a character. */
static void cut_whole(char *text, size_t capacity)
{
    size_t n = strlen(text), from = n;
    if (n + 1 < capacity)
        return;
    while (from > 0 && n - from < 4 && ((unsigned char)text[from - 1] & 0xC0) == 0x80)
        from--;
    if (from > 0 && ((unsigned char)text[from - 1] & 0x80) && !str_is_utf8(text + from - 1, n - from + 1))
        text[from - 1] = '\0';
}

/* A caller's own text may be quoted, also cut: it must not begin another line, in a log or on a terminal, nor break UTF-8. */
static void make_one_line(char *text)
{
    for (size_t left = strlen(text); left;) {
        size_t n = str_utf8_next(text, left);
        if (!n || (unsigned char)*text < 32 || *text == 127) {
            *text = '?';
            n = 1;
        }
        text += n;
        left -= n;
    }
}

static void fill(struct err *err, enum err_code code, const char *api_code, const char *param, const char *format,
                 va_list arguments)
{
    /* The arguments may point into *err (wrapping an inner error), so build aside. */
    struct err built = {.code = code};
    if (api_code)
        (void)snprintf(built.api_code, sizeof built.api_code, "%s", api_code);
    if (param)
        (void)snprintf(built.param, sizeof built.param, "%s", param);
    (void)vsnprintf(built.message, sizeof built.message, format, arguments);
    cut_whole(built.param, sizeof built.param);
    cut_whole(built.message, sizeof built.message);
    make_one_line(built.param);
    make_one_line(built.message);
    *err = built;
}

enum err_code err_set(struct err *err, enum err_code code, const char *api_code, const char *format, ...)
{
    if (!err)
        return code;
    va_list arguments;
    va_start(arguments, format);
    fill(err, code, api_code, NULL, format, arguments);
    va_end(arguments);
    return code;
}

enum err_code err_param(struct err *err, const char *param, const char *format, ...)
{
    if (!err)
        return ERR_INVALID;
    va_list arguments;
    va_start(arguments, format);
    fill(err, ERR_INVALID, "INVALID_PARAMETER", param, format, arguments);
    va_end(arguments);
    return ERR_INVALID;
}

const char *err_api_code(const struct err *err)
{
    return err->api_code[0] ? err->api_code : api_codes[err->code];
}
