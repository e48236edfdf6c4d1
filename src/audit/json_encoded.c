/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/json_encoded.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

/* The letter of a short escape, 0 where there is none. */
static char short_escape(uint32_t c)
{
    switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

size_t json_encode_code_point(uint32_t c, char *out)
{
    const char letter = short_escape(c);
    if (letter) {
        out[0] = '\\';
        out[1] = letter;
        return 2;
    }
    if (c < 0x20 || (c >= 0xD800 && c <= 0xDFFF)) {
        memcpy(out, "\\u", 2);
        for (size_t i = 0; i < 4; i++)
            out[2 + i] = hex_digits[c >> (12 - 4 * i) & 15];
        return 6;
    }
    if (c >= 0x80)
        return put_utf8(c, out);
    out[0] = (char)c;
    return 1;
}

/* Bytes at the beginning that could have begun a character but do not make one; at least 1. */
static size_t broken_part(const char *text, size_t length)
{
    for (size_t have = length < 3 ? length : 3; have > 1; have--) {
        char whole[5] = "\x80\x80\x80\x80"; /* behind two good bytes, these are good */
        memcpy(whole, text, have);
        if (str_utf8_next(whole, 4) > have)
            return have;
    }
    return 1;
}

void json_encode(const char *text, size_t length, struct buf *out)
{
    size_t done = 0; /* copied so far */
    for (size_t i = 0; i < length;) {
        const unsigned char c = (unsigned char)text[i];
        const size_t n = str_utf8_next(text + i, length - i);
        if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += n;
            continue;
        }
        char escape[JSON_ESCAPE_MAX];
        buf_add(out, text + done, i - done);
        const size_t escaped = json_encode_code_point(n ? c : 0xFFFD, escape);
        buf_add(out, escape, escaped);
        i += n ? 1 : broken_part(text + i, length - i);
        done = i;
    }
    buf_add(out, text + done, length - done);
}

static uint32_t hex_value(const char *digits)
{
    uint32_t value = 0;
    for (size_t i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)(strchr(hex_digits, digits[i]) - hex_digits);
    return value;
}

bool json_decode(struct str encoded, struct buf *out)
{
    static const char letters[] = "bfnrt\"\\", meant[] = "\b\f\n\r\t\"\\";
    for (size_t i = 0; i < encoded.n;) {
        const char *escape = memchr(encoded.p + i, '\\', encoded.n - i);
        const size_t plain = escape ? (size_t)(escape - encoded.p) - i : encoded.n - i;
        buf_add(out, encoded.p + i, plain);
        if (!escape)
            return true;
        i += plain + 2;
        if (escape[1] != 'u') {
            buf_add_char(out, meant[strchr(letters, escape[1]) - letters]);
            continue;
        }
        const uint32_t c = hex_value(escape + 2);
        if (c >= 0x20)
            return false;
        buf_add_char(out, (char)c);
        i += 4;
    }
    return true;
}

/* Whether the backslash begins an escape: it is not the second of another one. */
static bool begins_escape(const char *text, size_t at)
{
    size_t before = 0;
    while (before < at && text[at - 1 - before] == '\\')
        before++;
    return before % 2 == 0;
}

size_t json_encoded_cut(struct str encoded, size_t limit)
{
    if (limit >= encoded.n)
        return encoded.n;
    limit = str_utf8_cut(encoded.p, encoded.n, limit);
    for (size_t back = 1; back < JSON_ESCAPE_MAX && back <= limit; back++) {
        const size_t at = limit - back;
        if (encoded.p[at] == '\\' && begins_escape(encoded.p, at))
            return back < (encoded.p[at + 1] == 'u' ? 6u : 2u) ? at : limit;
    }
    return limit;
}
