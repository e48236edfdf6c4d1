/* SPDX-License-Identifier: Apache-2.0 */
#include "access/access_store.h"

#include "base/clock.h"
#include "base/panic.h"

#include <stdio.h>
#include <string.h>

#define USER "id, uid, username, password_hash, role, enabled, created_at, updated_at, last_login_at"
#define SESSION "id, user_id, access_hash, refresh_hash, access_expires_at, refresh_expires_at, created_at"
#define TOKEN "id, uid, name, role, hash, expires_at, last_used_at, created_at, created_by"

static const struct db_sql sql_user_add = {
    "INSERT INTO users (uid, username, password_hash, role, enabled, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    " RETURNING id"};
static const struct db_sql sql_user_update = {
    "UPDATE users SET password_hash = ?2, role = ?3, enabled = ?4, updated_at = ?5, last_login_at = ?6 WHERE id = ?1"};
static const struct db_sql sql_user_delete = {"DELETE FROM users WHERE id = ?1"};
static const struct db_sql sql_user_by_name = {"SELECT " USER " FROM users WHERE username = ?1"};
static const struct db_sql sql_user_by_uid = {"SELECT " USER " FROM users WHERE uid = ?1"};
static const struct db_sql sql_user_by_id = {"SELECT " USER " FROM users WHERE id = ?1"};
static const struct db_sql sql_user_list = {"SELECT " USER " FROM users WHERE id > ?3 ORDER BY id LIMIT ?1 OFFSET ?2"};
static const struct db_sql sql_user_count = {"SELECT COUNT(*) FROM users"};
static const struct db_sql sql_user_admins = {"SELECT COUNT(*) FROM users WHERE role = 'admin' AND enabled = 1"};
static const struct db_sql sql_session_add = {
    "INSERT INTO sessions (user_id, access_hash, refresh_hash, access_expires_at, refresh_expires_at, created_at)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id"};
static const struct db_sql sql_session_expire = {"DELETE FROM sessions WHERE refresh_expires_at <= ?1"};
static const struct db_sql sql_session_replace = {
    "UPDATE sessions SET access_hash = ?2, refresh_hash = ?3, access_expires_at = ?4, refresh_expires_at = ?5 WHERE id = ?1"};
static const struct db_sql sql_session_by_access = {"SELECT " SESSION " FROM sessions WHERE access_hash = ?1"};
static const struct db_sql sql_session_by_refresh = {"SELECT " SESSION " FROM sessions WHERE refresh_hash = ?1"};
static const struct db_sql sql_session_delete = {"DELETE FROM sessions WHERE id = ?1"};
static const struct db_sql sql_session_delete_user = {"DELETE FROM sessions WHERE user_id = ?1"};
static const struct db_sql sql_token_add = {
    "INSERT INTO api_tokens (uid, name, role, hash, expires_at, created_at, created_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    " RETURNING id"};
static const struct db_sql sql_token_by_hash = {"SELECT " TOKEN " FROM api_tokens WHERE hash = ?1"};
static const struct db_sql sql_token_by_uid = {"SELECT " TOKEN " FROM api_tokens WHERE uid = ?1"};
static const struct db_sql sql_token_delete = {"DELETE FROM api_tokens WHERE uid = ?1"};
static const struct db_sql sql_token_used = {"UPDATE api_tokens SET last_used_at = ?2 WHERE id = ?1"};
static const struct db_sql sql_token_list = {"SELECT " TOKEN " FROM api_tokens WHERE id > ?3 ORDER BY id LIMIT ?1 OFFSET ?2"};
static const struct db_sql sql_token_count = {"SELECT COUNT(*) FROM api_tokens"};

const struct db_sql *const access_store_sql[] = {
    &sql_user_add,          &sql_user_update,        &sql_user_delete,    &sql_user_by_name,
    &sql_user_by_uid,       &sql_user_by_id,         &sql_user_list,      &sql_user_count,
    &sql_user_admins,       &sql_session_add,        &sql_session_expire, &sql_session_replace,
    &sql_session_by_access, &sql_session_by_refresh, &sql_session_delete, &sql_session_delete_user,
    &sql_token_add,         &sql_token_by_hash,      &sql_token_by_uid,   &sql_token_delete,
    &sql_token_used,        &sql_token_list,         &sql_token_count};
const size_t access_store_sql_count = ARRAY_LEN(access_store_sql);

static void bind_time(struct db_stmt *st, int index, int64_t us)
{
    if (us)
        db_bind_int(st, index, us);
    else
        db_bind_null(st, index);
}

static void read_blob(struct db_stmt *st, int column, void *out, size_t size)
{
    size_t length;
    const void *bytes = db_blob(st, column, &length);
    must(bytes && length == size);
    memcpy(out, bytes, size);
}

static void read_text(struct db_stmt *st, int column, char *out, size_t capacity)
{
    const char *text = db_text(st, column, NULL);
    (void)snprintf(out, capacity, "%s", text ? text : "");
}

static enum role read_role(struct db_stmt *st, int column)
{
    enum role role = ROLE_VIEWER; /* an unknown role may do the least */
    (void)role_from_name(db_text(st, column, NULL), &role);
    return role;
}

/* One row or ERR_NOT_FOUND; the statement stays on the row for the caller, who resets it. */
static enum err_code one_row(struct db_stmt *st, struct err *err)
{
    bool row = false;
    enum err_code code = db_step(st, &row, err);
    return code != OK || row ? code : err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
}

static enum err_code run_with_id(struct db *tx, const struct db_sql *sql, int64_t id, int64_t second, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    if (second)
        db_bind_int(st, 2, second);
    return db_run(st, NULL, err);
}

static enum err_code returned_id(struct db_stmt *st, int64_t *ret, struct err *err)
{
    enum err_code code = one_row(st, err);
    if (code != OK)
        return code;
    *ret = db_int(st, 0);
    bool row;
    return db_step(st, &row, err);
}

static enum err_code count_of(struct db *db, const struct db_sql *sql, int64_t *ret, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, sql, &st, err);
    return code == OK ? returned_id(st, ret, err) : code;
}

/* ---- users ---- */

static struct user read_user(struct db_stmt *st)
{
    struct user user = {.id = db_int(st, 0),
                        .role = read_role(st, 4),
                        .enabled = db_int(st, 5) != 0,
                        .created_us = db_int(st, 6),
                        .updated_us = db_int(st, 7),
                        .last_login_us = db_int(st, 8)};
    read_blob(st, 1, user.uid.b, sizeof user.uid.b);
    read_text(st, 2, user.username, sizeof user.username);
    read_text(st, 3, user.password_hash, sizeof user.password_hash);
    return user;
}

enum err_code user_store_add(struct db *tx, struct user *user, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_user_add, &st, err);
    if (code != OK)
        return code;
    db_bind_blob(st, 1, user->uid.b, sizeof user->uid.b);
    db_bind_string(st, 2, user->username);
    db_bind_string(st, 3, user->password_hash);
    db_bind_string(st, 4, role_names[user->role]);
    db_bind_int(st, 5, user->enabled);
    db_bind_int(st, 6, user->created_us);
    db_bind_int(st, 7, user->updated_us);
    code = returned_id(st, &user->id, err);
    if (code == ERR_CONFLICT) {
        (void)err_set(err, code, NULL, "a user with the name \"%s\" exists already", user->username);
        (void)snprintf(err->param, sizeof err->param, "username");
    }
    return code;
}

