/* SPDX-License-Identifier: Apache-2.0 */
/* An event of the audit log while it is being made (AUD-30): who did what to which resource, and whatever else is known, given
 * as options of which later ones win. Owned by one thread at a time; pure. What becomes of it: trail/trail.h. */
#ifndef HORAE_AUDIT_AUDIT_EVENT_H
#define HORAE_AUDIT_AUDIT_EVENT_H

#include "audit/audit_values.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"

/* Lengths in bytes (DATA-30; where that is silent, ours). What horae itself records is cut to them, what others send is refused. */
enum {
    AUDIT_NAME_MAX = 64, /* action, resource type */
    AUDIT_IDENTIFIER_MAX = 1024,
    AUDIT_UID_MAX = 255,
    AUDIT_USERNAME_MAX = 255,
    AUDIT_SPACE_PATH_MAX = 512,
    AUDIT_CLIENT_IP_MAX = 45,
    AUDIT_USER_AGENT_MAX = 4096,
    AUDIT_METHOD_MAX = 16,
    AUDIT_REQUEST_ID_MAX = 128,
    AUDIT_SUBSYSTEM_MAX = 50,
    AUDIT_ERROR_MAX = 8192,
    AUDIT_PAIRS_MAX = 64,
    AUDIT_PAIR_KEY_MAX = 255,
    AUDIT_PAIR_VALUE_MAX = 4096,
    AUDIT_FUTURE_MAX_S = 86400, /* a timestamp may lie ahead of our clock by so much */
};

/* Who is recorded for callers without a name and for horae itself (DATA-36). */
#define AUDIT_ANONYMOUS_UID "anonymous"
#define AUDIT_SYSTEM_UID "system"

enum audit_text { /* the texts of an event, in the order of DATA-30 */
                  AUDIT_TEXT_RESOURCE_ID,
                  AUDIT_TEXT_USER_UID,
                  AUDIT_TEXT_USERNAME,
                  AUDIT_TEXT_SPACE_PATH,
                  AUDIT_TEXT_CLIENT_IP,
                  AUDIT_TEXT_USER_AGENT,
                  AUDIT_TEXT_METHOD,
                  AUDIT_TEXT_REQUEST_ID,
                  AUDIT_TEXT_SUBSYSTEM,
                  AUDIT_TEXT_ERROR, /* set: the event is one of a failure */
                  AUDIT_TEXT_COUNT
};

struct audit_pair {
    char *key, *value; /* owned */
};

struct audit_pairs {
    struct audit_pair items[AUDIT_PAIRS_MAX];
    size_t count;
};

struct audit_event {
    struct uuid id;
    bool has_id;          /* the caller gave it: it is deduplicated */
    bool failure;         /* status */
    int64_t timestamp_ms; /* 0 = when it is recorded */
    enum audit_action action;
    char resource_type[AUDIT_NAME_MAX + 1]; /* a name of audit_values.def, or a configured one */
    enum audit_principal_type user_type;
    char *texts[AUDIT_TEXT_COUNT];            /* owned; NULL = absent */
    struct audit_pairs *resource_data, *data; /* owned; NULL = none */
    char *objects[2];                         /* owned JSON texts as they came, before and after; NULL = none */
    size_t object_lengths[2];
};

enum { AUDIT_OLD_OBJECT, AUDIT_NEW_OBJECT };

/* An event of horae's own: service `system` does it, until audit_event_set_user. */
struct audit_event *audit_event_new(enum audit_action action, enum audit_resource_type type, const char *identifier);
void audit_event_free(struct audit_event *event); /* NULL allowed */

/* ---- options; values are copied, and cut to their limits on a code point ---- */
void audit_event_set(struct audit_event *event, enum audit_text which, const char *value); /* NULL or "": absent */
void audit_event_set_user(struct audit_event *event, enum audit_principal_type type, const char *uid, const char *username);
/* `which`: AUDIT_OLD_OBJECT or AUDIT_NEW_OBJECT; a JSON text. */
void audit_event_set_object(struct audit_event *event, int which, const char *json, size_t length);
void audit_event_put(struct audit_event *event, const char *key, const char *value); /* member of `data` */
void audit_event_put_int(struct audit_event *event, const char *key, int64_t value);
void audit_event_put_resource(struct audit_event *event, const char *key, const char *value); /* member of `resource.data` */
void audit_event_fail(struct audit_event *event, const char *message);                        /* status failure */

/* Resource types that a configuration adds to those of audit_values.def; borrowed. */
struct audit_types {
    const char *const *names;
    size_t count;
};
bool audit_type_is_known(const struct audit_types *types, struct str name);
/* Whether a configured type may be added: camelCase (letters and digits, first a small letter), at most AUDIT_NAME_MAX bytes,
 * none of ours. ERR_INVALID says what is wrong. */
enum err_code audit_type_check(const char *name, struct err *err);

/* An event as others send it (contract section 7): members of DATA-30, `action`, `resource` and `user` required, unknown members
 * refused; ERR_INVALID names the member, `what` goes before it (e.g. "events[3]", "" = none). `object` was parsed with
 * json_parse_exact, so that numbers in objects stay digit for digit. AUD-32, DATA-35. */
enum err_code audit_event_read(const struct json *object, const char *what, const struct audit_types *types, int64_t now_ms,
                               struct audit_event **ret, struct err *err);
/* The same members, for audit_event_read: what the store keeps until the writer takes it. */
void audit_event_write(const struct audit_event *event, struct json_writer *w);

#endif
