/* SPDX-License-Identifier: Apache-2.0 */
/* Doubling from 1 KiB: most commands say little, and thousands of them are remembered at once. */
#include "keeper/tail.h"

#include "base/mem.h"

#include <string.h>

enum { FIRST_CAPACITY = 1024 };

void tail_init(struct tail *tail, size_t max)
{
    *tail = (struct tail){.max = max};
}

static void copy_out(const struct tail *tail, char *out)
{
    size_t first = tail->capacity - tail->begin;
    if (first > tail->length)
        first = tail->length;
    if (first)
        memcpy(out, tail->bytes + tail->begin, first);
    if (tail->length > first)
        memcpy(out + first, tail->bytes, tail->length - first);
}

/* The first KiB is given to everybody: without it nothing could be told of a failure. */
static void grow(struct tail *tail, struct tail_budget *budget, size_t need)
{
    size_t capacity = tail->capacity ? tail->capacity : FIRST_CAPACITY;
    while (capacity < need && capacity < tail->max && budget->used + (capacity * 2 - tail->capacity) <= budget->max)
        capacity *= 2;
    if (capacity > tail->max)
        capacity = tail->max;
    if (capacity <= tail->capacity)
        return;
    char *bytes = xmalloc(capacity);
    copy_out(tail, bytes);
    budget->used += capacity - tail->capacity;
    free(tail->bytes);
    tail->bytes = bytes;
    tail->capacity = capacity;
    tail->begin = 0;
}

void tail_add(struct tail *tail, struct tail_budget *budget, const char *bytes, size_t length)
{
    if (!length)
        return;
    if (tail->length + length > tail->capacity)
        grow(tail, budget, tail->length + length);
    if (length > tail->capacity) {
        tail->cut = true;
        bytes += length - tail->capacity;
        length = tail->capacity;
    }
    size_t over = tail->length + length > tail->capacity ? tail->length + length - tail->capacity : 0;
    if (over) {
        tail->cut = true;
        tail->begin = (tail->begin + over) % tail->capacity;
        tail->length -= over;
    }
    size_t at = (tail->begin + tail->length) % tail->capacity;
    size_t first = tail->capacity - at < length ? tail->capacity - at : length;
    memcpy(tail->bytes + at, bytes, first);
    memcpy(tail->bytes, bytes + first, length - first);
    tail->length += length;
}

void tail_append_to(const struct tail *tail, struct buf *out)
{
    char *at = tail->length ? buf_reserve(out, tail->length) : NULL;
    if (!at)
        return;
    copy_out(tail, at);
    buf_commit(out, tail->length);
}

void tail_release(struct tail *tail, struct tail_budget *budget)
{
    budget->used -= tail->capacity;
    free(tail->bytes);
    *tail = (struct tail){.max = tail->max};
}
