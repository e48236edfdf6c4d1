/* SPDX-License-Identifier: Apache-2.0 */
/* Where old rows come from: a SQLite database, an SQL dump, or one JSON object per line. */
#ifndef HORAE_CLI_MIGRATE_SOURCE_H
#define HORAE_CLI_MIGRATE_SOURCE_H

#include "cli/migrate_query.h"

#include <stdio.h>

struct old_source {
    struct old_database *database; /* NULL: a file of rows */
    FILE *file;
    bool lines; /* JSON lines, of `table` */
    enum old_table table;
};

/* `from`: sqlite:PATH, or the PATH of a database, a dump or lines ("-" = standard input); what it is shows in its first bytes.
 * `exclusive`: as old_database_open; a file of rows is only read. ERR_INVALID, ERR_NOT_FOUND, ERR_BUSY. */
enum err_code old_source_open(const char *from, bool exclusive, enum old_table table, struct old_source *ret, struct err *err);
/* All rows; of a table whose backup alone is left, those. */
enum err_code old_source_each(struct old_source *source, old_row_fn fn, void *arg, struct err *err);
void old_source_close(struct old_source *source);

#endif
