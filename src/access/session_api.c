/* SPDX-License-Identifier: Apache-2.0 */
/* REST of signing in: login, refresh, logout, me, password (API-03, rulings section 2). */
#include "access/access_priv.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "trail/pending_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void refuse(struct http_request *request, const struct err *err)
{
    http_answer_error(request, err->code, err);
}

static char *text_of(struct str text)
{
    return xstrndup(text.p, text.n);
}

static void wipe_free(char *text)
{
    secret_wipe(text, strlen(text));
    free(text);
}

static void write_user(struct json_writer *w, const char *uid, const char *username, const char *type, const char *role)
{
    json_begin_object(w);
    json_put_text(w, "uid", uid);
    json_put_text(w, "username", username);
    json_put_text(w, "type", type);
    json_put_text(w, "role", role);
    json_end_object(w);
}

/* ---- sessions ---- */

struct sign_in {
    struct session session;
    struct user user;
    char access[TOKEN_TEXT_MAX], refresh[TOKEN_TEXT_MAX];
    struct token_hash shown;   /* refresh: the token that was shown */
    struct audit_event *audit; /* login */
    int64_t now_us;
};

static void new_tokens(struct sign_in *s)
{
    secret_new_token("ha_", s->access);
    secret_new_token("hr_", s->refresh);
    s->session.access = secret_hash_token(s->access);
    s->session.refresh = secret_hash_token(s->refresh);
    s->session.access_expires_us = s->now_us + (int64_t)ACCESS_TOKEN_S * US_PER_S;
    s->session.refresh_expires_us = s->now_us + (int64_t)REFRESH_TOKEN_S * US_PER_S;
}

static enum err_code write_login(struct db *tx, void *arg, struct err *err)
{
    struct sign_in *s = arg;
    enum err_code code = session_store_add(tx, &s->session, err);
    s->user.last_login_us = s->now_us;
    if (code == OK)
        code = user_store_update(tx, &s->user, err);
    if (code != OK)
        return code;
    char id[24];
    (void)snprintf(id, sizeof id, "%lld", (long long)s->session.id);
    audit_event_set(s->audit, AUDIT_TEXT_RESOURCE_ID, id);
    return audit_put(tx, s->audit, s->now_us, err);
}

/* Nobody was known when the request came; now somebody is. */
static struct audit_event *login_event(const struct http_request *request, const struct user *user)
{
    char uid[UUID_TEXT_LEN + 1];
    struct audit_event *event = audit_event_of_request(request, NULL);
    uuid_format(&user->uid, uid);
    audit_event_set_user(event, AUDIT_PRINCIPAL_USER, uid, user->username);
    return event;
}

static void set_cookie(struct http_request *request, const char *token, int seconds)
{
    char cookie[256];
    (void)snprintf(cookie, sizeof cookie, "horae_session=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s", token, seconds,
                   http_is_tls(request) ? "; Secure" : "");
    http_add_header(request, "Set-Cookie", cookie);
}

static void answer_tokens(struct http_request *request, const struct sign_in *s)
{
    struct buf out;
    struct json_writer w;
    char uid[UUID_TEXT_LEN + 1];
    uuid_format(&s->user.uid, uid);
    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "data");
    json_begin_object(&w);
    json_put_text(&w, "access_token", s->access);
    json_put_text(&w, "refresh_token", s->refresh);
    json_put_text(&w, "token_type", "Bearer");
    json_put_time(&w, "expires_at", s->session.access_expires_us, 3);
    json_key(&w, "user");
    write_user(&w, uid, s->user.username, "user", role_names[s->user.role]);
    json_end_object(&w);
    json_end_object(&w);
    set_cookie(request, s->access, ACCESS_TOKEN_S);
    http_answer_json(request, 200, &out);
}

/* ---- login ---- */

struct named {
    const char *name;
    struct user user;
    bool found;
};

static enum err_code find_user(struct db *db, void *arg, struct err *err)
{
    struct named *named = arg;
    enum err_code code = user_store_get(db, named->name, &named->user, err);
    named->found = code == OK;
    return code == ERR_NOT_FOUND ? OK : code;
}

/* An unknown name costs the same time as a wrong password. */
static bool password_fits(const struct named *named, const char *password)
{
    char unused[PASSWORD_HASH_TEXT];
    struct err err;
    if (named->found)
        return secret_check_password(password, named->user.password_hash) && named->user.enabled;
    (void)secret_hash_password(password, unused, &err);
    return false;
}

