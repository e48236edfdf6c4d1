/* SPDX-License-Identifier: Apache-2.0 */
/* The server: sockets, threads, the checks that come before any handler (framing, path, method, parameters, body,
 * authentication, permission), and the life of connections. Built on libmicrohttpd, which only http_server.c sees. */
#ifndef HORAE_HTTP_HTTP_SERVER_H
#define HORAE_HTTP_HTTP_SERVER_H

#include "base/clock.h"
#include "http/client_address.h"
#include "http/http.h"
#include "http/listen.h"

struct forwarder;
struct http_server;
struct store;

enum {
    HTTP_ROUTE_GROUPS_MAX = 16,
    HTTP_THREADS = 4,
    HTTP_HEADERS_MAX_BYTES = 32768,
    HTTP_IDLE_MAX_S = 75,       /* a connection without a complete request head for so long is closed */
    HTTP_BODY_TIME_MAX_S = 120, /* a body must have arrived after so long */
};

struct http_server_options {
    const struct http_listener *listener;     /* borrowed */
    const char *tls_cert_file, *tls_key_file; /* NULL = plain */
    int max_connections;
    const struct clock *clock;
    const char *cluster_secret;       /* what instances show that hand on requests of others; borrowed, NULL = nobody does */
    struct forwarder *forward;        /* where what no route takes is handed on to; borrowed, NULL = it is refused */
    struct store *store;              /* answers kept for repeats (Idempotency-Key) */
    const struct http_routes *groups; /* borrowed */
    size_t group_count;
    /* Fills in who calls; ERR_UNAUTHENTICATED when nobody that we know. Pool thread. */
    enum err_code (*authenticate)(void *arg, struct http_request *request, struct http_principal *ret, struct err *err);
    const struct client_address_rules *client_rules; /* borrowed; whose forwarding headers are believed, and which */
    void *arg;
    /* An answer of 400 or more that is to be recorded: of a route with `audits`, and 401 and 403 of any that is not public.
     * Once per request, just before the answer goes out; not for an answer that is given again (Idempotency-Key). Pool thread,
     * must not block. `message` is what the caller is told. May be NULL. */
    void (*refused)(void *arg, const struct http_request *request, int status, const char *message);
    void *refused_arg;
};

enum err_code http_server_start(const struct http_server_options *options, struct http_server **ret, struct err *err);
/* No new connections are taken, which wait at the listener; the others are served on. One thread, as the stop. */
void http_server_quiesce(struct http_server *server);
/* No new connections are taken, which wait at the listener; requests under way may finish for `timeout_us`, streams are ended. Then
 * everything is closed. */
void http_server_stop(struct http_server *server, int64_t timeout_us);

#endif
