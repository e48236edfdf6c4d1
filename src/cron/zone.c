/* SPDX-License-Identifier: Apache-2.0 */
/* TZif decoding (RFC 8536, version 2 or later) into one sorted table of segments, and the look-up by instant.
 * The table holds the file's transitions plus a whole 400-year cycle of the footer's; later instants are folded back
 * into that cycle, so there is no last supported year. An index of buckets makes the look-up constant time. */
#include "cron/calendar.h"
#include "cron/zone_priv.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_SHIFT 23                    /* 97 days: two or fewer segments begin in most buckets */
#define FOOTER_FROM_S (-719162LL * DAY_S)  /* year 1: a footer without a table before it holds for all time */
#define FOOTER_TO_S (1000LL * 366 * DAY_S) /* a table that ends later is no zone's */
#define TABLE_YEARS 403                    /* of the footer's changes: a whole cycle of 400 years and its edges */
#define SEGMENTS_MAX (CRON_ZONE_TRANSITIONS_MAX + 2 * TABLE_YEARS)

struct reader {
    const unsigned char *bytes;
    size_t len, at;
    bool failed;
};

struct tzif_header {
    uint32_t isut, isstd, leap, times, types, chars;
};

static uint64_t read_be(struct reader *r, size_t width)
{
    if (r->failed || r->len - r->at < width) {
        r->failed = true;
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | r->bytes[r->at++];
    return value;
}

static void skip(struct reader *r, size_t count)
{
    if (r->failed || r->len - r->at < count)
        r->failed = true;
    else
        r->at += count;
}

/* Counts are bounded here, so that sums below cannot overflow. */
static bool read_header(struct reader *r, struct tzif_header *h)
{
    if (r->failed || r->len - r->at < 44 || memcmp(r->bytes + r->at, "TZif", 4) != 0 || r->bytes[r->at + 4] < '2')
        return false;
    skip(r, 20);
    h->isut = (uint32_t)read_be(r, 4);
    h->isstd = (uint32_t)read_be(r, 4);
    h->leap = (uint32_t)read_be(r, 4);
    h->times = (uint32_t)read_be(r, 4);
    h->types = (uint32_t)read_be(r, 4);
    h->chars = (uint32_t)read_be(r, 4);
    return !r->failed && h->times <= CRON_ZONE_TRANSITIONS_MAX && h->types >= 1 && h->types <= 256 && h->chars <= 4096 &&
           h->leap <= 1024 && h->isut <= 256 && h->isstd <= 256;
}

static size_t data_size(const struct tzif_header *h, size_t time_size)
{
    return h->times * (time_size + 1) + h->types * 6 + h->chars + h->leap * (time_size + 4) + h->isstd + h->isut;
}

bool zone_table_append(struct zone_table *z, int64_t start_s, int32_t offset_s)
{
    struct zone_change *last = z->count > 0 ? &z->changes[z->count - 1] : NULL;
    if (last != NULL && start_s < last->start_s)
        return false;                               /* must ascend */
    if (last != NULL && start_s == last->start_s) { /* two changes at one instant: the later wins */
        last->offset_s = offset_s;
        if (z->count > 1 && last[-1].offset_s == offset_s)
            z->count--;
        return true;
    }
    if (last != NULL && last->offset_s == offset_s)
        return true;
    if (z->count == SEGMENTS_MAX || z->changes == NULL)
        return false;
    z->changes[z->count++] = (struct zone_change){start_s, offset_s};
    return true;
}

/* The 64-bit data block. `offsets` of the types are collected first: they follow the transitions in the file. */
static bool read_changes(struct zone_table *z, struct reader *r, const struct tzif_header *h)
{
    int32_t offsets[256];
    struct reader types = *r;
    skip(&types, (size_t)h->times * 9);
    for (uint32_t i = 0; i < h->types; i++) {
        offsets[i] = (int32_t)(uint32_t)read_be(&types, 4);
        skip(&types, 2);
        if (offsets[i] > ZONE_OFFSET_MAX || offsets[i] < -ZONE_OFFSET_MAX)
            return false;
    }
    struct reader indexes = *r;
    skip(&indexes, (size_t)h->times * 8);
    if (types.failed || indexes.failed || !zone_table_append(z, ZONE_TIME_MIN, offsets[0]))
        return false;
    for (uint32_t i = 0; i < h->times; i++) {
        const int64_t at_s = (int64_t)read_be(r, 8);
        const uint64_t type = read_be(&indexes, 1);
        if (r->failed || indexes.failed || type >= h->types || at_s > ZONE_TIME_MAX)
            return false;
        if (at_s <= ZONE_TIME_MIN && z->count == 1)
            z->changes[0].offset_s = offsets[type]; /* "big bang" entries of some compilers */
        else if (!zone_table_append(z, at_s, offsets[type]))
            return false;
    }
    return true;
}

/* One year of the footer: the two changes in time order, those before the table's end left out. */
static bool append_year(struct zone_table *z, const struct posix_zone *p, int32_t year, int64_t after_s)
{
    const int64_t begin = posix_rule_local(&p->start, year) - p->standard_s;
    const int64_t finish = posix_rule_local(&p->end, year) - p->summer_s;
    const struct zone_change to_summer = {begin, p->summer_s}, to_standard = {finish, p->standard_s};
    const struct zone_change order[2] = {begin < finish ? to_summer : to_standard, begin < finish ? to_standard : to_summer};
    for (int i = 0; i < 2; i++) {
        const bool overtaken = z->count > 0 && order[i].start_s < z->changes[z->count - 1].start_s;
        if (order[i].start_s > after_s && !overtaken && !zone_table_append(z, order[i].start_s, order[i].offset_s))
            return false;
    }
    return true;
}

/* Ends the table at a change that stands in it 400 years earlier as well, from the same offset to the same. */
static bool close_cycle(struct zone_table *z, int32_t first_year)
{
    const int64_t first_s = calendar_days(first_year + 1, 1, 1) * DAY_S;
    if (z->changes[z->count - 1].start_s < first_s)
        return true; /* the rules change nothing, such as summer time all the year */
    for (uint32_t last = z->count - 1; last > 1 && z->changes[last].start_s - CALENDAR_CYCLE_S >= first_s; last--) {
        const struct zone_change *end = &z->changes[last];
        uint32_t i = last - 1;
        while (i > 1 && z->changes[i].start_s > end->start_s - CALENDAR_CYCLE_S)
            i--;
        const struct zone_change *begin = &z->changes[i];
        if (begin->start_s == end->start_s - CALENDAR_CYCLE_S && begin->offset_s == end->offset_s &&
            begin[-1].offset_s == end[-1].offset_s) {
            z->cycle_end_s = end->start_s;
            z->count = last + 1;
            return true;
        }
    }
    return false;
}

static bool append_rules(struct zone_table *z, const struct posix_zone *p)
{
    const int64_t last_s = z->count > 1 ? z->changes[z->count - 1].start_s : ZONE_TIME_MIN;
    if (!p->has_summer)
        return z->count > 1 || zone_table_append(z, ZONE_TIME_MIN, p->standard_s);
    const int64_t from_s = last_s < FOOTER_FROM_S ? FOOTER_FROM_S : last_s;
    if (from_s > FOOTER_TO_S)
        return false;
    const int32_t year = calendar_civil(calendar_floor_div(from_s, DAY_S)).year;
    for (int32_t y = year; y < year + TABLE_YEARS; y++)
        if (!append_year(z, p, y, last_s))
            return false;
    return close_cycle(z, year);
}

bool zone_table_append_footer(struct zone_table *z, const char *text, size_t len)
{
    struct posix_zone posix;
    return len == 0 || (posix_zone_parse(text, len, &posix) && append_rules(z, &posix));
}

static bool read_footer(struct zone_table *z, struct reader *r)
{
    if (r->len - r->at < 2 || r->bytes[r->at] != '\n')
        return r->len == r->at; /* a missing footer: the last offset stays */
    const char *text = (const char *)r->bytes + r->at + 1;
    const char *end = memchr(text, '\n', r->len - r->at - 1);
    return end != NULL && zone_table_append_footer(z, text, (size_t)(end - text));
}

/* index[b] is the segment in force where bucket b begins; buckets start at the first change. */
static bool build_index(struct zone_table *z)
{
    if (z->count < 2)
        return true;
    z->index_base_s = z->changes[1].start_s;
    const int64_t span = z->changes[z->count - 1].start_s - z->index_base_s;
    if (span > (int64_t)4096 << BUCKET_SHIFT)
        return true; /* odd file with very old changes: binary search does */
    z->bucket_count = (uint32_t)(span >> BUCKET_SHIFT) + 1;
    z->index = malloc(z->bucket_count * sizeof(*z->index));
    if (z->index == NULL)
        return false;
    uint32_t segment = 1;
    for (uint32_t b = 0; b < z->bucket_count; b++) {
        const int64_t bucket_s = z->index_base_s + ((int64_t)b << BUCKET_SHIFT);
        while (segment + 1 < z->count && z->changes[segment + 1].start_s <= bucket_s)
            segment++;
        z->index[b] = (uint16_t)segment;
    }
    return true;
}

struct zone_table *zone_table_new(void)
{
    struct zone_table *z = calloc(1, sizeof(*z));
    struct zone_change *all = malloc(SEGMENTS_MAX * sizeof(*all));
    if (z == NULL || all == NULL) {
        free(z);
        free(all);
        return NULL;
    }
    z->changes = all;
    z->cycle_end_s = ZONE_TIME_MAX;
    return z;
}

bool zone_table_finish(struct zone_table *z)
{
    if (z->count == 0 || !build_index(z))
        return false;
    struct zone_change *fitted = realloc(z->changes, z->count * sizeof(*fitted));
    if (fitted != NULL)
        z->changes = fitted;
    return true;
}

static bool decode_into(struct zone_table *z, struct reader *r)
{
    struct tzif_header first, second;
    if (!read_header(r, &first))
        return false;
    skip(r, data_size(&first, 4));
    if (!read_header(r, &second) || second.leap != 0 || r->len - r->at < data_size(&second, 8))
        return false; /* leap-second ("right") zones are not POSIX time */
    struct reader block = *r;
    skip(r, data_size(&second, 8));
    return read_changes(z, &block, &second) && read_footer(z, r) && zone_table_finish(z);
}

struct zone_table *zone_decode(const unsigned char *bytes, size_t len)
{
    struct zone_table *z = zone_table_new();
    struct reader r = {bytes, len, 0, false};
    if (z != NULL && !decode_into(z, &r)) {
        zone_table_free(z);
        z = NULL;
    }
    return z;
}

void zone_table_free(struct zone_table *z)
{
    if (z == NULL)
        return;
    free(z->changes);
    free(z->index);
    free(z);
}

bool zone_tables_equal(const struct zone_table *a, const struct zone_table *b)
{
    if (a->count != b->count || a->cycle_end_s != b->cycle_end_s)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->changes[i].start_s != b->changes[i].start_s || a->changes[i].offset_s != b->changes[i].offset_s)
            return false;
    return true;
}

