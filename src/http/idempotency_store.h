/* SPDX-License-Identifier: Apache-2.0 */
/* Answers kept for 24 hours, so that a repeated mutation with the same Idempotency-Key has one effect and one answer.
 * The answer is saved in the transaction of the change itself: either both are there or none. An answer may hold what is
 * shown only once (an API token), so it is stored encrypted under the caller's key, and of the key only a hash. */
#ifndef HORAE_HTTP_IDEMPOTENCY_STORE_H
#define HORAE_HTTP_IDEMPOTENCY_STORE_H

#include "base/buf.h"
#include "db/db.h"

enum { IDEMPOTENCY_KEY_MAX = 255, IDEMPOTENCY_HOURS = 24, IDEMPOTENCY_HASH = 32 };
#define IDEMPOTENCY_REUSED "IDEMPOTENCY_KEY_REUSED"
#define IDEMPOTENCY_RACE "IDEMPOTENCY_RACE" /* API code inside the server: the same request was committed a moment ago */

struct http_idempotency {
    char principal[64];
    char key[IDEMPOTENCY_KEY_MAX + 1];
    uint8_t hash[IDEMPOTENCY_HASH]; /* of method, target and body */
    uint8_t secret[IDEMPOTENCY_HASH];
    char stored_key[2 * IDEMPOTENCY_HASH + 1];
};

/* Fills in what is derived from the key and the request. */
void idempotency_hash(struct http_idempotency *idempotency, const char *method, const char *target, const void *body,
                      size_t length);
/* Stands for a body that is never there as a whole. */
struct idempotency_digest;
struct idempotency_digest *idempotency_digest_new(void);
void idempotency_digest_add(struct idempotency_digest *digest, const void *bytes, size_t count);
void idempotency_digest_end(struct idempotency_digest *digest, uint8_t out[IDEMPOTENCY_HASH]);
void idempotency_digest_free(struct idempotency_digest *digest); /* NULL allowed */
/* Writer's transaction. ERR_CONFLICT with IDEMPOTENCY_RACE when the key exists by now. */
enum err_code idempotency_save(struct db *tx, const struct http_idempotency *idempotency, int status, const void *body,
                               size_t length, int64_t now_us, struct err *err);
/* *ret_status 0: not there. Another request under the same key: ERR_CONFLICT with IDEMPOTENCY_REUSED. */
enum err_code idempotency_find(struct db *db, const struct http_idempotency *idempotency, int64_t now_us, int *ret_status,
                               struct buf *body, struct err *err);
/* Deletes at most `limit` answers saved before `before_us`. */
enum err_code idempotency_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err);

#endif
