/* SPDX-License-Identifier: Apache-2.0 */
/* A database file of its own, without a store around it: one connection, used by one thread at a time. Where transactions begin
 * and end is the owner's business. */
#ifndef HORAE_DB_DB_FILE_H
#define HORAE_DB_DB_FILE_H

#include "db/db.h"

struct store_fault;

struct db_file_options {
    const char *path; /* of a file that is there; an empty one is an empty database */
    bool readonly;    /* the file is only read, also when a crash has left changes in its log, or where nothing can be written */
    bool foreign;     /* a database of somebody else: its settings stay as they are */
    bool relaxed;     /* process-crash safe only */
    int cache_pages;  /* so many pages stay in memory, also while it is not used; 0: what suits a database in use */
    int log_pages;    /* whoever commits moves the log into the file when it has so many pages; 0: 4,000 */
    const struct store_fault *fault; /* borrowed, may be NULL */
};

/* ERR_NOT_FOUND, ERR_UNAVAILABLE, ERR_CORRUPT. Close the result. */
enum err_code db_file_open(const struct db_file_options *options, struct db **ret, struct err *err);
void db_file_close(struct db *db); /* NULL allowed */
/* Ends write-ahead logging: from here on the database is this one file. ERR_BUSY while another connection has it open. */
enum err_code db_file_settle(struct db *db, struct err *err);
/* Integrity of a file; ERR_CORRUPT names it and what is wrong. */
enum err_code db_file_check(const char *path, struct err *err);
/* As db_exec for BEGIN, then COMMIT or, when `run` fails, ROLLBACK. */
enum err_code db_file_write(struct db *db, enum err_code (*run)(struct db *tx, void *arg, struct err *err), void *arg,
                            struct err *err);

#endif
