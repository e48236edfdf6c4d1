/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people: columns aligned by display width (East Asian wide characters count two), times in the zone of who
 * looks (TZ) with their offset, colours only on a terminal and without NO_COLOR. On a terminal a table fits its width:
 * the widest columns give way, and what was cut ends with "…"; elsewhere a cell has at most TABLE_CELL_MAX columns. */
#ifndef HORAE_CLI_TABLE_H
#define HORAE_CLI_TABLE_H

#include "base/json.h"

enum { TABLE_COLUMNS_MAX = 12, TABLE_CELL_MAX = 255 };

struct column {
    const char *title;
    const char *member;                       /* of each object; "a.b" looks into an object */
    char *(*text)(const struct json *object); /* instead of a member: makes the text, owned by the caller */
};

/* Prints an array of objects; "(none)" on standard error when it is empty. */
void table_print(const struct json *array, const struct column *columns, size_t count);
/* Prints an object as name: value lines; a text of several lines stays one, indented. */
void table_print_object(const struct json *object);
/* An RFC 3339 time in the zone of who looks, without a fraction that is zero; in lists to the millisecond. Another text as it
 * is. Owned by the caller. */
char *table_time(const char *text, size_t length, bool in_list);

#endif
