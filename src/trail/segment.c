/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/segment.h"

#include "base/mem.h"
#include "base/panic.h"
#include "trail/heads.h"
#include "trail/segment_store.h"

#include <string.h>

struct segment {
    struct segment_meta meta;
    struct segment_place *place;
    struct db *db; /* NULL: each write has a session of the place */
    bool in_doubt; /* what became of the last write is not known */
    const struct audit_key *key;
    struct heads *heads;
};

const struct segment_meta *segment_meta(const struct segment *segment)
{
    return &segment->meta;
}

void segment_close(struct segment *segment)
{
    if (!segment)
        return;
    if (segment->db)
        segment->place->kind->close(segment->db);
    free(segment);
}

/* ---- beginning ---- */

static enum err_code run_create(struct db *tx, void *arg, struct err *err)
{
    return segment_store_create(tx, arg, err);
}

static enum err_code run_meta(struct db *tx, void *arg, struct err *err)
{
    return segment_store_lock_meta(tx, arg, err);
}

static enum err_code open_segment(const struct segment_options *o, struct segment **ret, struct err *err)
{
    struct segment *segment = xcalloc(1, sizeof *segment);
    segment->place = o->place;
    segment->key = o->key;
    segment->heads = o->heads;
    enum err_code code = o->place->kind->open(o->place, o, &segment->db, err);
    if (code == OK)
        code = segment->db ? segment_store_meta(segment->db, &segment->meta, err)
                           : o->place->kind->write(o->place, NULL, o->number, run_meta, &segment->meta, err);
    if (code == OK && segment->meta.number != o->number)
        code = err_set(err, ERR_CORRUPT, NULL, "segment %lld says that it is segment %lld", (long long)o->number,
                       (long long)segment->meta.number);
    if (code != OK) {
        segment_close(segment);
        return code;
    }
    *ret = segment;
    return OK;
}

/* A server's answer to an earlier try was lost: the segment is there, of ours, in its place of the chain, and nobody has used it. Its day
 * may be another one: that is a hint only. */
static bool adopt(const struct segment_options *o, struct segment **ret)
{
    struct segment *segment;
    struct audit_hash genesis;
    if (open_segment(o, &segment, NULL) != OK)
        return false;
    const struct segment_meta *meta = &segment->meta;
    segment_genesis(meta, o->before, &genesis);
    if (meta->state == SEGMENT_OPEN && !meta->count && segment_is_signed(meta, o->key->public_key) &&
        memcmp(&genesis, &meta->genesis, sizeof genesis) == 0) {
        *ret = segment;
        return true;
    }
    segment_close(segment);
    return false;
}

enum err_code segment_create(const struct segment_options *o, struct segment **ret, struct err *err)
{
    struct segment_meta meta = {.number = o->number, .state = SEGMENT_OPEN, .day = o->day, .opened_ms = o->now_ms};
    (void)str_copy(meta.server, sizeof meta.server, o->server, strlen(o->server));
    segment_genesis(&meta, o->before, &meta.genesis);
    meta.head = meta.genesis;
    segment_sign(&meta, o->key);
    enum err_code code = o->place->kind->create(o->place, o, run_create, &meta, err);
    if (code == ERR_CONFLICT && !segment_place_folder(o->place) && adopt(o, ret))
        code = OK;
    else if (code == OK)
        code = open_segment(o, ret, err);
    if (code == OK)
        heads_write(o->heads, &(*ret)->meta);
    return code;
}

enum err_code segment_resume(const struct segment_options *o, struct segment **ret, struct err *err)
{
    enum err_code code = open_segment(o, ret, err);
    if (code != OK)
        return code;
    if (segment_is_signed(&(*ret)->meta, o->key->public_key)) {
        heads_write(o->heads, &(*ret)->meta);
        return OK;
    }
    code = err_set(err, ERR_CORRUPT, NULL, "segment %lld was not signed by this server", (long long)o->number);
    segment_close(*ret);
    *ret = NULL;
    return code;
}

/* ---- writing ---- */

/* What a write that was not answered has become of: no other one is under way here, so the state that stands there is either the
 * former one or that which we meant. ERR_CONFLICT: neither; somebody else has gone on with this segment. */
static enum err_code end_doubt(struct segment *segment, const struct segment_meta *meant, bool *ret_done, struct err *err)
{
    struct segment_meta now;
    enum err_code code = segment->place->kind->write(segment->place, segment->db, segment->meta.number, run_meta, &now, err);
    *ret_done = false;
    segment->in_doubt = code != OK;
    if (code != OK)
        return code;
    *ret_done = meant && memcmp(&now.signature, &meant->signature, sizeof now.signature) == 0;
    if (*ret_done || memcmp(&now.signature, &segment->meta.signature, sizeof now.signature) == 0)
        return OK;
    segment->meta = now;
    return err_set(err, ERR_CONFLICT, NULL, "segment %lld was gone on with elsewhere", (long long)now.number);
}

