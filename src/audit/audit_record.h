/* SPDX-License-Identifier: Apache-2.0 */
/* An event as it is stored: its text, as the API answers it, the columns that queries filter by, and its place in the chain.
 * Objects are redacted, then measured, then cut (audit_object.h); values of `data` whose names are secret are redacted, too
 * (AUD-13). Pure. */
#ifndef HORAE_AUDIT_AUDIT_RECORD_H
#define HORAE_AUDIT_AUDIT_RECORD_H

#include "audit/audit_event.h"
#include "audit/audit_object.h"

enum { AUDIT_HASH_BYTES = 32, AUDIT_RECORD_COLUMNS = 8 };

struct audit_hash {
    uint8_t b[AUDIT_HASH_BYTES];
};

struct audit_record {
    struct uuid id;
    int64_t timestamp_ms;
    /* Columns; views into `text` or of names that live as long as the process; n == 0: absent. */
    struct str action, resource_type, resource_id, user_uid, client_ip, request_id, subsystem, space_path;
    bool failure;
    bool truncated;   /* an object was cut */
    bool has_id;      /* the caller gave the id */
    struct str event; /* the event's JSON */
    char *owned;      /* all of it */
};

/* Members that are missing get their defaults: a new id, `now_ms`. `rules` as for audit_object_make. Any thread. */
void audit_record_make(const struct audit_event *event, const struct audit_rules *rules, int64_t now_ms,
                       struct audit_record *ret);
/* From the text of an event, as in an export. ERR_INVALID: it is none. `text` is copied. */
enum err_code audit_record_from_text(struct str text, struct audit_record *ret, struct err *err);
void audit_record_release(struct audit_record *record);

/* A record as bytes, for this process to keep elsewhere for a while: this head, and `length` bytes at `owned` behind it. */
struct audit_record_head {
    struct uuid id;
    int64_t timestamp_ms;
    bool failure, truncated, has_id;
    size_t length, event, columns[AUDIT_RECORD_COLUMNS]; /* of the bytes: all, and in this order */
};
void audit_record_describe(const struct audit_record *record, struct audit_record_head *ret);
/* `owned` becomes the record's. */
void audit_record_restore(const struct audit_record_head *head, char *owned, struct audit_record *ret);

/* The chain: BLAKE2b-256 over the link before, the position and every column with its length, so that no byte of a row can
 * change without the hash. */
void audit_record_hash(const struct audit_hash *before, int64_t seq, const struct audit_record *record, struct audit_hash *ret);
/* BLAKE2b-256 of any bytes. */
void audit_hash_of(const void *bytes, size_t count, struct audit_hash *ret);

#endif
