/* SPDX-License-Identifier: Apache-2.0 */
/* REST of users and API tokens, for administrators (rulings section 2), and the table of all routes of access/. */
#include "access/access_priv.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "http/idempotency_store.h"
#include "http/page.h"
#include "trail/pending_store.h"

#include <stdio.h>
#include <string.h>

static const struct http_param_spec page_params[] = {PAGE_PARAMS, {NULL, HTTP_PARAM_TEXT, 0, 0, NULL}};

static void refuse(struct http_request *request, const struct err *err)
{
    http_answer_error(request, err->code, err);
}

/* A change of this file: one operation whose answer is rendered in its transaction, so that a repeat with the same
 * Idempotency-Key finds it. Runs on the request's thread (or a worker's) and blocks for the commit. */
struct change {
    struct access *access;
    struct http_request *request;
    int64_t now_us;
    int status;
    struct buf out;
    struct audit_event *audit; /* filled in by `apply` */
    enum err_code (*apply)(struct db *tx, struct change *change, struct json_writer *w, struct err *err);
    struct user user;
    struct api_token token;
    char token_text[TOKEN_TEXT_MAX];
    bool set_password, set_role, set_enabled;
};

static enum err_code run_change(struct db *tx, void *arg, struct err *err)
{
    struct change *change = arg;
    struct json_writer w;
    const struct http_idempotency *idempotency = http_idempotency(change->request);
    buf_clear(&change->out);
    json_writer_init(&w, &change->out);
    enum err_code code = change->apply(tx, change, &w, err);
    if (code == OK)
        code = audit_put(tx, change->audit, change->now_us, err);
    if (code != OK || !idempotency)
        return code;
    return idempotency_save(tx, idempotency, change->status, change->out.data, change->out.len, change->now_us, err);
}

static void make_change(struct change *change, struct access *access, struct http_request *request, int status)
{
    struct err err;
    change->access = access;
    change->request = request;
    change->status = status;
    change->now_us = http_arrived_us(request);
    change->audit = audit_event_of_request(request, NULL);
    buf_init(&change->out, 65536);
    enum err_code code = store_write(access->options.store, run_change, change, &err);
    audit_event_free(change->audit);
    if (code == OK)
        access_forget(access);
    if (code != OK || status == 204)
        buf_release(&change->out);
    if (code != OK)
        refuse(request, &err);
    else if (status == 204)
        http_answer_empty(request, status);
    else
        http_answer_json(request, status, &change->out);
}

/* ---- lists ---- */

struct listing {
    struct http_request *request;
    struct json_writer w;
    struct buf out;
    enum err_code (*rows)(struct db *db, struct listing *list, const struct access_range *range, struct err *err);
    enum err_code (*count)(struct db *db, int64_t *ret, struct err *err);
    int64_t size, seen, last_id;
};

/* One row more than the page is read: it tells whether there is another page. */
static bool is_shown(struct listing *list, int64_t id)
{
    if (list->seen++ >= list->size)
        return false;
    list->last_id = id;
    return true;
}

static enum err_code read_list(struct db *db, void *arg, struct err *err)
{
    struct listing *list = arg;
    struct page page;
    struct row_count total = {0};
    enum err_code code = page_read(list->request, &page, err);
    if (code != OK)
        return code;
    list->size = page.size;
    const struct access_range range = {.after_id = page.cursor, .offset = page.offset, .limit = (int)page.size + 1};
    json_begin_object(&list->w);
    json_key(&list->w, "data");
    json_begin_array(&list->w);
    code = list->rows(db, list, &range, err);
    json_end_array(&list->w);
    if (code == OK && !page.cursor)
        code = list->count(db, &total.total, err);
    page_write(&list->w, &page, page.cursor ? NULL : &total, list->seen > page.size ? list->last_id : 0);
    json_end_object(&list->w);
    return code;
}

static void answer_read(struct access *access, struct listing *list, store_run_fn read)
{
    struct err err;
    buf_init(&list->out, 4 << 20);
    json_writer_init(&list->w, &list->out);
    if (store_read(access->options.store, read, list, &err) == OK) {
        http_answer_json(list->request, 200, &list->out);
        return;
    }
    buf_release(&list->out);
    refuse(list->request, &err);
}

/* ---- users ---- */

static void write_user_data(struct json_writer *w, const struct user *user)
{
    json_begin_object(w);
    json_key(w, "data");
    user_write_json(w, user);
    json_end_object(w);
}

static void add_user_row(void *arg, const struct user *user)
{
    struct listing *list = arg;
    if (is_shown(list, user->id))
        user_write_json(&list->w, user);
}