enum err_code user_store_update(struct db *tx, const struct user *user, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_user_update, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, user->id);
    db_bind_string(st, 2, user->password_hash);
    db_bind_string(st, 3, role_names[user->role]);
    db_bind_int(st, 4, user->enabled);
    db_bind_int(st, 5, user->updated_us);
    bind_time(st, 6, user->last_login_us);
    return db_run(st, NULL, err);
}

enum err_code user_store_delete(struct db *tx, int64_t id, struct err *err)
{
    enum err_code code = session_store_delete_user(tx, id, err);
    return code == OK ? run_with_id(tx, &sql_user_delete, id, 0, err) : code;
}

static enum err_code take_user(struct db_stmt *st, struct user *ret, struct err *err)
{
    enum err_code code = one_row(st, err);
    if (code != OK)
        return code;
    *ret = read_user(st);
    db_reset(st);
    return OK;
}

enum err_code user_store_get(struct db *db, const char *reference, struct user *ret, struct err *err)
{
    struct uuid uid;
    struct db_stmt *st;
    bool by_uid = uuid_parse(reference, strlen(reference), &uid);
    enum err_code code = db_prepare(db, by_uid ? &sql_user_by_uid : &sql_user_by_name, &st, err);
    if (code != OK)
        return code;
    if (by_uid)
        db_bind_blob(st, 1, uid.b, sizeof uid.b);
    else
        db_bind_string(st, 1, reference);
    return take_user(st, ret, err);
}

