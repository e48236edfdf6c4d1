/* SPDX-License-Identifier: Apache-2.0 */
/* One connection as a state machine: one request at a time, in order (pipelined ones wait in `in`), its answer, the next.
 * Everything here belongs to the thread of the connection's loop, but for http_connection_new. */
#ifndef HORAE_HTTP_HTTP_CONNECTION_H
#define HORAE_HTTP_HTTP_CONNECTION_H

#include "http/body.h"
#include "http/connections.h"
#include "http/http_loop.h"
#include "http/http_priv.h"
#include "http/tls.h"

enum connection_state {
    CONN_HANDSHAKE,
    CONN_HEAD,       /* between requests, or in a head */
    CONN_BODY,       /* in a body that is wanted */
    CONN_HANDLING,   /* a handler runs, or the request sleeps */
    CONN_WRITING,    /* an answer is on its way */
    CONN_DISCARDING, /* answered already; the rest of the body goes nowhere */
    CONN_STREAMING,
    CONN_LINGERING, /* our side is closed; reads until the client closes, so that the answer is not lost to a reset */
    CONN_CLOSED,
};

struct http_connection {
    struct http_loop *loop;
    int fd;
    struct tls_session *tls; /* NULL = plain */
    enum connection_state state;
    bool readable, writable; /* since the last event, not known to be exhausted */
    bool gone;               /* the client closed (its side of) the connection */
    bool last;               /* no request after this one */
    char peer[CLIENT_ADDRESS_MAX]; /* as client_address.h writes it */
    bool peer_is_trusted;
    struct connection_age age;
    struct list_node node;   /* in loop.all, then loop.dead */
    struct list_node posted; /* in loop.posted or loop.arrivals; guarded by the loop's mutex */
    struct list_node again;  /* in loop.again */

    struct buf in; /* read, not used yet; empty between requests */
    struct head_scan scan;
    struct body_reader body;
    uint64_t discarded; /* bytes of the body that went nowhere */

    struct buf out; /* written, not sent yet */
    size_t out_sent;
    const char *tail; /* after `out`: the rest of a large body, owned by the request */
    size_t tail_left;
    bool moved; /* the last flush sent something */

    struct http_request *request; /* NULL between requests */
    struct http_stream *stream;   /* CONN_STREAMING */
    bool chunked;                 /* how the stream is framed */
};

/* Takes the descriptor; NULL: there is no room, it was closed. Any thread. */
struct http_connection *http_connection_new(struct http_loop *loop, int fd);
/* What an event says. */
void http_connection_ready(struct http_connection *connection, bool readable, bool writable, bool gone);
/* Its request was answered, or its stream has something to say. */
void http_connection_resume(struct http_connection *connection);
/* Does what can be done now. */
void http_connection_drive(struct http_connection *connection);
void http_connection_close(struct http_connection *connection);
/* Frees what was closed. */
void http_connections_bury(struct http_loop *loop);

/* http_output.c: writes the head of the present request's answer, and the body or as much as fits; then the state is
 * CONN_WRITING or CONN_STREAMING. */
void http_output_begin(struct http_connection *connection);
/* 1: all is sent, 0: the client does not take more now, -1: the connection is gone. */
int http_output_flush(struct http_connection *connection);
/* "100 Continue", before the body. */
void http_output_continue(struct http_connection *connection);
/* As much of the stream as there is and fits. 1: it ended, 0: later, -1: the connection is gone. */
int http_output_stream(struct http_connection *connection);
/* The connection ends, or the stream did. */
void http_output_close_stream(struct http_connection *connection);

/* http_request.c: makes a request of a complete head (its bytes are copied), checks it and finds where its body ends. What
 * is wrong is answered: then its answer is there. */
struct http_request *http_request_new(struct http_connection *connection, const char *head, size_t length);
/* One whose head cannot be read. */
struct http_request *http_request_refused(struct http_connection *connection, int status, const struct err *err);
/* Its body is malformed, or larger than the route takes. */
void http_request_refuse_body(struct http_request *request, bool malformed);
void http_request_free(struct http_request *request);
/* http_request.c: runs the handler, or what it left to do. True: the answer is there. */
bool http_request_run(struct http_request *request);
bool http_request_go_on(struct http_request *request);

/* http_server.c */
struct http_loop *http_server_loop(struct http_server *server, int index);
struct connections *http_server_connections(struct http_server *server);
struct tls *http_server_tls(struct http_server *server);
bool http_server_is_stopping(struct http_server *server);
void http_server_count(struct http_server *server, int change); /* of requests that are not answered yet */
void http_server_add_stream(struct http_server *server, struct http_stream *stream);
void http_server_remove_stream(struct http_server *server, struct http_stream *stream);

#endif
