/* SPDX-License-Identifier: Apache-2.0 */
/* Each segment that was opened is a run of keys, fetched in blocks; between blocks no connection is held, so that a request
 * has one at a time, however many segments overlap. */
#include "trail/event_search.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_MIN = 16, BLOCK_MAX = 1024, TEXT_BLOCK_ROWS = 2000 };

struct run {
    const struct segment_meta *segment;
    struct event_key *keys; /* owned; of the block in hand */
    int count, at;
    struct event_key floor; /* older ones were not looked at yet */
    bool ended;             /* there are none */
};

struct search {
    const struct event_source *source;
    const struct event_request *request;
    struct run *runs;  /* one per segment, by the newest time that it may still have */
    size_t opened;     /* runs before it were opened */
    size_t first;      /* runs before it are over */
    int block, blocks; /* keys of one; how many were fetched */
    int64_t until_us;
    bool out_of_time;
};

/* ---- places ---- */

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* > 0: `a` comes first, it is newer. */
static int compare_places(const struct event_place *a, const struct event_place *b)
{
    int by = compare(a->timestamp_ms, b->timestamp_ms);
    if (!by)
        by = compare(a->segment, b->segment);
    return by ? by : compare(a->seq, b->seq);
}

void event_cursor_write(const struct event_place *place, char out[EVENT_CURSOR_LEN])
{
    (void)snprintf(out, EVENT_CURSOR_LEN, "1.%" PRIx64 ".%" PRIx64 ".%" PRIx64, (uint64_t)place->timestamp_ms,
                   (uint64_t)place->segment, (uint64_t)place->seq);
}

bool event_cursor_read(const char *text, struct event_place *ret)
{
    uint64_t v[3];
    char again[EVENT_CURSOR_LEN];
    if (sscanf(text, "1.%16" SCNx64 ".%16" SCNx64 ".%16" SCNx64, &v[0], &v[1], &v[2]) != 3)
        return false;
    *ret = (struct event_place){(int64_t)v[0], (int64_t)v[1], (int64_t)v[2]};
    event_cursor_write(ret, again);
    return strcmp(text, again) == 0 && ret->segment > 0 && ret->seq >= 0;
}

/* ---- free text ---- */

void event_text_init(struct event_text *text, const char *wanted)
{
    struct buf quoted;
    struct json_writer w;
    buf_init(&quoted, NEEDLE_MAX);
    json_writer_init(&w, &quoted);
    json_text(&w, wanted);
    needle_init(&text->plain, str_of(wanted));
    needle_init(&text->escaped, (struct str){quoted.data + 1, quoted.len - 2});
    text->differ = text->escaped.n != text->plain.n;
    buf_release(&quoted);
}

bool event_text_matches(const struct event_text *text, struct str event)
{
    return needle_in(&text->plain, event) || (text->differ && needle_in(&text->escaped, event));
}

/* ---- one segment ---- */

/* An open segment may have grown since the source was made: its newest time is not known. */
static struct event_key start_of(const struct search *s, const struct segment_meta *segment)
{
    struct event_key start = {INT64_MAX, INT64_MAX};
    const struct event_place *after = &s->request->after;
    if (segment->state != SEGMENT_OPEN)
        start = (struct event_key){segment->max_ms, INT64_MAX};
    if (!s->request->has_after || start.timestamp_ms < after->timestamp_ms)
        return start;
    /* Of events of the same time, those of later segments came before. */
    int by = compare(segment->number, after->segment);
    return (struct event_key){after->timestamp_ms, by < 0 ? INT64_MAX : by > 0 ? 0 : after->seq};
}

/* The place at or after which its next event stands. */
static struct event_place bound_of(const struct run *run)
{
    struct event_key key = run->keys && run->at < run->count ? run->keys[run->at] : run->floor;
    return (struct event_place){key.timestamp_ms, run->segment->number, key.seq};
}

struct text_block {
    struct search *s;
    struct run *run;
    int rows;
};

static bool look_at(void *arg, struct event_key key, struct str event)
{
    struct text_block *block = arg;
    struct run *run = block->run;
    run->floor = key;
    if (event_text_matches(block->s->request->text, event))
        run->keys[run->count++] = key;
    return run->count < block->s->block && ++block->rows < TEXT_BLOCK_ROWS;
}

