/* SPDX-License-Identifier: Apache-2.0 */
/* Unicode TR 11 in short: ranges of what terminals draw two columns wide, and of what combines with the one before. */
#include "cli/text_width.h"

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct range {
    uint32_t first, last;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

static size_t width_of(uint32_t c)
{
    static const struct range none[] = {
        {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f},   {0x093c, 0x093c},  {0x0941, 0x0948},
        {0x094d, 0x094d}, {0x0e31, 0x0e31}, {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e},   {0x1ab0, 0x1aff},  {0x1dc0, 0x1dff},
        {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x2064}, {0x20d0, 0x20ff},   {0x302a, 0x302d},  {0x3099, 0x309a},
        {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0x1f3fb, 0x1f3ff}, {0xe0100, 0xe01ef}};
    static const struct range wide[] = {
        {0x1100, 0x115f}, {0x231a, 0x231b}, {0x23e9, 0x23ec},   {0x25fd, 0x25fe},   {0x2614, 0x2615},   {0x26a1, 0x26a1},
        {0x2705, 0x2705}, {0x274c, 0x274c}, {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},   {0x2b1b, 0x2b1c},
        {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
        {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};
    if (c < 0x300)
        return 1;
    return is_in(none, ARRAY_LEN(none), c) ? 0 : is_in(wide, ARRAY_LEN(wide), c) ? 2 : 1;
}

/* Lenient: a byte that begins nothing stands for itself. */
static uint32_t decode(const char *text, size_t length, size_t *ret_used)
{
    unsigned char c = (unsigned char)text[0];
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t value = n == 1 ? c : n == 2 ? c & 0x1fu : n == 3 ? c & 0xfu : c & 0x7u;
    if (n > length)
        n = length;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            *ret_used = i;
            return 0xfffd;
        }
        value = value << 6 | ((unsigned char)text[i] & 0x3fu);
    }
    *ret_used = n;
    return value;
}

size_t text_fitting(const char *text, size_t length, size_t columns)
{
    size_t width = 0, used = 0, i = 0;
    while (i < length) {
        width += width_of(decode(text + i, length - i, &used));
        if (width > columns)
            return i;
        i += used;
    }
    return i;
}

size_t text_width(const char *text, size_t length)
{
    size_t width = 0, used = 0;
    for (size_t i = 0; i < length; i += used)
        width += width_of(decode(text + i, length - i, &used));
    return width;
}

void text_tame(char *text, const char *keep)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 32 && !strchr(keep, c)) || c == 127)
            *text = ' ';
        else if (c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] <= 0x9f)
            text[0] = text[1] = ' ';
    }
}
