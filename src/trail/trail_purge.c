/* SPDX-License-Identifier: Apache-2.0 */
/* Retention: whole segments go, and never rows (RET-05). Their tombstones and the event that tells of it are one transaction;
 * only then the files are removed. What a crash leaves of them is removed at the next start. A worker's thread. */
#include "base/log.h"
#include "base/mem.h"
#include "trail/heads.h"
#include "trail/pending_store.h"
#include "trail/trail_checkpoint.h"
#include "trail/trail_priv.h"

#include <stdlib.h>

struct purge {
    struct trail *trail;
    int64_t before_ms, now_us;
    struct segment_meta *gone; /* owned */
    size_t count;
    int64_t events;
    struct checkpoint last;
};

/* The writer ends open segments whose time is over; false: it will not. The mutex is held. */
static bool end_old_ones(struct trail *trail, int64_t before_ms)
{
    uint64_t mine = ++trail->ends_asked;
    trail->end_before_ms = before_ms;
    atomic_store(&trail->ends_wanted, true);
    queue_poke(&trail->queue);
    while (trail->ends_done < mine && trail->running)
        condition_wait(&trail->changed, &trail->mutex);
    return trail->running;
}

static bool is_over(const struct trail_segment *segment, int64_t before_ms)
{
    const struct segment_meta *meta = &segment->meta;
    return (meta->state != SEGMENT_OPEN || segment->frozen) && !segment->unreadable && meta->max_ms < before_ms;
}

/* The sealer keeps away from what is chosen, and from what will be. */
static void choose(struct purge *purge)
{
    struct trail *trail = purge->trail;
    purge->gone = xcalloc(trail->segment_count + 1, sizeof *purge->gone);
    for (size_t i = 0; i < trail->segment_count; i++) {
        struct trail_segment *segment = trail->segments[i];
        if (!is_over(segment, purge->before_ms))
            continue;
        segment->purging = true;
        purge->gone[purge->count++] = segment->meta;
        purge->events += segment->meta.count;
    }
}

static bool any_is_being_sealed(const struct trail *trail, int64_t before_ms)
{
    for (size_t i = 0; i < trail->segment_count; i++)
        if (trail->segments[i]->sealing && is_over(trail->segments[i], before_ms))
            return true;
    return false;
}

static struct audit_event *make_event(const struct purge *purge)
{
    char before[40];
    struct audit_event *event = audit_event_new(AUDIT_ACTION_PURGED, AUDIT_RESOURCE_AUDIT_CONFIG, "audit_events");
    (void)time_format_utc(purge->before_ms * US_PER_MS, 3, before, sizeof before);
    audit_event_set(event, AUDIT_TEXT_SUBSYSTEM, "scheduler");
    audit_event_put_int(event, "deleted", purge->events);
    audit_event_put_int(event, "segments", (int64_t)purge->count);
    audit_event_put(event, "before", before);
    return event;
}

static enum err_code write_tombstones(struct db *tx, void *arg, struct err *err)
{
    struct purge *purge = arg;
    struct audit_event *event = make_event(purge);
    enum err_code code = OK;
    for (size_t i = 0; i < purge->count && code == OK; i++)
        code = trail_checkpoint_purged(tx, purge->trail, &purge->gone[i], purge->before_ms, &purge->last, err);
    if (code == OK)
        code = audit_put(tx, event, purge->now_us, err);
    audit_event_free(event);
    return code;
}

static void remove_files(struct purge *purge)
{
    struct trail *trail = purge->trail;
    struct err err;
    if (purge->count)
        heads_note_checkpoint(trail->heads, &purge->last);
    for (size_t i = 0; i < purge->count; i++) {
        heads_drop(trail->heads, purge->gone[i].number);
        if (trail->options.removed)
            trail->options.removed(trail->options.arg, purge->gone[i].number);
        if (segment_remove(trail->place, purge->gone[i].number, &err) != OK) /* the next start tries again */
            log_warn("audit", "segment %lld was not removed: %s", (long long)purge->gone[i].number, err.message);
    }
}

/* Out of the list; or, when the tombstones were refused, as before. */
static void let_go(struct purge *purge, bool gone)
{
    struct trail *trail = purge->trail;
    mutex_lock(&trail->mutex);
    for (size_t i = trail->segment_count; i-- > 0;) {
        struct trail_segment *segment = trail->segments[i];
        if (segment->purging && gone)
            trail_list_remove(trail, segment);
        segment->purging = false;
    }
    condition_broadcast(&trail->changed); /* for the sealer, which kept away */
    mutex_unlock(&trail->mutex);
    queue_poke(&trail->queue); /* the writer lets go of what it has open of them */
}

enum err_code trail_purge(struct trail *trail, int64_t before_ms, struct trail_purge *ret, struct err *err)
{
    struct purge purge = {.trail = trail, .before_ms = before_ms, .now_us = clock_wall(trail->options.clock).us};
    mutex_lock(&trail->purge_mutex);
    mutex_lock(&trail->mutex);
    trail->purge_before_ms = before_ms;
    bool fine = end_old_ones(trail, before_ms);
    while (fine && any_is_being_sealed(trail, before_ms))
        condition_wait(&trail->changed, &trail->mutex);
    if (fine)
        choose(&purge);
    trail->purge_before_ms = 0;
    mutex_unlock(&trail->mutex);
    enum err_code code = fine ? store_write(trail->options.store, write_tombstones, &purge, err)
                              : err_set(err, ERR_UNAVAILABLE, NULL, "the audit log is stopping");
    let_go(&purge, code == OK);
    if (code == OK) {
        remove_files(&purge);
        *ret = (struct trail_purge){purge.events, (int64_t)purge.count};
    }
    mutex_unlock(&trail->purge_mutex);
    free(purge.gone);
    return code;
}
