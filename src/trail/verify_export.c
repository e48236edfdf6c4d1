/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/verify_export.h"

#include "base/mem.h"
#include "base/panic.h"
#include "trail/export_line.h"
#include "trail/verify_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18, LINES_PER_WORD = 4096 };

/* What the lines of a segment add up to. */
struct part {
    int64_t segment, last_seq;
    struct audit_hash first_before, last_hash;
};

struct reading {
    const struct verify_export_options *options;
    struct buf data;
    size_t at;     /* of what is read: where the next line begins */
    bool ended;    /* nothing more to read */
    int64_t lines; /* so far */

    struct part *parts; /* owned; by segment */
    size_t count, capacity;
    struct uuid last_id; /* of the last line that was right */
    int64_t checked;

    bool bad;
    struct verify_bad first_bad;
    bool looks_for; /* the line of first_bad's place may stand further down */
    bool is_second; /* the next line tells whether the bad one was put in */
    struct audit_hash second_before;

    bool has_manifest;
    struct export_manifest manifest; /* its parts are owned */
};

static bool same(const struct audit_hash *a, const struct audit_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static void say(struct reading *r, enum verify_reason reason, int64_t segment, int64_t seq, const struct uuid *id,
                const char *detail)
{
    if (r->bad)
        return;
    r->bad = true;
    verify_say(&r->first_bad, reason, segment, seq, id, detail);
}

/* ---- lines ---- */

static enum err_code read_more(struct reading *r, struct err *err)
{
    buf_consume(&r->data, r->at);
    r->at = 0;
    char *room = buf_reserve(&r->data, READ_BYTES);
    if (!room)
        return err_set(err, ERR_LIMIT, NULL, "line %lld is longer than %d bytes", (long long)r->lines + 1, VERIFY_LINE_MAX);
    ssize_t n;
    do
        n = read(r->options->fd, room, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot read the export: %s", strerror(errno));
    r->ended = n == 0;
    if (n > 0)
        buf_commit(&r->data, (size_t)n);
    return OK;
}

/* *ret NULL: the end. Valid until the next call; may be changed. */
static enum err_code next_line(struct reading *r, char **ret, size_t *ret_length, struct err *err)
{
    size_t looked = 0;
    for (;;) {
        char *from = r->data.data ? r->data.data + r->at : NULL;
        const size_t left = r->data.len - r->at;
        char *end = left > looked ? memchr(from + looked, '\n', left - looked) : NULL;
        if (end || (r->ended && left)) {
            *ret = from;
            *ret_length = end ? (size_t)(end - from) : left;
            r->at += *ret_length + (end != NULL);
            r->lines++;
            return OK;
        }
        *ret = NULL;
        if (r->ended)
            return OK;
        looked = left;
        enum err_code code = read_more(r, err);
        if (code != OK)
            return code;
    }
}

/* ---- events ---- */

static struct part *part_in_hand(const struct reading *r)
{
    return r->count ? &r->parts[r->count - 1] : NULL;
}

/* Where the next line is expected to stand, when it is of the same segment. */
static int64_t next_seq(const struct reading *r)
{
    return r->count ? part_in_hand(r)->last_seq + 1 : 1;
}

static int64_t segment_in_hand(const struct reading *r)
{
    return r->count ? part_in_hand(r)->segment : 0;
}

/* The id as it stands at the beginning, also of a text that is no event. */
static bool id_of(struct str event, struct uuid *ret)
{
    static const char before[] = "{\"id\":\"";
    const size_t n = sizeof before - 1;
    return event.n > n + UUID_TEXT_LEN && memcmp(event.p, before, n) == 0 && uuid_parse(event.p + n, UUID_TEXT_LEN, ret);
}

static bool is_right(struct str event, const struct export_chain *chain)
{
    struct audit_record record;
    struct audit_hash hash;
    if (audit_record_from_text(event, &record, NULL) != OK)
        return false;
    audit_record_hash(&chain->before, chain->seq, &record, &hash);
    audit_record_release(&record);
    return same(&hash, &chain->hash);
}

static struct part *begin_part(struct reading *r, const struct export_chain *chain)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 16;
        r->parts = xrealloc(r->parts, r->capacity * sizeof r->parts[0]);
    }
    r->parts[r->count++] = (struct part){.segment = chain->segment, .first_before = chain->before};
    return &r->parts[r->count - 1];
}

