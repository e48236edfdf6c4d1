/* SPDX-License-Identifier: Apache-2.0 */
/* A segment: a table of events, in a SQLite file or in the store's database (segment_place.h), numbers without gaps. An open one
 * takes events and carries two cheap indexes (id; time with the columns that are filtered by); sealing builds the others in bulk,
 * after which nothing is written to it any more. Each row carries the hash of the chain up to it (audit_record_hash, from the genesis of the segment);
 * the last is signed with every commit, in the same transaction. A segment is written by one thread; readers have connections
 * of their own.
 *
 *   audit_events (seq INTEGER PRIMARY KEY from 1, id BLOB, timestamp, action TEXT, resource_type TEXT, resource_id TEXT, user_uid TEXT,
 *                 client_ip TEXT, request_id TEXT, status INTEGER 0 success 1 failure, subsystem TEXT, space_path TEXT,
 *                 event TEXT, hash BLOB)          texts that are absent are null
 *   audit_segment (one row: what struct segment_meta says)
 */
#ifndef HORAE_TRAIL_SEGMENT_H
#define HORAE_TRAIL_SEGMENT_H

#include "audit/audit_record.h"
#include "db/db.h"
#include "trail/audit_key.h"
#include "trail/segment_place.h"

enum segment_state { SEGMENT_OPEN, SEGMENT_FULL /* nothing is added any more, indexes are missing */, SEGMENT_SEALED };

struct segment_meta {
    int64_t number; /* from 1 */
    enum segment_state state;
    char server[64]; /* id of the data: whose chain it is */
    int64_t day;     /* of late events: their day (timestamp / 86,400,000); -1: of now; -2: late ones of any day */
    int64_t opened_ms, sealed_ms;
    struct audit_hash genesis;        /* segment_genesis */
    int64_t count;                    /* = seq of the last event */
    struct audit_hash head;           /* genesis while empty */
    struct audit_signature signature; /* over all other members */
    int64_t min_ms, max_ms;           /* timestamps; 0 while empty */
    struct uuid min_id, max_id;       /* by bytes: where an id cannot be */
    int64_t pending_id;               /* rows of audit_pending up to here are in this or an earlier segment */
    int64_t failures;                 /* events with status failure */
};

struct segment; /* open for writing */
struct heads;

struct segment_options {
    struct segment_place *place; /* borrowed */
    int64_t number;
    const char *server;
    int64_t day;
    const struct audit_hash *before; /* genesis of segment number - 1; NULL: it is the first */
    const struct audit_key *key;     /* borrowed; signs heads */
    struct heads *heads;             /* borrowed; takes a record after each commit (heads.h); NULL: none */
    bool relaxed;                    /* as the store */
    int64_t now_ms;
    const struct store_fault *fault; /* borrowed, may be NULL */
};
/* ERR_CONFLICT: it exists. */
enum err_code segment_create(const struct segment_options *options, struct segment **ret, struct err *err);
/* An open or full one of an earlier server, to go on with; number, place, key, relaxed and fault of the options. */
enum err_code segment_resume(const struct segment_options *options, struct segment **ret, struct err *err);
/* Adds in one transaction, with one sync: all or none. `pending_id` 0: unchanged. After an error of a server the segment may say more
 * than before: what was not answered and was carried out. */
enum err_code segment_append(struct segment *segment, const struct audit_record *records, size_t count, int64_t pending_id,
                             struct err *err);
enum err_code segment_set_full(struct segment *segment, struct err *err);
/* Builds the indexes and seals it; may take seconds. Any one thread. */
enum err_code segment_seal(struct segment *segment, int64_t now_ms, struct err *err);
const struct segment_meta *segment_meta(const struct segment *segment);
void segment_close(struct segment *segment); /* NULL allowed */

/* ---- what is signed; pure ---- */
/* What the chain begins with: server, number, day, opened_ms, and the genesis of the segment before (NULL: there is none). */
void segment_genesis(const struct segment_meta *meta, const struct audit_hash *before, struct audit_hash *ret);
void segment_sign(struct segment_meta *meta, const struct audit_key *key);
bool segment_is_signed(const struct segment_meta *meta, const uint8_t public_key[AUDIT_PUBLIC_BYTES]);
/* All members, as fixed bytes; as JSON members of an object that is open. */
enum { SEGMENT_META_BYTES = 304 };
void segment_meta_pack(const struct segment_meta *meta, uint8_t out[SEGMENT_META_BYTES]);
void segment_meta_unpack(const uint8_t bytes[SEGMENT_META_BYTES], struct segment_meta *ret);
void segment_meta_write(const struct segment_meta *meta, struct json_writer *w);
enum err_code segment_meta_from_json(const struct json *object, struct segment_meta *ret, struct err *err);

/* ---- reading ---- */
/* Through a reader of the place. ERR_CORRUPT: it is no segment. */
enum err_code segment_read_meta(struct db *reader, struct segment_meta *ret, struct err *err);

#endif
