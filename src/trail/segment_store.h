/* SPDX-License-Identifier: Apache-2.0 */
/* The SQL of a segment; its life is segment.c, and where it lies segment_place.h. */
#ifndef HORAE_TRAIL_SEGMENT_STORE_H
#define HORAE_TRAIL_SEGMENT_STORE_H

#include "trail/segment.h"

/* In a transaction each. */
enum err_code segment_store_create(struct db *tx, const struct segment_meta *meta, struct err *err);
enum err_code segment_store_set_meta(struct db *tx, const struct segment_meta *meta, struct err *err);
struct segment_addition {
    int64_t first; /* seq of the first */
    const struct audit_record *records;
    const struct audit_hash *hashes;
    size_t count;
};
enum err_code segment_store_insert(struct db *tx, const struct segment_addition *rows, struct err *err);
enum err_code segment_store_index(struct db *tx, struct err *err); /* those of a sealed segment */

enum err_code segment_store_find(struct db *db, const struct uuid *id, bool *ret_found, struct err *err);
/* ERR_CORRUPT: it is no segment. */
enum err_code segment_store_meta(struct db *db, struct segment_meta *ret, struct err *err);
/* The same, after every write that is under way elsewhere has ended. */
enum err_code segment_store_lock_meta(struct db *tx, struct segment_meta *ret, struct err *err);

/* All events by seq, ascending, from `first`; views are valid until the next call. */
struct segment_row {
    int64_t seq;
    struct audit_record record; /* owns nothing */
    struct audit_hash hash;
    bool damaged; /* a column holds what was never stored there */
};
struct segment_scan {
    struct db *db;
    struct db_stmt *st; /* NULL: the next rows are not asked for yet */
    int64_t from;       /* seq */
    int rows;           /* of this question */
};
void segment_store_scan(struct db *db, int64_t first, struct segment_scan *ret);
enum err_code segment_store_next(struct segment_scan *scan, struct segment_row *ret, bool *ret_row, struct err *err);
void segment_store_scan_end(struct segment_scan *scan);
/* First and last seq of events with from_ms ≤ timestamp ≤ to_ms, 0 when there are none; and their number. */
struct segment_span {
    int64_t first, last, count;
};
enum err_code segment_store_span(struct db *db, int64_t from_ms, int64_t to_ms, struct segment_span *ret, struct err *err);
/* The indexes of a segment, first those of an open one. One that misses events makes questions lie, and no chain tells of it. */
enum segment_index_rows { SEGMENT_INDEX_ALL, SEGMENT_INDEX_WITH_REQUEST, SEGMENT_INDEX_WITH_SPACE, SEGMENT_INDEX_ROWS };
struct segment_index {
    const char *name;
    enum segment_index_rows rows; /* which events it has */
    bool sealed;                  /* only in a sealed segment */
    struct db_sql count;
};
extern const struct segment_index segment_indexes[];
extern const size_t segment_index_count;
/* How many events it has. ERR_INTERNAL: it is not there; ERR_CORRUPT. */
enum err_code segment_store_count_index(struct db *db, const struct segment_index *index, int64_t *ret, struct err *err);

#endif
