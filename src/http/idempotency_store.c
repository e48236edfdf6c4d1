/* SPDX-License-Identifier: Apache-2.0 */
#include "http/idempotency_store.h"

#include "base/clock.h"

#include <sodium.h>
#include <string.h>

static const struct db_sql sql_save = {
    "INSERT INTO idempotency (principal, key, request_hash, status, body, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"};
static const struct db_sql sql_find = {
    "SELECT request_hash, status, body, created_at FROM idempotency WHERE principal = ?1 AND key = ?2"};
static const struct db_sql sql_drop_old = {"DELETE FROM idempotency WHERE principal = ?1 AND key = ?2 AND created_at < ?3"};
static const struct db_sql sql_purge = {
    "DELETE FROM idempotency WHERE (principal, key) IN"
    " (SELECT principal, key FROM idempotency WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)"};

const struct db_sql *const idempotency_store_sql[] = {&sql_save, &sql_find, &sql_drop_old, &sql_purge};
const size_t idempotency_store_sql_count = ARRAY_LEN(idempotency_store_sql);

static int64_t oldest(int64_t now_us)
{
    return now_us - (int64_t)IDEMPOTENCY_HOURS * 3600 * US_PER_S;
}

void idempotency_hash(struct http_idempotency *idempotency, const char *method, const char *target, const void *body,
                      size_t length)
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, IDEMPOTENCY_HASH);
    (void)crypto_generichash_update(&state, (const unsigned char *)method, strlen(method) + 1);
    (void)crypto_generichash_update(&state, (const unsigned char *)target, strlen(target) + 1);
    (void)crypto_generichash_update(&state, body, length);
    (void)crypto_generichash_final(&state, idempotency->hash, IDEMPOTENCY_HASH);
}

static void bind_key(struct db_stmt *st, const struct http_idempotency *idempotency)
{
    db_bind_text(st, 1, idempotency->principal, strlen(idempotency->principal));
    db_bind_text(st, 2, idempotency->key, strlen(idempotency->key));
}

enum err_code idempotency_save(struct db *tx, const struct http_idempotency *idempotency, int status, const void *body,
                               size_t length, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_drop_old, &st, err);
    if (code != OK)
        return code;
    bind_key(st, idempotency);
    db_bind_int(st, 3, oldest(now_us));
    if ((code = db_run(st, NULL, err)) != OK || (code = db_prepare(tx, &sql_save, &st, err)) != OK)
        return code;
    bind_key(st, idempotency);
    db_bind_blob(st, 3, idempotency->hash, sizeof idempotency->hash);
    db_bind_int(st, 4, status);
    db_bind_blob(st, 5, length ? body : "", length);
    db_bind_int(st, 6, now_us);
    code = db_run(st, NULL, err);
    return code == ERR_CONFLICT ? err_set(err, code, IDEMPOTENCY_RACE, "the same request was carried out a moment ago") : code;
}

enum err_code idempotency_find(struct db *db, const struct http_idempotency *idempotency, int64_t now_us, int *ret_status,
                               struct buf *body, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    *ret_status = 0;
    enum err_code code = db_prepare(db, &sql_find, &st, err);
    if (code != OK)
        return code;
    bind_key(st, idempotency);
    if ((code = db_step(st, &row, err)) != OK || !row)
        return code;
    if (db_int(st, 3) >= oldest(now_us)) {
        size_t hash_length, length;
        const void *hash = db_blob(st, 0, &hash_length), *bytes = db_blob(st, 2, &length);
        if (hash_length == IDEMPOTENCY_HASH && memcmp(hash, idempotency->hash, IDEMPOTENCY_HASH) == 0) {
            *ret_status = (int)db_int(st, 1);
            buf_add(body, bytes, length);
        } else {
            code = err_set(err, ERR_CONFLICT, IDEMPOTENCY_REUSED,
                           "this Idempotency-Key was used for another request in the last %d hours", IDEMPOTENCY_HOURS);
        }
    }
    db_reset(st);
    return code;
}

enum err_code idempotency_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_purge, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, before_us);
    db_bind_int(st, 2, limit);
    return db_run(st, ret_deleted, err);
}
