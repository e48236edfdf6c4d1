/* SPDX-License-Identifier: Apache-2.0 */
/* The fire set (section 3) from L and the zone's segments, and its views next, prev, count and matches.
 * Everything is defined per segment [start, end): a fire in it is either a *regular* instant, whose local reading is
 * in L and not left to the other pass of an overlap (fold), or a *catch-up* for local times that the gap at the
 * segment's start swallowed (gap). All four views use the same three helpers, so they cannot disagree.
 * The gap and fold policies were resolved at parse time; nothing here knows of interval-like or fixed-time. */
#include "cron/cron.h"

#include "cron/calendar.h"
#include "cron/search.h"
#include "cron/zone.h"

#define TIME_MIN (-719163LL * DAY_S) /* a day before 0001-01-01 and after 9999-12-31, as offsets need */
#define TIME_MAX (2932898LL * DAY_S)
#define EVERY_MAX 253402300799LL /* 9999-12-31T23:59:59Z */
#define NONE INT64_MAX
#define OFFSETS_SPAN_S (2 * ZONE_OFFSET_MAX) /* two readings of one instant differ by less */

/* The instants of a segment whose readings count as regular. */
struct window {
    int64_t from_s, to_s;
};

static inline struct window regular_window(const struct cron_schedule *s, const struct zone_segment *g)
{
    struct window w = {g->start_s, g->end_s};
    if (s->fold == CRON_FOLD_FIRST && g->before_s > g->offset_s)
        w.from_s += g->before_s - g->offset_s; /* already shown by the segment before */
    if (s->fold == CRON_FOLD_LAST && g->offset_s > g->after_s)
        w.to_s -= g->offset_s - g->after_s; /* will be shown again */
    return w;
}

/* A gap of a day or more is a date that does not exist: nothing is caught up (rule D). */
static inline bool has_catch_up(const struct cron_schedule *s, const struct zone_segment *g)
{
    const int32_t gap_s = g->offset_s - g->before_s;
    return gap_s > 0 && gap_s < DAY_S && s->gap != CRON_GAP_SKIP;
}

static bool is_regular(const struct cron_schedule *s, const struct zone_segment *g, int64_t at_s)
{
    const struct window w = regular_window(s, g);
    return at_s >= w.from_s && at_s < w.to_s && search_has(s, at_s + g->offset_s);
}

/* Smallest catch-up instant of this segment >= at_s, or NONE. A swallowed local time l moves to l - offset before. */
static int64_t catch_up_next(const struct cron_schedule *s, const struct zone_segment *g, int64_t at_s)
{
    const int64_t gap_end = g->start_s + g->offset_s;
    const bool at_edge = s->gap == CRON_GAP_RUN_AT_EDGE;
    int64_t from = g->start_s + g->before_s;
    if (at_s > g->start_s) {
        if (at_edge)
            return NONE;
        from = at_s + g->before_s;
    }
    if (from >= gap_end)
        return NONE;
    const int64_t local = search_next(s, from);
    if (local == CRON_NEVER || local >= gap_end)
        return NONE;
    const int64_t moved = at_edge ? g->start_s : local - g->before_s;
    return moved < g->end_s ? moved : NONE;
}

/* Largest catch-up instant of this segment <= at_s, or CRON_NEVER. */
static int64_t catch_up_prev(const struct cron_schedule *s, const struct zone_segment *g, int64_t at_s)
{
    const int64_t gap_begin = g->start_s + g->before_s, gap_end = g->start_s + g->offset_s;
    const bool at_edge = s->gap == CRON_GAP_RUN_AT_EDGE;
    int64_t to = gap_end - 1;
    if (!at_edge && at_s + g->before_s < to)
        to = at_s + g->before_s;
    if (at_s < g->start_s)
        return CRON_NEVER;
    const int64_t local = search_prev(s, to);
    if (local == CRON_NEVER || local < gap_begin)
        return CRON_NEVER;
    return at_edge ? g->start_s : local - g->before_s;
}

