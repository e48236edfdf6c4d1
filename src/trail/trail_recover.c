/* SPDX-License-Identifier: Apache-2.0 */
/* What there is at the start. A crash leaves a segment that was being made (set aside: it has nothing yet), one that was being
 * sealed or is full (the sealer goes on), one whose tombstone is written and whose file is not removed (removed), events of ours
 * that are not moved (the writer moves them first). Signed events that are missing are said and recorded, and never passed over. */
#include "base/log.h"
#include "base/mem.h"
#include "trail/checkpoint_store.h"
#include "trail/heads.h"
#include "trail/pending_store.h"
#include "trail/trail_checkpoint.h"
#include "trail/trail_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- what checkpoints say ---- */

struct last_word {
    int64_t segment;
    struct checkpoint checkpoint;
    bool found;
    int64_t last_segment;
};

static enum err_code read_last(struct db *db, void *arg, struct err *err)
{
    struct last_word *word = arg;
    enum err_code code = checkpoint_store_last(db, word->segment, &word->checkpoint, &word->found, err);
    return code == OK ? checkpoint_store_last_segment(db, &word->last_segment, err) : code;
}

static enum err_code last_word(struct trail *trail, int64_t segment, struct last_word *ret, struct err *err)
{
    *ret = (struct last_word){.segment = segment};
    return store_read(trail->options.store, read_last, ret, err);
}

/* ---- the files ---- */

static enum err_code read_meta(struct trail *trail, int64_t number, struct segment_meta *ret, struct err *err)
{
    struct db *reader;
    enum err_code code = segment_open_reader(trail->place, number, &reader, err);
    if (code != OK)
        return code;
    code = segment_read_meta(reader, ret, err);
    segment_close_reader(trail->place, reader);
    return code;
}

/* Made and never used: nothing was acknowledged into it. It is kept under another name, in case that is wrong. */
static void set_aside(struct trail *trail, int64_t number)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[4200], from[4220], to[4240];
    segment_path(trail->folder, number, path, sizeof path);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(from, sizeof from, "%s%s", path, ends[i]);
        (void)snprintf(to, sizeof to, "%s.incomplete%s", path, ends[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            log_warn("audit", "%s: %s", from, strerror(errno));
    }
    log_warn("audit", "segment %lld was not complete; it is set aside", (long long)number);
}

static enum err_code take_file(struct trail *trail, int64_t number, bool is_last, struct err *err)
{
    struct segment_meta meta;
    struct last_word word;
    struct err why;
    enum err_code code = last_word(trail, number, &word, err);
    if (code != OK)
        return code;
    if (word.found && word.checkpoint.kind == CHECKPOINT_PURGED) {
        if (segment_remove(trail->place, number, &why) != OK)
            log_warn("audit", "segment %lld was not removed: %s", (long long)number, why.message);
        return OK;
    }
    code = read_meta(trail, number, &meta, &why);
    if (code == OK) {
        struct trail_segment *segment = trail_list_add(trail, &meta);
        segment->vouched = word.found ? word.checkpoint.seq : 0;
        segment->frozen = !segment_is_signed(&meta, trail->key.public_key);
        if (segment->frozen)
            log_error("audit", "segment %lld is not signed by %s: it can be read, and is not gone on with (was the key lost?)",
                      (long long)number, trail->key_path);
        return OK;
    }
    if (trail_place_is_away(trail, code))
        return err_set(err, code, NULL, "%s", why.message);
    if (is_last && segment_place_folder(trail->place) && !word.found && heads_seq(trail->heads, number) == 0) {
        set_aside(trail, number);
        return OK;
    }
    log_error("audit", "segment %lld cannot be read: %s", (long long)number, why.message);
    trail_list_add(trail, &(struct segment_meta){.number = number, .state = SEGMENT_SEALED})->unreadable = true;
    return OK;
}

static enum err_code take_files(struct trail *trail, struct err *err)
{
    int64_t *numbers;
    size_t count;
    enum err_code code = segment_list(trail->place, &numbers, &count, err);
    if (code != OK)
        return code;
    for (size_t i = 0; i < count && code == OK; i++)
        code = take_file(trail, numbers[i], i + 1 == count, err);
    free(numbers);
    return code;
}

/* ---- where it goes on ---- */

static enum err_code missing(struct trail *trail, const struct segment_meta *meta, int64_t expected, struct err *err)
{
    char reason[CHECKPOINT_REASON_MAX + 1];
    (void)snprintf(reason, sizeof reason, "the segment has %lld events, %lld were signed", (long long)meta->count,
                   (long long)expected);
    log_error("audit", "segment %lld: %s", (long long)meta->number, reason);
    return trail_checkpoint_recovered(trail, meta, reason, err);
}

