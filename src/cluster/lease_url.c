/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/lease_url.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *text;
    enum lease_kind kind;
} words[] = {{"auto", LEASE_AUTO}, {"local", LEASE_LOCAL}, {"store", LEASE_STORE}};

static const struct scheme {
    const char *text;
    enum lease_kind kind;
    bool tls;
    int port, endpoints_max;
} schemes[] = {{"redis://", LEASE_REDIS, false, LEASE_REDIS_PORT, 1},
               {"rediss://", LEASE_REDIS, true, LEASE_REDIS_PORT, 1},
               {"etcd://", LEASE_ETCD, false, LEASE_ETCD_PORT, LEASE_ENDPOINTS_MAX}};

static enum err_code refuse(struct err *err, const char *what)
{
    return err_param(err, "lock", "%s; it must be " LEASE_URL_FORMS, what);
}

static bool put_decoded(struct str text, char *out, size_t capacity)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            if (i + 2 >= text.n || !hex_parse((struct str){text.p + i + 1, 2}, &c, 1))
                return false;
            i += 2;
        }
        if (n + 1 >= capacity || (unsigned char)c < 32 || c == 127)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

/* USER[:PASSWORD], or :PASSWORD */
static enum err_code read_user(struct str text, struct lease_url *ret, struct err *err)
{
    struct str rest = text, user;
    if (!str_split(&rest, ':', &user))
        user = text;
    if (!put_decoded(user, ret->user, sizeof ret->user))
        return refuse(err, "the user's name is too long or not percent-encoded");
    if (!put_decoded(rest, ret->password, sizeof ret->password))
        return refuse(err, "the password is too long or not percent-encoded");
    return OK;
}

/* HOST[:PORT] or [V6][:PORT] */
static enum err_code read_endpoint(struct str text, int port, struct lease_endpoint *ret, struct err *err)
{
    const char *close = text.n && text.p[0] == '[' ? memchr(text.p, ']', text.n) : NULL;
    struct str host = text, rest;
    if (close) {
        host = (struct str){text.p + 1, (size_t)(close - text.p) - 1};
        rest = (struct str){close + 1, text.n - host.n - 2};
    } else {
        const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
        host.n = colon ? (size_t)(colon - text.p) : text.n;
        rest = (struct str){text.p + host.n, text.n - host.n};
    }
    int64_t number = port;
    if (rest.n && (rest.p[0] != ':' || !str_to_int((struct str){rest.p + 1, rest.n - 1}, 1, 65535, &number)))
        return refuse(err, "a port must be a number from 1 to 65535");
    if (host.n < 1 || host.n > LEASE_HOST_MAX)
        return refuse(err, "a server's name is missing or too long");
    for (size_t i = 0; i < host.n; i++)
        if ((unsigned char)host.p[i] <= 32 || (unsigned char)host.p[i] == 127 || strchr("/?#@%\\\"'<>", host.p[i]))
            return refuse(err, "a server's name has a character that none may have");
    ret->port = (int)number;
    (void)snprintf(ret->host, sizeof ret->host, "%.*s", (int)host.n, host.p);
    return OK;
}

static enum err_code read_database(const struct scheme *scheme, struct str text, struct lease_url *ret, struct err *err)
{
    int64_t number = 0;
    if (scheme->kind != LEASE_REDIS && text.n)
        return refuse(err, "after the servers of etcd nothing may follow");
    if (text.n && !str_to_int(text, 0, LEASE_DATABASE_MAX, &number))
        return refuse(err, "the database of Redis must be a number");
    ret->database = (int)number;
    return OK;
}

static enum err_code read_rest(const struct scheme *scheme, struct str rest, struct lease_url *ret, struct err *err)
{
    const char *at = rest.n ? memrchr(rest.p, '@', rest.n) : NULL;
    enum err_code code = OK;
    if (at) {
        code = read_user((struct str){rest.p, (size_t)(at - rest.p)}, ret, err);
        rest = (struct str){at + 1, rest.n - (size_t)(at - rest.p) - 1};
    }
    const char *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
    if (code == OK && slash) {
        code = read_database(scheme, (struct str){slash + 1, rest.n - (size_t)(slash - rest.p) - 1}, ret, err);
        rest.n = (size_t)(slash - rest.p);
    }
    struct str part;
    while (code == OK && str_split(&rest, ',', &part)) {
        if (ret->endpoint_count == scheme->endpoints_max)
            return refuse(err, scheme->endpoints_max == 1 ? "Redis is one server here"
                                                          : "there are too many servers of etcd (8 at most)");
        code = read_endpoint(part, scheme->port, &ret->endpoints[ret->endpoint_count++], err);
    }
    return code == OK && !ret->endpoint_count ? refuse(err, "a server's name is missing") : code;
}

enum err_code lease_url_parse(const char *text, struct lease_url *ret, struct err *err)
{
    *ret = (struct lease_url){.kind = LEASE_AUTO};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(text, words[i].text) == 0) {
            ret->kind = words[i].kind;
            return OK;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i].text);
        if (strncmp(text, schemes[i].text, n) != 0)
            continue;
        ret->kind = schemes[i].kind;
        ret->tls = schemes[i].tls;
        return read_rest(&schemes[i], str_of(text + n), ret, err);
    }
    char what[100];
    const char *colon = strstr(text, "://");
    struct str shown = {text, colon ? (size_t)(colon - text) : strlen(text)};
    (void)snprintf(what, sizeof what, "\"%.*s%s\" is not allowed", (int)str_utf8_cut(shown.p, shown.n, 40), shown.p,
                   colon ? "://…" : "");
    return refuse(err, what);
}

enum err_code lease_url_set_password(struct lease_url *url, const char *password, struct err *err)
{
    if (url->kind != LEASE_REDIS && url->kind != LEASE_ETCD)
        return err_param(err, "lock_password", "lock_password is for redis:// and etcd://, and lock names none of them");
    if (url->password[0])
        return err_param(err, "lock_password", "the password of the lock server is given twice: in lock and on its own");
    if (strlen(password) > LEASE_PASSWORD_MAX)
        return err_param(err, "lock_password", "the password of the lock server is longer than %d bytes", LEASE_PASSWORD_MAX);
    (void)snprintf(url->password, sizeof url->password, "%s", password);
    return OK;
}

enum err_code lease_url_check(const struct lease_url *url, struct err *err)
{
    if (url->kind != LEASE_ETCD || !url->user[0] == !url->password[0])
        return OK;
    return url->user[0] ? err_param(err, "lock", "etcd's user has no password: set HORAE_LOCK_PASSWORD or lock_password_file")
                        : err_param(err, "lock", "the password of etcd has no user: etcd://USER@HOST");
}
