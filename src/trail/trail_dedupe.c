/* SPDX-License-Identifier: Apache-2.0 */
/* Whether an id was stored already (rulings section 4: the last 24 hours). Bounds of ids exclude most segments, a filter nearly
 * all others; the rest are looked into. Filters are made when the first id asks for one. The writer's thread. */
#include "base/log.h"
#include "base/mem.h"
#include "trail/id_filter.h"
#include "trail/segment_ids_query.h"
#include "trail/segment_store.h"
#include "trail/trail_priv.h"

#include <string.h>

enum { READERS_MAX = 16 };

void trail_dedupe_release(struct trail_segment *segment)
{
    id_filter_free(segment->filter);
    segment->filter = NULL;
    segment_close_reader(segment->place, segment->reader);
    segment->reader = NULL;
}

void trail_dedupe_note(struct trail_segment *segment, const struct audit_record *records, size_t count)
{
    for (size_t i = 0; segment->filter && i < count; i++)
        id_filter_add(segment->filter, &records[i].id);
}

static void add_id(void *filter, const struct uuid *id)
{
    id_filter_add(filter, id);
}

/* Few connections stay open: most segments are never looked into. */
static void close_readers(struct trail *trail)
{
    size_t open = 0;
    mutex_lock(&trail->mutex);
    for (size_t i = 0; i < trail->segment_count; i++)
        open += trail->segments[i]->reader != NULL;
    for (size_t i = 0; open >= READERS_MAX && i < trail->segment_count; i++) {
        segment_close_reader(trail->place, trail->segments[i]->reader);
        trail->segments[i]->reader = NULL;
    }
    mutex_unlock(&trail->mutex);
}

static enum err_code prepare(struct trail *trail, struct trail_segment *segment, struct err *err)
{
    enum err_code code = OK;
    if (!segment->reader) {
        close_readers(trail);
        code = segment_open_reader(trail->place, segment->meta.number, &segment->reader, err);
    }
    if (code != OK || segment->filter)
        return code;
    int64_t expected = segment->open ? trail->options.segment_events : segment->meta.count;
    segment->filter = id_filter_new((size_t)expected);
    code = segment_ids_each(segment->reader, add_id, segment->filter, err);
    if (code != OK)
        trail_dedupe_release(segment);
    return code;
}

static enum err_code look_into(struct trail *trail, struct trail_segment *segment, const struct uuid *id, bool *ret_holds,
                               struct err *err)
{
    enum err_code code = OK;
    if (segment->filter && !id_filter_may_hold(segment->filter, id))
        return OK;
    if (!segment->filter || !segment->reader)
        code = prepare(trail, segment, err);
    if (code == OK && id_filter_may_hold(segment->filter, id))
        code = segment_store_find(segment->reader, id, ret_holds, err);
    if (!segment_place_folder(trail->place)) { /* a snapshot, and one of few sessions */
        segment_close_reader(trail->place, segment->reader);
        segment->reader = NULL;
    }
    return code;
}

static bool may_hold(const struct trail *trail, const struct trail_segment *segment, const struct uuid *id, bool everywhere)
{
    const struct segment_meta *meta = &segment->meta;
    if (!meta->count || segment->unreadable || segment->unsearchable)
        return false;
    if (!everywhere && meta->state == SEGMENT_SEALED &&
        meta->sealed_ms < trail_now_ms(trail) - TRAIL_DEDUPE_HOURS * INT64_C(3600000))
        return false;
    return memcmp(id->b, meta->min_id.b, sizeof id->b) >= 0 && memcmp(id->b, meta->max_id.b, sizeof id->b) <= 0;
}

/* The next segment below `number` that may hold it. A purge may take it out of the list meanwhile; it is freed by this thread. */
static struct trail_segment *next_below(struct trail *trail, int64_t *number, const struct uuid *id, bool everywhere)
{
    struct trail_segment *found = NULL;
    mutex_lock(&trail->mutex);
    for (size_t i = trail->segment_count; i-- > 0 && !found;)
        if (trail->segments[i]->meta.number < *number && may_hold(trail, trail->segments[i], id, everywhere))
            found = trail->segments[i];
    mutex_unlock(&trail->mutex);
    if (found)
        *number = found->meta.number;
    return found;
}

/* An old segment that is damaged must not keep new events out: it is said once, and its ids count as unknown. */
enum err_code trail_holds_id(struct trail *trail, const struct uuid *id, bool everywhere, bool *ret_holds, struct err *err)
{
    int64_t number = INT64_MAX;
    *ret_holds = false;
    for (struct trail_segment *segment; !*ret_holds && (segment = next_below(trail, &number, id, everywhere));) {
        enum err_code code = look_into(trail, segment, id, ret_holds, err);
        if (code != OK && (segment->open || trail_place_is_away(trail, code)))
            return code;
        if (code != OK) {
            log_error("audit", "ids of segment %lld cannot be looked up: %s", (long long)segment->meta.number, err->message);
            segment->unsearchable = true;
        }
    }
    return OK;
}
