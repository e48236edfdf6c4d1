/* SPDX-License-Identifier: Apache-2.0 */
/* An object of an audit event as it is stored: redacted, then measured in canonical form, then cut where it is too large
 * (AUD-03…11, AUD-13, AUD-14). Never fails: what is not JSON is kept as one JSON string. Pure; any thread. */
#ifndef HORAE_AUDIT_AUDIT_OBJECT_H
#define HORAE_AUDIT_AUDIT_OBJECT_H

#include "audit/audit_paths.h"
#include "audit/audit_redact.h"

enum {
    AUDIT_LIMIT_MIN = 32, /* room for an object or array of which only the marker is left */
    AUDIT_LIMIT_MAX = 16777216,
    AUDIT_LIMIT_DEFAULT = 65536,
    AUDIT_DEPTH_DEFAULT = 512,
    AUDIT_INPUT_MAX = JSON_TOKENS_INPUT_MAX, /* of a longer one only the marker is stored: it cannot be redacted */
};

struct audit_rules {
    size_t limit;                    /* bytes, AUDIT_LIMIT_MIN to AUDIT_LIMIT_MAX; 0: AUDIT_LIMIT_DEFAULT */
    uint32_t depth_max;              /* 0: AUDIT_DEPTH_DEFAULT */
    bool no_redaction;               /* AUD-13 off */
    const struct audit_names *names; /* borrowed; NULL: audit_default_names */
    bool in_document;                /* the text is a JSON document; when that is a string, the object is the text in it */
};

struct audit_object {
    char *text; /* owned; canonical JSON of at most `limit` bytes, terminated */
    size_t length;
    bool truncated; /* something was cut, as `paths` says */
    bool raw;       /* was not JSON: `text` is a string that holds what came (AUD-11: object_encoding "raw") */
    struct audit_paths paths;
};

/* `rules` may be NULL. Release the result. Takes time in proportion to the length, memory a small multiple of it. */
void audit_object_make(const char *text, size_t length, const struct audit_rules *rules, struct audit_object *ret);
void audit_object_release(struct audit_object *object);

#endif
