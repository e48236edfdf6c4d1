/* SPDX-License-Identifier: Apache-2.0 */
/* What --lock says: auto | local | store | redis://[USER[:PASSWORD]@]HOST[:PORT][/NUMBER] | rediss://… |
 * etcd://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]. Names and passwords are percent-encoded. */
#ifndef HORAE_CLUSTER_LEASE_URL_H
#define HORAE_CLUSTER_LEASE_URL_H

#include "base/err.h"

#include <stdbool.h>

enum {
    LEASE_ENDPOINTS_MAX = 8,
    LEASE_HOST_MAX = 255,
    LEASE_USER_MAX = 128,
    LEASE_PASSWORD_MAX = 512,
    LEASE_REDIS_PORT = 6379,
    LEASE_ETCD_PORT = 2379,
    LEASE_DATABASE_MAX = 65535,
};

enum lease_kind { LEASE_AUTO, LEASE_LOCAL, LEASE_STORE, LEASE_REDIS, LEASE_ETCD };

struct lease_endpoint {
    char host[LEASE_HOST_MAX + 1]; /* without brackets */
    int port;
};

struct lease_url {
    enum lease_kind kind;
    bool tls; /* rediss:// */
    struct lease_endpoint endpoints[LEASE_ENDPOINTS_MAX];
    int endpoint_count;
    char user[LEASE_USER_MAX + 1], password[LEASE_PASSWORD_MAX + 1]; /* "" = none */
    int database;                                                    /* of Redis */
};

#define LEASE_URL_FORMS \
    "auto, local, store, redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss://… or etcd://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]"

/* ERR_INVALID says what is wrong and what is allowed; it shows no more of the text than its scheme or a host. */
enum err_code lease_url_parse(const char *text, struct lease_url *ret, struct err *err);
/* A password from elsewhere (not "") for the server that is named. ERR_INVALID: the URL has one already, it names no server, its etcd has no
 * user, or the password is too long. */
enum err_code lease_url_set_password(struct lease_url *url, const char *password, struct err *err);
/* What etcd needs: a user and a password together, or none of them. Redis and the others need nothing. */
enum err_code lease_url_check(const struct lease_url *url, struct err *err);

#endif
