/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <string.h>
#include <strings.h>

struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

bool str_equal(struct str a, const char *b)
{
    return strlen(b) == a.n && (a.n == 0 || memcmp(a.p, b, a.n) == 0);
}

bool str_equal_ignoring_case(struct str a, const char *b)
{
    return strlen(b) == a.n && (a.n == 0 || strncasecmp(a.p, b, a.n) == 0);
}

bool str_starts_with(struct str text, const char *prefix)
{
    size_t n = strlen(prefix);
    return text.n >= n && memcmp(text.p, prefix, n) == 0;
}

struct str str_trim(struct str text)
{
    while (text.n && (*text.p == ' ' || *text.p == '\t')) {
        text.p++;
        text.n--;
    }
    while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
        text.n--;
    return text;
}

bool str_split(struct str *rest, char separator, struct str *ret_part)
{
    if (!rest->p)
        return false;
    const char *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
    if (!at) {
        *ret_part = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    size_t n = (size_t)(at - rest->p);
    *ret_part = (struct str){rest->p, n};
    *rest = (struct str){at + 1, rest->n - n - 1};
    return true;
}

bool str_to_int(struct str text, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = text.n && text.p[0] == '-' && min < 0;
    size_t i = negative ? 1 : 0;
    if (i == text.n)
        return false;
    int64_t value = 0; /* built negative, which reaches INT64_MIN */
    for (; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, text.p[i] - '0', &value))
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    if (value < min || value > max)
        return false;
    *ret = value;
    return true;
}

bool str_to_bool(struct str text, bool *ret)
{
    bool is_true = str_equal(text, "true");
    if (!is_true && !str_equal(text, "false"))
        return false;
    *ret = is_true;
    return true;
}

/* Length of the sequence that starts at p, or 0 when it is not well formed (RFC 3629). */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return n;
}

size_t str_utf8_next(const char *text, size_t length)
{
    return length ? utf8_sequence((const unsigned char *)text, length) : 0;
}

/* Most text is ASCII: eight bytes at a time. */
static bool are_ascii(const unsigned char p[8])
{
    uint64_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return !(bytes & UINT64_C(0x8080808080808080));
}

bool str_is_utf8(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < length;) {
        if (length - i >= 8 && are_ascii(p + i)) {
            i += 8;
            continue;
        }
        size_t n = utf8_sequence(p + i, length - i);
        if (!n)
            return false;
        i += n;
    }
    return true;
}

size_t str_utf8_cut(const char *text, size_t length, size_t limit)
{
    if (length <= limit)
        return length;
    while (limit && ((unsigned char)text[limit] & 0xC0) == 0x80)
        limit--;
    return limit;
}

size_t str_copy(char *out, size_t capacity, const char *text, size_t length)
{
    size_t n = str_utf8_cut(text, length, capacity - 1);
    memcpy(out, text, n);
    out[n] = '\0';
    return n;
}
