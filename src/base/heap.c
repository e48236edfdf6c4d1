/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"
#include "base/mem.h"
#include "base/panic.h"

enum { ARITY = 4 };

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

void heap_release(struct heap *heap)
{
    free(heap->entries);
    heap_init(heap);
}

static void place(struct heap *heap, uint32_t index, struct heap_entry entry)
{
    heap->entries[index] = entry;
    entry.node->position = index + 1;
}

static void sift_up(struct heap *heap, uint32_t index, struct heap_entry entry)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / ARITY;
        if (heap->entries[parent].key <= entry.key)
            break;
        place(heap, index, heap->entries[parent]);
        index = parent;
    }
    place(heap, index, entry);
}

static void sift_down(struct heap *heap, uint32_t index, struct heap_entry entry)
{
    for (;;) {
        uint32_t first = index * ARITY + 1;
        if (first >= heap->count)
            break;
        uint32_t last = first + ARITY < heap->count ? first + ARITY : heap->count;
        uint32_t least = first;
        for (uint32_t child = first + 1; child < last; child++)
            if (heap->entries[child].key < heap->entries[least].key)
                least = child;
        if (heap->entries[least].key >= entry.key)
            break;
        place(heap, index, heap->entries[least]);
        index = least;
    }
    place(heap, index, entry);
}

void heap_add(struct heap *heap, struct heap_node *node, int64_t key)
{
    must(node->position == 0);
    if (heap->count == heap->capacity) {
        heap->capacity = heap->capacity ? heap->capacity * 2 : 16;
        heap->entries = xrealloc(heap->entries, heap->capacity * sizeof *heap->entries);
    }
    sift_up(heap, heap->count++, (struct heap_entry){key, node});
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    must(node->position > 0 && node->position <= heap->count);
    uint32_t index = node->position - 1;
    must(heap->entries[index].node == node);
    node->position = 0;
    struct heap_entry last = heap->entries[--heap->count];
    if (index == heap->count)
        return;
    if (index > 0 && last.key < heap->entries[(index - 1) / ARITY].key)
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

void heap_set(struct heap *heap, struct heap_node *node, int64_t key)
{
    if (node->position)
        heap_remove(heap, node);
    heap_add(heap, node, key);
}

int64_t heap_min_key(const struct heap *heap)
{
    return heap->count ? heap->entries[0].key : INT64_MAX;
}

struct heap_node *heap_min(const struct heap *heap)
{
    return heap->count ? heap->entries[0].node : NULL;
}

struct heap_node *heap_pop(struct heap *heap)
{
    struct heap_node *node = heap_min(heap);
    if (node)
        heap_remove(heap, node);
    return node;
}