static enum err_code fetch_texts(struct search *s, struct run *run, struct db *db, struct err *err)
{
    struct text_block block = {s, run, 0};
    return event_query_texts(db, run->segment->state == SEGMENT_SEALED, &s->request->filter, run->floor, TEXT_BLOCK_ROWS, look_at,
                             &block, &run->ended, err);
}

static enum err_code fetch_keys(struct search *s, struct run *run, struct db *db, struct err *err)
{
    enum err_code code = event_query_keys(db, run->segment->state == SEGMENT_SEALED, &s->request->filter, run->floor, s->block,
                                          run->keys, &run->count, err);
    run->ended = code == OK && run->count < s->block;
    if (code != OK)
        run->count = 0;
    else if (run->count)
        run->floor = run->keys[run->count - 1];
    return code;
}

/* Until when a block may be looked for; 0: the time is up. The first one has more of it: so every request gets on, also on a
 * machine that is too busy. */
static int64_t limit_of(struct search *s)
{
    int64_t now_us = clock_mono(clock_real()).us, first_us = now_us + EVENT_STEP_MS * (int64_t)US_PER_MS;
    if (s->blocks++ == 0)
        return first_us > s->until_us ? first_us : s->until_us;
    return now_us < s->until_us ? s->until_us : 0;
}

/* The next block of a run whose keys are used up. A segment that retention took meanwhile has no more events. */
static enum err_code fetch(struct search *s, struct run *run, struct err *err)
{
    struct db *db;
    int64_t until_us = limit_of(s);
    if (!until_us) {
        s->out_of_time = true;
        return OK;
    }
    enum err_code code = readers_take(s->source->readers, run->segment, &db, err);
    run->at = run->count = 0;
    run->ended = code == ERR_NOT_FOUND;
    if (code != OK)
        return code == ERR_NOT_FOUND ? OK : code;
    if (!run->keys)
        run->keys = xcalloc((size_t)s->block, sizeof *run->keys);
    db_limit_time(db, until_us);
    code = s->request->text ? fetch_texts(s, run, db, err) : fetch_keys(s, run, db, err);
    s->out_of_time = code == ERR_TIMEOUT;
    if (s->out_of_time)
        code = OK;
    readers_give(s->source->readers, run->segment, db, code == OK);
    if (run->ended && !run->count) { /* as most are when something rare is looked for */
        free(run->keys);
        run->keys = NULL;
    }
    return code;
}

/* ---- all of them ---- */

static bool is_over(const struct run *run)
{
    return run->ended && run->at == run->count;
}

/* Of those that were opened, the run whose next event may be the newest; NULL: they have no more. */
static struct run *newest_opened(struct search *s)
{
    struct run *best = NULL;
    struct event_place best_bound = {0};
    while (s->first < s->opened && is_over(&s->runs[s->first]))
        s->first++;
    for (size_t i = s->first; i < s->opened; i++) {
        struct event_place bound = bound_of(&s->runs[i]);
        if (is_over(&s->runs[i]) || (best && compare_places(&bound, &best_bound) <= 0))
            continue;
        best = &s->runs[i];
        best_bound = bound;
    }
    return best;
}

/* The run that the next event is looked for in; its keys may have to be fetched. NULL: no events are left. */
static struct run *newest_run(struct search *s)
{
    for (;;) {
        struct run *best = newest_opened(s);
        if (s->opened == s->source->count || (best && bound_of(best).timestamp_ms > s->runs[s->opened].floor.timestamp_ms))
            return best;
        s->opened++;
    }
}

/* Its whole segment can be left out without looking into it: no filter, no other run between. */
static bool may_skip(const struct search *s, const struct run *run, int64_t offset)
{
    const struct segment_meta *segment = run->segment;
    const struct event_filter *filter = &s->request->filter;
    if (s->request->text || event_filter_mask(filter) || s->request->has_after || segment->state == SEGMENT_OPEN || run->count ||
        segment->count > offset || segment->min_ms < filter->from_ms || segment->max_ms > filter->to_ms)
        return false;
    for (size_t i = s->first; i < s->opened; i++)
        if (&s->runs[i] != run && !is_over(&s->runs[i]) && bound_of(&s->runs[i]).timestamp_ms >= segment->min_ms)
            return false;
    return s->opened == s->source->count || s->runs[s->opened].floor.timestamp_ms < segment->min_ms;
}

