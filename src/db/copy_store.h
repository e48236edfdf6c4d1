/* SPDX-License-Identifier: Apache-2.0 */
/* What a copy of a store does with one table of it, by its row of copy_tables.def; and the mark in a store that it is a copy. */
#ifndef HORAE_DB_COPY_STORE_H
#define HORAE_DB_COPY_STORE_H

#include "base/buf.h"
#include "db/db.h"

enum { COPY_COLUMNS_MAX = 32, COPY_KEYS_MAX = 3, COPY_BATCH_ROWS = 256, COPY_BATCH_BYTES = 4 << 20 };
enum copy_clear { COPY_DELETES, COPY_TRUNCATES, COPY_KEEPS };

struct copy_table {
    const char *name, *columns;
    int keys, column_count;
    enum copy_clear clear;
    struct db_sql first, next, insert, empty; /* their texts are owned */
};

extern const size_t copy_table_count;
/* Their statements, made from the list. To be released after the connections that used them. */
struct copy_table *copy_tables_new(void);
void copy_tables_free(struct copy_table *tables);

struct copy_value {
    enum db_kind kind;
    int64_t number;
    size_t offset, length; /* of text and bytes */
};

/* Rows in the order of their key, as many as fit. */
struct copy_batch {
    const struct copy_table *table;
    struct copy_value *values; /* rows × columns, owned */
    size_t rows;
    struct buf bytes, key; /* key: texts of the last row's */
    struct copy_value last[COPY_KEYS_MAX];
    bool begun;
};

void copy_batch_init(struct copy_batch *batch, const struct copy_table *table);
void copy_batch_release(struct copy_batch *batch);
/* The rows after those that it holds; none: there are no more. A row is taken whole, whatever its size. */
enum err_code copy_batch_read(struct copy_batch *batch, struct db *db, struct err *err);
/* A checksum of a row's content, the same whatever engine it comes from. */
uint64_t copy_batch_hash(const struct copy_batch *batch, size_t row);
/* Inserts its rows from `from` on; in a transaction. */
enum err_code copy_batch_insert(const struct copy_batch *batch, size_t from, struct db *tx, struct err *err);

/* ---- the mark: the table store_copy, of one row ---- */

struct copy_mark {
    bool exists, finished;
    int64_t origin; /* when the store that was copied began, which tells stores apart */
    char source[256];
};
enum err_code copy_mark_read(struct db *db, struct copy_mark *ret, struct err *err);
/* Makes the mark or begins it anew; in a transaction. */
enum err_code copy_mark_begin(struct db *tx, const struct copy_mark *mark, int64_t now_us, struct err *err);
/* Also lets numbers that the database gives begin behind those that were copied. */
enum err_code copy_mark_finish(struct db *tx, int64_t now_us, struct err *err);
/* For a server that begins to use the store: ERR_CONFLICT: its copy was not finished. One that was becomes a store of its own. */
enum err_code copy_mark_take(struct db *db, struct err *err);

#endif
