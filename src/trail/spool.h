/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that are written once and then read from the beginning: the first of them in memory, the rest in a file without a name,
 * which is gone with the process. Owned by one thread at a time. */
#ifndef HORAE_TRAIL_SPOOL_H
#define HORAE_TRAIL_SPOOL_H

#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>

struct spool {
    struct buf memory;
    const char *folder; /* borrowed; where the file is made */
    FILE *file;         /* NULL: not needed yet */
    size_t at;          /* of memory, when reading */
};

void spool_init(struct spool *spool, const char *folder, size_t memory_max);
void spool_release(struct spool *spool);
/* ERR_UNAVAILABLE: no room. */
enum err_code spool_add(struct spool *spool, const void *bytes, size_t count, struct err *err);
/* From here on it is read; again from the beginning. ERR_UNAVAILABLE: not all of it was kept. */
enum err_code spool_rewind(struct spool *spool, struct err *err);
/* Up to `count` bytes, fewer only at the end. */
enum err_code spool_read(struct spool *spool, void *out, size_t count, size_t *ret_count, struct err *err);

#endif
