/* SPDX-License-Identifier: Apache-2.0 */
/* What was signed outside of the segments: checkpoints of the database, the file heads, checkpoints kept elsewhere. */
#include "base/mem.h"
#include "db/store.h"
#include "trail/checkpoint_store.h"
#include "trail/verify_priv.h"

#include <stdio.h>
#include <string.h>

void verify_say(struct verify_bad *bad, enum verify_reason reason, int64_t segment, int64_t seq, const struct uuid *id,
                const char *detail)
{
    *bad = (struct verify_bad){.reason = reason, .has_id = id != NULL, .segment = segment, .seq = seq};
    if (id)
        bad->id = *id;
    (void)snprintf(bad->detail, sizeof bad->detail, "%s", detail);
}

static void say(struct verify_anchors *a, enum verify_reason reason, int64_t segment, const char *what, int64_t id)
{
    char detail[VERIFY_DETAIL_MAX];
    if (a->bad)
        return;
    a->bad = true;
    (void)snprintf(detail, sizeof detail, "checkpoint %lld %s", (long long)id, what);
    verify_say(&a->first_bad, reason, segment, 0, NULL, detail);
}

static void add(struct verify_anchors *a, const struct verify_anchor *anchor)
{
    if (a->count == a->capacity) {
        a->capacity = a->capacity ? 2 * a->capacity : 64;
        a->items = xrealloc(a->items, a->capacity * sizeof a->items[0]);
    }
    a->items[a->count++] = *anchor;
}

static void add_checkpoint(struct verify_anchors *a, const struct checkpoint *c)
{
    const struct verify_anchor anchor = {.segment = c->segment,
                                         .seq = c->seq,
                                         .genesis = c->genesis,
                                         .head = c->head,
                                         .min_ms = c->min_ms,
                                         .max_ms = c->max_ms,
                                         .kind = c->kind};
    add(a, &anchor);
}

static void add_heads(struct verify_anchors *a)
{
    for (size_t i = 0; i < a->heads.count; i++) {
        const struct segment_meta *m = &a->heads.items[i];
        const struct verify_anchor anchor = {.segment = m->number,
                                             .seq = m->count,
                                             .genesis = m->genesis,
                                             .head = m->head,
                                             .min_ms = m->min_ms,
                                             .max_ms = m->max_ms,
                                             .kind = CHECKPOINT_HEAD,
                                             .from_heads = true};
        add(a, &anchor);
    }
}

