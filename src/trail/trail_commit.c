/* SPDX-License-Identifier: Apache-2.0 */
/* One commit per segment for all that is planned; when one is refused, once more group by group, so that a bad event harms no
 * others (AUD-36). Then everybody is answered. The writer's thread. */
#include "base/log.h"
#include "base/mem.h"
#include "trail/pending_store.h"
#include "trail/trail_checkpoint.h"
#include "trail/trail_priv.h"

#include <string.h>
#include <sys/stat.h>

enum {
    REFUSALS_MAX = 8, /* in a row, for want of the disk: the others would fare no better */
    BACKOFF_MIN_US = 100000,
    BACKOFF_MAX_US = 5000000,
};

static enum err_code check_file(struct trail *trail, struct trail_segment *segment, struct err *err)
{
    struct stat folder;
    if (!segment->open)
        return err_set(err, ERR_UNAVAILABLE, NULL, "the file of segment %lld is gone", (long long)segment->meta.number);
    if (trail_file_is_there(trail, segment))
        return OK;
    bool replace = stat(trail->folder, &folder) == 0; /* the folder is there, but not the file: it is not coming back */
    if (replace)
        trail_abandon(trail, segment);
    return err_set(err, ERR_UNAVAILABLE, NULL, "%s of the audit log is gone", replace ? "a segment" : "the folder");
}

static void published(struct trail *trail, struct trail_segment *segment, const struct audit_record *records, size_t count)
{
    trail_list_note(trail, segment);
    trail_dedupe_note(segment, records, count);
    if (segment->meta.count - segment->vouched >= TRAIL_HEAD_EVENTS)
        trail_checkpoint_later(trail, segment);
    atomic_fetch_add(&trail->written, (int64_t)count);
    metric_add(trail->written_metric, (int64_t)count);
    if (trail->options.stored)
        trail->options.stored(trail->options.arg, records, count);
}

/* The slots [from, to) that go to `segment`, side by side; returns how many. The last row of audit_pending among them, or
 * 0; rows up to `moved_id` are there already. */
static size_t gather(struct trail_plan *plan, const struct trail_segment *segment, size_t from, size_t to, int64_t moved_id,
                     int64_t *ret_pending)
{
    size_t n = 0;
    if (plan->record_capacity < plan->slot_count) {
        plan->record_capacity = plan->slot_count;
        plan->records = xrealloc(plan->records, plan->record_capacity * sizeof *plan->records);
    }
    *ret_pending = 0;
    for (size_t i = from; i < to; i++) {
        const struct trail_group *group = &plan->groups[plan->slots[i].group];
        if (plan->slots[i].segment != segment || group->code != OK || (group->pending_id && group->pending_id <= moved_id))
            continue;
        plan->records[n++] = *plan->slots[i].record;
        if (group->pending_id)
            *ret_pending = group->pending_id;
    }
    return n;
}

static void note_moved(struct trail *trail, int64_t pending_id)
{
    if (pending_id <= trail->moved_id)
        return;
    trail->moved_id = pending_id;
    pending_store_moved(pending_id);
}

/* After a refusal by a server: an earlier write that nobody answered may have been carried out, and the table may be gone. */
static void take_over(struct trail *trail, struct trail_segment *segment)
{
    const struct segment_meta *meta = segment_meta(segment->open);
    if (meta->count != segment->meta.count) {
        note_moved(trail, meta->pending_id);
        trail_dedupe_release(segment); /* its filter does not know them */
        trail_list_note(trail, segment);
    }
    if (!segment_place_folder(trail->place) && !segment_is_there(trail->place, segment->meta.number))
        trail_abandon(trail, segment);
}

static enum err_code append(struct trail *trail, struct trail_segment *segment, size_t from, size_t to, struct err *err)
{
    struct trail_plan *plan = trail->plan;
    int64_t pending_id;
    size_t n = gather(plan, segment, from, to, trail->moved_id, &pending_id);
    if (!n)
        return OK;
    enum err_code code = check_file(trail, segment, err);
    if (code != OK)
        return code;
    if (segment == trail->current && pending_id < trail->moved_id)
        pending_id = trail->moved_id; /* a new segment carries it on, so that it outlives the former one */
    code = segment_append(segment->open, plan->records, n, pending_id, err);
    if (code != OK) {
        take_over(trail, segment);
        return code;
    }
    note_moved(trail, pending_id);
    for (size_t i = from; i < to; i++)
        if (plan->slots[i].segment == segment && plan->groups[plan->slots[i].group].code == OK)
            plan->groups[plan->slots[i].group].stored++;
    published(trail, segment, plan->records, n);
    return OK;
}

/* Rows of audit_pending go in their order, or a crash would lose those that were passed over: behind one that is refused none
 * is stored. */
