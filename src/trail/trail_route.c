/* SPDX-License-Identifier: Apache-2.0 */
/* Which segment an event goes to, and when one ends (decision 11). The writer's thread, or nobody's yet. */
#include "base/log.h"
#include "base/mem.h"
#include "db/retention.h"
#include "trail/trail_checkpoint.h"
#include "trail/trail_priv.h"

#include <stdio.h>
#include <string.h>

enum { RETENTION_PARTS = 90 }; /* so many segments at most by time */

struct segment_options trail_segment_options(const struct trail *trail, int64_t number)
{
    return (struct segment_options){.place = trail->place,
                                    .number = number,
                                    .server = trail->server,
                                    .key = &trail->key,
                                    .heads = trail->heads,
                                    .relaxed = trail->options.relaxed,
                                    .now_ms = trail_now_ms(trail),
                                    .fault = trail->options.fault};
}

/* How long the current segment takes events: retention drops whole ones, so that they must not span too much of it. */
void trail_read_age(struct trail *trail)
{
    int64_t days = 0;
    struct err err;
    if (retention_days(trail->options.store, RETENTION_AUDIT, &days, &err) != OK)
        log_warn("audit", "the retention was not read: %s", err.message);
    int64_t part = days * TRAIL_DAY_MS / RETENTION_PARTS;
    trail->age_max_ms = part > TRAIL_DAY_MS ? part : TRAIL_DAY_MS;
}

static enum err_code create(struct trail *trail, int64_t day, struct trail_segment **ret, struct err *err)
{
    struct segment_options options = trail_segment_options(trail, trail->last_number + 1);
    struct segment *open;
    options.day = day;
    options.before = trail->has_last ? &trail->last_genesis : NULL;
    enum err_code code = segment_create(&options, &open, err);
    if (code != OK)
        return code;
    struct trail_segment *segment = trail_list_add(trail, segment_meta(open));
    segment->open = open;
    trail->last_number = options.number;
    trail->last_genesis = segment->meta.genesis;
    trail->has_last = true;
    if (!trail_file_note(trail, segment))
        log_warn("audit", "segment %lld was made and is not there", (long long)options.number);
    trail_checkpoint_later(trail, segment); /* its number is never given again, whatever becomes of the file */
    *ret = segment;
    return OK;
}

static void forget_open(struct trail *trail, struct trail_segment *segment)
{
    if (trail->current == segment)
        trail->current = NULL;
    if (trail->late_any == segment)
        trail->late_any = NULL;
    for (size_t i = 0; i < TRAIL_LATE_OPEN_MAX; i++)
        if (trail->late[i] == segment)
            trail->late[i] = NULL;
    segment_close(segment->open);
    segment->open = NULL;
}

enum err_code trail_end_segment(struct trail *trail, struct trail_segment *segment, struct err *err)
{
    enum err_code code = segment_set_full(segment->open, err);
    if (code != OK)
        return code;
    trail_list_note(trail, segment);
    forget_open(trail, segment);
    mutex_lock(&trail->mutex);
    condition_broadcast(&trail->changed);
    mutex_unlock(&trail->mutex);
    return OK;
}

void trail_abandon(struct trail *trail, struct trail_segment *segment)
{
    log_error("audit", "the file of segment %lld is gone; events go on in a new one", (long long)segment->meta.number);
    forget_open(trail, segment);
    mutex_lock(&trail->mutex);
    segment->unreadable = true;
    mutex_unlock(&trail->mutex);
}

bool trail_is_full(const struct trail *trail, const struct trail_segment *segment)
{
    return segment->meta.count + segment->planned >= trail->options.segment_events;
}

static bool is_old(const struct trail *trail, const struct trail_segment *segment, int64_t now_ms)
{
    return segment->meta.count && now_ms - segment->meta.opened_ms > trail->age_max_ms;
}

enum err_code trail_current(struct trail *trail, struct trail_segment **ret, struct err *err)
{
    struct trail_segment *current = trail->current;
    enum err_code code = OK;
    if (current && !current->planned && (trail_is_full(trail, current) || is_old(trail, current, trail_now_ms(trail))))
        code = trail_end_segment(trail, current, err);
    if (code == OK && !trail->current) {
        trail_read_age(trail);
        code = create(trail, TRAIL_DAY_NOW, &trail->current, err);
    }
    *ret = trail->current;
    return code;
}

/* ---- late events ---- */

