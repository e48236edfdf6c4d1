/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people: columns aligned by display width (East Asian wide characters count two), colours only on a
 * terminal and without NO_COLOR. */
#ifndef HORAE_CLI_TABLE_H
#define HORAE_CLI_TABLE_H

#include "base/json.h"

enum { TABLE_COLUMNS_MAX = 12 };

struct column {
    const char *title;
    const char *member; /* of each object; "a.b" looks into an object */
};

/* Prints an array of objects; "(none)" when it is empty. */
void table_print(const struct json *array, const struct column *columns, size_t count);
/* Prints an object as name: value lines. */
void table_print_object(const struct json *object);
/* Columns that a UTF-8 text takes on a terminal. */
size_t table_width(const char *text, size_t length);

#endif