static void log_in(struct worker_item *item)
{
    struct access_job *job = CONTAINER_OF(item, struct access_job, item);
    struct access *access = job->access;
    struct http_request *request = job->request;
    char *name = text_of(job->username), *password = text_of(job->password);
    struct named named = {.name = name};
    struct sign_in s = {.now_us = http_arrived_us(request)};
    struct err err;
    /* again: those that came at once with it may have failed meanwhile */
    enum err_code code = throttle_check(&access->throttle, http_client_address(request), name, &err);
    if (code == OK)
        code = store_read(access->options.store, find_user, &named, &err);
    bool fits = code == OK && password_fits(&named, password);
    if (code == OK)
        throttle_note(&access->throttle, http_client_address(request), name, fits);
    if (code == OK && !fits)
        code = err_set(&err, ERR_UNAUTHENTICATED, NULL, "unknown user name or wrong password");
    if (code == OK) {
        s.user = named.user;
        s.session = (struct session){.user_id = s.user.id, .created_us = s.now_us};
        new_tokens(&s);
        s.audit = login_event(request, &s.user);
        code = store_write(access->options.store, write_login, &s, &err);
        audit_event_free(s.audit);
    }
    wipe_free(password);
    free(name);
    free(job);
    if (code == OK)
        answer_tokens(request, &s);
    else
        refuse(request, &err);
    secret_wipe(&s, sizeof s);
}

#define F(member) offsetof(struct access_job, member)

void session_login(struct http_request *request, void *context)
{
    static const struct json_field fields[] = {
        {"username", FIELD_TEXT, F(username), 1, USERNAME_MAX, .required = true},
        {"password", FIELD_TEXT, F(password), 1, PASSWORD_MAX, .required = true},
    };
    struct access *access = context;
    struct access_job job = {0};
    struct err err;
    enum err_code code = json_read_fields(http_body_json(request), "", fields, ARRAY_LEN(fields), &job, NULL, NULL, &err);
    if (code == OK) {
        auto_free char *name = text_of(job.username);
        code = throttle_check(&access->throttle, http_client_address(request), name, &err);
    }
    if (code == OK)
        access_submit(access, request, &job, log_in);
    else
        refuse(request, &err);
}

/* ---- refresh ---- */

static enum err_code write_refresh(struct db *tx, void *arg, struct err *err)
{
    struct sign_in *s = arg;
    struct session session;
    enum err_code code = session_store_by_refresh(tx, &s->shown, &session, err);
    if (code == OK && session.refresh_expires_us <= s->now_us)
        code = ERR_NOT_FOUND;
    if (code == OK)
        code = user_store_by_id(tx, session.user_id, &s->user, err);
    if (code == ERR_NOT_FOUND || (code == OK && !s->user.enabled))
        return err_set(err, ERR_UNAUTHENTICATED, NULL, "the refresh token is unknown, used or expired: sign in again");
    if (code != OK)
        return code;
    s->session.id = session.id;
    s->session.user_id = session.user_id;
    return session_store_replace(tx, &s->session, err);
}

void session_refresh(struct http_request *request, void *context)
{
    static const struct json_field fields[] = {{"refresh_token", FIELD_TEXT, 0, 1, 255, .required = true}};
    struct access *access = context;
    struct str shown;
    struct err err;
    struct sign_in s = {.now_us = http_arrived_us(request)};
    enum err_code code = json_read_fields(http_body_json(request), "", fields, ARRAY_LEN(fields), &shown, NULL, NULL, &err);
    if (code == OK) {
        auto_free char *token = text_of(shown);
        s.shown = secret_hash_token(token);
        new_tokens(&s);
        code = store_write(access->options.store, write_refresh, &s, &err);
    }
    if (code != OK) {
        refuse(request, &err);
        return;
    }
    access_forget(access); /* the old access token ends */
    answer_tokens(request, &s);
    secret_wipe(&s, sizeof s);
}

/* ---- logout, me ---- */

struct logout {
    int64_t session, now_us; /* session 0: the caller has none, as tokens do */
    struct audit_event *audit;
};

