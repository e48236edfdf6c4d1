/* SPDX-License-Identifier: Apache-2.0 */
/* Memory. Small allocations never fail: running out aborts (state is in the store). Anything whose size a caller
 * controls goes through a bounded `struct buf` or an arena with a maximum. */
#ifndef HORAE_BASE_MEM_H
#define HORAE_BASE_MEM_H

#include "base/compiler.h"

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xstrdup_or_null(const char *text); /* NULL stays NULL */
/* `length` bytes and a terminating NUL. */
char *xstrndup(const char *text, size_t length);

/* Arena: many small allocations released at once. Owned by one thread. */
struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used, max;
};
void arena_init(struct arena *arena, size_t max);
/* Zeroed, 16-byte aligned; NULL when `max` would be passed. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
void arena_release(struct arena *arena);

#endif
