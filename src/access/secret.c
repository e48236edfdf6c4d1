/* SPDX-License-Identifier: Apache-2.0 */
#include "access/secret.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

void secret_new_token(const char *prefix, char out[TOKEN_TEXT_MAX])
{
    uint8_t bytes[32];
    char text[48];
    randombytes_buf(bytes, sizeof bytes);
    (void)sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    (void)snprintf(out, TOKEN_TEXT_MAX, "%s%s", prefix, text);
    sodium_memzero(bytes, sizeof bytes);
    sodium_memzero(text, sizeof text);
}

struct token_hash secret_hash_token(const char *token)
{
    struct token_hash hash;
    (void)crypto_generichash(hash.b, sizeof hash.b, (const unsigned char *)token, strlen(token), NULL, 0);
    return hash;
}

enum err_code secret_hash_password(const char *password, char out[PASSWORD_HASH_TEXT], struct err *err)
{
    if (crypto_pwhash_str(out, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "not enough memory to hash a password");
    return OK;
}

bool secret_check_password(const char *password, const char *hash)
{
    return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
}

void secret_wipe(void *bytes, size_t count)
{
    sodium_memzero(bytes, count);
}

void secret_new_password(char out[32])
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    for (int i = 0; i < 24; i++)
        out[i] = letters[randombytes_uniform(sizeof letters - 1)];
    out[24] = '\0';
}