static enum err_code write_logout(struct db *tx, void *arg, struct err *err)
{
    const struct logout *logout = arg;
    enum err_code code = logout->session ? session_store_delete(tx, logout->session, err) : OK;
    return code == OK ? audit_put(tx, logout->audit, logout->now_us, err) : code;
}

void session_logout(struct http_request *request, void *context)
{
    struct access *access = context;
    const struct http_principal *caller = http_principal(request);
    struct logout logout = {.now_us = http_arrived_us(request)};
    struct err err;
    (void)str_to_int(str_of(caller->session), 1, INT64_MAX, &logout.session);
    logout.audit = audit_event_of_request(request, caller->session);
    if (!logout.session)
        audit_event_put(logout.audit, "changed", "false");
    enum err_code code = store_write(access->options.store, write_logout, &logout, &err);
    audit_event_free(logout.audit);
    if (code != OK) {
        refuse(request, &err);
        return;
    }
    access_forget(access);
    set_cookie(request, "", 0);
    http_answer_message(request, 200, "Signed out");
}

void session_me(struct http_request *request, void *context)
{
    (void)context;
    const struct http_principal *caller = http_principal(request);
    struct buf out;
    struct json_writer w;
    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "data");
    write_user(&w, caller->uid, caller->username, caller->type, caller->role);
    json_end_object(&w);
    http_answer_json(request, 200, &out);
}

/* ---- password ---- */

struct password_change {
    struct user user;
    int64_t now_us;
    struct audit_event *audit;
};

static enum err_code write_password(struct db *tx, void *arg, struct err *err)
{
    struct password_change *change = arg;
    enum err_code code = user_store_update(tx, &change->user, err);
    if (code == OK)
        code = session_store_delete_user(tx, change->user.id, err);
    return code == OK ? audit_put(tx, change->audit, change->now_us, err) : code;
}

static enum err_code replace_password(struct access *access, struct http_request *request, const char *old, const char *new,
                                      struct err *err)
{
    struct named named = {.name = http_principal(request)->uid};
    enum err_code code = store_read(access->options.store, find_user, &named, err);
    if (code != OK)
        return code;
    bool fits = named.found && secret_check_password(old, named.user.password_hash);
    throttle_note(&access->throttle, http_client_address(request), http_principal(request)->username, fits);
    if (!fits)
        return err_param(err, "current_password", "current_password is wrong");
    struct password_change change = {named.user, http_arrived_us(request), audit_event_of_request(request, NULL)};
    access_audit_user(change.audit, AUDIT_OLD_OBJECT, &change.user);
    change.user.updated_us = change.now_us;
    access_audit_user(change.audit, AUDIT_NEW_OBJECT, &change.user);
    audit_event_put(change.audit, "password_changed", "true");
    code = secret_hash_password(new, change.user.password_hash, err);
    if (code == OK)
        code = store_write(access->options.store, write_password, &change, err);
    audit_event_free(change.audit);
    return code;
}

static void change_password(struct worker_item *item)
{
    struct access_job *job = CONTAINER_OF(item, struct access_job, item);
    struct access *access = job->access;
    struct http_request *request = job->request;
    char *old = text_of(job->password), *new = text_of(job->new_password);
    struct err err;
    enum err_code code = replace_password(access, request, old, new, &err);
    wipe_free(old);
    wipe_free(new);
    free(job);
    if (code != OK) {
        refuse(request, &err);
        return;
    }
    access_forget(access);
    http_answer_message(request, 200, "Password changed; sign in again");
}

void session_password(struct http_request *request, void *context)
{
    static const struct json_field fields[] = {
        {"current_password", FIELD_TEXT, F(password), 1, PASSWORD_MAX, .required = true},
        {"new_password", FIELD_TEXT, F(new_password), PASSWORD_MIN, PASSWORD_MAX, .required = true},
    };
    struct access *access = context;
    struct access_job job = {0};
    struct err err;
    enum err_code code = json_read_fields(http_body_json(request), "", fields, ARRAY_LEN(fields), &job, NULL, NULL, &err);
    if (code == OK && strcmp(http_principal(request)->type, "user") != 0)
        code = err_set(&err, ERR_CONFLICT, NULL, "only a user who signed in has a password; this is a token");
    if (code == OK)
        code = throttle_check(&access->throttle, http_client_address(request), http_principal(request)->username, &err);
    if (code == OK)
        access_submit(access, request, &job, change_password);
    else
        refuse(request, &err);
}
