/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed text views and strict number parsing. */
#ifndef HORAE_BASE_STR_H
#define HORAE_BASE_STR_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct str {
    const char *p; /* not NUL-terminated; borrowed */
    size_t n;
};

struct str str_of(const char *text); /* NULL gives the empty view */
bool str_equal(struct str a, const char *b);
bool str_equal_ignoring_case(struct str a, const char *b);
bool str_starts_with(struct str text, const char *prefix);
struct str str_trim(struct str text); /* spaces and tabs */
/* Splits off the part before `separator`; the rest follows it. False when `*rest` is exhausted (p == NULL). */
bool str_split(struct str *rest, char separator, struct str *ret_part);

/* The whole text is a decimal integer in [min, max]; a sign only if min < 0; no blanks. */
bool str_to_int(struct str text, int64_t min, int64_t max, int64_t *ret);
bool str_to_bool(struct str text, bool *ret); /* "true" | "false" exactly */

/* Bytes of the UTF-8 sequence at the beginning of the text, 0 when there is no valid one. */
size_t str_utf8_next(const char *text, size_t length);
/* Valid UTF-8: no overlong forms, no surrogates, at most U+10FFFF. */
bool str_is_utf8(const char *text, size_t length);
/* Largest length ≤ `limit` that does not cut a code point of valid UTF-8 text. */
size_t str_utf8_cut(const char *text, size_t length, size_t limit);

/* Copies with truncation on a code-point boundary, always terminated; returns bytes written. */
size_t str_copy(char *out, size_t capacity, const char *text, size_t length);

#endif
