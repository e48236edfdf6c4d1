/* SPDX-License-Identifier: Apache-2.0 */
/* An event as others send it, checked before anything else happens to it (AUD-32). */
#include "audit/audit_event.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct members {
    struct str id, action, resource_type, texts[AUDIT_TEXT_COUNT];
    int64_t timestamp_us;
    int status;
    const struct json *resource, *user, *data, *objects[2];
};

struct resource {
    struct str type, identifier;
    const struct json *data;
};

struct user {
    struct str uid, username;
    int type;
};

enum { ID_BIT, TIMESTAMP_BIT }; /* the first rows of the table */
#define TEXT(name, text, max) \
    { \
        name, FIELD_TEXT, offsetof(struct members, texts[text]), 0, max, .nullable = true \
    }
static const char *const statuses[] = {"success", "failure"};
static const struct json_field fields[] = {
    [ID_BIT] = {"id", FIELD_TEXT, offsetof(struct members, id), 1, UUID_TEXT_LEN},
    [TIMESTAMP_BIT] = {"timestamp", FIELD_TIME, offsetof(struct members, timestamp_us)},
    {"action", FIELD_TEXT, offsetof(struct members, action), 0, AUDIT_NAME_MAX, .required = true},
    {"resource_type", FIELD_TEXT, offsetof(struct members, resource_type), 0, AUDIT_NAME_MAX},
    {"resource", FIELD_OBJECT, offsetof(struct members, resource), .required = true},
    {"user", FIELD_OBJECT, offsetof(struct members, user), .required = true},
    TEXT("space_path", AUDIT_TEXT_SPACE_PATH, AUDIT_SPACE_PATH_MAX),
    TEXT("client_ip", AUDIT_TEXT_CLIENT_IP, AUDIT_CLIENT_IP_MAX),
    TEXT("user_agent", AUDIT_TEXT_USER_AGENT, AUDIT_USER_AGENT_MAX),
    TEXT("request_method", AUDIT_TEXT_METHOD, AUDIT_METHOD_MAX),
    TEXT("request_id", AUDIT_TEXT_REQUEST_ID, AUDIT_REQUEST_ID_MAX),
    TEXT("subsystem", AUDIT_TEXT_SUBSYSTEM, AUDIT_SUBSYSTEM_MAX),
    TEXT("error_message", AUDIT_TEXT_ERROR, AUDIT_ERROR_MAX),
    {"status", FIELD_CHOICE, offsetof(struct members, status), 0, ARRAY_LEN(statuses), statuses},
    {"data", FIELD_OBJECT, offsetof(struct members, data), .nullable = true},
    {"created_at", FIELD_IGNORED}, /* a member of DATA-30 that is ours: an event that was read elsewhere can be sent on */
    {"old_object", FIELD_ANY, offsetof(struct members, objects[AUDIT_OLD_OBJECT]), .nullable = true},
    {"new_object", FIELD_ANY, offsetof(struct members, objects[AUDIT_NEW_OBJECT]), .nullable = true},
};
static const struct json_field resource_fields[] = {
    {"type", FIELD_TEXT, offsetof(struct resource, type), 0, AUDIT_NAME_MAX, .required = true},
    {"identifier", FIELD_TEXT, offsetof(struct resource, identifier), 1, AUDIT_IDENTIFIER_MAX, .required = true},
    {"data", FIELD_OBJECT, offsetof(struct resource, data), .nullable = true},
};
static const struct json_field user_fields[] = {
    {"uid", FIELD_TEXT, offsetof(struct user, uid), 1, AUDIT_UID_MAX, .required = true},
    {"username", FIELD_TEXT, offsetof(struct user, username), 1, AUDIT_USERNAME_MAX, .required = true},
    {"type", FIELD_CHOICE, offsetof(struct user, type), 0, AUDIT_PRINCIPAL_COUNT, audit_principal_names, .required = true},
};
#undef TEXT

static void name_of(const char *what, const char *member, char out[72])
{
    (void)snprintf(out, 72, "%s%s%s", what, what[0] ? "." : "", member);
}

static enum err_code refuse(struct err *err, const char *what, const char *member, const char *rule)
{
    char name[72];
    name_of(what, member, name);
    return err_param(err, name, "%s must be %s", name, rule);
}

static enum err_code refuse_value(struct err *err, const char *what, const char *member, const char *const *names, size_t count)
{
    char list[400] = "";
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(list);
        (void)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "one of: ", names[i]);
    }
    return refuse(err, what, member, list);
}