static int by_place(const void *x, const void *y)
{
    const struct verify_anchor *a = x, *b = y;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* ---- the database ---- */

struct reading {
    const struct verify_options *options;
    struct verify_anchors *anchors;
    size_t matched; /* of `outside` */
};

static void match_outside(struct reading *r, const struct checkpoint *c, const struct audit_hash *hash)
{
    struct audit_hash outside;
    for (size_t i = 0; i < r->options->outside_count; i++) {
        if (r->options->outside[i].id != c->id)
            continue;
        checkpoint_hash(&r->options->outside[i], &outside);
        if (memcmp(&outside, hash, sizeof outside) == 0)
            r->matched++;
        else
            say(r->anchors, VERIFY_CHANGED, c->segment, "is not the one that was kept elsewhere", c->id);
    }
}

static bool take(void *arg, const struct checkpoint *c)
{
    struct reading *r = arg;
    struct verify_anchors *a = r->anchors;
    struct audit_hash hash;
    checkpoint_hash(c, &hash);
    if (!checkpoint_is_signed(c, r->options->public_key))
        say(a, VERIFY_CHANGED, c->segment, "is not what was signed", c->id);
    else if (c->id != a->last_id + 1)
        say(a, VERIFY_REMOVED, c->segment, "is missing", a->last_id + 1);
    else if (memcmp(&c->before, &a->last_hash, sizeof hash) != 0)
        say(a, VERIFY_CHANGED, c->segment, "does not follow the one before it", c->id);
    if (checkpoint_is_signed(c, r->options->public_key)) {
        add_checkpoint(a, c);
        match_outside(r, c, &hash);
    }
    if (c->id == a->heads.checkpoint && memcmp(&hash, &a->heads.checkpoint_hash, sizeof hash) != 0)
        say(a, VERIFY_CHANGED, c->segment, "is not the last one that the server signed", c->id);
    a->last_id = c->id;
    a->last_hash = hash;
    return true;
}

static enum err_code read_checkpoints(struct db *db, void *arg, struct err *err)
{
    const struct checkpoint_query query = {.limit = INT64_MAX};
    enum err_code code = checkpoint_store_each(db, &query, take, arg, err);
    return code == ERR_INTERNAL ? err_set(err, ERR_CORRUPT, NULL, "it has no audit log") : code; /* no such table */
}

static int64_t segment_of_outside(const struct verify_options *o, int64_t id)
{
    for (size_t i = 0; i < o->outside_count; i++)
        if (o->outside[i].id == id)
            return o->outside[i].segment;
    return 0;
}

/* The last ones are missing, as in an older copy of the database. */
static void check_last(struct reading *r)
{
    struct verify_anchors *a = r->anchors;
    int64_t greatest = 0;
    for (size_t i = 0; i < r->options->outside_count; i++)
        if (r->options->outside[i].id > greatest)
            greatest = r->options->outside[i].id;
    if (a->heads.checkpoint > a->last_id)
        say(a, VERIFY_TRUNCATED, 0, "was signed and is missing at the end of the database's", a->heads.checkpoint);
    if (greatest > a->last_id)
        say(a, VERIFY_TRUNCATED, segment_of_outside(r->options, greatest),
            "was kept elsewhere and is missing at the end of the database's", greatest);
}

static enum err_code check_outside(const struct verify_options *o, struct err *err)
{
    for (size_t i = 0; i < o->outside_count; i++)
        if (!checkpoint_is_signed(&o->outside[i], o->public_key))
            return err_set(err, ERR_INVALID, NULL, "checkpoint %lld that was kept elsewhere is not signed by the key of this log",
                           (long long)o->outside[i].id);
    return OK;
}

enum err_code verify_anchors_read(const struct verify_options *options, struct verify_anchors *ret, struct err *err)
{
    struct reading reading = {options, ret, 0};
    *ret = (struct verify_anchors){.items = NULL};
    enum err_code code = check_outside(options, err);
    if (code != OK)
        return code;
    heads_read(options->folder, options->public_key, &ret->heads);
    code = store_look(options->store, read_checkpoints, &reading, err);
    if (code != OK) {
        verify_anchors_release(ret);
        return code;
    }
    check_last(&reading);
    if (ret->heads.unsigned_count && !ret->bad) {
        ret->bad = true;
        verify_say(&ret->first_bad, VERIFY_CHANGED, 0, 0, NULL, "the file heads holds what nobody signed");
    }
    add_heads(ret);
    for (size_t i = 0; i < options->outside_count; i++)
        add_checkpoint(ret, &options->outside[i]);
    if (ret->count)
        qsort(ret->items, ret->count, sizeof ret->items[0], by_place);
    return OK;
}

void verify_anchors_release(struct verify_anchors *anchors)
{
    free(anchors->items);
    anchors->items = NULL;
    anchors->count = anchors->capacity = 0;
}

/* ---- asking ---- */

const struct verify_anchor *verify_anchors_of(const struct verify_anchors *a, int64_t segment, size_t *ret_count)
{
    size_t low = 0, high = a->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (a->items[middle].segment < segment)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < a->count && a->items[end].segment == segment)
        end++;
    *ret_count = end - low;
    return a->items + low;
}

const struct verify_anchor *verify_tombstone(const struct verify_anchors *anchors, int64_t segment)
{
    size_t count;
    const struct verify_anchor *items = verify_anchors_of(anchors, segment, &count);
    for (size_t i = 0; i < count; i++)
        if (items[i].kind == CHECKPOINT_PURGED)
            return &items[i];
    return NULL;
}