static enum err_code any_day(struct trail *trail, struct trail_segment **ret, struct err *err)
{
    enum err_code code = OK;
    if (trail->late_any && !trail->late_any->planned && trail_is_full(trail, trail->late_any))
        code = trail_end_segment(trail, trail->late_any, err);
    if (code == OK && !trail->late_any)
        code = create(trail, TRAIL_DAY_ANY, &trail->late_any, err);
    *ret = trail->late_any;
    return code;
}

/* A free place for a late segment; the one that was not used for longest makes room. -1: all have events in hand. */
static int late_place(struct trail *trail, struct err *err)
{
    int oldest = -1;
    for (int i = 0; i < TRAIL_LATE_OPEN_MAX; i++) {
        if (!trail->late[i])
            return i;
        if (!trail->late[i]->planned && (oldest < 0 || trail->late[i]->used < trail->late[oldest]->used))
            oldest = i;
    }
    return oldest >= 0 && trail_end_segment(trail, trail->late[oldest], err) == OK ? oldest : -1;
}

void trail_end_late(struct trail *trail)
{
    struct err err;
    for (;;) {
        struct trail_segment *oldest = NULL;
        int open = 0;
        for (int i = 0; i < TRAIL_LATE_OPEN_MAX; i++) {
            open += trail->late[i] != NULL;
            if (trail->late[i] && (!oldest || trail->late[i]->used < oldest->used))
                oldest = trail->late[i];
        }
        if (open <= TRAIL_LATE_KEPT_MAX || trail_end_segment(trail, oldest, &err) != OK)
            return;
    }
}

static struct trail_segment *find_late(const struct trail *trail, int64_t day)
{
    for (size_t i = 0; i < TRAIL_LATE_OPEN_MAX; i++)
        if (trail->late[i] && trail->late[i]->meta.day == day)
            return trail->late[i];
    return NULL;
}

static enum err_code late(struct trail *trail, int64_t day, struct trail_segment **ret, struct err *err)
{
    int64_t today = trail_now_ms(trail) / TRAIL_DAY_MS;
    struct trail_segment *found = find_late(trail, day);
    enum err_code code = OK;
    if (found && !found->planned && trail_is_full(trail, found)) {
        code = trail_end_segment(trail, found, err);
        found = NULL;
    }
    if (code != OK || found) {
        *ret = found;
        return code;
    }
    if (trail->late_day != today) {
        trail->late_day = today;
        trail->late_made = 0;
    }
    int place = trail->late_made < TRAIL_LATE_DAILY_MAX ? late_place(trail, err) : -1;
    if (place < 0)
        return any_day(trail, ret, err);
    code = create(trail, day, &trail->late[place], err);
    trail->late_made += code == OK;
    *ret = trail->late[place];
    return code;
}

enum err_code trail_route(struct trail *trail, int64_t timestamp_ms, struct trail_segment **ret, struct err *err)
{
    enum err_code code = trail_current(trail, ret, err);
    if (code == OK && timestamp_ms < (*ret)->meta.opened_ms - TRAIL_LATE_MS)
        code = late(trail, timestamp_ms / TRAIL_DAY_MS, ret, err);
    if (code == OK)
        (*ret)->used = ++trail->routed;
    return code;
}

/* ---- what a purge asks for ---- */

static void end_if_before(struct trail *trail, struct trail_segment *segment, int64_t before_ms)
{
    struct err err;
    if (!segment || !segment->meta.count || segment->meta.max_ms >= before_ms)
        return;
    if (trail_end_segment(trail, segment, &err) != OK)
        log_warn("audit", "segment %lld stays open: %s", (long long)segment->meta.number, err.message);
}

void trail_end_asked(struct trail *trail)
{
    if (!atomic_exchange(&trail->ends_wanted, false))
        return;
    mutex_lock(&trail->mutex);
    int64_t before_ms = trail->end_before_ms;
    uint64_t asked = trail->ends_asked;
    mutex_unlock(&trail->mutex);
    for (size_t i = 0; i < TRAIL_LATE_OPEN_MAX; i++)
        end_if_before(trail, trail->late[i], before_ms);
    end_if_before(trail, trail->late_any, before_ms);
    end_if_before(trail, trail->current, before_ms);
    mutex_lock(&trail->mutex);
    trail->ends_done = asked;
    condition_broadcast(&trail->changed);
    mutex_unlock(&trail->mutex);
}
