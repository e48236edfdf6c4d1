/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of verification only. */
#ifndef HORAE_TRAIL_VERIFY_PRIV_H
#define HORAE_TRAIL_VERIFY_PRIV_H

#include "trail/heads.h"
#include "trail/segment_store.h"
#include "trail/verify.h"

/* A place of a chain that was signed. */
struct verify_anchor {
    int64_t segment, seq;
    struct audit_hash genesis, head;
    int64_t min_ms, max_ms;
    enum checkpoint_kind kind; /* CHECKPOINT_HEAD for those of the file heads */
    bool from_heads;
};

/* What is known without looking into segments. */
struct verify_anchors {
    struct verify_anchor *items; /* owned; by segment, then seq */
    size_t count, capacity;
    struct audit_hash last_hash; /* of the last checkpoint */
    int64_t last_id;
    struct heads_content heads;
    bool bad; /* a checkpoint is wrong */
    struct verify_bad first_bad;
};

/* Those of one segment; `*ret_count` of them. */
const struct verify_anchor *verify_anchors_of(const struct verify_anchors *anchors, int64_t segment, size_t *ret_count);
const struct verify_anchor *verify_tombstone(const struct verify_anchors *anchors, int64_t segment); /* NULL: it was not purged */
/* heads first, then the checkpoints: what the server writes meanwhile is then never missed. */
enum err_code verify_anchors_read(const struct verify_options *options, struct verify_anchors *ret, struct err *err);
void verify_anchors_release(struct verify_anchors *anchors);

void verify_say(struct verify_bad *bad, enum verify_reason reason, int64_t segment, int64_t seq, const struct uuid *id,
                const char *detail);

/* ---- one segment ---- */

/* Hashes and ids of the rows before the one in hand: an inserted row may look right by itself. */
enum { VERIFY_BEFORE = 64 };
struct verify_before {
    struct audit_hash hash;
    struct uuid id;
};

struct verify_walk {
    struct db *db;
    int64_t segment;
    int64_t signed_end;                         /* seq of the last event that is signed */
    int64_t seq;                                /* of the last row that is right */
    struct audit_hash hash;                     /* of that */
    struct verify_before before[VERIFY_BEFORE]; /* of row seq - i at [(seq - i) % VERIFY_BEFORE] */
};

/* Says what happened at walk->seq + 1, where the row that is right is not. */
enum err_code verify_classify(struct verify_walk *walk, struct verify_bad *ret, struct err *err);

struct verify_segment {
    int64_t number;
    struct segment_meta meta; /* as found; number 0: none */
    bool is_signed;
    int64_t checked;
    bool bad;
    struct verify_bad first_bad;
};
/* Reads all of it. `done` is told of rows, now and then. ERR_NOT_FOUND: the file is gone. */
enum err_code verify_segment_run(const struct verify_options *options, const struct verify_anchors *anchors,
                                 struct verify_segment *segment, void (*done)(void *arg, int64_t rows), void *arg,
                                 struct err *err);
/* The id of the first event in the segment. False: it cannot be read. */
bool verify_first_id(struct segment_place *place, int64_t number, struct uuid *ret);

#endif
