/* SPDX-License-Identifier: Apache-2.0 */
/* When to look at a task again: a heap of (wall time, task id), 16 bytes each, so that a million armed tasks fit in little
 * memory. Nothing is taken out from the middle: the entry of a task that was re-armed, disabled or deleted meanwhile is found
 * stale when it comes up, by whoever looks at the task, or when entries have doubled in number and are gone through. What must
 * hold: an armed task has an entry that is not later than its next slot. Not thread-safe. */
#ifndef HORAE_SCHED_SLOT_QUEUE_H
#define HORAE_SCHED_SLOT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slot_entry {
    int64_t at_us, task_id;
};

/* False: stale for sure. Of the others the earliest of each task is kept. */
typedef bool (*slot_counts_fn)(const void *arg, const struct slot_entry *entry);

struct slot_queue {
    struct slot_entry *entries; /* read only from outside */
    size_t count, capacity;
    size_t compact_min, compact_at; /* the count at which stale entries are looked for: at least, and next */
    slot_counts_fn counts;
    const void *arg;
};

/* `compact_min`: fewer entries are never gone through. */
void slot_queue_init(struct slot_queue *queue, size_t compact_min, slot_counts_fn counts, const void *arg);
void slot_queue_release(struct slot_queue *queue);
void slot_queue_add(struct slot_queue *queue, int64_t at_us, int64_t task_id);
/* The only entry of its task so far: a start looks for nothing stale. */
void slot_queue_add_first(struct slot_queue *queue, int64_t at_us, int64_t task_id);
/* The earliest time; INT64_MAX when empty. */
int64_t slot_queue_first(const struct slot_queue *queue);
/* Takes the earliest entry out; false when empty. */
bool slot_queue_pop(struct slot_queue *queue, struct slot_entry *ret);

#endif
