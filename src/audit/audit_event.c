/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_event.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/panic.h"

#include <stdio.h>
#include <string.h>

static const size_t text_max[AUDIT_TEXT_COUNT] = {
    [AUDIT_TEXT_RESOURCE_ID] = AUDIT_IDENTIFIER_MAX, [AUDIT_TEXT_USER_UID] = AUDIT_UID_MAX,
    [AUDIT_TEXT_USERNAME] = AUDIT_USERNAME_MAX,      [AUDIT_TEXT_SPACE_PATH] = AUDIT_SPACE_PATH_MAX,
    [AUDIT_TEXT_CLIENT_IP] = AUDIT_CLIENT_IP_MAX,    [AUDIT_TEXT_USER_AGENT] = AUDIT_USER_AGENT_MAX,
    [AUDIT_TEXT_METHOD] = AUDIT_METHOD_MAX,          [AUDIT_TEXT_REQUEST_ID] = AUDIT_REQUEST_ID_MAX,
    [AUDIT_TEXT_SUBSYSTEM] = AUDIT_SUBSYSTEM_MAX,    [AUDIT_TEXT_ERROR] = AUDIT_ERROR_MAX,
};

/* Bytes that are no UTF-8 (of a header) become U+FFFD, which takes three: cut afterwards, or the event would be too long for those
 * who read it. */
static char *copy_clean(const char *value, size_t n, size_t max)
{
    struct buf clean;
    buf_init(&clean, max + 4); /* beyond it all is cut */
    for (size_t i = 0, step; i < n && clean.len <= max; i += step ? step : 1) {
        step = str_utf8_next(value + i, n - i);
        if (step)
            buf_add(&clean, value + i, step);
        else
            buf_add_text(&clean, "\xEF\xBF\xBD");
    }
    char *copy = xstrndup(clean.data, str_utf8_cut(clean.data, clean.len, max));
    buf_release(&clean);
    return copy;
}

static char *copy_cut(const char *value, size_t max)
{
    size_t n = strlen(value);
    if (!str_is_utf8(value, n))
        return copy_clean(value, n, max);
    return xstrndup(value, n <= max ? n : str_utf8_cut(value, n, max));
}

struct audit_event *audit_event_new(enum audit_action action, enum audit_resource_type type, const char *identifier)
{
    struct audit_event *event = xcalloc(1, sizeof *event);
    event->action = action;
    (void)snprintf(event->resource_type, sizeof event->resource_type, "%s", audit_resource_names[type]);
    audit_event_set(event, AUDIT_TEXT_RESOURCE_ID, identifier);
    audit_event_set_user(event, AUDIT_PRINCIPAL_SERVICE, AUDIT_SYSTEM_UID, AUDIT_SYSTEM_UID);
    return event;
}

static void free_pairs(struct audit_pairs *pairs)
{
    for (size_t i = 0; pairs && i < pairs->count; i++) {
        free(pairs->items[i].key);
        free(pairs->items[i].value);
    }
    free(pairs);
}

void audit_event_free(struct audit_event *event)
{
    if (!event)
        return;
    for (size_t i = 0; i < AUDIT_TEXT_COUNT; i++)
        free(event->texts[i]);
    free_pairs(event->resource_data);
    free_pairs(event->data);
    free(event->objects[AUDIT_OLD_OBJECT]);
    free(event->objects[AUDIT_NEW_OBJECT]);
    free(event);
}

/* ---- options ---- */

void audit_event_set(struct audit_event *event, enum audit_text which, const char *value)
{
    free(event->texts[which]);
    event->texts[which] = value && value[0] ? copy_cut(value, text_max[which]) : NULL;
}

void audit_event_set_user(struct audit_event *event, enum audit_principal_type type, const char *uid, const char *username)
{
    event->user_type = type;
    audit_event_set(event, AUDIT_TEXT_USER_UID, uid);
    audit_event_set(event, AUDIT_TEXT_USERNAME, username);
}

void audit_event_set_object(struct audit_event *event, int which, const char *json, size_t length)
{
    free(event->objects[which]);
    event->objects[which] = xstrndup(json, length);
    event->object_lengths[which] = length;
}

static void put_pair(struct audit_pairs **pairs, const char *key, size_t key_length, const char *value, size_t length)
{
    if (!*pairs)
        *pairs = xcalloc(1, sizeof **pairs);
    size_t i = 0;
    while (i < (*pairs)->count &&
           (strlen((*pairs)->items[i].key) != key_length || memcmp((*pairs)->items[i].key, key, key_length) != 0))
        i++;
    if (i == AUDIT_PAIRS_MAX)
        return;
    struct audit_pair *pair = &(*pairs)->items[i];
    if (i == (*pairs)->count) {
        pair->key = xstrndup(key, key_length);
        (*pairs)->count++;
    }
    free(pair->value);
    pair->value = xstrndup(value, length);
}

