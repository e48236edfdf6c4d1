/* SPDX-License-Identifier: Apache-2.0 */
/* The header Forwarded (RFC 7239, AUD-27): elements separated by commas, parameters by semicolons, values may be quoted;
 * several lines are one list. A quoted string that is not closed at the end of a line makes its element invalid and ends
 * there. Pure. */
#ifndef HORAE_HTTP_FORWARDED_H
#define HORAE_HTTP_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

enum { FORWARDED_NODE_MAX = 255 };

/* One element that is not empty: the value of its `for`, unquoted. Invalid: it has none, several, or is malformed. */
typedef void (*forwarded_element_fn)(void *arg, const char *node, size_t length, bool valid);

struct forwarded_parser {
    forwarded_element_fn element;
    void *arg;
    char node[FORWARDED_NODE_MAX];
    size_t length;
    bool any, has_for, broken; /* of the present element */
};

void forwarded_begin(struct forwarded_parser *parser, forwarded_element_fn element, void *arg);
void forwarded_line(struct forwarded_parser *parser, const char *text, size_t length);
void forwarded_end(struct forwarded_parser *parser);

#endif
