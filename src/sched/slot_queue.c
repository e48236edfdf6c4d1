/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/slot_queue.h"

#include "base/mem.h"

#include <stdlib.h>

enum { ARITY = 4, FIRST_CAPACITY = 64 };

void slot_queue_init(struct slot_queue *queue, size_t compact_min, slot_counts_fn counts, const void *arg)
{
    compact_min += compact_min == 0;
    *queue = (struct slot_queue){.compact_min = compact_min, .compact_at = compact_min, .counts = counts, .arg = arg};
}

void slot_queue_release(struct slot_queue *queue)
{
    free(queue->entries);
    *queue = (struct slot_queue){0};
}

static bool before(const struct slot_entry *a, const struct slot_entry *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->task_id < b->task_id); /* the same order in every run */
}

static void sift_up(struct slot_queue *queue, size_t i)
{
    struct slot_entry moved = queue->entries[i];
    for (; i > 0 && before(&moved, &queue->entries[(i - 1) / ARITY]); i = (i - 1) / ARITY)
        queue->entries[i] = queue->entries[(i - 1) / ARITY];
    queue->entries[i] = moved;
}

static size_t smallest_child(const struct slot_queue *queue, size_t i)
{
    size_t first = i * ARITY + 1, best = first;
    for (size_t child = first + 1; child < first + ARITY && child < queue->count; child++)
        if (before(&queue->entries[child], &queue->entries[best]))
            best = child;
    return best;
}

static void sift_down(struct slot_queue *queue, size_t i)
{
    struct slot_entry moved = queue->entries[i];
    while (i * ARITY + 1 < queue->count) {
        size_t child = smallest_child(queue, i);
        if (!before(&queue->entries[child], &moved))
            break;
        queue->entries[i] = queue->entries[child];
        i = child;
    }
    queue->entries[i] = moved;
}

static int by_task(const void *a, const void *b)
{
    const struct slot_entry *x = a, *y = b;
    if (x->task_id != y->task_id)
        return x->task_id < y->task_id ? -1 : 1;
    return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

static int by_time(const void *a, const void *b)
{
    return before(a, b) ? -1 : before(b, a);
}

static void drop_stale(struct slot_queue *queue)
{
    size_t kept = 0;
    for (size_t i = 0; i < queue->count; i++)
        if (queue->counts(queue->arg, &queue->entries[i]))
            queue->entries[kept++] = queue->entries[i];
    queue->count = kept;
}

static void drop_later(struct slot_queue *queue)
{
    size_t kept = 0;
    qsort(queue->entries, queue->count, sizeof *queue->entries, by_task);
    for (size_t i = 0; i < queue->count; i++)
        if (i == 0 || queue->entries[i].task_id != queue->entries[i - 1].task_id)
            queue->entries[kept++] = queue->entries[i];
    queue->count = kept;
}

/* Each doubling pays for it, so that an entry costs the same in the end. Ascending order is a heap. */
static void compact(struct slot_queue *queue)
{
    drop_stale(queue);
    drop_later(queue);
    qsort(queue->entries, queue->count, sizeof *queue->entries, by_time);
    queue->compact_at = queue->count * 2 > queue->compact_min ? queue->count * 2 : queue->compact_min;
}

static void push(struct slot_queue *queue, int64_t at_us, int64_t task_id)
{
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity ? queue->capacity + queue->capacity / 2 : FIRST_CAPACITY;
        queue->entries = xrealloc(queue->entries, queue->capacity * sizeof *queue->entries);
    }
    queue->entries[queue->count++] = (struct slot_entry){at_us, task_id};
    sift_up(queue, queue->count - 1);
}

void slot_queue_add(struct slot_queue *queue, int64_t at_us, int64_t task_id)
{
    if (queue->count >= queue->compact_at)
        compact(queue);
    push(queue, at_us, task_id);
}

void slot_queue_add_first(struct slot_queue *queue, int64_t at_us, int64_t task_id)
{
    push(queue, at_us, task_id);
    if (queue->compact_at < queue->count * 2)
        queue->compact_at = queue->count * 2;
}

int64_t slot_queue_first(const struct slot_queue *queue)
{
    return queue->count ? queue->entries[0].at_us : INT64_MAX;
}

bool slot_queue_pop(struct slot_queue *queue, struct slot_entry *ret)
{
    if (!queue->count)
        return false;
    *ret = queue->entries[0];
    queue->entries[0] = queue->entries[--queue->count];
    if (queue->count)
        sift_down(queue, 0);
    return true;
}