static bool has_no_fires(const struct cron_schedule *s)
{
    return s->kind == CRON_KIND_REBOOT || (s->kind == CRON_KIND_CALENDAR && s->year_kinds == 0);
}

/* --- @every: anchor + k * D, k >= 1; no zone, no calendar --- */

static int64_t every_next(const struct cron_schedule *s, int64_t at_s)
{
    const int64_t first = s->anchor_s + s->every_s;
    int64_t fire = first;
    if (at_s > first)
        fire = first + ((at_s - first + s->every_s - 1) / s->every_s) * s->every_s;
    return fire <= EVERY_MAX ? fire : CRON_NEVER;
}

static int64_t every_prev(const struct cron_schedule *s, int64_t at_s)
{
    const int64_t first = s->anchor_s + s->every_s;
    if (at_s > EVERY_MAX)
        at_s = EVERY_MAX;
    return at_s < first ? CRON_NEVER : first + (at_s - first) / s->every_s * s->every_s;
}

static int64_t every_count(const struct cron_schedule *s, int64_t from_s, int64_t to_s)
{
    const int64_t first = every_next(s, from_s), last = every_prev(s, to_s - 1);
    return first == CRON_NEVER || last == CRON_NEVER || last < first ? 0 : (last - first) / s->every_s + 1;
}

/* --- the views --- */

int64_t cron_next(const struct cron_schedule *s, int64_t after_s)
{
    if (has_no_fires(s) || after_s >= TIME_MAX)
        return CRON_NEVER;
    int64_t at_s = after_s < TIME_MIN ? TIME_MIN : after_s + 1;
    if (s->kind == CRON_KIND_EVERY)
        return every_next(s, at_s);
    const struct zone_table *rules = zone_rules(s->zone);
    for (;;) {
        struct zone_segment g;
        zone_segment_at(rules, at_s, &g);
        const struct window w = regular_window(s, &g);
        const int64_t known = (at_s > w.from_s ? at_s : w.from_s) + g.offset_s;
        const int64_t local = search_next(s, known);
        int64_t fire = local == CRON_NEVER || local - g.offset_s >= w.to_s ? NONE : local - g.offset_s;
        if (has_catch_up(s, &g)) {
            const int64_t moved = catch_up_next(s, &g, at_s);
            fire = moved < fire ? moved : fire;
        }
        if (fire != NONE)
            return fire;
        if (g.end_s == ZONE_TIME_MAX || g.end_s >= TIME_MAX)
            return CRON_NEVER;
        at_s = g.end_s;
        /* L is empty in [known, local). Once no later segment can show a reading before `known`, jump near `local`. */
        if (g.end_s - ZONE_OFFSET_MAX >= known) {
            if (local == CRON_NEVER)
                return CRON_NEVER;
            if (local - OFFSETS_SPAN_S > at_s)
                at_s = local - OFFSETS_SPAN_S;
        }
    }
}

int64_t cron_prev(const struct cron_schedule *s, int64_t before_s)
{
    if (has_no_fires(s) || before_s <= TIME_MIN)
        return CRON_NEVER;
    int64_t at_s = before_s > TIME_MAX ? TIME_MAX : before_s - 1;
    if (s->kind == CRON_KIND_EVERY)
        return every_prev(s, at_s);
    const struct zone_table *rules = zone_rules(s->zone);
    for (;;) {
        struct zone_segment g;
        zone_segment_at(rules, at_s, &g);
        const struct window w = regular_window(s, &g);
        const int64_t known = (at_s < w.to_s ? at_s : w.to_s - 1) + g.offset_s;
        const int64_t local = search_prev(s, known);
        int64_t fire = local == CRON_NEVER || local - g.offset_s < w.from_s ? CRON_NEVER : local - g.offset_s;
        if (has_catch_up(s, &g)) {
            const int64_t moved = catch_up_prev(s, &g, at_s);
            fire = moved > fire ? moved : fire;
        }
        if (fire != CRON_NEVER)
            return fire;
        if (g.start_s == ZONE_TIME_MIN || g.start_s <= TIME_MIN)
            return CRON_NEVER;
        at_s = g.start_s - 1;
        if (g.start_s + ZONE_OFFSET_MAX <= known) { /* the mirror image of cron_next */
            if (local == CRON_NEVER)
                return CRON_NEVER;
            if (local + OFFSETS_SPAN_S < at_s)
                at_s = local + OFFSETS_SPAN_S;
        }
    }
}