static void put_cut(struct audit_pairs **pairs, const char *key, const char *value)
{
    size_t n = strlen(value);
    put_pair(pairs, key, strlen(key), value, n <= AUDIT_PAIR_VALUE_MAX ? n : str_utf8_cut(value, n, AUDIT_PAIR_VALUE_MAX));
}

void audit_event_put(struct audit_event *event, const char *key, const char *value)
{
    put_cut(&event->data, key, value);
}

void audit_event_put_resource(struct audit_event *event, const char *key, const char *value)
{
    put_cut(&event->resource_data, key, value);
}

void audit_event_put_int(struct audit_event *event, const char *key, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    audit_event_put(event, key, text);
}

void audit_event_fail(struct audit_event *event, const char *message)
{
    event->failure = true;
    audit_event_set(event, AUDIT_TEXT_ERROR, message);
}

/* ---- resource types ---- */

bool audit_type_is_known(const struct audit_types *types, struct str name)
{
    enum audit_resource_type known;
    if (audit_resource_from(name, &known))
        return true;
    for (size_t i = 0; types && i < types->count; i++)
        if (str_equal(name, types->names[i]))
            return true;
    return false;
}

enum err_code audit_type_check(const char *name, struct err *err)
{
    size_t n = strlen(name);
    bool plain = n > 0 && n <= AUDIT_NAME_MAX && name[0] >= 'a' && name[0] <= 'z';
    for (size_t i = 0; plain && i < n; i++)
        plain = (name[i] >= '0' && name[i] <= '9') || ((name[i] | 32) >= 'a' && (name[i] | 32) <= 'z');
    if (!plain)
        return err_set(
            err, ERR_INVALID, NULL,
            "resource type \"%s\" is not allowed; it must be camelCase: 1 to %d letters and digits, the first a small letter",
            name, AUDIT_NAME_MAX);
    enum audit_resource_type known;
    if (audit_resource_from(str_of(name), &known))
        return err_set(err, ERR_INVALID, NULL, "resource type \"%s\" is there already", name);
    return OK;
}

/* ---- as JSON ---- */

static void write_pairs(struct json_writer *w, const char *name, const struct audit_pairs *pairs)
{
    if (!pairs)
        return;
    json_key(w, name);
    json_begin_object(w);
    for (size_t i = 0; i < pairs->count; i++) {
        json_key_any(w, pairs->items[i].key, strlen(pairs->items[i].key));
        json_text(w, pairs->items[i].value);
    }
    json_end_object(w);
}

static void write_resource(const struct audit_event *event, struct json_writer *w)
{
    json_key(w, "resource");
    json_begin_object(w);
    json_put_text(w, "type", event->resource_type);
    json_put_text(w, "identifier", event->texts[AUDIT_TEXT_RESOURCE_ID] ? event->texts[AUDIT_TEXT_RESOURCE_ID] : "");
    write_pairs(w, "data", event->resource_data);
    json_end_object(w);
    json_key(w, "user");
    json_begin_object(w);
    json_put_text(w, "uid", event->texts[AUDIT_TEXT_USER_UID] ? event->texts[AUDIT_TEXT_USER_UID] : "");
    json_put_text(w, "username", event->texts[AUDIT_TEXT_USERNAME] ? event->texts[AUDIT_TEXT_USERNAME] : "");
    json_put_text(w, "type", audit_principal_names[event->user_type]);
    json_end_object(w);
}

static const struct {
    const char *name;
    enum audit_text text;
} plain_members[] = {
    {"space_path", AUDIT_TEXT_SPACE_PATH}, {"client_ip", AUDIT_TEXT_CLIENT_IP},   {"user_agent", AUDIT_TEXT_USER_AGENT},
    {"request_method", AUDIT_TEXT_METHOD}, {"request_id", AUDIT_TEXT_REQUEST_ID}, {"subsystem", AUDIT_TEXT_SUBSYSTEM},
    {"error_message", AUDIT_TEXT_ERROR},
};

void audit_event_write(const struct audit_event *event, struct json_writer *w)
{
    static const char *const objects[] = {"old_object", "new_object"};
    json_begin_object(w);
    if (event->has_id)
        json_put_uuid(w, "id", &event->id);
    if (event->timestamp_ms)
        json_put_int(w, "timestamp", event->timestamp_ms);
    json_put_text(w, "action", audit_action_names[event->action]);
    json_put_text(w, "resource_type", event->resource_type);
    write_resource(event, w);
    for (size_t i = 0; i < ARRAY_LEN(plain_members); i++)
        json_put_text_unless_empty(w, plain_members[i].name, event->texts[plain_members[i].text]);
    json_put_text(w, "status", event->failure ? "failure" : "success");
    write_pairs(w, "data", event->data);
    for (int i = 0; i < 2; i++)
        if (event->objects[i]) {
            json_key(w, objects[i]);
            json_raw(w, event->objects[i], event->object_lengths[i]);
        }
    json_end_object(w);
}
