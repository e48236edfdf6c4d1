/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that another instance answers: handed on as they come in and answered as its answer comes back, neither kept whole. Nothing is
 * sent twice: a request is tried again only when nothing of it went out, when it was refused by an instance that does not lead, or when
 * it is a GET that was not answered yet. Until the leader is known, requests wait for FORWARD_WAIT_US (decision 16).
 * Through libcurl on one thread, which starts with the first request; thread-safe. */
#ifndef HORAE_HTTP_FORWARD_H
#define HORAE_HTTP_FORWARD_H

#include "base/clock.h"
#include "http/http.h"

enum {
    FORWARD_WAIT_US = 2500 * US_PER_MS,
    FORWARD_BUFFER = 256 << 10,  /* of a body on its way; a shorter one can be sent again */
    FORWARD_WHOLE_MAX = 1 << 20, /* answers up to here go back in one piece */
    FORWARD_ADDRESS_SIZE = 300,
    FORWARD_ORDERS_MAX = 100000,
};

/* What instances tell each other in headers; taken out of what comes from outside. */
#define CLUSTER_HEADERS "X-Horae-Cluster-"
#define CLUSTER_HEADER_SECRET CLUSTER_HEADERS "Secret"
#define CLUSTER_HEADER_CLIENT CLUSTER_HEADERS "Client"     /* address of the client, as the first instance found it */
#define CLUSTER_HEADER_PEER CLUSTER_HEADERS "Peer"         /* address of the socket */
#define CLUSTER_HEADER_CALLER CLUSTER_HEADERS "Caller"     /* one that the first instance knows by a token of its machine */
#define CLUSTER_HEADER_FOLLOWER CLUSTER_HEADERS "Follower" /* of an answer: nothing was done, this instance does not lead */

struct forwarder;

struct forwarder_options {
    const struct clock *clock;
    const char *secret; /* copied */
    /* Whom this machine's own tokens name; NULL = nobody. A thread of the HTTP server. */
    const char *(*known)(void *arg, struct http_request *request);
    void *known_arg;
    void (*failed)(void *arg); /* the leader could not be reached: it may be another by now. The client's thread, must not wait */
    void *arg;
};

struct forwarder *forwarder_new(const struct forwarder_options *options);
/* Who leads: "http://host:port", or "" while nobody does, for the reason that waiting requests are told in the end; `waits` false: at
 * once. What is on its way to another address is given up. Any thread. */
void forwarder_point(struct forwarder *forwarder, const char *address, const char *reason, bool waits);
/* What is not answered after FORWARD_WAIT_US more is refused, so that the HTTP server can be stopped. */
void forwarder_finish(struct forwarder *forwarder);
void forwarder_free(struct forwarder *forwarder); /* no request is under way */

/* ---- for http_server.c: on the thread of the connection ---- */
/* The head has arrived. */
void forward_begin(struct forwarder *forwarder, struct http_request *request, const char *method);
/* A piece of the body; may suspend the connection until there is room for more. */
void forward_take(struct http_request *request, const char *bytes, size_t count);
/* The body has ended: an answer will come. */
void forward_end(struct http_request *request);

#endif
