/* SPDX-License-Identifier: Apache-2.0 */
/* The chain breaks at a place: what was done there? Each way of tampering leaves rows elsewhere that still fit to each other, and
 * these are looked for. */
#include "trail/verify_priv.h"

#include <string.h>

enum { SHIFT_MAX = 1000 }; /* rows that were removed together, with the later ones renumbered */

static bool same(const struct audit_hash *a, const struct audit_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* Whether the row is the one that follows `before` at `seq`. */
static bool follows(const struct audit_hash *before, int64_t seq, const struct segment_row *row)
{
    struct audit_hash hash;
    audit_record_hash(before, seq, &row->record, &hash);
    return same(&hash, &row->hash);
}

/* A row found by looking ahead. */
struct found {
    bool is_there;
    int64_t seq;
    bool is_last;    /* no row comes behind it */
    bool by_content; /* its content belongs to the hash that stands at the place */
    struct audit_hash hash;
};

/* The row at `from` or behind it that follows `before` at `seq`. `stands` (may be NULL): the hash in the row at that place. */
static enum err_code look_for(struct db *db, int64_t from, const struct audit_hash *before, int64_t seq,
                              const struct audit_hash *stands, struct found *ret, struct err *err)
{
    struct segment_scan scan;
    struct segment_row row;
    bool more = true;
    *ret = (struct found){.is_there = false};
    enum err_code code = OK;
    segment_store_scan(db, from, &scan);
    while (code == OK && (code = segment_store_next(&scan, &row, &more, err)) == OK && more) {
        if (ret->is_there) { /* the one behind it */
            ret->is_last = false;
            segment_store_scan_end(&scan);
            break;
        }
        struct audit_hash hash;
        audit_record_hash(before, seq, &row.record, &hash);
        const bool by_content = stands && row.seq != seq && same(&hash, stands);
        if (!row.damaged && (same(&hash, &row.hash) || by_content))
            *ret = (struct found){true, row.seq, true, by_content, hash};
    }
    return code;
}

/* The row at the place itself, and the one behind it. */
struct place {
    bool is_there, has_next;
    struct segment_row row, next; /* records are views: only hash, id and seq are kept */
    bool looks_back;              /* it follows an earlier row: those between are inserted */
    int64_t inserted_at;
    bool skips;       /* the next one follows it with rows missing before it */
    bool has_text_id; /* its event names another id, and with that it is right */
    struct uuid text_id;
};

static void look_back(const struct verify_walk *walk, struct place *place)
{
    const int64_t seq = walk->seq + 1;
    for (int64_t j = 1; j < VERIFY_BEFORE && j <= walk->seq && !place->looks_back; j++) {
        const struct verify_before *before = &walk->before[(seq - j - 1) % VERIFY_BEFORE];
        place->looks_back = follows(&before->hash, seq - j, &place->row);
        place->inserted_at = seq - j;
    }
}

/* When only the column was changed, the text still says which event it was. */
static void look_at_id(const struct verify_walk *walk, struct place *place)
{
    struct audit_record text;
    struct segment_row row = place->row;
    if (audit_record_from_text(row.record.event, &text, NULL) != OK)
        return;
    row.record.id = text.id;
    place->text_id = text.id;
    place->has_text_id = follows(&walk->hash, walk->seq + 1, &row);
    audit_record_release(&text);
}

static enum err_code read_place(const struct verify_walk *walk, struct place *ret, struct err *err)
{
    struct segment_scan scan;
    struct segment_row row;
    bool more = false;
    *ret = (struct place){.is_there = false};
    segment_store_scan(walk->db, walk->seq + 1, &scan);
    enum err_code code = segment_store_next(&scan, &row, &more, err);
    if (code != OK || !more)
        return code;
    ret->row = row;
    ret->is_there = row.seq == walk->seq + 1;
    if (ret->is_there && !row.damaged) {
        look_back(walk, ret);
        look_at_id(walk, ret);
    }
    ret->row.record = (struct audit_record){.id = row.record.id}; /* its views end here */
    code = segment_store_next(&scan, &row, &more, err);
    if (code != OK || !more)
        return code;
    ret->has_next = true;
    for (int64_t k = 1; k <= SHIFT_MAX && !ret->skips && !row.damaged; k++)
        ret->skips = follows(&ret->row.hash, row.seq + k, &row);
    segment_store_scan_end(&scan);
    return OK;
}

/* Its row stands elsewhere, at `true_row`: was it moved, or were others put before it? They were, when its own successor is still
 * behind it. */
static enum err_code tell_moved(struct verify_walk *walk, const struct place *place, const struct found *true_row,
                                struct verify_bad *ret, struct err *err)
{
    const int64_t seq = walk->seq + 1;
    struct found successor;
    enum err_code code = look_for(walk->db, seq, &true_row->hash, seq + 1, NULL, &successor, err);
    if (code != OK)
        return code;
    const bool inserted =
        !true_row->by_content && place->is_there && (successor.is_there ? successor.seq == true_row->seq + 1 : true_row->is_last);
    if (inserted)
        verify_say(ret, VERIFY_INSERTED, walk->segment, seq, &place->row.record.id, "nobody signed this event");
    else
        verify_say(ret, VERIFY_REORDERED, walk->segment, seq, place->is_there ? &place->row.record.id : NULL,
                   "the event of this place stands elsewhere");
    return OK;
}

static void tell_rest(const struct verify_walk *walk, const struct place *place, struct verify_bad *ret)
{
    const int64_t seq = walk->seq + 1;
    const struct uuid *id = place->has_text_id ? &place->text_id : &place->row.record.id;
    if (!place->is_there)
        verify_say(ret, VERIFY_REMOVED, walk->segment, seq, NULL, "there is no event at this place");
    else if (place->skips)
        verify_say(ret, VERIFY_REMOVED, walk->segment, seq, NULL, "an event is missing, the later ones were renumbered");
    else
        verify_say(ret, VERIFY_CHANGED, walk->segment, seq, id, "the event is not what was signed");
}

enum err_code verify_classify(struct verify_walk *walk, struct verify_bad *ret, struct err *err)
{
    struct place place;
    struct found true_row;
    enum err_code code = read_place(walk, &place, err);
    if (code != OK)
        return code;
    if (place.looks_back) {
        const struct verify_before *before = &walk->before[place.inserted_at % VERIFY_BEFORE];
        verify_say(ret, VERIFY_INSERTED, walk->segment, place.inserted_at, &before->id, "nobody signed this event");
        return OK;
    }
    code = look_for(walk->db, walk->seq + 1, &walk->hash, walk->seq + 1, place.is_there ? &place.row.hash : NULL, &true_row, err);
    if (code != OK)
        return code;
    if (true_row.is_there)
        return tell_moved(walk, &place, &true_row, ret, err);
    tell_rest(walk, &place, ret);
    return OK;
}