/* Runs `run`, which leaves `*meta` as what the segment is to say afterwards; all or nothing. */
static enum err_code write_segment(struct segment *segment, segment_run_fn run, void *arg, const struct segment_meta *meta,
                                   struct err *err)
{
    bool done = false;
    enum err_code code = segment->in_doubt ? end_doubt(segment, NULL, &done, err) : OK;
    if (code != OK)
        return code;
    code = segment->place->kind->write(segment->place, segment->db, segment->meta.number, run, arg, err);
    if (code != OK && (segment->db || end_doubt(segment, meta, &done, NULL) != OK || !done))
        return code;
    segment->meta = *meta;
    heads_write(segment->heads, &segment->meta);
    return OK;
}

/* ---- adding ---- */

struct addition {
    const struct segment *segment;
    const struct audit_record *records;
    size_t count;
    struct segment_meta meta;  /* what it is afterwards */
    struct audit_hash *hashes; /* of the records */
};

static void account(struct segment_meta *meta, const struct audit_record *r)
{
    const bool first = meta->count == 0;
    meta->count++;
    meta->failures += r->failure;
    if (first || r->timestamp_ms < meta->min_ms)
        meta->min_ms = r->timestamp_ms;
    if (first || r->timestamp_ms > meta->max_ms)
        meta->max_ms = r->timestamp_ms;
    if (first || memcmp(r->id.b, meta->min_id.b, sizeof r->id.b) < 0)
        meta->min_id = r->id;
    if (first || memcmp(r->id.b, meta->max_id.b, sizeof r->id.b) > 0)
        meta->max_id = r->id;
}

static void chain(struct addition *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct audit_hash before = a->meta.head;
        account(&a->meta, &a->records[i]);
        audit_record_hash(&before, a->meta.count, &a->records[i], &a->hashes[i]);
        a->meta.head = a->hashes[i];
    }
    segment_sign(&a->meta, a->segment->key);
}

static enum err_code run_append(struct db *tx, void *arg, struct err *err)
{
    const struct addition *a = arg;
    const struct segment_addition rows = {a->segment->meta.count + 1, a->records, a->hashes, a->count};
    enum err_code code = segment_store_insert(tx, &rows, err);
    return code == OK ? segment_store_set_meta(tx, &a->meta, err) : code;
}

enum err_code segment_append(struct segment *segment, const struct audit_record *records, size_t count, int64_t pending_id,
                             struct err *err)
{
    if (segment->meta.state != SEGMENT_OPEN) /* another server has ended it */
        return err_set(err, ERR_CONFLICT, NULL, "segment %lld takes no more events", (long long)segment->meta.number);
    struct addition addition = {segment, records, count, segment->meta, xmalloc(count * sizeof(struct audit_hash))};
    if (pending_id)
        addition.meta.pending_id = pending_id;
    chain(&addition);
    enum err_code code = write_segment(segment, run_append, &addition, &addition.meta, err);
    free(addition.hashes);
    return code;
}

/* ---- ending ---- */

static enum err_code run_set_meta(struct db *tx, void *arg, struct err *err)
{
    return segment_store_set_meta(tx, arg, err);
}

static enum err_code run_seal(struct db *tx, void *arg, struct err *err)
{
    enum err_code code = segment_store_index(tx, err);
    return code == OK ? segment_store_set_meta(tx, arg, err) : code;
}

static enum err_code change_state(struct segment *segment, enum segment_state state, int64_t now_ms,
                                  enum err_code (*run)(struct db *tx, void *arg, struct err *err), struct err *err)
{
    struct segment_meta meta = segment->meta;
    meta.state = state;
    meta.sealed_ms = now_ms;
    segment_sign(&meta, segment->key);
    return write_segment(segment, run, &meta, &meta, err);
}

enum err_code segment_set_full(struct segment *segment, struct err *err)
{
    return segment->meta.state == SEGMENT_OPEN ? change_state(segment, SEGMENT_FULL, 0, run_set_meta, err) : OK;
}

enum err_code segment_seal(struct segment *segment, int64_t now_ms, struct err *err)
{
    enum err_code code =
        segment->meta.state == SEGMENT_SEALED ? OK : change_state(segment, SEGMENT_SEALED, now_ms, run_seal, err);
    if (code == OK)
        segment->place->kind->settle(segment->place, segment->db, segment->meta.number);
    return code;
}

/* ---- reading ---- */

enum err_code segment_read_meta(struct db *reader, struct segment_meta *ret, struct err *err)
{
    return segment_store_meta(reader, ret, err);
}
