/* SPDX-License-Identifier: Apache-2.0 */
#include "http/webhook_signature.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { SECRET_MAX = 1024 };

static size_t secret_bytes(const char *secret, unsigned char *out)
{
    static const char prefix[] = "whsec_";
    size_t n = strlen(secret), decoded = 0;
    const char *encoded = secret + sizeof prefix - 1;
    if (strncmp(secret, prefix, sizeof prefix - 1) == 0 &&
        sodium_base642bin(out, SECRET_MAX, encoded, strlen(encoded), NULL, &decoded, NULL, sodium_base64_VARIANT_ORIGINAL) == 0)
        return decoded;
    n = n < SECRET_MAX ? n : SECRET_MAX;
    memcpy(out, secret, n);
    return n;
}

void webhook_sign(const char *secret, const char *id, int64_t timestamp_s, const char *body, size_t length,
                  char out[WEBHOOK_SIGNATURE_MAX])
{
    unsigned char key[SECRET_MAX], mac[crypto_auth_hmacsha256_BYTES];
    char head[128];
    crypto_auth_hmacsha256_state state;
    size_t key_length = secret_bytes(secret, key);
    int n = snprintf(head, sizeof head, "%s.%" PRId64 ".", id, timestamp_s);
    (void)crypto_auth_hmacsha256_init(&state, key, key_length);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)head, (unsigned long long)n);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)body, length);
    (void)crypto_auth_hmacsha256_final(&state, mac);
    memcpy(out, "v1,", 3);
    (void)sodium_bin2base64(out + 3, WEBHOOK_SIGNATURE_MAX - 3, mac, sizeof mac, sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(key, sizeof key);
}
