/* SPDX-License-Identifier: Apache-2.0 */
/* The name that was probably meant: for "did you mean" in errors. */
#ifndef HORAE_CLI_NEAREST_H
#define HORAE_CLI_NEAREST_H

#include <stddef.h>
#include <stdio.h>

enum { NEAREST_NAME_MAX = 40 };

/* Steps (insert, drop, replace, swap neighbours) from one text to the other; NEAREST_NAME_MAX when either is longer. */
size_t nearest_distance(const char *a, const char *b);

/* Keeps the nearest of the names offered so far; start with a zeroed struct. */
struct nearest {
    const char *name; /* borrowed; NULL: nothing is near enough */
    size_t distance;
};
/* Near enough: at most a third of the given length, and at least one step is allowed. */
void nearest_offer(struct nearest *nearest, const char *given, const char *name);
/* `; did you mean "NAME"?`, or nothing. */
void nearest_print(const struct nearest *nearest, FILE *out);

#endif