static enum err_code read_pairs(const struct json *object, const char *what, const char *member, struct audit_pairs **ret,
                                struct err *err)
{
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    if (!object)
        return OK;
    if (json_count(object) > AUDIT_PAIRS_MAX)
        return refuse(err, what, member, "an object of at most 64 members");
    struct audit_pairs *pairs = xcalloc(1, sizeof *pairs);
    *ret = pairs;
    while (json_walk_object(object, &walk, &name, &value)) {
        struct str text = json_get_text(value);
        if (!json_is_text(value) || name.n > AUDIT_PAIR_KEY_MAX || text.n > AUDIT_PAIR_VALUE_MAX || memchr(name.p, 0, name.n) ||
            memchr(text.p, 0, text.n))
            return refuse(err, what, member,
                          "an object of strings: keys of at most 255 bytes, values of at most 4096, no U+0000");
        pairs->items[pairs->count++] = (struct audit_pair){xstrndup(name.p, name.n), xstrndup(text.p, text.n)};
    }
    return OK;
}

/* What says which event it is: id, time, action. */
static enum err_code read_head(const struct members *m, uint64_t present, const char *what, int64_t now_ms,
                               struct audit_event *event, struct err *err)
{
    event->has_id = present >> ID_BIT & 1;
    if (event->has_id && !uuid_parse(m->id.p, m->id.n, &event->id))
        return refuse(err, what, "id", "a UUID");
    event->timestamp_ms = present >> TIMESTAMP_BIT & 1 ? m->timestamp_us / US_PER_MS : 0;
    if (present >> TIMESTAMP_BIT & 1 && event->timestamp_ms <= 0)
        return refuse(err, what, "timestamp", "after 1970-01-01T00:00:00Z");
    if (event->timestamp_ms > now_ms + AUDIT_FUTURE_MAX_S * (int64_t)1000)
        return refuse(err, what, "timestamp", "at most a day ahead of the server's clock");
    if (!audit_action_from(m->action, &event->action))
        return refuse_value(err, what, "action", audit_action_names, AUDIT_ACTION_COUNT);
    return OK;
}

static enum err_code read_resource(const struct members *m, const char *what, const struct audit_types *types,
                                   struct audit_event *event, struct err *err)
{
    struct resource r = {0};
    char name[72];
    name_of(what, "resource", name);
    enum err_code code = json_read_fields(m->resource, name, resource_fields, ARRAY_LEN(resource_fields), &r, NULL, NULL, err);
    if (code != OK)
        return code;
    if (!audit_type_is_known(types, r.type))
        return refuse_value(err, what, "resource.type", audit_resource_names, AUDIT_RESOURCE_COUNT);
    if (m->resource_type.p && (m->resource_type.n != r.type.n || memcmp(m->resource_type.p, r.type.p, r.type.n) != 0))
        return refuse(err, what, "resource_type", "the same as resource.type");
    memcpy(event->resource_type, r.type.p, r.type.n);
    event->texts[AUDIT_TEXT_RESOURCE_ID] = xstrndup(r.identifier.p, r.identifier.n);
    return read_pairs(r.data, what, "resource.data", &event->resource_data, err);
}

static enum err_code read_user(const struct members *m, const char *what, struct audit_event *event, struct err *err)
{
    struct user u = {0};
    char name[72];
    name_of(what, "user", name);
    enum err_code code = json_read_fields(m->user, name, user_fields, ARRAY_LEN(user_fields), &u, NULL, NULL, err);
    if (code != OK)
        return code;
    event->user_type = (enum audit_principal_type)u.type;
    event->texts[AUDIT_TEXT_USER_UID] = xstrndup(u.uid.p, u.uid.n);
    event->texts[AUDIT_TEXT_USERNAME] = xstrndup(u.username.p, u.username.n);
    return OK;
}

static void take_rest(const struct members *m, struct audit_event *event)
{
    for (size_t i = 0; i < AUDIT_TEXT_COUNT; i++)
        if (m->texts[i].p && m->texts[i].n)
            event->texts[i] = xstrndup(m->texts[i].p, m->texts[i].n);
    event->failure = m->status == 1 || event->texts[AUDIT_TEXT_ERROR];
    for (int i = 0; i < 2; i++)
        if (m->objects[i]) {
            event->objects[i] = json_print(m->objects[i]);
            event->object_lengths[i] = strlen(event->objects[i]);
        }
}

enum err_code audit_event_read(const struct json *object, const char *what, const struct audit_types *types, int64_t now_ms,
                               struct audit_event **ret, struct err *err)
{
    struct members m = {0};
    uint64_t present = 0;
    if (!json_is_object(object))
        return err_param(err, what[0] ? what : "body", "%s must be an object", what[0] ? what : "the event");
    enum err_code code = json_read_fields(object, what, fields, ARRAY_LEN(fields), &m, &present, NULL, err);
    if (code != OK)
        return code;
    struct audit_event *event = xcalloc(1, sizeof *event);
    code = read_head(&m, present, what, now_ms, event, err);
    if (code == OK)
        code = read_resource(&m, what, types, event, err);
    if (code == OK)
        code = read_user(&m, what, event, err);
    if (code == OK)
        code = read_pairs(m.data, what, "data", &event->data, err);
    if (code != OK) {
        audit_event_free(event);
        return code;
    }
    take_rest(&m, event);
    *ret = event;
    return OK;
}
