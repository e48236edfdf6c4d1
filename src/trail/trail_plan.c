/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into one commit: groups of events, each event with its segment, those left out that were stored already. The
 * writer's thread. */
#include "base/mem.h"
#include "trail/id_filter.h"
#include "trail/trail_priv.h"

#include <stdlib.h>
#include <string.h>

enum { IDS_CAPACITY = 1024 }; /* at the start; twice what is in it, a power of two */

struct trail_plan *trail_plan_new(void)
{
    struct trail_plan *plan = xcalloc(1, sizeof *plan);
    plan->id_capacity = IDS_CAPACITY;
    plan->ids = xcalloc(plan->id_capacity, sizeof *plan->ids);
    plan->owned = xcalloc(TRAIL_PENDING_ROWS, sizeof *plan->owned); /* slots point into it: it does not move */
    plan->rows = xcalloc(TRAIL_PENDING_ROWS, sizeof *plan->rows);
    return plan;
}

void trail_plan_free(struct trail_plan *plan)
{
    if (!plan)
        return;
    free(plan->groups);
    free(plan->slots);
    free(plan->records);
    free(plan->owned);
    free(plan->rows);
    free(plan->ids);
    free(plan);
}

/* Room for one more of `*items`, which has `count` of them. */
static void make_room(void *items, size_t *capacity, size_t count, size_t size)
{
    void **place = items;
    if (count < *capacity)
        return;
    *capacity = *capacity ? 2 * *capacity : 64;
    *place = xrealloc(*place, *capacity * size);
}

void trail_plan_clear(struct trail *trail)
{
    struct trail_plan *plan = trail->plan;
    for (size_t i = 0; i < plan->slot_count; i++)
        plan->slots[i].segment->planned = 0;
    for (size_t i = 0; i < plan->group_count; i++)
        free(plan->groups[i].err);
    for (size_t i = 0; i < plan->owned_count; i++)
        audit_record_release(&plan->owned[i]);
    if (plan->id_count)
        memset(plan->ids, 0, plan->id_capacity * sizeof *plan->ids);
    plan->group_count = plan->slot_count = plan->owned_count = plan->bytes = plan->id_count = 0;
}

void trail_plan_fail(struct trail_group *group, enum err_code code, const struct err *err)
{
    if (group->code != OK)
        return;
    group->code = code;
    group->err = xmalloc(sizeof *group->err);
    *group->err = *err;
}

static struct trail_group *new_group(struct trail_plan *plan)
{
    make_room(&plan->groups, &plan->group_capacity, plan->group_count, sizeof *plan->groups);
    struct trail_group *group = &plan->groups[plan->group_count++];
    *group = (struct trail_group){.code = OK};
    return group;
}

static void add_slot(struct trail_plan *plan, const struct audit_record *record, struct trail_segment *segment)
{
    make_room(&plan->slots, &plan->slot_capacity, plan->slot_count, sizeof *plan->slots);
    plan->slots[plan->slot_count++] = (struct trail_slot){record, segment, plan->group_count - 1};
    plan->bytes += record->event.n;
    segment->planned++;
}

/* Takes the last group back: its events, not the group. */
static void drop_slots(struct trail_plan *plan, size_t from)
{
    while (plan->slot_count > from) {
        struct trail_slot *slot = &plan->slots[--plan->slot_count];
        slot->segment->planned--;
        plan->bytes -= slot->record->event.n;
    }
}

/* ---- ids of the plan ---- */

static size_t place_of(const struct trail_plan *plan, const struct uuid *id)
{
    size_t i = id_hash(id) & (plan->id_capacity - 1);
    while (plan->ids[i] && memcmp(plan->slots[plan->ids[i] - 1].record->id.b, id->b, sizeof id->b) != 0)
        i = (i + 1) & (plan->id_capacity - 1);
    return i;
}

static void grow_ids(struct trail_plan *plan)
{
    size_t *old = plan->ids, old_capacity = plan->id_capacity;
    plan->id_capacity *= 2;
    plan->ids = xcalloc(plan->id_capacity, sizeof *plan->ids);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            plan->ids[place_of(plan, &plan->slots[old[i] - 1].record->id)] = old[i];
    free(old);
}