struct found {
    struct event_place *places;
    int count;
};

/* Leaves `offset` out, then takes up to `limit`, and looks whether there is one more. */
static enum err_code collect(struct search *s, struct found *found, struct event_page *page, struct err *err)
{
    enum err_code code = OK;
    int64_t offset = s->request->offset;
    for (struct run *run; (run = newest_run(s));) {
        if (run->at == run->count) {
            if (may_skip(s, run, offset - page->found)) {
                page->found += run->segment->count;
                run->ended = true;
                continue;
            }
            if ((code = fetch(s, run, err)) != OK)
                return code;
            if (!s->out_of_time)
                continue;
            page->more = page->unfinished = true;
            page->next = bound_of(run);
            return OK;
        }
        if (found->count == s->request->limit) {
            page->more = true;
            page->next = found->places[found->count - 1];
            return OK;
        }
        if (page->found++ >= offset)
            found->places[found->count++] = bound_of(run);
        run->at++;
    }
    return OK;
}

struct showing {
    bool (*row)(void *arg, struct str event);
    void *arg;
    bool full;
};

static void show(void *arg, struct str event)
{
    struct showing *showing = arg;
    showing->full = !showing->row(showing->arg, event);
}

static const struct segment_meta *find_segment(const struct event_source *source, int64_t number)
{
    size_t i = 0;
    while (source->segments[i].number != number)
        i++;
    return &source->segments[i];
}

/* Texts of the events from *at that stand in one segment. What went meanwhile is left out. */
static enum err_code show_some(const struct search *s, const struct found *found, int *at, struct showing *showing,
                               struct err *err)
{
    struct db *db;
    const struct segment_meta *segment = find_segment(s->source, found->places[*at].segment);
    enum err_code code = readers_take(s->source->readers, segment, &db, err);
    if (code == ERR_NOT_FOUND)
        ++*at;
    if (code != OK)
        return code == ERR_NOT_FOUND ? OK : code;
    while (code == OK && *at < found->count && found->places[*at].segment == segment->number) {
        code = event_query_text(db, found->places[*at].seq, show, showing, err);
        if (showing->full)
            break;
        ++*at;
    }
    readers_give(s->source->readers, segment, db, code == OK);
    return code;
}

static enum err_code show_all(const struct search *s, const struct found *found, struct showing *showing, struct event_page *page,
                              struct err *err)
{
    enum err_code code = OK;
    int at = 0;
    while (code == OK && at < found->count && !showing->full)
        code = show_some(s, found, &at, showing, err);
    if (showing->full && at > 0) {
        page->more = true;
        page->next = found->places[at - 1];
    }
    return code;
}

static int by_start(const void *a, const void *b)
{
    const struct run *x = a, *y = b;
    int by = compare(y->floor.timestamp_ms, x->floor.timestamp_ms);
    return by ? by : compare(y->segment->number, x->segment->number);
}

static void begin(struct search *s)
{
    int64_t ms = s->request->text ? EVENT_TEXT_SEARCH_MS : EVENT_SEARCH_MS, wanted = s->request->offset + s->request->limit + 1;
    s->until_us = clock_mono(clock_real()).us + ms * US_PER_MS;
    s->block = wanted < BLOCK_MIN ? BLOCK_MIN : wanted > BLOCK_MAX ? BLOCK_MAX : (int)wanted;
    s->runs = xcalloc(s->source->count + 1, sizeof *s->runs);
    for (size_t i = 0; i < s->source->count; i++)
        s->runs[i] = (struct run){.segment = &s->source->segments[i], .floor = start_of(s, &s->source->segments[i])};
    qsort(s->runs, s->source->count, sizeof *s->runs, by_start);
}

static void end(struct search *s)
{
    for (size_t i = 0; i < s->opened; i++)
        free(s->runs[i].keys);
    free(s->runs);
}

