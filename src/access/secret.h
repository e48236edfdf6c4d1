/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and passwords. Tokens are 32 random bytes and are stored as their BLAKE2b hash; passwords as argon2id strings
 * (libsodium, its interactive limits: 64 MiB, two passes). */
#ifndef HORAE_ACCESS_SECRET_H
#define HORAE_ACCESS_SECRET_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { TOKEN_TEXT_MAX = 64, TOKEN_HASH = 32, PASSWORD_MIN = 8, PASSWORD_MAX = 1024, PASSWORD_HASH_TEXT = 128 };

struct token_hash {
    uint8_t b[TOKEN_HASH];
};

/* `prefix` tells kinds apart for people and leak scanners: "ha_" access, "hr_" refresh, "ht_" API token. */
void secret_new_token(const char *prefix, char out[TOKEN_TEXT_MAX]);
struct token_hash secret_hash_token(const char *token);
/* Slow and large on purpose (64 MiB): workers only. ERR_UNAVAILABLE when memory is short. */
enum err_code secret_hash_password(const char *password, char out[PASSWORD_HASH_TEXT], struct err *err);
bool secret_check_password(const char *password, const char *hash);
void secret_wipe(void *bytes, size_t count);
/* A readable random password of 24 characters. */
void secret_new_password(char out[32]);

#endif
