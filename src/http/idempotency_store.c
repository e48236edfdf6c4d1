/* SPDX-License-Identifier: Apache-2.0 */
#include "http/idempotency_store.h"

#include "base/clock.h"
#include "base/panic.h"

#include <sodium.h>
#include <stdlib.h>
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

/* Two independent values from one key; `context` tells them apart. */
static void derive(const struct http_idempotency *idempotency, const char *context, uint8_t out[IDEMPOTENCY_HASH])
{
    (void)crypto_generichash(out, IDEMPOTENCY_HASH, (const unsigned char *)idempotency->key, strlen(idempotency->key),
                             (const unsigned char *)context, strlen(context));
}

/* The hash of the request is keyed too: a body may hold a password. */
void idempotency_hash(struct http_idempotency *idempotency, const char *method, const char *target, const void *body,
                      size_t length)
{
    crypto_generichash_state state;
    uint8_t stored[IDEMPOTENCY_HASH];
    derive(idempotency, "horae idempotency: stored key", stored);
    derive(idempotency, "horae idempotency: secret", idempotency->secret);
    (void)sodium_bin2hex(idempotency->stored_key, sizeof idempotency->stored_key, stored, sizeof stored);
    (void)crypto_generichash_init(&state, idempotency->secret, IDEMPOTENCY_HASH, IDEMPOTENCY_HASH);
    (void)crypto_generichash_update(&state, (const unsigned char *)method, strlen(method) + 1);
    (void)crypto_generichash_update(&state, (const unsigned char *)target, strlen(target) + 1);
    (void)crypto_generichash_update(&state, body, length);
    (void)crypto_generichash_final(&state, idempotency->hash, IDEMPOTENCY_HASH);
}

struct idempotency_digest {
    crypto_generichash_state state;
};

struct idempotency_digest *idempotency_digest_new(void)
{
    struct idempotency_digest *digest = aligned_alloc(_Alignof(struct idempotency_digest), sizeof *digest);
    must(digest);
    (void)crypto_generichash_init(&digest->state, NULL, 0, IDEMPOTENCY_HASH);
    return digest;
}

void idempotency_digest_add(struct idempotency_digest *digest, const void *bytes, size_t count)
{
    (void)crypto_generichash_update(&digest->state, bytes, count);
}

void idempotency_digest_end(struct idempotency_digest *digest, uint8_t out[IDEMPOTENCY_HASH])
{
    (void)crypto_generichash_final(&digest->state, out, IDEMPOTENCY_HASH);
}

void idempotency_digest_free(struct idempotency_digest *digest)
{
    free(digest);
}

static void bind_key(struct db_stmt *st, const struct http_idempotency *idempotency)
{
    db_bind_text(st, 1, idempotency->principal, strlen(idempotency->principal));
    db_bind_text(st, 2, idempotency->stored_key, strlen(idempotency->stored_key));
}

enum { SEAL = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES };

static void seal(const struct http_idempotency *idempotency, const void *body, size_t length, struct buf *out)
{
    unsigned char *place = (unsigned char *)buf_reserve(out, length + SEAL);
    if (!place)
        return;
    randombytes_buf(place, crypto_secretbox_NONCEBYTES);
    (void)crypto_secretbox_easy(place + crypto_secretbox_NONCEBYTES, body, length, place, idempotency->secret);
    buf_commit(out, length + SEAL);
}

static enum err_code unseal(const struct http_idempotency *idempotency, const unsigned char *bytes, size_t n, struct buf *out,
                            struct err *err)
{
    char *place = n >= SEAL ? buf_reserve(out, n - SEAL + 1) : NULL;
    if (!place || crypto_secretbox_open_easy((unsigned char *)place, bytes + crypto_secretbox_NONCEBYTES,
                                             n - crypto_secretbox_NONCEBYTES, bytes, idempotency->secret) != 0)
        return err_set(err, ERR_CORRUPT, NULL, "an answer that was kept for repeats is damaged");
    buf_commit(out, n - SEAL);
    return OK;
}

enum err_code idempotency_save(struct db *tx, const struct http_idempotency *idempotency, int status, const void *body,
                               size_t length, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    struct buf sealed;
    enum err_code code = db_prepare(tx, &sql_drop_old, &st, err);
    if (code != OK)
        return code;
    bind_key(st, idempotency);
    db_bind_int(st, 3, oldest(now_us));
    if ((code = db_run(st, NULL, err)) != OK || (code = db_prepare(tx, &sql_save, &st, err)) != OK)
        return code;
    buf_init(&sealed, length + SEAL);
    seal(idempotency, length ? body : "", length, &sealed);
    bind_key(st, idempotency);
    db_bind_blob(st, 3, idempotency->hash, sizeof idempotency->hash);
    db_bind_int(st, 4, status);
    db_bind_blob(st, 5, sealed.data, sealed.len);
    db_bind_int(st, 6, now_us);
    code = db_run(st, NULL, err);
    buf_release(&sealed);
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
            code = unseal(idempotency, bytes, length, body, err);
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
    return db_run_pair(tx, &sql_purge, before_us, limit, ret_deleted, err);
}
