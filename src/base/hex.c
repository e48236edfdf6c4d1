/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

void hex_format(const void *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = bytes;
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * count] = '\0';
}

static int value_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_parse(struct str text, void *out, size_t count)
{
    uint8_t *b = out;
    if (text.n != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const int high = value_of(text.p[2 * i]), low = value_of(text.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        b[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
