/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint: what the server vouches for, signed, each covering the one before. Pure. */
#ifndef HORAE_TRAIL_CHECKPOINT_H
#define HORAE_TRAIL_CHECKPOINT_H

#include "audit/audit_record.h"
#include "base/json.h"
#include "base/json_write.h"
#include "trail/audit_key.h"

enum checkpoint_kind {
    CHECKPOINT_HEAD,   /* the chain of a segment so far */
    CHECKPOINT_SEALED, /* its end: nothing is added any more */
    CHECKPOINT_PURGED, /* tombstone: retention drops it; `reason` is the cut-off */
    CHECKPOINT_RECOVERED, /* written only when signed events are missing: what is left of the segment; `reason` says what was found */
    CHECKPOINT_KINDS
};

enum { CHECKPOINT_REASON_MAX = 255 };

struct checkpoint {
    int64_t id; /* from 1, without gaps */
    enum checkpoint_kind kind;
    int64_t segment, seq; /* seq: events of the segment up to here */
    struct audit_hash genesis, head;
    int64_t min_ms, max_ms;
    char reason[CHECKPOINT_REASON_MAX + 1];
    int64_t created_ms;
    struct audit_hash before; /* checkpoint_hash of the one before; zeros: it is the first */
    struct audit_signature signature;
};

const char *checkpoint_kind_name(enum checkpoint_kind kind);
bool checkpoint_kind_from(struct str name, enum checkpoint_kind *ret);

void checkpoint_sign(struct checkpoint *c, const struct audit_key *key);
bool checkpoint_is_signed(const struct checkpoint *c, const uint8_t public_key[AUDIT_PUBLIC_BYTES]);
/* Of all of it, with its signature: the next one's `before`. */
void checkpoint_hash(const struct checkpoint *c, struct audit_hash *ret);

/* An object with every member and the public key: what GET /audit/checkpoints lists and --checkpoint reads. */
void checkpoint_write(const struct checkpoint *c, const uint8_t public_key[AUDIT_PUBLIC_BYTES], struct json_writer *w);
/* ERR_INVALID names the member. */
enum err_code checkpoint_read(const struct json *object, struct checkpoint *ret, uint8_t ret_public_key[AUDIT_PUBLIC_BYTES],
                              struct err *err);

#endif
