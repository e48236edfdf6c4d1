/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's thread: takes what waits, plans it, commits it. Nobody waits for a timer: while one commit is under way, the
 * next one gathers (rulings section 4). Rows of audit_pending, for which nobody waits and which are on disk already, are moved at
 * once when they come alone, and together when many come: a commit beside each of the store's would slow down the changes. */
#include "base/log.h"
#include "trail/trail_checkpoint.h"
#include "trail/trail_priv.h"

enum { PENDING_GATHER_US = 50000 };

/* How long rows of audit_pending may still gather. */
static int64_t gather_us(const struct trail *trail)
{
    int64_t passed = clock_mono(trail->options.clock).us - trail->moved_at_us;
    return passed >= 0 && passed < PENDING_GATHER_US ? PENDING_GATHER_US - passed : 0;
}

static void move_pending(struct trail *trail)
{
    atomic_store(&trail->pending_wanted, false);
    trail->moved_at_us = clock_mono(trail->options.clock).us;
    if (!trail_move_pending(trail))
        atomic_store(&trail->pending_wanted, true);
}

static void plan_batches(struct trail *trail, struct list *taken)
{
    for (struct list_node *node; (node = list_pop_front(taken));) {
        struct trail_batch *batch = CONTAINER_OF(node, struct trail_batch, node);
        if (batch->make)
            batch->make(batch);
        while (trail_plan_add(trail, batch) == TRAIL_COMMIT_FIRST)
            trail_commit(trail);
    }
}

static void vouch_for_all(struct trail *trail)
{
    struct trail_segment *open[TRAIL_LATE_OPEN_MAX + 2] = {trail->current, trail->late_any};
    for (size_t i = 0; i < TRAIL_LATE_OPEN_MAX; i++)
        open[2 + i] = trail->late[i];
    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        if (open[i] && open[i]->meta.count > open[i]->vouched)
            trail_checkpoint_now(trail, open[i]);
}

static void vouch_when_asked(struct trail *trail)
{
    if (!atomic_exchange(&trail->vouch_wanted, false))
        return;
    mutex_lock(&trail->mutex);
    uint64_t asked = trail->vouch_asked;
    mutex_unlock(&trail->mutex);
    vouch_for_all(trail);
    mutex_lock(&trail->mutex);
    trail->vouch_done = asked;
    condition_broadcast(&trail->changed);
    mutex_unlock(&trail->mutex);
}

static void run_round(struct trail *trail, struct list *taken, bool is_last)
{
    bool due = is_last || list_first(taken) || atomic_exchange(&trail->hurry, false) || !gather_us(trail);
    trail_list_free_removed(trail);
    trail_end_asked(trail);
    if (due && atomic_load(&trail->pending_wanted))
        move_pending(trail);
    plan_batches(trail, taken);
    if (trail->plan->group_count)
        trail_commit(trail);
    vouch_when_asked(trail);
}

/* Rows that were refused, and rows that gather, are waited for: all else wakes us. */
static int64_t wait_us(struct trail *trail)
{
    if (!atomic_load(&trail->pending_wanted))
        trail->backoff_us = 0;
    return trail->backoff_us ? trail->backoff_us : atomic_load(&trail->pending_wanted) ? gather_us(trail) : -1;
}

void trail_writer_main(void *arg)
{
    struct trail *trail = arg;
    struct list taken;
    list_init(&taken);
    while (queue_take_all(&trail->queue, &taken, wait_us(trail)))
        run_round(trail, &taken, false);
    atomic_store(&trail->pending_wanted, true); /* what was committed last */
    run_round(trail, &taken, true);
    vouch_for_all(trail);
}
