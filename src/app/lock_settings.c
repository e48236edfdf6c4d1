/* SPDX-License-Identifier: Apache-2.0 */
#include "app/lock_settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_embedded(const char *store)
{
    return !store[0] || strncmp(store, "sqlite:", 7) == 0;
}

/* The first line, without its end. */
static enum err_code read_password(const char *path, char *out, size_t capacity, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_param(err, "lock_password_file", "lock_password_file: \"%s\" cannot be read: %s", path, strerror(errno));
    out[0] = '\0';
    bool read = fgets(out, (int)capacity, file) != NULL;
    int saved = errno;
    bool failed = !read && ferror(file), whole = strchr(out, '\n') || feof(file) || getc(file) == EOF;
    (void)fclose(file);
    if (failed)
        return err_param(err, "lock_password_file", "lock_password_file: \"%s\" cannot be read: %s", path, strerror(saved));
    out[strcspn(out, "\r\n")] = '\0';
    if (!out[0])
        return err_param(err, "lock_password_file", "lock_password_file: the first line of \"%s\" is empty", path);
    return whole ? OK
                 : err_param(err, "lock_password_file", "lock_password_file: the first line of \"%s\" is longer than %d bytes",
                             path, LEASE_PASSWORD_MAX);
}

static enum err_code add_password(const struct config *config, struct lease_url *url, struct err *err)
{
    char password[LEASE_PASSWORD_MAX + 2] = ""; /* a line end as well */
    enum err_code code = OK;
    if (config->lock_password[0] && config->lock_password_file[0])
        return err_param(err, "lock_password", "lock_password and lock_password_file are both given: one is enough");
    if (config->lock_password[0])
        code = lease_url_set_password(url, config->lock_password, err);
    else if (config->lock_password_file[0] &&
             (code = read_password(config->lock_password_file, password, sizeof password, err)) == OK)
        code = lease_url_set_password(url, password, err);
    explicit_bzero(password, sizeof password);
    return code;
}

enum err_code lock_settings_read(const struct config *config, struct lease_url *ret, struct err *err)
{
    enum err_code code = lease_url_parse(config->lock, ret, err);
    if (code == OK && ret->kind == LEASE_AUTO)
        ret->kind = is_embedded(config->store) ? LEASE_LOCAL : LEASE_STORE;
    if (code == OK && ret->kind == LEASE_LOCAL && !is_embedded(config->store))
        code = err_param(
            err, "lock",
            "lock: \"local\" is not allowed: other servers may use this store; it must be store, redis://… or etcd://…");
    if (code == OK)
        code = add_password(config, ret, err);
    return code == OK ? lease_url_check(ret, err) : code;
}