static enum err_code user_rows(struct db *db, struct listing *list, const struct access_range *range, struct err *err)
{
    return user_store_each(db, range, add_user_row, list, err);
}

static void list_users(struct http_request *request, void *context)
{
    struct listing list = {.request = request, .rows = user_rows, .count = user_store_count};
    answer_read(context, &list, read_list);
}

static enum err_code read_user(struct db *db, void *arg, struct err *err)
{
    struct listing *list = arg;
    struct user user;
    enum err_code code = user_store_get(db, http_path_id(list->request, 0), &user, err);
    if (code == OK)
        write_user_data(&list->w, &user);
    return code;
}

static void show_user(struct http_request *request, void *context)
{
    struct listing list = {.request = request};
    answer_read(context, &list, read_user);
}

static enum err_code apply_add_user(struct db *tx, struct change *change, struct json_writer *w, struct err *err)
{
    enum err_code code = user_store_add(tx, &change->user, err);
    if (code != OK)
        return code;
    write_user_data(w, &change->user);
    access_audit_user(change->audit, AUDIT_NEW_OBJECT, &change->user);
    return OK;
}

/* The last enabled administrator stays one. */
static enum err_code keep_an_admin(struct db *tx, struct err *err)
{
    int64_t admins = 0;
    enum err_code code = user_store_count_admins(tx, &admins, err);
    return code != OK || admins ? code : err_set(err, ERR_CONFLICT, NULL, "this is the last enabled administrator");
}

static enum err_code apply_update_user(struct db *tx, struct change *change, struct json_writer *w, struct err *err)
{
    struct user user;
    enum err_code code = user_store_get(tx, http_path_id(change->request, 0), &user, err);
    if (code != OK)
        return code;
    if (change->user.username[0] && strcmp(change->user.username, user.username) != 0)
        return err_param(err, "username", "username cannot be changed: the history names it");
    access_audit_user(change->audit, AUDIT_OLD_OBJECT, &user);
    bool was_admin = user.role == ROLE_ADMIN && user.enabled;
    if (change->set_role)
        user.role = change->user.role;
    if (change->set_enabled)
        user.enabled = change->user.enabled;
    if (change->set_password)
        memcpy(user.password_hash, change->user.password_hash, sizeof user.password_hash);
    user.updated_us = change->now_us;
    code = user_store_update(tx, &user, err);
    if (code == OK && was_admin)
        code = keep_an_admin(tx, err);
    if (code == OK && (change->set_password || !user.enabled))
        code = session_store_delete_user(tx, user.id, err);
    if (code != OK)
        return code;
    write_user_data(w, &user);
    access_audit_user(change->audit, AUDIT_NEW_OBJECT, &user);
    if (change->set_password) /* nothing in the objects tells it */
        audit_event_put(change->audit, "password_changed", "true");
    return OK;
}

static enum err_code apply_delete_user(struct db *tx, struct change *change, struct json_writer *w, struct err *err)
{
    (void)w;
    struct user user;
    enum err_code code = user_store_get(tx, http_path_id(change->request, 0), &user, err);
    if (code == OK) {
        access_audit_user(change->audit, AUDIT_OLD_OBJECT, &user);
        code = user_store_delete(tx, user.id, err);
    }
    return code == OK && user.role == ROLE_ADMIN && user.enabled ? keep_an_admin(tx, err) : code;
}

enum { USERNAME_BIT, PASSWORD_BIT, ROLE_BIT, ENABLED_BIT };
#define F(member) offsetof(struct access_job, member)
#define USER_FIELDS(needed) \
    {"username", FIELD_TEXT, F(username), 1, USERNAME_MAX, .required = needed}, \
        {"password", FIELD_TEXT, F(password), PASSWORD_MIN, PASSWORD_MAX, .required = needed}, \
        {"role", FIELD_CHOICE, F(role), 0, ROLE_COUNT, role_names, .required = needed}, {"enabled", FIELD_BOOL, F(enabled)}, \
        {"uid", FIELD_IGNORED, 0}, {"created_at", FIELD_IGNORED, 0}, {"updated_at", FIELD_IGNORED, 0}, \
    { \
        "last_login_at", FIELD_IGNORED, 0 \
    }
static const struct json_field add_fields[] = {USER_FIELDS(true)};
static const struct json_field update_fields[] = {USER_FIELDS(false)};
#undef F

/* Letters, digits and a few signs: a name is shown in lists, logs and paths. */
static bool is_username(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c < 33 || c == 127 || c == '/' || c == ':')
            return false;
    }
    struct uuid uid;
    return !uuid_parse(name.p, name.n, &uid);
}