/* The slot about to be added has this id. */
static void note_id(struct trail_plan *plan, const struct uuid *id)
{
    if (2 * (plan->id_count + 1) > plan->id_capacity)
        grow_ids(plan);
    plan->ids[place_of(plan, id)] = plan->slot_count;
    plan->id_count++;
}

/* Taking slots back leaves ids that point beyond them: the table is made anew. */
static void rebuild_ids(struct trail_plan *plan)
{
    memset(plan->ids, 0, plan->id_capacity * sizeof *plan->ids);
    plan->id_count = 0;
    for (size_t i = 0; i < plan->slot_count; i++)
        if (plan->slots[i].record->has_id) {
            plan->ids[place_of(plan, &plan->slots[i].record->id)] = i + 1;
            plan->id_count++;
        }
}

enum seen { NEW, STORED, IN_THIS_BATCH, IN_ANOTHER };

static enum err_code look_up(struct trail *trail, const struct audit_record *record, bool everywhere, enum seen *ret,
                             struct err *err)
{
    struct trail_plan *plan = trail->plan;
    bool holds = false;
    size_t slot = plan->ids[place_of(plan, &record->id)];
    if (slot) {
        *ret = plan->slots[slot - 1].group == plan->group_count - 1 ? IN_THIS_BATCH : IN_ANOTHER;
        return OK;
    }
    enum err_code code = trail_holds_id(trail, &record->id, everywhere, &holds, err);
    *ret = holds ? STORED : NEW;
    return code;
}

/* ---- adding ---- */

static enum err_code add_record(struct trail *trail, const struct audit_record *record, bool everywhere, enum seen *ret_seen,
                                struct err *err)
{
    struct trail_segment *segment;
    enum err_code code = OK;
    *ret_seen = NEW;
    if (record->has_id)
        code = look_up(trail, record, everywhere, ret_seen, err);
    if (code != OK || *ret_seen != NEW)
        return code;
    code = trail_route(trail, record->timestamp_ms, &segment, err);
    if (code != OK)
        return code;
    add_slot(trail->plan, record, segment);
    if (record->has_id)
        note_id(trail->plan, &record->id);
    return OK;
}

/* A batch is not divided for the sake of a segment's size. */
static bool must_commit(const struct trail *trail)
{
    const struct trail_plan *plan = trail->plan;
    return plan->slot_count && (plan->slot_count >= TRAIL_PLAN_EVENTS || plan->bytes >= TRAIL_PLAN_BYTES ||
                                (trail->current && trail_is_full(trail, trail->current)));
}

enum trail_fit trail_plan_add(struct trail *trail, struct trail_batch *batch)
{
    struct trail_plan *plan = trail->plan;
    struct err err;
    if (must_commit(trail))
        return TRAIL_COMMIT_FIRST;
    size_t from = plan->slot_count;
    struct trail_group *group = new_group(plan);
    group->batch = batch;
    for (size_t i = 0; i < batch->count; i++) {
        enum seen seen;
        enum err_code code = add_record(trail, &batch->records[i], batch->dedupe_all, &seen, &err);
        if (code == OK && seen != IN_ANOTHER)
            continue;
        drop_slots(plan, from);
        rebuild_ids(plan);
        if (code == OK) { /* what another batch has in hand may yet fail */
            plan->group_count--;
            return TRAIL_COMMIT_FIRST;
        }
        trail_plan_fail(group, code, &err);
        break;
    }
    return TRAIL_TAKEN;
}

enum trail_fit trail_plan_add_pending(struct trail *trail, int64_t id, struct audit_record *record)
{
    struct trail_plan *plan = trail->plan;
    struct trail_segment *current;
    struct err err;
    if (must_commit(trail) || plan->owned_count == TRAIL_PENDING_ROWS)
        return TRAIL_COMMIT_FIRST;
    struct trail_group *group = new_group(plan);
    group->pending_id = id;
    enum err_code code = trail_current(trail, &current, &err);
    if (code != OK) {
        audit_record_release(record);
        trail_plan_fail(group, code, &err);
        return TRAIL_TAKEN;
    }
    plan->owned[plan->owned_count] = *record;
    add_slot(plan, &plan->owned[plan->owned_count++], current);
    return TRAIL_TAKEN;
}