/* Numbers that were given are never given again, be their files there or not. */
static enum err_code find_last(struct trail *trail, struct err *err)
{
    struct last_word word;
    enum err_code code = last_word(trail, 0, &word, err);
    if (code != OK)
        return code;
    const struct trail_segment *newest = trail->segment_count ? trail->segments[trail->segment_count - 1] : NULL;
    int64_t in_heads = heads_last_segment(trail->heads), last = newest ? newest->meta.number : 0;
    trail->last_number = word.last_segment > last ? word.last_segment : last;
    if (in_heads > trail->last_number)
        trail->last_number = in_heads;
    if (!trail->last_number)
        return OK;
    if (newest && last == trail->last_number && !newest->unreadable) {
        trail->last_genesis = newest->meta.genesis;
        trail->has_last = true;
        return OK;
    }
    code = last_word(trail, trail->last_number, &word, err);
    if (code != OK)
        return code;
    trail->last_genesis = word.checkpoint.genesis;
    trail->has_last = word.found;
    if (!(word.found && word.checkpoint.kind == CHECKPOINT_PURGED))
        log_error("audit", "segment %lld was there and cannot be used; events go on in a new one", (long long)trail->last_number);
    return OK;
}

static struct trail_segment **place_of(struct trail *trail, const struct segment_meta *meta)
{
    if (meta->day == TRAIL_DAY_NOW)
        return trail->current ? NULL : &trail->current;
    if (meta->day == TRAIL_DAY_ANY)
        return trail->late_any ? NULL : &trail->late_any;
    for (size_t i = 0; i < TRAIL_LATE_OPEN_MAX; i++)
        if (!trail->late[i])
            return &trail->late[i];
    return NULL;
}

/* One that cannot be opened keeps no new events from being stored. */
static enum err_code resume(struct trail *trail, struct trail_segment *segment, struct err *err)
{
    struct segment_options options = trail_segment_options(trail, segment->meta.number);
    struct trail_segment **place = place_of(trail, &segment->meta);
    struct err why;
    int64_t signed_seq = heads_seq(trail->heads, segment->meta.number);
    if (signed_seq < segment->vouched)
        signed_seq = segment->vouched;
    if (signed_seq > segment->meta.count && missing(trail, &segment->meta, signed_seq, err) != OK)
        return err->code;
    enum err_code code = segment_resume(&options, &segment->open, &why);
    if (code == OK && place && trail_file_note(trail, segment))
        *place = segment;
    else if (code == OK)
        code = trail_end_segment(trail, segment, &why);
    if (code == OK)
        return OK;
    log_error("audit", "segment %lld cannot be gone on with: %s", (long long)segment->meta.number, why.message);
    segment->frozen = true;
    return OK;
}

static enum err_code resume_open(struct trail *trail, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = trail->segment_count; i-- > 0 && code == OK;) {
        struct trail_segment *segment = trail->segments[i];
        if (segment->meta.pending_id > trail->moved_id)
            trail->moved_id = segment->meta.pending_id;
        if (!segment->unreadable && !segment->frozen && segment->meta.state == SEGMENT_OPEN)
            code = resume(trail, segment, err);
    }
    return code;
}

/* A crash between the sealing and its checkpoint. */
static enum err_code vouch_for_sealed(struct trail *trail, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; i < trail->segment_count && code == OK; i++) {
        struct trail_segment *segment = trail->segments[i];
        struct last_word word;
        if (segment->unreadable || segment->frozen || segment->meta.state != SEGMENT_SEALED)
            continue;
        segment->unsettled = !trail_settle_file(trail, segment->meta.number);
        code = last_word(trail, segment->meta.number, &word, err);
        if (code == OK && !(word.found && word.checkpoint.kind == CHECKPOINT_SEALED))
            code = trail_checkpoint_sealed(trail, &segment->meta, err);
    }
    return code;
}

/* Whose chain it is: as long as the key is the same, so is the name. */
static void name_server(struct trail *trail)
{
    char name[AUDIT_KEY_NAME_SIZE];
    audit_key_name(trail->key.public_key, name);
    (void)str_copy(trail->server, sizeof trail->server, name, strlen(name));
}

enum err_code trail_recover(struct trail *trail, struct err *err)
{
    enum err_code code = take_files(trail, err);
    trail_read_age(trail);
    if (code == OK)
        code = find_last(trail, err);
    const struct trail_segment *newest = trail->segment_count ? trail->segments[trail->segment_count - 1] : NULL;
    if (newest && !newest->unreadable && !newest->frozen)
        memcpy(trail->server, newest->meta.server, sizeof trail->server);
    else
        name_server(trail);
    if (code == OK)
        code = resume_open(trail, err);
    if (code == OK)
        code = vouch_for_sealed(trail, err);
    pending_store_moved(trail->moved_id);
    return code;
}
