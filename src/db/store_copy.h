/* SPDX-License-Identifier: Apache-2.0 */
/* A store into another one, of whichever engines (`horae store copy`): table by table, compared by count and checksum, with a bounded
 * amount of memory. A copy that was broken off at any moment, or whose source has gone on, is repeated: what is there and is the same
 * stays. From its beginning to store_copy_finish no server starts on the target. */
#ifndef HORAE_DB_STORE_COPY_H
#define HORAE_DB_STORE_COPY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct store_copy;
struct store_fault;

struct store_copy_table {
    const char *name;
    int64_t rows, copied; /* `copied` of them now, the others were there */
    uint64_t checksum;    /* of the content, in any order; the same in both stores */
};

struct store_copy_options {
    const char *from, *to;                                        /* urls */
    const struct store_fault *fault;                              /* of the target; borrowed, may be NULL */
    void (*progress)(void *arg, const char *table, int64_t rows); /* may be NULL */
    void *arg;
};

/* Keeps servers away from both, brings the target up to date, and marks it as an unfinished copy. ERR_BUSY names the server that uses
 * one of them; ERR_CONFLICT: the target holds what is no copy of this store, or the source is of an older version. */
enum err_code store_copy_begin(const struct store_copy_options *options, struct store_copy **ret, struct err *err);
/* `ret` has store_copy_tables() rows. ERR_CORRUPT: what arrived is not what was sent. */
enum err_code store_copy_run(struct store_copy *copy, struct store_copy_table *ret, struct err *err);
size_t store_copy_tables(void);
/* From here on a server may use the target. */
enum err_code store_copy_finish(struct store_copy *copy, struct err *err);
void store_copy_end(struct store_copy *copy); /* NULL allowed */

#endif
