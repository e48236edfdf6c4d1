/* SPDX-License-Identifier: Apache-2.0 */
/* The key that heads and checkpoints are signed with: Ed25519, DIR/audit.key (0600), made at the first start. */
#ifndef HORAE_TRAIL_AUDIT_KEY_H
#define HORAE_TRAIL_AUDIT_KEY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { AUDIT_PUBLIC_BYTES = 32, AUDIT_SECRET_BYTES = 64, AUDIT_SIGNATURE_BYTES = 64 };

struct audit_signature {
    uint8_t b[AUDIT_SIGNATURE_BYTES];
};

struct audit_key {
    uint8_t public_key[AUDIT_PUBLIC_BYTES];
    uint8_t secret_key[AUDIT_SECRET_BYTES];
};

/* Reads the file, or makes it. ERR_CORRUPT: the file is none of ours; ERR_UNAVAILABLE. */
enum err_code audit_key_load(const char *path, struct audit_key *ret, struct err *err);
/* Only what everybody may know, and never makes the file. ERR_NOT_FOUND. */
enum err_code audit_key_read_public(const char *path, uint8_t ret[AUDIT_PUBLIC_BYTES], struct err *err);
/* What segments call their server: the first half of its key in hexadecimal digits. */
enum { AUDIT_KEY_NAME_SIZE = AUDIT_PUBLIC_BYTES + 1 };
void audit_key_name(const uint8_t public_key[AUDIT_PUBLIC_BYTES], char out[AUDIT_KEY_NAME_SIZE]);
void audit_key_wipe(struct audit_key *key);
void audit_key_sign(const struct audit_key *key, const void *bytes, size_t count, struct audit_signature *ret);
bool audit_key_verify(const uint8_t public_key[AUDIT_PUBLIC_BYTES], const void *bytes, size_t count,
                      const struct audit_signature *signature);

#endif
