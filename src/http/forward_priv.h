/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by forward.c (the side of our client) and forward_client.c (the side of the leader). */
#ifndef HORAE_HTTP_FORWARD_PRIV_H
#define HORAE_HTTP_FORWARD_PRIV_H

#include "base/curl_library.h"
#include "base/list.h"
#include "base/queue.h"
#include "base/thread.h"
#include "http/forward.h"

#include <stdatomic.h>

/* One request on its way. The connection's thread and the client's thread share it; it goes with the last reference: of the request, of
 * its stream, of a queued order, of the client while it works on it. */
struct exchange {
    struct forwarder *forwarder;
    _Atomic int refs;
    struct list_node order, waiting; /* in the queue of orders; in `working` */
    /* set before it is started */
    char *method, *target;      /* owned */
    struct curl_slist *headers; /* owned */
    const char *connection;     /* while headers are taken */
    bool is_safe, has_body;
    int64_t length;     /* of the body; -1 = not known */
    int64_t give_up_us; /* monotonic */

    struct mutex mutex;           /* guards the next ones */
    struct http_request *request; /* NULL once it is gone */
    bool queued;                  /* an order is in the queue */
    bool started, abandoned;      /* to be sent; nobody waits for it */
    struct buf up;                /* of the body, from `up_dropped` on */
    size_t up_sent, up_dropped;   /* of `up`: given to the library; before it: not there any more */
    bool up_ended, up_paused, client_waits;
    bool answered, streams;     /* an answer was given, as a stream */
    struct http_stream *stream; /* NULL: none, or closed */
    struct buf down;            /* of the answer */
    size_t down_sent;
    bool down_paused, ended, failed; /* of the answer: all of it is there; it broke off */
    int status;
    int64_t answer_length; /* -1 = not known */

    /* the client's thread */
    CURL *easy; /* NULL: not on its way */
    bool works, refused_by_follower, head_done;
    int64_t again_us;                   /* monotonic: not before */
    char address[FORWARD_ADDRESS_SIZE]; /* where it was sent to */
};

struct forwarder {
    struct forwarder_options options;
    char secret[128];
    struct mutex mutex; /* guards the next ones */
    char address[FORWARD_ADDRESS_SIZE], reason[256];
    bool waits, moved;
    int64_t end_us;                  /* monotonic: nothing waits any longer; 0 = it goes on */
    const struct curl_library *curl; /* set before the thread starts */
    CURLM *multi;
    struct queue orders;
    struct thread thread;
    _Atomic bool stopping;
    struct list working; /* the client's thread: what it sends, or will send when there is somebody to send it to */
};

bool forwarder_start(struct forwarder *f, struct err *err);
void exchange_unref(struct exchange *ex);
bool forward_drops_header(const char *name, const char *connection);

/* With the mutex of the exchange held. */
void exchange_order(struct exchange *ex);
void exchange_answer_stream(struct exchange *ex);
void exchange_answer_whole(struct exchange *ex);
void exchange_refuse(struct exchange *ex, const char *why);
void exchange_add_header(struct exchange *ex, const char *name, const char *value);
void exchange_forget_headers(struct exchange *ex);

#endif
