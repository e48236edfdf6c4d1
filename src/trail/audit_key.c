/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/audit_key.h"

#include "base/hex.h"
#include "base/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The file: a name, the secret seed and the public key, in hexadecimal digits. */
#define PREFIX "horae-audit-key-1 "
enum { SEED_BYTES = 32, FILE_BYTES = (int)sizeof PREFIX - 1 + 2 * SEED_BYTES + 1 + 2 * AUDIT_PUBLIC_BYTES + 1, PATH_SIZE = 4200 };

static void set_up(void)
{
    must(sodium_init() >= 0);
}

static enum err_code damaged(const char *path, struct err *err)
{
    return err_set(err, ERR_CORRUPT, NULL, "%s is not a key of the audit log", path);
}

static enum err_code read_key(const char *path, struct audit_key *ret, struct err *err)
{
    char text[FILE_BYTES + 1];
    uint8_t seed[SEED_BYTES], said[AUDIT_PUBLIC_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, NULL, "cannot open %s: %s", path, strerror(errno));
    const ssize_t n = read(fd, text, sizeof text);
    (void)close(fd);
    const char *at = text + sizeof PREFIX - 1;
    bool good = n == FILE_BYTES && memcmp(text, PREFIX, sizeof PREFIX - 1) == 0 && at[2 * SEED_BYTES] == ' ' &&
                hex_parse((struct str){at, 2 * SEED_BYTES}, seed, sizeof seed) &&
                hex_parse((struct str){at + 2 * SEED_BYTES + 1, 2 * AUDIT_PUBLIC_BYTES}, said, sizeof said);
    if (good) {
        (void)crypto_sign_seed_keypair(ret->public_key, ret->secret_key, seed);
        good = memcmp(ret->public_key, said, sizeof said) == 0;
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(text, sizeof text);
    return good ? OK : damaged(path, err);
}

static bool write_all(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    const bool good = write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;
    return close(fd) == 0 && good;
}

/* Written beside its place and linked there: at no moment is there half a key, and none is ever replaced. */
static enum err_code make_key(const char *path, struct err *err)
{
    char text[FILE_BYTES + 1], fresh[PATH_SIZE];
    struct audit_key key;
    uint8_t seed[SEED_BYTES];
    int saved = 0;
    randombytes_buf(seed, sizeof seed);
    (void)crypto_sign_seed_keypair(key.public_key, key.secret_key, seed);
    (void)memcpy(text, PREFIX, sizeof PREFIX - 1);
    hex_format(seed, sizeof seed, text + sizeof PREFIX - 1);
    text[sizeof PREFIX - 1 + 2 * SEED_BYTES] = ' ';
    hex_format(key.public_key, sizeof key.public_key, text + sizeof PREFIX + 2 * SEED_BYTES);
    text[FILE_BYTES - 1] = '\n';
    (void)snprintf(fresh, sizeof fresh, "%.4100s.new", path);
    (void)unlink(fresh); /* of a start that was broken off */
    if (!write_all(fresh, text, FILE_BYTES) || (link(fresh, path) != 0 && errno != EEXIST))
        saved = errno;
    (void)unlink(fresh);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(text, sizeof text);
    audit_key_wipe(&key);
    return saved ? err_set(err, ERR_UNAVAILABLE, NULL, "cannot write %s: %s", path, strerror(saved)) : OK;
}

enum err_code audit_key_load(const char *path, struct audit_key *ret, struct err *err)
{
    set_up();
    enum err_code code = read_key(path, ret, err);
    if (code != ERR_NOT_FOUND)
        return code;
    code = make_key(path, err);
    return code == OK ? read_key(path, ret, err) : code;
}

enum err_code audit_key_read_public(const char *path, uint8_t ret[AUDIT_PUBLIC_BYTES], struct err *err)
{
    struct audit_key key;
    set_up();
    enum err_code code = read_key(path, &key, err);
    if (code != OK)
        return code;
    memcpy(ret, key.public_key, AUDIT_PUBLIC_BYTES);
    audit_key_wipe(&key);
    return OK;
}

void audit_key_name(const uint8_t public_key[AUDIT_PUBLIC_BYTES], char out[AUDIT_KEY_NAME_SIZE])
{
    hex_format(public_key, AUDIT_PUBLIC_BYTES / 2, out);
}

void audit_key_wipe(struct audit_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void audit_key_sign(const struct audit_key *key, const void *bytes, size_t count, struct audit_signature *ret)
{
    must(crypto_sign_detached(ret->b, NULL, bytes, count, key->secret_key) == 0);
}

bool audit_key_verify(const uint8_t public_key[AUDIT_PUBLIC_BYTES], const void *bytes, size_t count,
                      const struct audit_signature *signature)
{
    set_up();
    return crypto_sign_verify_detached(signature->b, bytes, count, public_key) == 0;
}
