/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/event_export.h"

#include "base/mem.h"
#include "trail/event_csv.h"
#include "trail/export_query.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_ROWS = 500, STEP_BYTES = 65536 };

struct event_export {
    enum export_format format;
    struct event_filter filter;
    char *texts[EVENT_STATUS]; /* owned; what the filter points to */
    struct event_text text;
    bool has_text, filtered, begun;
    struct readers *readers;
    const struct audit_key *key;
    struct export_part *parts; /* owned; one per segment, by number */
    size_t count, at;
    int64_t events, next_seq; /* of the segment in hand; 0: it was not looked at yet */
    uint8_t *marks;           /* owned; a bit per seq that the filter lets through; NULL: all */
};

static int by_number(const void *a, const void *b)
{
    const struct export_part *x = a, *y = b;
    return (x->meta.number > y->meta.number) - (x->meta.number < y->meta.number);
}

struct event_export *event_export_new(const struct event_export_options *options)
{
    struct event_export *e = xcalloc(1, sizeof *e);
    const struct event_filter *filter = options->filter;
    e->format = options->format;
    e->filter = *filter;
    for (int i = 0; i < EVENT_STATUS; i++)
        e->filter.texts[i] = e->texts[i] = xstrdup_or_null(filter->texts[i]);
    e->has_text = options->text != NULL;
    if (options->text)
        e->text = *options->text;
    e->filtered = e->has_text || event_filter_mask(filter) || filter->from_ms != INT64_MIN || filter->to_ms != INT64_MAX;
    e->readers = options->readers;
    e->key = options->key;
    e->parts = xcalloc(options->count + 1, sizeof *e->parts);
    e->count = options->count;
    for (size_t i = 0; i < e->count; i++)
        e->parts[i].meta = options->segments[i];
    qsort(e->parts, e->count, sizeof *e->parts, by_number);
    return e;
}

void event_export_free(struct event_export *e)
{
    for (int i = 0; i < EVENT_STATUS; i++)
        free(e->texts[i]);
    free(e->marks);
    free(e->parts);
    free(e);
}

int64_t event_export_count(const struct event_export *e)
{
    return e->events;
}

/* ---- one segment ---- */

static void mark(void *arg, int64_t seq)
{
    struct event_export *e = arg;
    if (seq <= e->parts[e->at].meta.count)
        e->marks[seq / 8] |= (uint8_t)(1 << seq % 8);
}

/* What it is now, and which of its events are wanted: of 100,000 events, 12 KB. */
static enum err_code look(struct event_export *e, struct db *db, struct err *err)
{
    struct segment_meta *meta = &e->parts[e->at].meta;
    enum err_code code = segment_read_meta(db, meta, err);
    if (code != OK)
        return code;
    e->next_seq = 1;
    if (!e->filtered)
        return OK;
    e->marks = xcalloc((size_t)meta->count / 8 + 1, 1);
    return event_query_seqs(db, meta->state == SEGMENT_SEALED, &e->filter, mark, e, err);
}

struct step {
    struct event_export *e;
    struct buf *out;
    size_t end; /* of the buffer: enough for now */
    int rows;
    enum err_code code;
    struct err *err;
};

static bool is_marked(const struct event_export *e, int64_t seq)
{
    return !e->marks || e->marks[seq / 8] >> seq % 8 & 1;
}

static void add_line(struct step *step, const struct export_row *row)
{
    struct event_export *e = step->e;
    struct export_part *part = &e->parts[e->at];
    if (e->format == EXPORT_NDJSON) {
        const struct export_chain chain = {part->meta.number, row->seq, row->hash,
                                           row->has_before ? row->before : part->meta.genesis};
        export_line_write(step->out, row->event, &chain);
    } else {
        step->code = event_csv_line(step->out, row->event, step->err);
    }
    if (!part->first_seq)
        part->first_seq = row->seq;
    part->last_seq = row->seq;
    e->events++;
}

static bool take_row(void *arg, const struct export_row *row)
{
    struct step *step = arg;
    struct event_export *e = step->e;
    e->next_seq = row->seq + 1;
    if (!e->has_text || event_text_matches(&e->text, row->event))
        add_line(step, row);
    /* Rows that lie apart are asked for each by itself. */
    return step->code == OK && ++step->rows < STEP_ROWS && step->out->len < step->end && is_marked(e, e->next_seq);
}

/* Goes to the next wanted row; false: there is none. */
static bool find_next(struct event_export *e)
{
    int64_t last = e->parts[e->at].meta.count;
    while (e->next_seq <= last && !is_marked(e, e->next_seq))
        e->next_seq++;
    return e->next_seq <= last;
}

static enum err_code read_rows(struct step *step, struct db *db, struct err *err)
{
    struct event_export *e = step->e;
    enum err_code code = OK;
    while (code == OK && step->code == OK && step->rows < STEP_ROWS && step->out->len < step->end && find_next(e)) {
        int64_t last = e->parts[e->at].meta.count, asked = e->next_seq;
        code = export_query_rows(db, e->next_seq, last, take_row, step, err);
        if (code == OK && step->code == OK && e->next_seq == asked)
            code = err_set(err, ERR_CORRUPT, NULL, "segment %lld has lost event %lld", (long long)e->parts[e->at].meta.number,
                           (long long)asked);
    }
    return code == OK ? step->code : code;
}

static void leave_segment(struct event_export *e)
{
    free(e->marks);
    e->marks = NULL;
    e->next_seq = 0;
    e->at++;
}

enum err_code event_export_next(struct event_export *e, struct buf *out, bool *ret_more, struct err *err)
{
    struct db *db;
    struct step step = {.e = e, .out = out, .end = out->len + STEP_BYTES, .err = err};
    if (e->format == EXPORT_CSV && !e->begun)
        event_csv_head(out);
    e->begun = true;
    *ret_more = e->at < e->count;
    if (!*ret_more)
        return OK;
    const struct segment_meta *meta = &e->parts[e->at].meta;
    enum err_code code = readers_take(e->readers, meta, &db, err);
    if (code == ERR_NOT_FOUND && !e->next_seq) { /* retention took it meanwhile */
        memmove(&e->parts[e->at], &e->parts[e->at + 1], (e->count - e->at - 1) * sizeof *e->parts);
        e->count--;
        return OK;
    }
    if (code != OK)
        return code;
    if (!e->next_seq)
        code = look(e, db, err);
    if (code == OK)
        code = read_rows(&step, db, err);
    readers_give(e->readers, meta, db, code == OK);
    if (code == OK && !find_next(e))
        leave_segment(e);
    return code;
}

void event_export_end(struct event_export *e, struct buf *out)
{
    struct export_manifest manifest = {.filtered = e->filtered, .events = e->events, .parts = e->parts, .count = e->count};
    if (e->format == EXPORT_NDJSON)
        export_manifest_write(out, &manifest, e->key);
}
