/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a stream, for commands that answer line by line: memory is one buffer however many lines there are, and what was
 * answered is flushed before waiting for more, so that a caller who writes one line and waits gets its answer. */
#ifndef HORAE_CLI_LINES_H
#define HORAE_CLI_LINES_H

#include "base/str.h"

#include <stdio.h>

enum { LINES_CAPACITY = 262144 };

struct lines {
    int fd;     /* borrowed */
    FILE *out;  /* borrowed; flushed before each read */
    char *data; /* owned; LINES_CAPACITY bytes */
    size_t begin, end, line_max;
    bool ended, too_long;
};

enum line_kind { LINE_READ, LINE_TOO_LONG, LINE_END, LINE_FAILED };

void lines_init(struct lines *l, int fd, FILE *out, size_t line_max); /* line_max ≤ LINES_CAPACITY */
void lines_release(struct lines *l);
/* The next line without its end; borrowed until the next call. A line over the maximum is read to its end and not given. */
enum line_kind lines_next(struct lines *l, struct str *ret_line);

#endif