static void append_each(struct trail *trail, struct trail_segment *segment)
{
    struct trail_plan *plan = trail->plan;
    struct err err, pending_err;
    enum err_code pending_code = OK;
    int refusals = 0;
    for (size_t from = 0, to; from < plan->slot_count; from = to) {
        struct trail_group *group = &plan->groups[plan->slots[from].group];
        for (to = from + 1; to < plan->slot_count && plan->slots[to].group == plan->slots[from].group;)
            to++;
        enum err_code code = group->pending_id ? pending_code : OK;
        if (code != OK)
            err = pending_err;
        else if (refusals < REFUSALS_MAX)
            code = append(trail, segment, from, to, &err);
        else
            code = err.code;
        refusals = code == ERR_UNAVAILABLE || code == ERR_BUSY ? refusals + 1 : code == OK ? 0 : refusals;
        if (code == ERR_BUSY)
            refusals = REFUSALS_MAX; /* each would wait for as long */
        if (code == OK)
            continue;
        trail_plan_fail(group, code, &err);
        if (group->pending_id) {
            pending_code = code;
            pending_err = err;
        }
    }
}

static bool concerns(const struct trail_plan *plan, const struct trail_segment *segment, const struct trail_slot *slot)
{
    return slot->segment == segment && plan->groups[slot->group].code == OK;
}

static void append_all(struct trail *trail, struct trail_segment *segment)
{
    struct err err;
    struct trail_plan *plan = trail->plan;
    bool any = false;
    for (size_t i = 0; i < plan->slot_count && !any; i++)
        any = concerns(plan, segment, &plan->slots[i]);
    if (!any || append(trail, segment, 0, plan->slot_count, &err) == OK)
        return;
    log_debug("audit", "a commit of %zu events is tried again one by one: %s", plan->slot_count, err.message);
    append_each(trail, segment);
}

/* ---- answers ---- */

static void finish_batch(struct trail *trail, struct trail_group *group)
{
    struct trail_batch *batch = group->batch;
    int64_t count = (int64_t)batch->count, bytes = (int64_t)batch->bytes;
    if (group->code != OK && group->stored) { /* of a batch that went to several segments */
        struct err inner = *group->err;
        (void)err_set(group->err, group->code, NULL, "%zu of %zu events were stored, then: %s", group->stored, batch->count,
                      inner.message);
    }
    atomic_fetch_sub(&trail->events, count);
    atomic_fetch_sub(&trail->bytes, bytes);
    metric_add(trail->queued_metric, -count);
    batch->done(batch, group->code, group->err);
}

static void note_health(struct trail *trail, const struct trail_group *failed, bool stored, bool pending_failed)
{
    if (failed && !stored && !atomic_exchange(&trail->failing, true)) {
        log_error("audit", "events cannot be stored: %s", failed->err->message);
        if (trail->options.trouble)
            trail->options.trouble(trail->options.arg, 0, failed->err);
    }
    if (stored && !failed && atomic_exchange(&trail->failing, false))
        log_info("audit", "events are stored again");
    if (pending_failed) {
        trail->backoff_us = trail->backoff_us ? 2 * trail->backoff_us : BACKOFF_MIN_US;
        if (trail->backoff_us > BACKOFF_MAX_US)
            trail->backoff_us = BACKOFF_MAX_US;
        atomic_store(&trail->pending_wanted, true);
    }
}

static void finish(struct trail *trail)
{
    struct trail_plan *plan = trail->plan;
    const struct trail_group *failed = NULL;
    bool stored = false, pending_failed = false;
    for (size_t i = 0; i < plan->group_count; i++) {
        struct trail_group *group = &plan->groups[i];
        stored |= group->stored > 0;
        if (group->code != OK)
            failed = group;
        pending_failed |= !group->batch && group->code != OK;
    }
    trail->pending_refused = pending_failed;
    note_health(trail, failed, stored, pending_failed);
    for (size_t i = 0; i < plan->group_count; i++)
        if (plan->groups[i].batch)
            finish_batch(trail, &plan->groups[i]);
}

void trail_commit(struct trail *trail)
{
    struct trail_segment *late[TRAIL_LATE_OPEN_MAX + 1], *current = trail->current;
    memcpy(late, trail->late, sizeof trail->late);
    late[TRAIL_LATE_OPEN_MAX] = trail->late_any;
    for (size_t i = 0; i < ARRAY_LEN(late); i++) /* before the current one: what fails here keeps the rest of a batch out */
        if (late[i])
            append_all(trail, late[i]);
    if (current)
        append_all(trail, current);
    finish(trail);
    trail_plan_clear(trail);
    trail_end_late(trail);
}
