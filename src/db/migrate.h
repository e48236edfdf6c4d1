/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered, forward-only, embedded migrations. What was applied is recorded with a checksum; a changed file or a
 * database newer than the program is refused, never guessed at. */
#ifndef HORAE_DB_MIGRATE_H
#define HORAE_DB_MIGRATE_H

#include "db/db.h"

struct migration {
    int64_t number;
    const char *name;
    const char *sql;
};

/* Generated from migrations/, ascending. */
extern const struct migration sqlite_migrations[], postgres_migrations[];
extern const size_t sqlite_migration_count, postgres_migration_count;

/* Is it a database of this program, and none of a newer version? Changes nothing; ERR_CORRUPT, ERR_CONFLICT. */
enum err_code migrate_check(struct db *db, struct err *err);
/* Brings it up to date; a database with tables of somebody else is left alone (ERR_CORRUPT). */
enum err_code migrate_apply(struct db *db, struct err *err);
/* How many it has, of this program's; 0: it is empty. Errors of migrate_check, but for an empty one. */
enum err_code migrate_count(struct db *db, size_t *ret_applied, struct err *err);
/* When the first one was applied: since when there is this database. */
enum err_code migrate_first_time(struct db *db, int64_t *ret_us, struct err *err);

#endif