/* The line stands where it should. */
static void take_next(struct reading *r, struct str event, const struct export_chain *chain, bool is_first)
{
    struct uuid id = {{0}};
    const bool has_id = id_of(event, &id);
    struct part *part = part_in_hand(r);
    if (!is_right(event, chain) || (!is_first && !same(&chain->before, &part->last_hash))) {
        say(r, VERIFY_CHANGED, chain->segment, chain->seq, has_id ? &id : NULL, "the event is not what was signed");
        r->is_second = true;
        r->second_before = is_first ? chain->before : part->last_hash;
        return;
    }
    if (is_first)
        part = begin_part(r, chain);
    must(part); /* that a line follows one was found before */
    part->last_seq = chain->seq;
    part->last_hash = chain->hash;
    r->last_id = id;
    r->checked++;
}

static void take_line(struct reading *r, struct str event, const struct export_chain *chain)
{
    struct uuid id;
    const bool has_id = id_of(event, &id), same_segment = r->count && chain->segment == segment_in_hand(r);
    const bool next_segment = !r->count || chain->segment > segment_in_hand(r);
    if (same_segment ? chain->seq == next_seq(r) : next_segment && chain->seq == 1) {
        take_next(r, event, chain, !same_segment);
    } else if (same_segment && chain->seq == part_in_hand(r)->last_seq && is_right(event, chain)) {
        /* twice the same place: the one before it passed because its hash was computed */
        const bool repeated = same(&chain->hash, &part_in_hand(r)->last_hash);
        say(r, VERIFY_INSERTED, chain->segment, chain->seq, repeated ? &id : &r->last_id, "nobody signed this event");
    } else if (same_segment ? chain->seq > next_seq(r) : next_segment) {
        say(r, VERIFY_REMOVED, chain->segment, same_segment ? next_seq(r) : 1, NULL, "the line of this event is missing");
        r->looks_for = true;
    } else {
        say(r, VERIFY_INSERTED, chain->segment, chain->seq, has_id ? &id : NULL, "the line does not belong here");
    }
}

/* Behind the first that is wrong: what the lines further down tell of it. */
static void look_on(struct reading *r, struct str event, const struct export_chain *chain)
{
    struct verify_bad *bad = &r->first_bad;
    const bool at_place = chain->segment == bad->segment && chain->seq == bad->seq;
    if (r->is_second && at_place && same(&chain->before, &r->second_before) && is_right(event, chain)) {
        bad->reason = VERIFY_INSERTED;
        (void)snprintf(bad->detail, sizeof bad->detail, "nobody signed this event");
    }
    r->is_second = false;
    if (r->looks_for && at_place && is_right(event, chain)) {
        bad->reason = VERIFY_REORDERED;
        bad->has_id = id_of(event, &bad->id);
        (void)snprintf(bad->detail, sizeof bad->detail, "the event of this place stands elsewhere");
        r->looks_for = false;
    }
}

static enum err_code take(struct reading *r, char *line, size_t length, struct err *err)
{
    struct export_chain chain;
    struct str event;
    char detail[VERIFY_DETAIL_MAX];
    if (export_line_is_manifest((struct str){line, length})) {
        r->has_manifest = true;
        return export_manifest_read((struct str){line, length}, &r->manifest, err);
    }
    if (r->has_manifest) {
        say(r, VERIFY_INSERTED, segment_in_hand(r), next_seq(r), NULL, "there are lines behind the manifest");
        return OK;
    }
    if (!export_line_read(line, length, &event, &chain)) {
        (void)snprintf(detail, sizeof detail, "line %lld is no line of an export", (long long)r->lines);
        if (r->lines == 1)
            return err_set(err, ERR_INVALID, NULL, "it is no export of events (NDJSON) of horae");
        say(r, VERIFY_CHANGED, segment_in_hand(r), next_seq(r), NULL, detail);
    } else if (r->bad) {
        look_on(r, event, &chain);
    } else {
        take_line(r, event, &chain);
    }
    return OK;
}

/* ---- the end ---- */

/* A part against what the manifest says of its segment. `is_end`: no events follow it. */
static void compare_part(struct reading *r, const struct part *part, const struct export_part *said, bool is_end)
{
    const int64_t last = part ? part->last_seq : 0;
    if (!segment_is_signed(&said->meta, r->manifest.public_key))
        say(r, VERIFY_CHANGED, said->meta.number, 0, NULL, "the state of the segment is not signed");
    else if (last < said->meta.count)
        say(r, is_end ? VERIFY_TRUNCATED : VERIFY_REMOVED, said->meta.number, last + 1, NULL,
            "the line of this event is missing");
    else if (last > said->meta.count)
        say(r, VERIFY_INSERTED, said->meta.number, said->meta.count + 1,
            last == said->meta.count + 1 && is_end ? &r->last_id : NULL, "it stands behind the signed end of its segment");
    else if (part && (!same(&part->first_before, &said->meta.genesis) || !same(&part->last_hash, &said->meta.head)))
        say(r, VERIFY_CHANGED, said->meta.number, 1, NULL, "the chain is not the one that was signed");
}