static void save_user(struct worker_item *item)
{
    struct access_job *job = CONTAINER_OF(item, struct access_job, item);
    struct http_request *request = job->request;
    struct access *access = job->access;
    bool add = http_method(request) == HTTP_POST;
    int64_t now = http_arrived_us(request);
    struct change change = {.apply = add ? apply_add_user : apply_update_user,
                            .set_password = job->present >> PASSWORD_BIT & 1,
                            .set_role = job->present >> ROLE_BIT & 1,
                            .set_enabled = job->present >> ENABLED_BIT & 1};
    change.user =
        (struct user){.uid = uuid_v7(now), .role = job->role, .enabled = job->enabled, .created_us = now, .updated_us = now};
    (void)str_copy(change.user.username, sizeof change.user.username, job->username.p, job->username.n);
    struct err err;
    enum err_code code = OK;
    if (change.set_password) {
        char *password = xstrndup(job->password.p, job->password.n);
        code = secret_hash_password(password, change.user.password_hash, &err);
        secret_wipe(password, strlen(password));
        free(password);
    }
    free(job);
    if (code == OK)
        make_change(&change, access, request, add ? 201 : 200);
    else
        refuse(request, &err);
}

static void take_user(struct http_request *request, struct access *access, const struct json_field *fields, size_t count)
{
    struct access_job job = {.enabled = true, .username = {"", 0}, .password = {"", 0}};
    struct err err;
    enum err_code code = json_read_fields(http_body_json(request), "", fields, count, &job, &job.present, NULL, &err);
    if (code == OK && !is_username(job.username))
        code = err_param(&err, "username", "username must not hold blanks, control characters, \"/\" or \":\", nor be a UUID");
    if (code != OK) {
        refuse(request, &err);
        return;
    }
    access_submit(access, request, &job, save_user); /* a password may have to be hashed */
}

static void add_user(struct http_request *request, void *context)
{
    take_user(request, context, add_fields, ARRAY_LEN(add_fields));
}

static void update_user(struct http_request *request, void *context)
{
    take_user(request, context, update_fields, ARRAY_LEN(update_fields));
}

static void delete_user(struct http_request *request, void *context)
{
    struct change change = {.apply = apply_delete_user};
    make_change(&change, context, request, 204);
}

/* ---- tokens ---- */

static void write_token_data(struct json_writer *w, const struct api_token *token, const char *text)
{
    json_begin_object(w);
    json_key(w, "data");
    token_write_json(w, token, text);
    json_end_object(w);
}

static void add_token_row(void *arg, const struct api_token *token)
{
    struct listing *list = arg;
    if (is_shown(list, token->id))
        token_write_json(&list->w, token, NULL);
}

static enum err_code token_rows(struct db *db, struct listing *list, const struct access_range *range, struct err *err)
{
    return token_store_each(db, range, add_token_row, list, err);
}

static void list_tokens(struct http_request *request, void *context)
{
    struct listing list = {.request = request, .rows = token_rows, .count = token_store_count};
    answer_read(context, &list, read_list);
}

static enum err_code parse_token_id(const struct http_request *request, struct uuid *ret, struct err *err)
{
    const char *text = http_path_id(request, 0);
    return uuid_parse(text, strlen(text), ret) ? OK : err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
}

static enum err_code read_token(struct db *db, void *arg, struct err *err)
{
    struct listing *list = arg;
    struct uuid uid;
    struct api_token token;
    enum err_code code = parse_token_id(list->request, &uid, err);
    if (code == OK)
        code = token_store_get(db, &uid, &token, err);
    if (code == OK)
        write_token_data(&list->w, &token, NULL);
    return code;
}

static void show_token(struct http_request *request, void *context)
{
    struct listing list = {.request = request};
    answer_read(context, &list, read_token);
}

static enum err_code apply_add_token(struct db *tx, struct change *change, struct json_writer *w, struct err *err)
{
    enum err_code code = token_store_add(tx, &change->token, err);
    if (code != OK)
        return code;
    write_token_data(w, &change->token, change->token_text);
    access_audit_token(change->audit, AUDIT_NEW_OBJECT, &change->token);
    return OK;
}

struct token_fields {
    struct str name;
    enum role role;
    int64_t expires_us;
};

