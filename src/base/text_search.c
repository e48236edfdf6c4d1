/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text_search.h"

#include "base/panic.h"

#include <string.h>

/* Bytes that are common in texts of JSON, the most common first; all others are rarer. */
static const char common[] = "\"e, ta:rinosd_lc10-umph2543698y7.fgbwvk/{}\\x";

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static size_t rarity(char c)
{
    const char *at = c ? strchr(common, c) : NULL;
    return at ? (size_t)(at - common) : sizeof common;
}

void needle_init(struct needle *needle, struct str text)
{
    must(text.n > 0 && text.n <= NEEDLE_MAX);
    needle->n = text.n;
    needle->rare = 0;
    for (size_t i = 0; i < text.n; i++) {
        needle->lower[i] = lower(text.p[i]);
        if (rarity(needle->lower[i]) > rarity(needle->lower[needle->rare]))
            needle->rare = i;
    }
    char c = needle->lower[needle->rare];
    needle->variants[0] = c;
    needle->variants[1] = c >= 'a' && c <= 'z' ? (char)(c & ~32) : c;
}

static bool matches_at(const struct needle *needle, const char *p)
{
    for (size_t i = 0; i < needle->n; i++)
        if (lower(p[i]) != needle->lower[i])
            return false;
    return true;
}

/* Starts at which the rarest byte may stand: [text.p, last]. */
static bool search(const struct needle *needle, struct str text, char variant)
{
    const char *from = text.p + needle->rare, *end = text.p + (text.n - needle->n) + needle->rare + 1;
    while (from < end && (from = memchr(from, variant, (size_t)(end - from)))) {
        if (matches_at(needle, from - needle->rare))
            return true;
        from++;
    }
    return false;
}

bool needle_in(const struct needle *needle, struct str text)
{
    if (text.n < needle->n)
        return false;
    return search(needle, text, needle->variants[0]) ||
           (needle->variants[0] != needle->variants[1] && search(needle, text, needle->variants[1]));
}
