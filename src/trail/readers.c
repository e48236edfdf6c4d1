/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/readers.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/thread.h"
#include "db/db_file.h"

struct idle {
    struct list_node node;
    int64_t segment;
    struct db *db; /* owned */
};

struct readers {
    struct segment_place *place;
    struct mutex mutex; /* guards all below */
    struct list idle;   /* the one used last is the first */
};

struct readers *readers_new(struct segment_place *place)
{
    struct readers *readers = xcalloc(1, sizeof *readers);
    readers->place = place;
    mutex_init(&readers->mutex);
    list_init(&readers->idle);
    return readers;
}

static void close_idle(struct readers *readers, struct idle *idle)
{
    if (idle)
        segment_close_reader(readers->place, idle->db);
    free(idle);
}

void readers_free(struct readers *readers)
{
    if (!readers)
        return;
    for (struct list_node *node; (node = list_pop_front(&readers->idle));)
        close_idle(readers, CONTAINER_OF(node, struct idle, node));
    mutex_release(&readers->mutex);
    free(readers);
}

/* Taken out of the list; NULL: none is idle. */
static struct idle *pop(struct readers *readers, int64_t segment)
{
    for (struct list_node *node = list_first(&readers->idle); node; node = list_next(&readers->idle, node)) {
        struct idle *idle = CONTAINER_OF(node, struct idle, node);
        if (idle->segment != segment)
            continue;
        list_remove(&readers->idle, node);
        return idle;
    }
    return NULL;
}

enum err_code readers_take(struct readers *readers, const struct segment_meta *segment, struct db **ret, struct err *err)
{
    mutex_lock(&readers->mutex);
    struct idle *idle = pop(readers, segment->number);
    mutex_unlock(&readers->mutex);
    if (!idle)
        return segment_open_reader(readers->place, segment->number, ret, err);
    *ret = idle->db;
    free(idle);
    return OK;
}

void readers_give(struct readers *readers, const struct segment_meta *segment, struct db *db, bool ok)
{
    struct idle *idle = xcalloc(1, sizeof *idle), *oldest = NULL;
    idle->segment = segment->number;
    idle->db = db;
    db_limit_time(db, 0);
    if (!ok || segment->state != SEGMENT_SEALED || !segment_place_folder(readers->place)) {
        close_idle(readers, idle);
        return;
    }
    mutex_lock(&readers->mutex);
    list_push_front(&readers->idle, &idle->node);
    if (readers->idle.count > READERS_IDLE_MAX) {
        oldest = CONTAINER_OF(readers->idle.head.prev, struct idle, node);
        list_remove(&readers->idle, &oldest->node);
    }
    mutex_unlock(&readers->mutex);
    close_idle(readers, oldest);
}

void readers_forget(struct readers *readers, int64_t segment)
{
    struct idle *idle;
    do {
        mutex_lock(&readers->mutex);
        idle = pop(readers, segment);
        mutex_unlock(&readers->mutex);
        close_idle(readers, idle);
    } while (idle);
}