static void add_token(struct http_request *request, void *context)
{
    static const struct json_field fields[] = {
        {"name", FIELD_TEXT, offsetof(struct token_fields, name), 1, TOKEN_NAME_MAX, .required = true},
        {"role", FIELD_CHOICE, offsetof(struct token_fields, role), 0, ROLE_COUNT, role_names, .required = true},
        {"expires_at", FIELD_TIME, offsetof(struct token_fields, expires_us), .nullable = true},
    };
    struct token_fields f = {0};
    struct err err;
    int64_t now = http_arrived_us(request);
    enum err_code code = json_read_fields(http_body_json(request), "", fields, ARRAY_LEN(fields), &f, NULL, NULL, &err);
    if (code == OK && f.expires_us && f.expires_us <= now)
        code = err_param(&err, "expires_at", "expires_at must lie in the future");
    if (code != OK) {
        refuse(request, &err);
        return;
    }
    struct change change = {.apply = apply_add_token};
    change.token = (struct api_token){.uid = uuid_v7(now), .role = f.role, .expires_us = f.expires_us, .created_us = now};
    (void)str_copy(change.token.name, sizeof change.token.name, f.name.p, f.name.n);
    (void)snprintf(change.token.created_by, sizeof change.token.created_by, "%s", http_principal(request)->uid);
    secret_new_token("ht_", change.token_text);
    change.token.hash = secret_hash_token(change.token_text);
    make_change(&change, context, request, 201);
    secret_wipe(&change, sizeof change);
}

static enum err_code apply_delete_token(struct db *tx, struct change *change, struct json_writer *w, struct err *err)
{
    (void)w;
    struct uuid uid;
    struct api_token token;
    enum err_code code = parse_token_id(change->request, &uid, err);
    if (code == OK)
        code = token_store_get(tx, &uid, &token, err);
    if (code != OK)
        return code;
    access_audit_token(change->audit, AUDIT_OLD_OBJECT, &token);
    return token_store_delete(tx, &uid, err);
}

static void delete_token(struct http_request *request, void *context)
{
    struct change change = {.apply = apply_delete_token};
    make_change(&change, context, request, 204);
}

/* ---- routes ---- */

enum { BODY = HTTP_JSON_BODY | HTTP_BODY_REQUIRED, SAVED = BODY | HTTP_IDEMPOTENT_SAVE };

const struct http_route access_api_routes[] = {
    {HTTP_POST, "/api/v1/auth/login", session_login, HTTP_PUBLIC, BODY, 65536, NULL, "sign in", AUDITS(LOGIN, SESSION)},
    {HTTP_POST, "/api/v1/auth/refresh", session_refresh, HTTP_PUBLIC, BODY, 65536, NULL, "new tokens for a refresh token"},
    {HTTP_POST, "/api/v1/auth/logout", session_logout, HTTP_MAY_SELF, 0, 0, NULL, "end the session", AUDITS(LOGOUT, SESSION)},
    {HTTP_GET, "/api/v1/auth/me", session_me, HTTP_MAY_SELF, 0, 0, NULL, "who the caller is"},
    {HTTP_POST, "/api/v1/auth/password", session_password, HTTP_MAY_SELF, BODY, 65536, NULL, "change the caller's password",
     AUDITS(UPDATED, USER)},
    {HTTP_GET, "/api/v1/users", list_users, HTTP_MAY_ADMIN, 0, 0, page_params, "users"},
    {HTTP_POST, "/api/v1/users", add_user, HTTP_MAY_ADMIN, SAVED, 65536, NULL, "add a user", AUDITS(CREATED, USER)},
    {HTTP_GET, "/api/v1/users/{uid}", show_user, HTTP_MAY_ADMIN, 0, 0, NULL, "one user"},
    {HTTP_PUT, "/api/v1/users/{uid}", update_user, HTTP_MAY_ADMIN, SAVED, 65536, NULL, "change a user", AUDITS(UPDATED, USER)},
    {HTTP_PATCH, "/api/v1/users/{uid}", update_user, HTTP_MAY_ADMIN, SAVED, 65536, NULL, "change a user", AUDITS(UPDATED, USER)},
    {HTTP_DELETE, "/api/v1/users/{uid}", delete_user, HTTP_MAY_ADMIN, HTTP_IDEMPOTENT_SAVE, 0, NULL, "delete a user",
     AUDITS(DELETED, USER)},
    {HTTP_GET, "/api/v1/tokens", list_tokens, HTTP_MAY_ADMIN, 0, 0, page_params, "API tokens"},
    {HTTP_POST, "/api/v1/tokens", add_token, HTTP_MAY_ADMIN, SAVED, 65536, NULL, "make an API token; shown once",
     AUDITS(CREATED, TOKEN)},
    {HTTP_GET, "/api/v1/tokens/{id}", show_token, HTTP_MAY_ADMIN, 0, 0, NULL, "one API token"},
    {HTTP_DELETE, "/api/v1/tokens/{id}", delete_token, HTTP_MAY_ADMIN, HTTP_IDEMPOTENT_SAVE, 0, NULL, "revoke an API token",
     AUDITS(REVOKED, TOKEN)},
};
const size_t access_api_route_count = ARRAY_LEN(access_api_routes);
