/* SPDX-License-Identifier: Apache-2.0 */
/* SQL of users, sessions and API tokens. */
#ifndef HORAE_ACCESS_ACCESS_STORE_H
#define HORAE_ACCESS_ACCESS_STORE_H

#include "access/roles.h"
#include "access/secret.h"
#include "base/id.h"
#include "base/json_write.h"
#include "db/db.h"

enum { USERNAME_MAX = 64, TOKEN_NAME_MAX = 255, USERS_MAX = 10000, TOKENS_MAX = 10000 };

struct user {
    int64_t id;
    struct uuid uid;
    char username[USERNAME_MAX + 1];
    char password_hash[PASSWORD_HASH_TEXT];
    enum role role;
    bool enabled;
    int64_t created_us, updated_us, last_login_us;
};

enum err_code user_store_add(struct db *tx, struct user *user, struct err *err); /* sets id; ERR_CONFLICT: the name exists */
enum err_code user_store_update(struct db *tx, const struct user *user, struct err *err);
enum err_code user_store_delete(struct db *tx, int64_t id, struct err *err);
/* By name, or by uid when it is one. ERR_NOT_FOUND. */
enum err_code user_store_get(struct db *db, const char *reference, struct user *ret, struct err *err);
enum err_code user_store_by_id(struct db *db, int64_t id, struct user *ret, struct err *err);
/* Rows in the order of their making. */
struct access_range {
    int64_t after_id, offset;
    int limit;
};
enum err_code user_store_each(struct db *db, const struct access_range *range, void (*fn)(void *arg, const struct user *user),
                              void *arg, struct err *err);
enum err_code user_store_count(struct db *db, int64_t *ret, struct err *err);
/* Enabled administrators, to keep the last one. */
enum err_code user_store_count_admins(struct db *db, int64_t *ret, struct err *err);

struct session {
    int64_t id, user_id;
    struct token_hash access, refresh;
    int64_t access_expires_us, refresh_expires_us, created_us;
};
enum err_code session_store_add(struct db *tx, struct session *session, struct err *err); /* sets id; drops expired ones */
enum err_code session_store_replace(struct db *tx, const struct session *session, struct err *err); /* both tokens */
enum err_code session_store_by_access(struct db *db, const struct token_hash *hash, struct session *ret, struct err *err);
enum err_code session_store_by_refresh(struct db *db, const struct token_hash *hash, struct session *ret, struct err *err);
enum err_code session_store_delete(struct db *tx, int64_t id, struct err *err);
enum err_code session_store_delete_user(struct db *tx, int64_t user_id, struct err *err);

struct api_token {
    int64_t id;
    struct uuid uid;
    char name[TOKEN_NAME_MAX + 1];
    enum role role;
    struct token_hash hash;
    int64_t expires_us, last_used_us, created_us; /* 0 = none */
    char created_by[64];
};
enum err_code token_store_add(struct db *tx, struct api_token *token, struct err *err);
enum err_code token_store_by_hash(struct db *db, const struct token_hash *hash, struct api_token *ret, struct err *err);
enum err_code token_store_get(struct db *db, const struct uuid *uid, struct api_token *ret, struct err *err);
enum err_code token_store_delete(struct db *tx, const struct uuid *uid, struct err *err);
enum err_code token_store_used(struct db *tx, int64_t id, int64_t now_us, struct err *err);
enum err_code token_store_each(struct db *db, const struct access_range *range,
                               void (*fn)(void *arg, const struct api_token *token), void *arg, struct err *err);
enum err_code token_store_count(struct db *db, int64_t *ret, struct err *err);

#endif
