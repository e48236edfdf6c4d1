/* SPDX-License-Identifier: Apache-2.0 */
/* One SQL connection, engine-neutral. A connection and its statements belong to one thread at a time. Statements are
 * named objects at the top of the one *_store.c that owns a table; parameters are ?1, ?2, …; values are always bound. */
#ifndef HORAE_DB_DB_H
#define HORAE_DB_DB_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct db;
struct db_stmt;

struct db_sql {
    const char *text; /* lives as long as the process; the object's address is its identity */
    const char *pg;   /* instead of it on PostgreSQL, where no text serves all engines; NULL = `text` does */
};

/* The statement, prepared once per connection, reset and unbound. Do not use the same one nested. */
enum err_code db_prepare(struct db *db, const struct db_sql *sql, struct db_stmt **ret, struct err *err);
void db_bind_int(struct db_stmt *st, int index, int64_t value);
void db_bind_null(struct db_stmt *st, int index);
void db_bind_text(struct db_stmt *st, int index, const char *text, size_t length);  /* borrowed until the reset */
void db_bind_blob(struct db_stmt *st, int index, const void *bytes, size_t length); /* borrowed until the reset */

/* NULL binds null; borrowed until the reset. */
void db_bind_string(struct db_stmt *st, int index, const char *text);

/* Next row. Errors: ERR_CONFLICT (unique or other constraint), ERR_BUSY, ERR_UNAVAILABLE (disk full, I/O, read-only),
 * ERR_CORRUPT, ERR_INTERNAL. After an error or the last row the statement is reset. */
enum err_code db_step(struct db_stmt *st, bool *ret_row, struct err *err);
/* To the end, then reset. `ret_changes` may be NULL: rows changed by this statement. */
enum err_code db_run(struct db_stmt *st, int64_t *ret_changes, struct err *err);
void db_reset(struct db_stmt *st);
/* Runs a statement for each of `count` rows of the caller's: `bind` binds the parameters of row i, `done` (may be NULL) hears how many rows
 * of the table it changed; each is called for all rows in their order, `bind` ahead of `done`. Where the database is on a server, the
 * statements go to it together. Stops at the first error. */
struct db_rows {
    size_t count;
    void (*bind)(struct db_stmt *st, void *arg, size_t i);
    void (*done)(void *arg, size_t i, int64_t changes);
    void *arg;
};
enum err_code db_run_rows(struct db *db, const struct db_sql *sql, const struct db_rows *rows, struct err *err);
/* Prepares a statement whose parameters are two integers, binds them as ?1 and ?2, and runs it as db_run does: deletions of at most
 * ?2 rows from before ?1 and the like. */
enum err_code db_run_pair(struct db *db, const struct db_sql *sql, int64_t first, int64_t second, int64_t *ret_changes,
                          struct err *err);

/* Runs a statement without parameters and gives the first column of its first row, 0 when that is null or there is no row: largest ids,
 * counts. */
enum err_code db_read_number(struct db *db, const struct db_sql *sql, int64_t *ret, struct err *err);

/* Until the next call, steps on this connection end with ERR_TIMEOUT once the monotonic clock has passed `until_us`; 0 = no
 * limit. For work that may be given up, such as counting. */
void db_limit_time(struct db *db, int64_t until_us);

int64_t db_int(struct db_stmt *st, int column);
/* What is stored there, which a damaged file need not have from its column. */
enum db_kind { DB_NULL, DB_INT, DB_TEXT, DB_BLOB, DB_REAL };
enum db_kind db_kind_of(struct db_stmt *st, int column);
bool db_is_null(struct db_stmt *st, int column);
/* Valid until the next step or reset; NULL when null. `ret_length` may be NULL. */
const char *db_text(struct db_stmt *st, int column, size_t *ret_length);
const void *db_blob(struct db_stmt *st, int column, size_t *ret_length);

/* Statements without parameters or rows; for migrations and transactions. */
enum err_code db_exec(struct db *db, const char *sql, struct err *err);

/* Counts the rows of a bound statement (which has a LIMIT of ROW_COUNT_MAX + 1) and resets it: exact up to ROW_COUNT_MAX,
 * a lower bound beyond it or when counting takes longer than ROW_COUNT_TIME_MS (rulings, Totals: 20 ms for all of it). */
enum { ROW_COUNT_MAX = 10000, ROW_COUNT_TIME_MS = 4 };
struct row_count {
    int64_t total;
    bool is_lower_bound;
};
enum err_code db_count_rows(struct db *db, struct db_stmt *st, struct row_count *ret, struct err *err);

/* Takes a block of `count` numbers of the counter `name`: the first is the largest ever given + 1. Inside a
 * transaction: numbers of a rolled-back one are given again, committed ones never (rulings section 3, fences). */
enum err_code db_counter_take(struct db *tx, const char *name, int64_t count, int64_t *ret_first, struct err *err);

#endif
