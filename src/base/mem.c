/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/panic.h"

#include <stdalign.h>
#include <string.h>

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    must(p);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    must(p);
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    must(p);
    return p;
}

char *xstrdup_or_null(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

char *xstrndup(const char *text, size_t length)
{
    char *p = xmalloc(length + 1);
    memcpy(p, text, length);
    p[length] = '\0';
    return p;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

enum { ARENA_BLOCK_BYTES = 8192, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(ARENA_ALIGN) unsigned char data[];
};

void arena_init(struct arena *arena, size_t max)
{
    *arena = (struct arena){.max = max};
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t rounded = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (rounded < size || arena->used + rounded > arena->max)
        return NULL;
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < rounded) {
        size_t bytes = rounded > ARENA_BLOCK_BYTES ? rounded : ARENA_BLOCK_BYTES;
        block = xmalloc(sizeof *block + bytes);
        *block = (struct arena_block){.next = arena->blocks, .size = bytes};
        arena->blocks = block;
    }
    void *p = block->data + block->used;
    block->used += rounded;
    arena->used += rounded;
    memset(p, 0, rounded);
    return p;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *p = arena_alloc(arena, length + 1);
    if (p)
        memcpy(p, text, length);
    return p;
}

void arena_release(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
}
