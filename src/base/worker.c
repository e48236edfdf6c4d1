/* SPDX-License-Identifier: Apache-2.0 */
#include "base/worker.h"

static void worker_main(void *arg)
{
    struct worker_pool *pool = arg;
    struct list_node *node;
    while ((node = queue_take_one(&pool->queue, -1))) {
        struct worker_item *item = CONTAINER_OF(node, struct worker_item, node);
        item->work(item);
    }
}

void worker_pool_init(struct worker_pool *pool)
{
    queue_init(&pool->queue, WORKER_QUEUE_MAX);
    mutex_init(&pool->mutex);
    pool->started = false;
}

bool worker_pool_submit(struct worker_pool *pool, struct worker_item *item)
{
    mutex_lock(&pool->mutex);
    if (!pool->started) {
        pool->started = true;
        for (int i = 0; i < WORKER_THREADS; i++)
            thread_start(&pool->threads[i], "horae-worker", worker_main, pool);
    }
    mutex_unlock(&pool->mutex);
    return queue_push(&pool->queue, &item->node);
}

void worker_pool_release(struct worker_pool *pool)
{
    queue_close(&pool->queue);
    if (pool->started)
        for (int i = 0; i < WORKER_THREADS; i++)
            thread_join(&pool->threads[i]);
    queue_release(&pool->queue);
    mutex_release(&pool->mutex);
}
