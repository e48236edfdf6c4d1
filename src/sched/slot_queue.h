/* SPDX-License-Identifier: Apache-2.0 */
/* When to look at a task again: a heap of (wall time, task id), 16 bytes each, so that a million armed tasks fit in little
 * memory. An entry is a hint and never taken out from the middle: one whose task was re-armed, disabled or deleted meanwhile
 * is found stale when it comes up, by whoever looks at the task. What must hold: an armed task has an entry that is not later
 * than its next slot. Not thread-safe. */
#ifndef HORAE_SCHED_SLOT_QUEUE_H
#define HORAE_SCHED_SLOT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slot_entry {
    int64_t at_us, task_id;
};

struct slot_queue {
    struct slot_entry *entries;
    size_t count, capacity;
    size_t compact_at; /* the count at which stale entries are looked for */
};

void slot_queue_init(struct slot_queue *queue);
void slot_queue_release(struct slot_queue *queue);
void slot_queue_add(struct slot_queue *queue, int64_t at_us, int64_t task_id);
/* The earliest time; INT64_MAX when empty. */
int64_t slot_queue_first(const struct slot_queue *queue);
/* Takes the earliest entry out; false when empty. */
bool slot_queue_pop(struct slot_queue *queue, struct slot_entry *ret);

#endif
