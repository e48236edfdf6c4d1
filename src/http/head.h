/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request: request line and header fields (RFC 9112 sections 2 to 5). Strict where leniency lets two
 * readers of the same bytes see two different requests: every line ends with CR LF, no bare CR, no NUL or other control
 * characters, no blank before a colon, no folded lines. Pure. */
#ifndef HORAE_HTTP_HEAD_H
#define HORAE_HTTP_HEAD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    HEAD_BYTES_MAX = 32768, /* request line and fields together */
    HEAD_TARGET_MAX = 16384,
    HEAD_METHOD_MAX = 32,
    HEAD_FIELDS_MAX = 128,
    HEAD_LEADING_LINES_MAX = 4, /* empty lines before the request line (RFC 9112 section 2.2) */
};

struct head_field {
    const char *name, *value; /* NUL-terminated; blanks around the value are gone */
};

struct head {
    const char *method, *target; /* NUL-terminated, as sent */
    int minor;                   /* HTTP/1.minor: 0, or 1 for all others */
    struct head_field fields[HEAD_FIELDS_MAX];
    size_t count;
};

/* Finds the end of a head that arrives in pieces. */
struct head_scan {
    size_t scanned;   /* bytes looked at */
    size_t line_from; /* where the line that is open begins */
    size_t begin;     /* of the request line, after leading empty lines */
    bool in_head;     /* the request line has begun */
};

enum head_progress { HEAD_INCOMPLETE, HEAD_COMPLETE, HEAD_BAD };

/* `bytes`: all that has arrived, `n` of them, also those that were looked at before. HEAD_COMPLETE: the head is
 * bytes[scan->begin, scan->scanned). HEAD_BAD: too large, or a line end that is none; err says which. *ret_status then is
 * the status of the answer. */
enum head_progress head_scan(struct head_scan *scan, const char *bytes, size_t n, int *ret_status, struct err *err);

/* Parses a complete head in place: `bytes` gets NULs and must live as long as `ret`. */
enum err_code head_parse(char *bytes, size_t length, struct head *ret, int *ret_status, struct err *err);

/* The first field of that name, ignoring case; NULL when there is none. */
const char *head_value(const struct head *head, const char *name);
size_t head_count(const struct head *head, const char *name);

/* Whether a field that is a list of tokens (Connection, Accept-Encoding without weights) has `token`, ignoring case. */
bool head_has_token(const struct head *head, const char *name, const char *token);

#endif
