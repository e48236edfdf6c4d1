/* SPDX-License-Identifier: Apache-2.0 */
/* A few threads for in-process work that may block: maintenance tasks, password hashing. Threads start with the first item. */
#ifndef HORAE_BASE_WORKER_H
#define HORAE_BASE_WORKER_H

#include "base/queue.h"

enum { WORKER_THREADS = 2, WORKER_QUEUE_MAX = 1024 };

struct worker_item {
    struct list_node node;
    void (*work)(struct worker_item *item); /* worker thread; owns the item */
};

struct worker_pool {
    struct queue queue;
    struct thread threads[WORKER_THREADS];
    struct mutex mutex; /* guards started */
    bool started;
};

void worker_pool_init(struct worker_pool *pool);
/* False when full or stopping: the caller keeps the item. Any thread. */
bool worker_pool_submit(struct worker_pool *pool, struct worker_item *item) MUST_CHECK;
/* Finishes what waits, joins the threads. */
void worker_pool_release(struct worker_pool *pool);

#endif
