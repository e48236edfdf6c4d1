/* SPDX-License-Identifier: Apache-2.0 */
/* Parts: tables of one shape in a server's database, told apart by a number (the segments of the audit log). A session is told
 * which part it speaks of; statements are written once and name the first table, `audit_events`, wherever a table or an index of
 * the part is meant: the number goes behind that name (audit_events_000017_id), and in place of {part} where it is needed as a
 * value. Statements of many parts stay prepared side by side. Sessions belong to one thread at a time. */
#ifndef HORAE_DB_DB_PART_H
#define HORAE_DB_DB_PART_H

#include "db/db.h"

struct store_fault;

enum { DB_PART_MAX = (1 << 20) - 1, DB_PART_TEXT_MAX = 1 << 16 };

struct db_part_options {
    const char *url;                 /* of a store on a server */
    bool readonly;                   /* a replica serves as well */
    bool relaxed;                    /* as the store */
    const struct store_fault *fault; /* borrowed, may be NULL */
};

/* Whether the store of this url is on a server, so that it has room for parts. */
bool db_part_is_for(const char *url);
/* A session of its own. ERR_INVALID, ERR_UNAVAILABLE. */
enum err_code db_part_open(const struct db_part_options *options, struct db **ret, struct err *err);
void db_part_close(struct db *db); /* NULL allowed */
/* From here on its statements mean this part; 0: none. */
void db_part_use(struct db *db, int64_t number);
int64_t db_part_of(const struct db *db);
/* Begins a snapshot that only reads; db_part_end ends it, whatever became of it. */
enum err_code db_part_begin(struct db *db, struct err *err);
void db_part_end(struct db *db);
/* One transaction: COMMIT, or ROLLBACK when `run` fails. An error ERR_UNAVAILABLE leaves open whether it was carried out. */
enum err_code db_part_write(struct db *db, enum err_code (*run)(struct db *tx, void *arg, struct err *err), void *arg,
                            struct err *err);
/* Runs statements without parameters or rows, in the text for the engine of `db`; for a file, as they are. */
enum err_code db_part_exec(struct db *db, const struct db_sql *script, struct err *err);
/* The text with the part in it; to be freed. For engines. */
char *db_part_text(const char *text, int64_t number);

#endif
