/* SPDX-License-Identifier: Apache-2.0 */
/* Proof of the audit log: whether the events that were signed are there, unchanged, in their order, and nothing else. It reads
 * only, and works while a server writes.
 *
 * What stands against what: each row against the chain (audit_record_hash), the end of a segment against its signed state, that
 * state against the file heads and the checkpoints, these against each other, and against checkpoints that were kept elsewhere.
 * Rows of audit_pending are not looked at: they are not in the log yet. */
#ifndef HORAE_TRAIL_VERIFY_H
#define HORAE_TRAIL_VERIFY_H

#include "trail/checkpoint.h"
#include "trail/segment.h"

#include <stdatomic.h>

enum { VERIFY_THREADS_MAX = 8, VERIFY_DETAIL_MAX = 160 };

enum verify_reason { VERIFY_CHANGED, VERIFY_REMOVED, VERIFY_INSERTED, VERIFY_REORDERED, VERIFY_TRUNCATED, VERIFY_REASONS };

struct verify_bad {
    enum verify_reason reason;
    bool has_id; /* an event that is not there has none that is known */
    struct uuid id;
    int64_t segment, seq;           /* seq 0: the segment or its checkpoints as a whole */
    char detail[VERIFY_DETAIL_MAX]; /* for people */
};

struct verify_options {
    struct segment_place *place;      /* of the segments */
    const char *folder;               /* of the file heads */
    const char *store;                /* url; its audit_checkpoints are read */
    const uint8_t *public_key;        /* AUDIT_PUBLIC_BYTES */
    const struct checkpoint *outside; /* kept elsewhere, in any order; signed by the key */
    size_t outside_count;
    /* Only events of this time are compared, inclusive; INT64_MIN, INT64_MAX = all. A segment that has none is not read; in one
     * that has, the whole chain is computed, and what is wrong is said when it stands among these events or beside them. */
    int64_t from_ms, to_ms;
    int threads;                                              /* over segments; 0 = 2 */
    const atomic_bool *stop;                                  /* may be NULL; true: ends with ERR_CANCELLED */
    void (*progress)(void *arg, int64_t done, int64_t total); /* events, on any of the threads, one at a time; may be NULL */
    void *arg;
};

struct verify_result {
    bool ok;
    int64_t checked;             /* events */
    struct verify_bad first_bad; /* when not ok */
    struct segment_meta *heads;  /* owned; signed states of the segments, by number */
    size_t head_count;
};

/* ERR_NOT_FOUND: there is no database; ERR_UNAVAILABLE: something cannot be read; ERR_INVALID: `outside` is signed by another key. What
 * is wrong with the log is no error of this function. */
enum err_code verify_store(const struct verify_options *options, struct verify_result *ret, struct err *err);
void verify_result_release(struct verify_result *result);
/* {"ok","checked","first_bad","heads"} (rulings section 4); first_bad is null when all is well. */
void verify_result_write(const struct verify_result *result, struct json_writer *w);
const char *verify_reason_name(enum verify_reason reason);

#endif