enum err_code user_store_by_id(struct db *db, int64_t id, struct user *ret, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_user_by_id, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    return take_user(st, ret, err);
}

static enum err_code open_list(struct db *db, const struct db_sql *sql, const struct access_range *range, struct db_stmt **ret,
                               struct err *err)
{
    enum err_code code = db_prepare(db, sql, ret, err);
    if (code != OK)
        return code;
    db_bind_int(*ret, 1, range->limit);
    db_bind_int(*ret, 2, range->offset);
    db_bind_int(*ret, 3, range->after_id);
    return OK;
}

enum err_code user_store_each(struct db *db, const struct access_range *range, void (*fn)(void *arg, const struct user *user),
                              void *arg, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = open_list(db, &sql_user_list, range, &st, err);
    if (code != OK)
        return code;
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct user user = read_user(st);
        fn(arg, &user);
    }
    return code;
}

enum err_code user_store_count(struct db *db, int64_t *ret, struct err *err)
{
    return count_of(db, &sql_user_count, ret, err);
}

enum err_code user_store_count_admins(struct db *db, int64_t *ret, struct err *err)
{
    return count_of(db, &sql_user_admins, ret, err);
}

/* ---- sessions ---- */

enum err_code session_store_add(struct db *tx, struct session *session, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = run_with_id(tx, &sql_session_expire, session->created_us, 0, err);
    if (code == OK)
        code = db_prepare(tx, &sql_session_add, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, session->user_id);
    db_bind_blob(st, 2, session->access.b, TOKEN_HASH);
    db_bind_blob(st, 3, session->refresh.b, TOKEN_HASH);
    db_bind_int(st, 4, session->access_expires_us);
    db_bind_int(st, 5, session->refresh_expires_us);
    db_bind_int(st, 6, session->created_us);
    return returned_id(st, &session->id, err);
}

enum err_code session_store_replace(struct db *tx, const struct session *session, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_session_replace, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, session->id);
    db_bind_blob(st, 2, session->access.b, TOKEN_HASH);
    db_bind_blob(st, 3, session->refresh.b, TOKEN_HASH);
    db_bind_int(st, 4, session->access_expires_us);
    db_bind_int(st, 5, session->refresh_expires_us);
    return db_run(st, NULL, err);
}

static enum err_code session_by(struct db *db, const struct db_sql *sql, const struct token_hash *hash, struct session *ret,
                                struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_blob(st, 1, hash->b, TOKEN_HASH);
    if ((code = one_row(st, err)) != OK)
        return code;
    *ret = (struct session){.id = db_int(st, 0),
                            .user_id = db_int(st, 1),
                            .access_expires_us = db_int(st, 4),
                            .refresh_expires_us = db_int(st, 5),
                            .created_us = db_int(st, 6)};
    read_blob(st, 2, ret->access.b, TOKEN_HASH);
    read_blob(st, 3, ret->refresh.b, TOKEN_HASH);
    db_reset(st);
    return OK;
}

