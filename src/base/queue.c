/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

void queue_init(struct queue *queue, size_t max)
{
    must(max > 0);
    mutex_init(&queue->mutex);
    condition_init(&queue->wake);
    list_init(&queue->items);
    queue->max = max;
    queue->poked = queue->closed = false;
    queue->waiting = 0;
}

void queue_release(struct queue *queue)
{
    must(queue->items.count == 0);
    condition_release(&queue->wake);
    mutex_release(&queue->mutex);
}

static bool push(struct queue *queue, struct list_node *node, bool always)
{
    mutex_lock(&queue->mutex);
    bool fits = !queue->closed && (always || queue->items.count < queue->max);
    bool wake = false;
    if (fits) {
        list_push_back(&queue->items, node);
        wake = queue->waiting > 0;
    }
    mutex_unlock(&queue->mutex);
    if (wake)
        condition_signal(&queue->wake);
    return fits;
}

bool queue_push(struct queue *queue, struct list_node *node)
{
    return push(queue, node, false);
}

bool queue_push_always(struct queue *queue, struct list_node *node)
{
    return push(queue, node, true);
}

void queue_poke(struct queue *queue)
{
    mutex_lock(&queue->mutex);
    queue->poked = true;
    mutex_unlock(&queue->mutex);
    condition_signal(&queue->wake);
}

void queue_close(struct queue *queue)
{
    mutex_lock(&queue->mutex);
    queue->closed = true;
    mutex_unlock(&queue->mutex);
    condition_broadcast(&queue->wake);
}

/* Until there is something to look at, or the time has passed. */
static void wait_for_something(struct queue *queue, int64_t timeout_us)
{
    while (queue->items.count == 0 && !queue->closed && !queue->poked && timeout_us != 0) {
        queue->waiting++;
        bool woken = condition_wait_for(&queue->wake, &queue->mutex, timeout_us);
        queue->waiting--;
        if (!woken)
            break;
    }
}

bool queue_take_all(struct queue *queue, struct list *to, int64_t timeout_us)
{
    mutex_lock(&queue->mutex);
    wait_for_something(queue, timeout_us);
    bool more = queue->items.count > 0 || !queue->closed;
    queue->poked = false;
    list_splice(to, &queue->items);
    mutex_unlock(&queue->mutex);
    return more;
}

struct list_node *queue_take_one(struct queue *queue, int64_t timeout_us)
{
    mutex_lock(&queue->mutex);
    wait_for_something(queue, timeout_us);
    queue->poked = false;
    struct list_node *node = list_pop_front(&queue->items);
    bool more = queue->items.count > 0;
    mutex_unlock(&queue->mutex);
    if (more) /* one signal may have stood for several elements */
        condition_signal(&queue->wake);
    return node;
}
