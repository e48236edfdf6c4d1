/* SPDX-License-Identifier: Apache-2.0 */
/* FOLDER/heads: what the server last signed, in a file that is none of the segments, so that a segment whose end was cut, or an
 * older copy of one, is found. One record of its own place for each segment that is not vouched for by a checkpoint `sealed` yet,
 * and one for the last checkpoint; a record is replaced by one write, never synced: after a crash of the machine it may be behind
 * what it vouches for, never ahead of it (unless the store is relaxed).
 *
 * segment_create, _append, _set_full and _seal write the record of their segment, when the options name a `struct heads`. The
 * trail does the rest:
 *   - at the start, before it goes on with a segment: heads_seq() > segment_meta.count means that signed events are missing, and
 *     heads_last_segment() that a segment with this number was there: a new one takes a greater number. Both are recorded by a
 *     checkpoint `recovered`.
 *   - after the commit of a checkpoint: heads_note_checkpoint(); after that of `sealed` or `purged`: heads_drop(). */
#ifndef HORAE_TRAIL_HEADS_H
#define HORAE_TRAIL_HEADS_H

#include "trail/checkpoint.h"
#include "trail/segment.h"

enum { HEADS_SEGMENTS_MAX = 128 };

struct heads;

/* Makes the file when it is missing (0600). ERR_UNAVAILABLE. `key` is borrowed. Any thread may use it. */
enum err_code heads_open(const char *folder, const struct audit_key *key, struct heads **ret, struct err *err);
void heads_close(struct heads *heads); /* NULL allowed */

/* The record of this segment. One that is ahead of it stays: it says what is missing. NULL allowed: does nothing. */
void heads_write(struct heads *heads, const struct segment_meta *meta);
void heads_drop(struct heads *heads, int64_t segment);
void heads_note_checkpoint(struct heads *heads, const struct checkpoint *last);
/* Events that were signed for this segment, as far as is known here; 0 = nothing. */
int64_t heads_seq(struct heads *heads, int64_t segment);
int64_t heads_last_segment(struct heads *heads); /* greatest number, 0 = none */

/* ---- for verification ---- */
struct heads_content {
    bool present;          /* the file is there */
    size_t count;          /* records that are signed by the key */
    size_t unsigned_count; /* others that are not empty */
    struct segment_meta items[HEADS_SEGMENTS_MAX];
    int64_t checkpoint; /* id of the last one, 0 = none */
    struct audit_hash checkpoint_hash;
};
void heads_read(const char *folder, const uint8_t public_key[AUDIT_PUBLIC_BYTES], struct heads_content *ret);

#endif
