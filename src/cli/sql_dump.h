/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of old audit tables in a dump: INSERT statements as mysqldump, pg_dump --inserts and sqlite3 .dump write them. Reads a
 * stream; memory is one row. */
#ifndef HORAE_CLI_SQL_DUMP_H
#define HORAE_CLI_SQL_DUMP_H

#include "cli/migrate_row.h"

#include <stdio.h>

/* ERR_INVALID names the line. Statements about other tables are passed over. */
enum err_code sql_dump_each(FILE *in, old_row_fn fn, void *arg, struct err *err);

#endif