/* Does a catch-up happen at this instant? It may coincide with a regular fire. */
static bool catches_up_at(const struct cron_schedule *s, const struct zone_segment *g, int64_t at_s)
{
    return has_catch_up(s, g) && catch_up_next(s, g, at_s) == at_s;
}

bool cron_matches(const struct cron_schedule *s, int64_t at_s)
{
    if (has_no_fires(s) || at_s < TIME_MIN || at_s > TIME_MAX)
        return false;
    if (s->kind == CRON_KIND_EVERY)
        return every_next(s, at_s) == at_s;
    struct zone_segment g;
    zone_segment_at(zone_rules(s->zone), at_s, &g);
    return is_regular(s, &g, at_s) || catches_up_at(s, &g, at_s);
}

bool cron_is_catch_up(const struct cron_schedule *s, int64_t at_s)
{
    if (s->kind != CRON_KIND_CALENDAR || has_no_fires(s) || at_s < TIME_MIN || at_s > TIME_MAX)
        return false;
    struct zone_segment g;
    zone_segment_at(zone_rules(s->zone), at_s, &g);
    return catches_up_at(s, &g, at_s) && !is_regular(s, &g, at_s);
}

/* Catch-up instants in [from, to) that are no regular fires. Where everything is a whole minute, the matching seconds of
 * a minute are counted at once: `* * * * * *` would otherwise take 3,600 steps per clock change. */
static int64_t count_catch_ups(const struct cron_schedule *s, const struct zone_segment *g, int64_t from_s, int64_t to_s)
{
    const int64_t end_s = to_s < g->end_s ? to_s : g->end_s;
    const bool by_minute =
        g->start_s % 60 == 0 && g->before_s % 60 == 0 && g->offset_s % 60 == 0 && from_s % 60 == 0 && end_s % 60 == 0;
    int64_t count = 0;
    int64_t at_s = from_s > g->start_s ? from_s : g->start_s;
    for (;;) {
        at_s = catch_up_next(s, g, at_s);
        if (at_s == NONE || at_s >= end_s)
            return count;
        const bool whole = by_minute && s->gap == CRON_GAP_SHIFT_FORWARD;
        if (!is_regular(s, g, at_s))
            count += whole ? __builtin_popcountll(s->second) : 1;
        at_s = whole ? calendar_floor_div(at_s, 60) * 60 + 60 : at_s + 1;
    }
}

int64_t cron_count(const struct cron_schedule *s, int64_t from_s, int64_t to_s)
{
    if (from_s < TIME_MIN)
        from_s = TIME_MIN;
    if (to_s > TIME_MAX)
        to_s = TIME_MAX;
    if (has_no_fires(s) || from_s >= to_s)
        return 0;
    if (s->kind == CRON_KIND_EVERY)
        return every_count(s, from_s, to_s);
    const struct zone_table *rules = zone_rules(s->zone);
    int64_t count = 0;
    struct zone_segment g;
    for (int64_t at_s = from_s; at_s < to_s; at_s = g.end_s) {
        zone_segment_at(rules, at_s, &g);
        const struct window w = regular_window(s, &g);
        const int64_t begin = at_s > w.from_s ? at_s : w.from_s, end = to_s < w.to_s ? to_s : w.to_s;
        if (begin < end)
            count += search_count(s, begin + g.offset_s, end + g.offset_s);
        if (has_catch_up(s, &g))
            count += count_catch_ups(s, &g, at_s, to_s);
    }
    return count;
}
