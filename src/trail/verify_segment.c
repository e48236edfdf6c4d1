/* SPDX-License-Identifier: Apache-2.0 */
/* One segment against its chain, its own signed state, and what was signed elsewhere. */
#include "trail/verify_priv.h"

#include <stdio.h>
#include <string.h>

enum { ROWS_PER_WORD = 4096 }; /* between looks at `stop` and words to `done` */

struct run {
    const struct verify_options *options;
    struct verify_segment *segment;
    const struct verify_anchor *anchors;
    size_t anchor_count, next_anchor;
    int64_t good_anchor;      /* seq of the last one that was right */
    int64_t other_anchor;     /* seq of the first one that was not; 0 = none */
    struct segment_span span; /* what is compared: first 0 = nothing, when `limited` */
    bool limited;
    struct verify_walk walk;
    int64_t rows, with[SEGMENT_INDEX_ROWS]; /* read so far; those of them that belong into an index */
    void (*done)(void *arg, int64_t rows);
    void *arg;
};

static bool same(const struct audit_hash *a, const struct audit_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static void say(struct run *r, enum verify_reason reason, int64_t seq, const struct uuid *id, const char *detail)
{
    if (r->segment->bad)
        return;
    r->segment->bad = true;
    verify_say(&r->segment->first_bad, reason, r->segment->number, seq, id, detail);
}

static bool is_asked_for(const struct run *r, int64_t seq)
{
    return !r->limited || (r->span.first && seq >= r->span.first - 1 && seq <= r->span.last + 1);
}

static void find_id(struct run *r, int64_t seq, struct uuid *ret, bool *ret_found)
{
    struct segment_scan scan;
    struct segment_row row;
    bool more = false;
    segment_store_scan(r->walk.db, seq, &scan);
    *ret_found = segment_store_next(&scan, &row, &more, NULL) == OK && more && row.seq == seq;
    if (*ret_found)
        *ret = row.record.id;
    segment_store_scan_end(&scan);
}

/* Signed places that the walk has come to. One that does not fit is kept in mind: if the chain breaks behind it, that tells more. */
static void pass_anchors(struct run *r)
{
    while (r->next_anchor < r->anchor_count && r->anchors[r->next_anchor].seq <= r->walk.seq) {
        const struct verify_anchor *anchor = &r->anchors[r->next_anchor++];
        if (anchor->seq != r->walk.seq || anchor->kind == CHECKPOINT_RECOVERED || r->other_anchor)
            continue;
        if (same(&anchor->head, &r->walk.hash))
            r->good_anchor = anchor->seq;
        else
            r->other_anchor = anchor->seq;
    }
}

/* ---- the walk ---- */

static void step_to(struct run *r, int64_t seq, const struct segment_row *row)
{
    r->walk.seq = seq;
    r->walk.hash = row->hash;
    r->walk.before[(uint64_t)seq % VERIFY_BEFORE] = (struct verify_before){row->hash, row->record.id};
}

/* A chain that fits to itself, but not to what was signed: somebody has computed it anew, from somewhere behind the last signed
 * place that fits. */
static void say_computed(struct run *r)
{
    struct uuid id;
    bool found;
    find_id(r, r->good_anchor + 1, &id, &found);
    say(r, VERIFY_CHANGED, r->good_anchor + 1, found ? &id : NULL, "from here on the chain is not the one that was signed");
}

/* The place where the chain breaks; `row` is what was read there. False: it is not asked for, and the walk goes on behind it. */
static enum err_code broken(struct run *r, const struct segment_row *row, bool *ret_end, struct err *err)
{
    const int64_t seq = r->walk.seq + 1;
    struct verify_bad bad;
    *ret_end = is_asked_for(r, seq);
    if (!*ret_end) {
        step_to(r, row->seq, row);
        return OK;
    }
    if (r->other_anchor && row->seq > r->walk.signed_end) {
        say_computed(r);
        return OK;
    }
    if (row->seq < seq || (row->seq > r->walk.signed_end && r->walk.seq >= r->walk.signed_end)) {
        say(r, VERIFY_INSERTED, row->seq, &row->record.id,
            row->seq < seq ? "it stands before the first event" : "it stands behind the signed end of its segment");
        return OK;
    }
    enum err_code code = verify_classify(&r->walk, &bad, err);
    if (code == OK && r->other_anchor && bad.seq > r->other_anchor) {
        say_computed(r);
    } else if (code == OK && !r->segment->bad) {
        r->segment->bad = true;
        r->segment->first_bad = bad;
    }
    return code;
}

static enum err_code take_row(struct run *r, const struct segment_row *row, bool *ret_end, struct err *err)
{
    struct audit_hash hash;
    const int64_t seq = r->walk.seq + 1;
    bool good = row->seq == seq && !row->damaged && seq <= r->walk.signed_end;
    if (good) {
        audit_record_hash(&r->walk.hash, seq, &row->record, &hash);
        good = same(&hash, &row->hash);
    }
    r->rows++;
    r->with[SEGMENT_INDEX_ALL]++;
    r->with[SEGMENT_INDEX_WITH_REQUEST] += row->record.request_id.n > 0;
    r->with[SEGMENT_INDEX_WITH_SPACE] += row->record.space_path.n > 0;
    if (!good)
        return broken(r, row, ret_end, err);
    step_to(r, seq, row);
    return OK;
}

static bool is_time_for_a_word(struct run *r)
{
    if (r->rows % ROWS_PER_WORD != 0)
        return false;
    if (r->done)
        r->done(r->arg, ROWS_PER_WORD);
    return r->options->stop && atomic_load(r->options->stop);
}

static enum err_code walk_rows(struct run *r, struct err *err)
{
    struct segment_scan scan;
    struct segment_row row;
    bool more = true, end = false;
    enum err_code code = OK;
    segment_store_scan(r->walk.db, INT64_MIN, &scan);
    while (!end && (code = segment_store_next(&scan, &row, &more, err)) == OK && more) {
        code = take_row(r, &row, &end, err); /* classifying ends the scan */
        if (code != OK || end)
            break;
        pass_anchors(r);
        if (is_time_for_a_word(r)) {
            segment_store_scan_end(&scan);
            return err_set(err, ERR_CANCELLED, NULL, "the verification was ended");
        }
    }
    if (code == ERR_CORRUPT && is_asked_for(r, r->walk.seq + 1)) {
        say(r, VERIFY_CHANGED, r->walk.seq + 1, NULL, "the file is damaged from here on");
        code = OK;
    }
    segment_store_scan_end(&scan);
    return code;
}

/* ---- around it ---- */

static void check_end(struct run *r)
{
    int64_t expected = r->walk.signed_end;
    if (r->other_anchor)
        say_computed(r);
    for (size_t i = 0; i < r->anchor_count; i++)
        if (r->anchors[i].seq > expected)
            expected = r->anchors[i].seq;
    if (r->walk.seq < expected && is_asked_for(r, r->walk.seq + 1))
        say(r, VERIFY_TRUNCATED, r->walk.seq + 1, NULL, "events up to a later one were signed");
    else if (!r->segment->is_signed)
        say(r, VERIFY_CHANGED, r->walk.seq, NULL, "the signed state of the segment was changed");
    else if (r->walk.seq == r->segment->meta.count && !same(&r->walk.hash, &r->segment->meta.head))
        say_computed(r);
}

/* Signed places of another segment of the same number: this file is not the one that was there. */
static bool is_another(const struct run *r)
{
    for (size_t i = 0; i < r->anchor_count; i++)
        if (!same(&r->anchors[i].genesis, &r->segment->meta.genesis))
            return true;
    return false;
}

static int64_t last_anchor(const struct run *r)
{
    int64_t last = 0;
    for (size_t i = 0; i < r->anchor_count; i++)
        if (r->anchors[i].seq > last)
            last = r->anchors[i].seq;
    return last;
}

static void check_recovered(struct run *r)
{
    for (size_t i = 0; i < r->anchor_count; i++)
        if (r->anchors[i].kind == CHECKPOINT_RECOVERED && is_asked_for(r, r->anchors[i].seq + 1))
            say(r, VERIFY_TRUNCATED, r->anchors[i].seq + 1, NULL, "the server found at its start that signed events are missing");
}

static void say_index(struct run *r, const char *name, const char *what)
{
    char detail[VERIFY_DETAIL_MAX];
    (void)snprintf(detail, sizeof detail,
                   "every event is as it was signed, but the index %s %s: questions to this segment may miss some", name, what);
    say(r, VERIFY_CHANGED, 0, NULL, detail);
}

/* Counting takes a tenth of the time that the rows do; what stands in them `horae store check` compares. */
static enum err_code check_indexes(struct run *r, struct err *err)
{
    for (size_t i = 0; i < segment_index_count && !r->segment->bad; i++) {
        const struct segment_index *index = &segment_indexes[i];
        int64_t count = 0;
        if (index->sealed && r->segment->meta.state != SEGMENT_SEALED)
            continue;
        const enum err_code code = segment_store_count_index(r->walk.db, index, &count, err);
        if (code == ERR_CORRUPT)
            say_index(r, index->name, "is damaged");
        else if (code == ERR_INTERNAL)
            say_index(r, index->name, "is not there");
        else if (code != OK)
            return code;
        else if (count != r->with[index->rows])
            say_index(r, index->name, "does not have each of them once");
    }
    return OK;
}

/* Its server has the name of a key, and that is another one. */
static bool is_of_another_key(const struct segment_meta *meta, const uint8_t public_key[AUDIT_PUBLIC_BYTES])
{
    char name[AUDIT_KEY_NAME_SIZE];
    audit_key_name(public_key, name);
    return strlen(meta->server) == strlen(name) && strcmp(meta->server, name) != 0;
}

static enum err_code check_rows(struct run *r, struct err *err)
{
    struct segment_meta *meta = &r->segment->meta;
    enum err_code code = segment_read_meta(r->walk.db, meta, err);
    if (code == ERR_CORRUPT) {
        meta->number = 0;
        say(r, VERIFY_CHANGED, 0, NULL, "the file is damaged or no segment");
        return OK;
    }
    if (code != OK)
        return code;
    const struct verify_options *o = r->options;
    r->segment->is_signed = meta->number == r->segment->number && segment_is_signed(meta, o->public_key);
    r->limited = o->from_ms != INT64_MIN || o->to_ms != INT64_MAX;
    if (!r->segment->is_signed && meta->number == r->segment->number && is_of_another_key(meta, o->public_key)) {
        say(r, VERIFY_CHANGED, 0, NULL,
            "the segment was begun with another key than audit.key: was that lost or replaced? Put back the one of that time");
        return OK;
    }
    if (is_another(r)) {
        say(r, VERIFY_REMOVED, 1, NULL, "another segment is in its place");
        return OK;
    }
    if (r->limited && (code = segment_store_span(r->walk.db, o->from_ms, o->to_ms, &r->span, err)) != OK && code != ERR_CORRUPT)
        return code;
    r->walk.signed_end = r->segment->is_signed ? meta->count : last_anchor(r);
    r->walk.hash = meta->genesis;
    r->walk.before[0].hash = meta->genesis;
    if (r->limited && !r->span.first)
        return OK;
    code = walk_rows(r, err);
    if (code == ERR_INTERNAL) {
        say(r, VERIFY_REMOVED, 1, NULL, "the table of events is not there");
        return OK;
    }
    r->segment->checked = r->limited ? r->span.count : r->rows;
    if (code == OK) { /* first what the server found itself: what was signed before it fits to nothing any more */
        check_recovered(r);
        check_end(r);
        code = check_indexes(r, err);
    }
    return code;
}

enum err_code verify_segment_run(const struct verify_options *options, const struct verify_anchors *anchors,
                                 struct verify_segment *segment, void (*done)(void *arg, int64_t rows), void *arg,
                                 struct err *err)
{
    struct run run = {.options = options, .segment = segment, .walk = {.segment = segment->number}, .done = done, .arg = arg};
    enum err_code code = segment_open_reader(options->place, segment->number, &run.walk.db, err);
    if (code == ERR_CORRUPT) {
        say(&run, VERIFY_CHANGED, 0, NULL, "the file is damaged or no segment");
        return OK;
    }
    if (code != OK)
        return code;
    run.anchors = verify_anchors_of(anchors, segment->number, &run.anchor_count);
    if (segment_place_folder(options->place)) /* a server's readers have a snapshot already */
        code = db_exec(run.walk.db, "BEGIN", err);
    if (code == OK)
        code = check_rows(&run, err);
    segment_close_reader(options->place, run.walk.db);
    if (done)
        done(arg, run.rows % ROWS_PER_WORD);
    return code;
}

bool verify_first_id(struct segment_place *place, int64_t number, struct uuid *ret)
{
    struct run run = {.segment = NULL};
    bool found = false;
    if (segment_open_reader(place, number, &run.walk.db, NULL) != OK)
        return false;
    find_id(&run, 1, ret, &found);
    segment_close_reader(place, run.walk.db);
    return found;
}
