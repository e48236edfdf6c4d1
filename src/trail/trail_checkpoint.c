/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/trail_checkpoint.h"

#include "base/log.h"
#include "base/mem.h"
#include "trail/checkpoint_store.h"
#include "trail/heads.h"

#include <stdio.h>

struct adding {
    struct store_op op;
    struct trail *trail;
    struct checkpoint checkpoint;
};

static struct checkpoint checkpoint_of(const struct trail *trail, enum checkpoint_kind kind, const struct segment_meta *meta,
                                       const char *reason)
{
    struct checkpoint c = {.kind = kind,
                           .segment = meta->number,
                           .seq = meta->count,
                           .genesis = meta->genesis,
                           .head = meta->head,
                           .min_ms = meta->min_ms,
                           .max_ms = meta->max_ms,
                           .created_ms = trail_now_ms(trail)};
    (void)snprintf(c.reason, sizeof c.reason, "%s", reason);
    return c;
}

static enum err_code add(struct db *tx, void *arg, struct err *err)
{
    struct adding *adding = arg;
    return checkpoint_store_add(tx, &adding->trail->key, &adding->checkpoint, err);
}

/* A head that was not recorded costs nothing but its proof: the next one covers it. */
static void added(void *arg, enum err_code code, const struct err *err)
{
    struct adding *adding = arg;
    if (code == OK)
        heads_note_checkpoint(adding->trail->heads, &adding->checkpoint);
    else
        log_warn("audit", "segment %lld has no checkpoint at %lld: %s", (long long)adding->checkpoint.segment,
                 (long long)adding->checkpoint.seq, err->message);
    free(adding);
}

void trail_checkpoint_later(struct trail *trail, struct trail_segment *segment)
{
    struct adding *adding = xcalloc(1, sizeof *adding);
    adding->trail = trail;
    adding->checkpoint = checkpoint_of(trail, CHECKPOINT_HEAD, &segment->meta, "");
    adding->op = (struct store_op){.run = add, .done = added, .arg = adding};
    segment->vouched = segment->meta.count;
    if (!store_submit(trail->options.store, &adding->op))
        free(adding);
}

static enum err_code add_now(struct trail *trail, enum checkpoint_kind kind, const struct segment_meta *meta, const char *reason,
                             struct err *err)
{
    struct adding adding = {.trail = trail, .checkpoint = checkpoint_of(trail, kind, meta, reason)};
    enum err_code code = store_write(trail->options.store, add, &adding, err);
    if (code == OK)
        heads_note_checkpoint(trail->heads, &adding.checkpoint);
    return code;
}

void trail_checkpoint_now(struct trail *trail, struct trail_segment *segment)
{
    struct err err;
    if (add_now(trail, CHECKPOINT_HEAD, &segment->meta, "", &err) == OK)
        segment->vouched = segment->meta.count;
    else
        log_warn("audit", "segment %lld has no checkpoint at its end: %s", (long long)segment->meta.number, err.message);
}

enum err_code trail_checkpoint_sealed(struct trail *trail, const struct segment_meta *meta, struct err *err)
{
    enum err_code code = add_now(trail, CHECKPOINT_SEALED, meta, "", err);
    if (code == OK)
        heads_drop(trail->heads, meta->number);
    return code;
}

enum err_code trail_checkpoint_recovered(struct trail *trail, const struct segment_meta *meta, const char *reason,
                                         struct err *err)
{
    return add_now(trail, CHECKPOINT_RECOVERED, meta, reason, err);
}

enum err_code trail_checkpoint_purged(struct db *tx, struct trail *trail, const struct segment_meta *meta, int64_t before_ms,
                                      struct checkpoint *ret, struct err *err)
{
    char reason[80], before[40];
    (void)time_format_utc(before_ms * US_PER_MS, 3, before, sizeof before);
    (void)snprintf(reason, sizeof reason, "events before %s", before);
    *ret = checkpoint_of(trail, CHECKPOINT_PURGED, meta, reason);
    return checkpoint_store_add(tx, &trail->key, ret, err);
}
