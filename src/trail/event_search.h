/* SPDX-License-Identifier: Apache-2.0 */
/* Events of all segments, newest first: by timestamp, then segment, then seq, all descending (AUD-42, API-20). Segments are
 * opened one after the other, as long as their time can still contribute. What takes too long ends before the page is full,
 * with the place to go on from; so a page may be short, even empty, without being the last. The caller's thread. */
#ifndef HORAE_TRAIL_EVENT_SEARCH_H
#define HORAE_TRAIL_EVENT_SEARCH_H

#include "base/text_search.h"
#include "trail/event_query.h"
#include "trail/readers.h"
#include "trail/segment.h"

enum {
    EVENT_SEARCH_MS = 1000,     /* by filters */
    EVENT_TEXT_SEARCH_MS = 120, /* by free text, which reads every event of the range */
    EVENT_STEP_MS = 2000,       /* a request that gets nothing done in this time is refused */
    EVENT_TEXT_MAX = 256,       /* bytes of the text searched for */
    EVENT_COUNT_MS = 10,        /* rulings, Totals: 20 ms for all of it */
    EVENT_CURSOR_LEN = 64,
};

struct event_place {
    int64_t timestamp_ms, segment, seq;
};

/* What is asked, as it is now; segments in any order. */
struct event_source {
    struct readers *readers;
    const struct segment_meta *segments;
    size_t count;
};

/* Texts are looked for as they are, and as they stand inside a JSON string. */
struct event_text {
    struct needle plain, escaped;
    bool differ;
};
void event_text_init(struct event_text *text, const char *wanted); /* 1 to EVENT_TEXT_MAX bytes */
bool event_text_matches(const struct event_text *text, struct str event);

struct event_request {
    struct event_filter filter;
    const struct event_text *text; /* NULL = none */
    bool has_after;
    struct event_place after; /* only events that come after it, which are older */
    int64_t offset;           /* of those, leave out so many */
    int limit;
};

struct event_page {
    bool more;       /* events may follow: `next` is the place after which they do */
    bool unfinished; /* the time was up before the page was full */
    struct event_place next;
    int64_t found; /* events seen, those that were left out too */
};

/* `row` gets each event's text, borrowed during the call; false: no room, the page ends before it. */
enum err_code event_search(const struct event_source *source, const struct event_request *request,
                           bool (*row)(void *arg, struct str event), void *arg, struct event_page *ret, struct err *err);
/* Without the free text. Exact up to ROW_COUNT_MAX, and beyond when it is a sum of what segments know about themselves. */
enum err_code event_search_count(const struct event_source *source, const struct event_filter *filter, struct row_count *ret,
                                 struct err *err);
/* The newest event of this id. ERR_NOT_FOUND. */
enum err_code event_search_find(const struct event_source *source, const struct uuid *id, void (*fn)(void *arg, struct str event),
                                void *arg, struct err *err);

/* A place as callers hold it. */
void event_cursor_write(const struct event_place *place, char out[EVENT_CURSOR_LEN]);
bool event_cursor_read(const char *text, struct event_place *ret);

#endif
