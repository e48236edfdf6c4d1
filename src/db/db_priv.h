/* SPDX-License-Identifier: Apache-2.0 */
/* For engines and the store: what an engine must provide. */
#ifndef HORAE_DB_DB_PRIV_H
#define HORAE_DB_DB_PRIV_H

#include "db/db.h"
#include "db/store_fault.h"

struct db_open_options {
    const char *path;
    bool relaxed;                    /* process-crash safe only */
    bool readonly;                   /* a reader connection */
    bool foreign;                    /* a database of somebody else: its settings stay as they are */
    bool existing;                   /* the file is there; with `readonly` nothing is ever written to it */
    bool is_uri;                     /* `path` is one, of a file (db_file.c) */
    int log_pages;                   /* a commit moves the log into the database when it has so many pages; 0: the default */
    const struct store_fault *fault; /* borrowed, may be NULL */
};

enum err_code db_sqlite_open(const struct db_open_options *options, struct db **ret, struct err *err);
void db_close(struct db *db);
/* Ends a transaction that is open, whatever stands in the way of statements; the engine may have rolled back by itself. */
void db_roll_back(struct db *db);
/* Copies a consistent snapshot to a file while others work on the database; `progress` (may be NULL) hears pages. */
enum err_code db_sqlite_backup(struct db *db, const char *to_path, void (*progress)(void *arg, int64_t done, int64_t total),
                               void *arg, struct err *err);
/* ERR_CORRUPT says what is wrong with the database. */
enum err_code db_check_integrity(struct db *db, struct err *err);

#endif