static uint32_t search_binary(const struct zone_table *z, int64_t at_s)
{
    uint32_t low = 0, high = z->count;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (z->changes[middle].start_s <= at_s)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static uint32_t search(const struct zone_table *z, int64_t at_s)
{
    if (z->count < 2 || at_s < z->changes[1].start_s)
        return 0;
    if (z->index == NULL)
        return search_binary(z, at_s);
    uint64_t bucket = (uint64_t)(at_s - z->index_base_s) >> BUCKET_SHIFT;
    if (bucket >= z->bucket_count)
        bucket = z->bucket_count - 1;
    uint32_t i = z->index[bucket];
    while (i + 1 < z->count && z->changes[i + 1].start_s <= at_s)
        i++;
    return i;
}

void zone_segment_at(const struct zone_table *z, int64_t at_s, struct zone_segment *ret)
{
    int64_t shift_s = 0;
    if (at_s >= z->cycle_end_s)
        shift_s = ((at_s - z->cycle_end_s) / CALENDAR_CYCLE_S + 1) * CALENDAR_CYCLE_S;
    const uint32_t i = search(z, at_s - shift_s);
    const struct zone_change *here = &z->changes[i];
    const bool is_last = i + 1 == z->count;
    ret->start_s = i == 0 ? ZONE_TIME_MIN : here->start_s + shift_s;
    ret->end_s = is_last ? ZONE_TIME_MAX : here[1].start_s + shift_s;
    ret->offset_s = here->offset_s;
    ret->before_s = i == 0 ? here->offset_s : here[-1].offset_s;
    ret->after_s = is_last ? here->offset_s : here[1].offset_s;
}

bool zone_is_fixed(const struct zone_table *z)
{
    return z->count == 1;
}
