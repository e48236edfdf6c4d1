/* SPDX-License-Identifier: Apache-2.0 */
/* Old audit tables in a SQLite database of somebody else's. */
#ifndef HORAE_CLI_MIGRATE_QUERY_H
#define HORAE_CLI_MIGRATE_QUERY_H

#include "cli/migrate_row.h"

struct old_database;

/* Opens an existing file. `exclusive`: nobody else may have it in use until the close (MIG-04: the application is stopped);
 * ERR_BUSY when somebody does. Otherwise it is one snapshot, and nothing is changed. */
enum err_code old_database_open(const char *path, bool exclusive, struct old_database **ret, struct err *err);
/* Which of the old tables are there, and which under the name they get when they are done with (audit_logs_backup). */
bool old_database_has(const struct old_database *database, enum old_table table);
bool old_database_has_backup(const struct old_database *database, enum old_table table);
/* From the backup or from the table itself. */
enum err_code old_database_count(struct old_database *database, enum old_table table, bool backup, int64_t *ret, struct err *err);
enum err_code old_database_each(struct old_database *database, enum old_table table, bool backup, old_row_fn fn, void *arg,
                                struct err *err);
/* Exclusive only: the tables that are there get their backup names, all or none. */
enum err_code old_database_rename(struct old_database *database, struct err *err);
/* Rows that are there by now, whoever wrote them, for a snapshot. */
enum err_code old_database_refresh(struct old_database *database, struct err *err);
void old_database_close(struct old_database *database); /* NULL allowed */

#endif
