/* SPDX-License-Identifier: Apache-2.0 */
/* 4-ary min-heap of (key, element) pairs; every element is told its position, so that removal and re-keying from
 * the middle are cheap. Keys are kept beside the pointers: sifting touches no element but the moved one. */
#ifndef HORAE_BASE_HEAP_H
#define HORAE_BASE_HEAP_H

#include "base/compiler.h"

#include <stdint.h>

struct heap_node {
    uint32_t position; /* 1-based; 0 = in no heap */
};

struct heap_entry {
    int64_t key;
    struct heap_node *node; /* borrowed */
};

struct heap {
    struct heap_entry *entries;
    uint32_t count, capacity;
};

void heap_init(struct heap *heap);
void heap_release(struct heap *heap);
void heap_add(struct heap *heap, struct heap_node *node, int64_t key);
void heap_remove(struct heap *heap, struct heap_node *node);
/* Adds or re-keys. */
void heap_set(struct heap *heap, struct heap_node *node, int64_t key);
/* Smallest key, INT64_MAX when empty. */
int64_t heap_min_key(const struct heap *heap);
struct heap_node *heap_min(const struct heap *heap); /* NULL when empty */
struct heap_node *heap_pop(struct heap *heap);       /* NULL when empty */

#endif