enum err_code session_store_by_access(struct db *db, const struct token_hash *hash, struct session *ret, struct err *err)
{
    return session_by(db, &sql_session_by_access, hash, ret, err);
}

enum err_code session_store_by_refresh(struct db *db, const struct token_hash *hash, struct session *ret, struct err *err)
{
    return session_by(db, &sql_session_by_refresh, hash, ret, err);
}

enum err_code session_store_delete(struct db *tx, int64_t id, struct err *err)
{
    return run_with_id(tx, &sql_session_delete, id, 0, err);
}

enum err_code session_store_delete_user(struct db *tx, int64_t user_id, struct err *err)
{
    return run_with_id(tx, &sql_session_delete_user, user_id, 0, err);
}

/* ---- API tokens ---- */

static struct api_token read_token(struct db_stmt *st)
{
    struct api_token token = {.id = db_int(st, 0),
                              .role = read_role(st, 3),
                              .expires_us = db_int(st, 5),
                              .last_used_us = db_int(st, 6),
                              .created_us = db_int(st, 7)};
    read_blob(st, 1, token.uid.b, sizeof token.uid.b);
    read_text(st, 2, token.name, sizeof token.name);
    read_blob(st, 4, token.hash.b, TOKEN_HASH);
    read_text(st, 8, token.created_by, sizeof token.created_by);
    return token;
}

enum err_code token_store_add(struct db *tx, struct api_token *token, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_token_add, &st, err);
    if (code != OK)
        return code;
    db_bind_blob(st, 1, token->uid.b, sizeof token->uid.b);
    db_bind_string(st, 2, token->name);
    db_bind_string(st, 3, role_names[token->role]);
    db_bind_blob(st, 4, token->hash.b, TOKEN_HASH);
    bind_time(st, 5, token->expires_us);
    db_bind_int(st, 6, token->created_us);
    db_bind_string(st, 7, token->created_by);
    return returned_id(st, &token->id, err);
}

static enum err_code token_by(struct db *db, const struct db_sql *sql, const void *key, size_t size, struct api_token *ret,
                              struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_blob(st, 1, key, size);
    if ((code = one_row(st, err)) != OK)
        return code;
    *ret = read_token(st);
    db_reset(st);
    return OK;
}

enum err_code token_store_by_hash(struct db *db, const struct token_hash *hash, struct api_token *ret, struct err *err)
{
    return token_by(db, &sql_token_by_hash, hash->b, TOKEN_HASH, ret, err);
}

enum err_code token_store_get(struct db *db, const struct uuid *uid, struct api_token *ret, struct err *err)
{
    return token_by(db, &sql_token_by_uid, uid->b, sizeof uid->b, ret, err);
}

enum err_code token_store_delete(struct db *tx, const struct uuid *uid, struct err *err)
{
    struct db_stmt *st;
    int64_t changes = 0;
    enum err_code code = db_prepare(tx, &sql_token_delete, &st, err);
    if (code != OK)
        return code;
    db_bind_blob(st, 1, uid->b, sizeof uid->b);
    code = db_run(st, &changes, err);
    return code != OK || changes ? code : err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
}

enum err_code token_store_used(struct db *tx, int64_t id, int64_t now_us, struct err *err)
{
    return run_with_id(tx, &sql_token_used, id, now_us, err);
}

enum err_code token_store_count(struct db *db, int64_t *ret, struct err *err)
{
    return count_of(db, &sql_token_count, ret, err);
}

enum err_code token_store_each(struct db *db, const struct access_range *range,
                               void (*fn)(void *arg, const struct api_token *token), void *arg, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = open_list(db, &sql_token_list, range, &st, err);
    if (code != OK)
        return code;
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct api_token token = read_token(st);
        fn(arg, &token);
    }
    return code;
}
