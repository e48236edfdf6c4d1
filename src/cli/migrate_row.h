/* SPDX-License-Identifier: Apache-2.0 */
/* Old audit tables, and a row of one of them as a reader gives it: texts by column. */
#ifndef HORAE_CLI_MIGRATE_ROW_H
#define HORAE_CLI_MIGRATE_ROW_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum old_table {
#define OLD_TABLE(id, name, type, subsystem) OLD_##id,
#include "cli/migrate_tables.def"
    OLD_TABLE_COUNT
};

enum old_role {
    OLD_ROLE_ID,
    OLD_ROLE_TIME,
    OLD_ROLE_UID,
    OLD_ROLE_USERNAME,
    OLD_ROLE_ACTION,
    OLD_ROLE_TYPE,
    OLD_ROLE_IDENTIFIER,
    OLD_ROLE_NAME,
    OLD_ROLE_CHANGES,
    OLD_ROLE_IP,
    OLD_ROLE_AGENT,
    OLD_ROLE_REQUEST_ID,
    OLD_ROLE_STATUS,
    OLD_ROLE_SUCCESS,
    OLD_ROLE_ERROR,
    OLD_ROLE_DATA,
    OLD_ROLE_RESOURCE_DATA,
};

enum {
    OLD_COLUMNS_MAX = 24,
    OLD_VALUE_MAX = 16 << 20, /* of one value; a source with more is refused */
    OLD_ROW_MAX = 32 << 20,
};

struct old_column {
    const char *name, *member;
    enum old_role role;
};

const char *old_table_name(enum old_table table);
const char *old_table_type(enum old_table table);                     /* of all its resources; "" = each says its own */
const char *old_table_subsystem(enum old_table table);                /* "" = none */
const struct old_column *old_column(enum old_table table, int index); /* NULL behind the last */

/* OLD_TABLE_COUNT: none of them. */
enum old_table old_table_from(struct str name);
/* Index of a column, -1 = it is not one that is carried over. */
int old_column_of(enum old_table table, struct str name);

/* Reused from row to row. */
struct old_row {
    enum old_table table;
    int64_t number; /* of the row in its source, from 1; for messages */
    struct buf text;
    size_t begin[OLD_COLUMNS_MAX], length[OLD_COLUMNS_MAX];
    bool present[OLD_COLUMNS_MAX]; /* not NULL */
};
void old_row_init(struct old_row *row);
void old_row_clear(struct old_row *row, enum old_table table);
void old_row_set(struct old_row *row, int column, struct str value);
/* The first column of that role; empty when there is none or it is NULL. */
struct str old_row_get(const struct old_row *row, enum old_role role);
struct str old_row_column(const struct old_row *row, int column);
void old_row_release(struct old_row *row);

/* What a reader does with each row; an error ends the reading. */
typedef enum err_code (*old_row_fn)(void *arg, const struct old_row *row, struct err *err);

/* As databases and programs write times: "2025-10-19 08:00:00.123+08:00", with T, without a zone (UTC), a date alone, Unix
 * seconds, milliseconds, microseconds or nanoseconds. */
bool old_time_parse(struct str text, int64_t *ret_ms);

#endif
