/* SPDX-License-Identifier: Apache-2.0 */
#include "app/follower.h"

#include "access/access.h"
#include "base/mem.h"
#include "http/forward.h"
#include "http/http_server.h"

enum { STOP_HTTP_US = 10 * US_PER_S };

struct follower {
    struct access *access; /* knows the tokens of this machine */
    struct forwarder *forwarder;
    struct probes probes;
    struct http_routes routes[1];
    struct http_server *http;
};

static enum err_code nobody(void *arg, struct http_request *request, struct http_principal *ret, struct err *err)
{
    (void)arg, (void)request, (void)ret;
    return err_set(err, ERR_UNAUTHENTICATED, NULL, "Unauthorized");
}

static enum err_code start_http(struct follower *follower, const struct leader_parts *parts, struct err *err)
{
    const struct config *c = parts->config;
    follower->routes[0] = probes_routes(&follower->probes);
    struct http_server_options options = {.listener = parts->listener,
                                          .tls_cert_file = c->tls_cert[0] ? c->tls_cert : NULL,
                                          .tls_key_file = c->tls_key[0] ? c->tls_key : NULL,
                                          .max_connections = (int)c->max_connections,
                                          .clock = parts->clock,
                                          .cluster_secret = parts->secret,
                                          .forward = follower->forwarder,
                                          .groups = follower->routes,
                                          .group_count = ARRAY_LEN(follower->routes),
                                          .client_rules = parts->client_rules,
                                          .authenticate = nobody};
    return http_server_start(&options, &follower->http, err);
}

enum err_code follower_start(const struct leader_parts *parts, struct store *store, const struct cluster_status *status,
                             void (*failed)(void *arg), void *arg, struct follower **ret, struct err *err)
{
    const struct config *c = parts->config;
    struct follower *follower = xcalloc(1, sizeof *follower);
    struct access_options access = {
        .clock = parts->clock, .data_dir = c->data, .admin_token = c->admin_token[0] ? c->admin_token : NULL};
    follower->probes = (struct probes){.store = store, .cluster = status};
    enum err_code code = access_new(&access, &follower->access, err);
    if (code == OK) {
        struct forwarder_options options = {.clock = parts->clock,
                                            .secret = parts->secret,
                                            .known = access_own_caller,
                                            .known_arg = follower->access,
                                            .failed = failed,
                                            .arg = arg};
        follower->forwarder = forwarder_new(&options);
        code = start_http(follower, parts, err);
    }
    if (code != OK) {
        follower_stop(follower);
        return code;
    }
    *ret = follower;
    return OK;
}

void follower_point(struct follower *follower, const char *address, const char *reason, bool waits)
{
    forwarder_point(follower->forwarder, address, reason, waits);
}

void follower_quiesce(struct follower *follower)
{
    http_server_quiesce(follower->http);
}

void follower_stop(struct follower *follower)
{
    if (!follower)
        return;
    if (follower->http) {
        http_server_quiesce(follower->http);
        forwarder_finish(follower->forwarder);
        http_server_stop(follower->http, STOP_HTTP_US);
    }
    if (follower->access)
        access_drain(follower->access);
    forwarder_free(follower->forwarder);
    access_free(follower->access);
    free(follower);
}
