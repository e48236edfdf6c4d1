/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded hand-over between threads. Many producers, one consumer that takes all that waits. Ownership moves with
 * the element. Elements carry a list node. */
#ifndef HORAE_BASE_QUEUE_H
#define HORAE_BASE_QUEUE_H

#include "base/list.h"
#include "base/thread.h"

struct queue {
    struct mutex mutex; /* guards all below */
    struct condition wake;
    struct list items;
    size_t max;
    bool poked;  /* consumer should look even without items */
    bool closed; /* no more pushes */
    int waiting; /* consumers that sleep */
};

void queue_init(struct queue *queue, size_t max);
void queue_release(struct queue *queue);
/* False when full or closed: the caller keeps the element. Any thread. */
bool queue_push(struct queue *queue, struct list_node *node);
/* As queue_push but never refuses for length: for elements whose number is bounded elsewhere (one per request). */
bool queue_push_always(struct queue *queue, struct list_node *node);
void queue_poke(struct queue *queue);  /* wakes the consumer */
void queue_close(struct queue *queue); /* wakes the consumer; what waits can still be taken */
/* Appends all that waits to `to`, waiting up to timeout_us (negative: for ever) for something, a poke or the
 * closing. False when closed and nothing was taken. Consumer thread. */
bool queue_take_all(struct queue *queue, struct list *to, int64_t timeout_us);
/* As above for one element, for queues with several consumers. NULL when closed and empty, or on time-out. */
struct list_node *queue_take_one(struct queue *queue, int64_t timeout_us);

#endif
