/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that own connections: each waits for its own with epoll (edge-triggered, so that a connection is registered once
 * and idle ones cost nothing), the first one also accepts. A connection stays with its loop for its life. */
#ifndef HORAE_HTTP_HTTP_LOOP_H
#define HORAE_HTTP_HTTP_LOOP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/thread.h"

#include <stdatomic.h>

struct http_connection;
struct http_server;
struct metric;
struct gzip;

enum { LOOP_READ_BLOCK = 65536, LOOP_ROUTES_CACHED = 64 };

struct http_loop {
    struct http_server *server;
    int epoll_fd, event_fd;
    int listen_fd; /* -1: not the one that accepts */
    int spare_fd;  /* given up for a moment when descriptors have run out */
    struct thread thread;
    _Atomic int count; /* of connections */

    struct mutex mutex;   /* guards the four below */
    struct list posted;   /* connections that somebody answered or woke */
    struct list arrivals; /* connections that were accepted for this loop */
    bool signalled, stopping;

    /* its own thread only */
    struct list all, again; /* again: those that have more to do, but had their turn */
    struct list dead;       /* closed; freed when no event of this round can be about them */
    char *block;            /* what was read last */
    struct buf text;        /* the answer that is being written */
    int64_t date_s;         /* of date */
    char date[40];
    struct {
        const void *route;
        int status;
        struct metric *metric;
    } counted[LOOP_ROUTES_CACHED];
    struct gzip *gzip; /* NULL until the first use */
};

/* ERR_UNAVAILABLE: no descriptors. */
enum err_code http_loop_start(struct http_loop *loop, struct http_server *server, int listen_fd, const char *name, struct err *err);
/* No new connections from now on. Any thread. */
void http_loop_stop_accepting(struct http_loop *loop);
/* Closes all connections and ends the thread. */
void http_loop_stop(struct http_loop *loop);
/* The connection is looked at soon. Any thread. */
void http_loop_post(struct http_loop *loop, struct http_connection *connection);
/* Before it is freed: nobody posts it any more. */
void http_loop_forget(struct http_loop *loop, struct http_connection *connection);

#endif