enum err_code event_search(const struct event_source *source, const struct event_request *request,
                           bool (*row)(void *arg, struct str event), void *arg, struct event_page *ret, struct err *err)
{
    struct search s = {.source = source, .request = request};
    struct found found = {xcalloc((size_t)request->limit, sizeof *found.places), 0};
    struct showing showing = {row, arg, false};
    *ret = (struct event_page){0};
    begin(&s);
    enum err_code code = collect(&s, &found, ret, err);
    if (code == OK && ret->unfinished && !ret->found && request->has_after && compare_places(&ret->next, &request->after) == 0)
        code = err_set(err, ERR_TIMEOUT, NULL, "the search takes too long: give a shorter time range, or other filters");
    if (code == OK)
        code = show_all(&s, &found, &showing, ret, err);
    end(&s);
    free(found.places);
    return code;
}

/* ---- totals ---- */

/* What a segment knows about itself; false: it has to be asked. */
static bool known_count(const struct segment_meta *segment, const struct event_filter *filter, int64_t *ret)
{
    unsigned mask = event_filter_mask(filter);
    if (segment->min_ms < filter->from_ms || segment->max_ms > filter->to_ms || mask & ~(1u << EVENT_STATUS))
        return false;
    *ret = !mask ? segment->count : filter->failure ? segment->failures : segment->count - segment->failures;
    return true;
}

/* ERR_TIMEOUT: *ret is a lower bound. */
static enum err_code ask_count(const struct event_source *source, const struct segment_meta *segment,
                               const struct event_filter *filter, int64_t most, int64_t until_us, int64_t *ret, struct err *err)
{
    struct db *db;
    *ret = 0;
    if (clock_mono(clock_real()).us >= until_us)
        return err_set(err, ERR_TIMEOUT, NULL, "counting took too long");
    enum err_code code = readers_take(source->readers, segment, &db, err);
    if (code != OK)
        return code == ERR_NOT_FOUND ? OK : code;
    db_limit_time(db, until_us);
    code = event_query_count(db, segment->state == SEGMENT_SEALED, filter, most, ret, err);
    readers_give(source->readers, segment, db, code == OK || code == ERR_TIMEOUT);
    return code;
}

enum err_code event_search_count(const struct event_source *source, const struct event_filter *filter, struct row_count *ret,
                                 struct err *err)
{
    int64_t until_us = clock_mono(clock_real()).us + EVENT_COUNT_MS * (int64_t)US_PER_MS, known = 0, asked = 0, n = 0;
    enum err_code code = OK;
    for (size_t i = 0; i < source->count; i++)
        if (known_count(&source->segments[i], filter, &n))
            known += n;
    for (size_t i = 0; i < source->count && code == OK && asked <= ROW_COUNT_MAX; i++) {
        if (known_count(&source->segments[i], filter, &n))
            continue;
        code = ask_count(source, &source->segments[i], filter, ROW_COUNT_MAX + 1 - asked, until_us, &n, err);
        asked += n;
    }
    *ret = (struct row_count){known + asked, code == ERR_TIMEOUT || asked > ROW_COUNT_MAX};
    if (asked > ROW_COUNT_MAX)
        ret->total = known + ROW_COUNT_MAX;
    return code == ERR_TIMEOUT ? OK : code;
}

/* ---- one event ---- */

enum err_code event_search_find(const struct event_source *source, const struct uuid *id, void (*fn)(void *arg, struct str event),
                                void *arg, struct err *err)
{
    enum err_code code = ERR_NOT_FOUND;
    for (size_t i = 0; i < source->count && code == ERR_NOT_FOUND; i++) {
        const struct segment_meta *segment = &source->segments[i];
        struct db *db;
        if (segment->state != SEGMENT_OPEN &&
            (memcmp(id, &segment->min_id, sizeof *id) < 0 || memcmp(id, &segment->max_id, sizeof *id) > 0))
            continue;
        if ((code = readers_take(source->readers, segment, &db, err)) != OK)
            continue;
        code = event_query_find(db, id, fn, arg, err);
        readers_give(source->readers, segment, db, code == OK || code == ERR_NOT_FOUND);
    }
    return code == ERR_NOT_FOUND ? err_set(err, ERR_NOT_FOUND, NULL, "Resource not found") : code;
}