static void compare_manifest(struct reading *r)
{
    const struct export_manifest *m = &r->manifest;
    size_t at = 0;
    for (size_t i = 0; i < m->count && !r->bad; i++) {
        const bool there = at < r->count && r->parts[at].segment == m->parts[i].meta.number;
        if (at < r->count && r->parts[at].segment < m->parts[i].meta.number)
            break;
        compare_part(r, there ? &r->parts[at] : NULL, &m->parts[i], at + there >= r->count);
        at += there;
    }
    if (!r->bad && at < r->count)
        say(r, VERIFY_INSERTED, r->parts[at].segment, 1, NULL, "the export has no such segment");
}

/* The last line of a segment is all that is kept of its hashes: only checkpoints of that place can be compared. */
static void compare_outside(struct reading *r)
{
    for (size_t k = 0; k < r->options->outside_count; k++)
        for (size_t i = 0; i < r->count; i++) {
            const struct checkpoint *c = &r->options->outside[k];
            const struct part *part = &r->parts[i];
            if (c->segment != part->segment)
                continue;
            if (!same(&c->genesis, &part->first_before) || (c->seq == part->last_seq && !same(&c->head, &part->last_hash)))
                say(r, VERIFY_CHANGED, part->segment, 1, NULL,
                    "the chain is not the one of the checkpoint that was kept elsewhere");
            else if (c->kind == CHECKPOINT_SEALED && part->last_seq != c->seq)
                say(r, VERIFY_TRUNCATED, part->segment, part->last_seq + 1, NULL,
                    "the segment ended elsewhere, a checkpoint says");
        }
}

static enum err_code check_key(struct reading *r, uint8_t ret_public_key[AUDIT_PUBLIC_BYTES], struct err *err)
{
    const uint8_t *expected = r->options->public_key;
    memcpy(ret_public_key, r->manifest.public_key, AUDIT_PUBLIC_BYTES);
    if (expected && memcmp(expected, r->manifest.public_key, AUDIT_PUBLIC_BYTES) != 0)
        return err_set(err, ERR_INVALID, NULL, "the export is signed by another key than the one that is expected");
    for (size_t i = 0; i < r->options->outside_count; i++)
        if (!checkpoint_is_signed(&r->options->outside[i], r->manifest.public_key))
            return err_set(err, ERR_INVALID, NULL,
                           "checkpoint %lld that was kept elsewhere is not signed by the key of this export",
                           (long long)r->options->outside[i].id);
    return OK;
}

static enum err_code finish(struct reading *r, uint8_t ret_public_key[AUDIT_PUBLIC_BYTES], struct err *err)
{
    if (!r->has_manifest) {
        if (!r->lines)
            return err_set(err, ERR_INVALID, NULL, "it is no export of events: it is empty");
        say(r, VERIFY_TRUNCATED, segment_in_hand(r), next_seq(r), NULL, "the export has no end: its manifest is missing");
        return OK;
    }
    if (r->manifest.filtered)
        return err_set(err, ERR_INVALID, "FILTERED_EXPORT",
                       "it is a filtered export: what is missing in it cannot be told; verify one without filters");
    enum err_code code = check_key(r, ret_public_key, err);
    if (code != OK)
        return code;
    compare_manifest(r);
    compare_outside(r);
    return OK;
}

static enum err_code read_all(struct reading *r, struct err *err)
{
    char *line = NULL;
    size_t length;
    enum err_code code;
    while ((code = next_line(r, &line, &length, err)) == OK && line) {
        if ((code = take(r, line, length, err)) != OK)
            return code;
        if (r->options->progress && r->lines % LINES_PER_WORD == 0)
            r->options->progress(r->options->arg, r->checked);
    }
    return code;
}

static void take_heads(const struct reading *r, struct verify_result *ret)
{
    ret->heads = xcalloc(r->manifest.count + 1, sizeof ret->heads[0]);
    for (size_t i = 0; i < r->manifest.count; i++)
        ret->heads[ret->head_count++] = r->manifest.parts[i].meta;
}

enum err_code verify_export(const struct verify_export_options *options, struct verify_result *ret,
                            uint8_t ret_public_key[AUDIT_PUBLIC_BYTES], struct err *err)
{
    struct reading r = {.options = options};
    *ret = (struct verify_result){.ok = false};
    memset(ret_public_key, 0, AUDIT_PUBLIC_BYTES);
    buf_init(&r.data, VERIFY_LINE_MAX);
    enum err_code code = read_all(&r, err);
    if (code == OK)
        code = finish(&r, ret_public_key, err);
    if (code == OK) {
        ret->ok = !r.bad;
        ret->first_bad = r.first_bad;
        ret->checked = r.checked;
        take_heads(&r, ret);
    }
    buf_release(&r.data);
    free(r.parts);
    free(r.manifest.parts);
    return code;
}
