/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls: users who signed in, API tokens, and the fixed tokens of the machine (HORAE_ADMIN_TOKEN, DIR/cli-token).
 * Rulings section 2. What was looked up is remembered in memory until anything about users or tokens changes. */
#ifndef HORAE_ACCESS_ACCESS_H
#define HORAE_ACCESS_ACCESS_H

#include "base/clock.h"
#include "http/http.h"

struct access;
struct store;

enum { ACCESS_TOKEN_S = 3600, REFRESH_TOKEN_S = 30 * 86400, PRINCIPALS_KEPT = 4096, TOKEN_USE_NOTED_S = 60 };

struct access_options {
    struct store *store; /* NULL: fixed tokens alone, and nobody is made */
    const struct clock *clock;
    const char *data_dir;
    const char *admin_token;    /* NULL = none */
    const char *admin_password; /* of the first user; NULL = random, written once to DIR/admin-password */
};

/* Makes the first user when there is none, and DIR/cli-token when it is missing; both files have mode 0600. */
enum err_code access_new(const struct access_options *options, struct access **ret, struct err *err);
void access_free(struct access *access); /* after the HTTP server has stopped */
/* Finishes what hashes passwords at the moment; before the HTTP server stops. */
void access_drain(struct access *access);

/* For http_server_options. `arg` is the access. */
enum err_code access_authenticate(void *arg, struct http_request *request, struct http_principal *ret, struct err *err);

/* Whom a fixed token of this machine names, NULL = it shows none. Lives as long as the access. */
const char *access_own_caller(void *access, struct http_request *request);

struct http_routes access_routes(struct access *access);

#endif
