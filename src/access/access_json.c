/* SPDX-License-Identifier: Apache-2.0 */
/* Users and API tokens as others see them: in answers, and before and after a change in the audit log. Hashes are in neither. */
#include "access/access_priv.h"

void user_write_json(struct json_writer *w, const struct user *user)
{
    json_begin_object(w);
    json_put_uuid(w, "uid", &user->uid);
    json_put_text(w, "username", user->username);
    json_put_text(w, "role", role_names[user->role]);
    json_put_bool(w, "enabled", user->enabled);
    json_put_time(w, "created_at", user->created_us, 3);
    json_put_time(w, "updated_at", user->updated_us, 3);
    json_put_time_or_null(w, "last_login_at", user->last_login_us, 3);
    json_end_object(w);
}

void token_write_json(struct json_writer *w, const struct api_token *token, const char *text)
{
    json_begin_object(w);
    json_put_uuid(w, "id", &token->uid);
    json_put_text(w, "name", token->name);
    json_put_text(w, "role", role_names[token->role]);
    json_put_time_or_null(w, "expires_at", token->expires_us, 3);
    json_put_time_or_null(w, "last_used_at", token->last_used_us, 3);
    json_put_time(w, "created_at", token->created_us, 3);
    json_put_text(w, "created_by", token->created_by);
    json_put_text_unless_empty(w, "token", text);
    json_end_object(w);
}

/* ---- audit events ---- */

enum { OBJECT_MAX = 65536 };

static void set_object(struct audit_event *event, int which, struct buf *text)
{
    if (!text->failed)
        audit_event_set_object(event, which, text->data, text->len);
    buf_release(text);
}

void access_audit_user(struct audit_event *event, int which, const struct user *user)
{
    struct buf text;
    struct json_writer w;
    char uid[UUID_TEXT_LEN + 1];
    buf_init(&text, OBJECT_MAX);
    json_writer_init(&w, &text);
    user_write_json(&w, user);
    set_object(event, which, &text);
    uuid_format(&user->uid, uid);
    audit_event_set(event, AUDIT_TEXT_RESOURCE_ID, uid);
    audit_event_put_resource(event, "name", user->username);
}

void access_audit_token(struct audit_event *event, int which, const struct api_token *token)
{
    struct buf text;
    struct json_writer w;
    char uid[UUID_TEXT_LEN + 1];
    buf_init(&text, OBJECT_MAX);
    json_writer_init(&w, &text);
    token_write_json(&w, token, NULL);
    set_object(event, which, &text);
    uuid_format(&token->uid, uid);
    audit_event_set(event, AUDIT_TEXT_RESOURCE_ID, uid);
    audit_event_put_resource(event, "name", token->name);
}
