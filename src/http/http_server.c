/* SPDX-License-Identifier: Apache-2.0 */
/* Start and stop of the server: socket, loops, the registry of connections, the streams that are open. */
#include "http/http_server.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/panic.h"
#include "http/http_connection.h"
#include "http/in_flight.h"
#include "http/listen.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { STOP_POLL_US = 2000 };

struct http_server {
    struct http_server_options options;
    struct http_loop loops[HTTP_THREADS];
    int started; /* of the loops */
    struct connections connections;
    struct tls *tls; /* owned, NULL = plain */
    char address[300];
    struct in_flight in_flight;
    struct mutex mutex; /* guards streams */
    struct list streams;
    _Atomic bool stopping;
    _Atomic int requests; /* that are not answered to the end */
};

const struct http_server_options *http_server_options(const struct http_server *server)
{
    return &server->options;
}

struct store *http_server_store(const struct http_server *server)
{
    return server->options.store;
}

struct in_flight *http_server_in_flight(struct http_server *server)
{
    return &server->in_flight;
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}

struct http_loop *http_server_loop(struct http_server *server, int index)
{
    return &server->loops[index];
}

struct connections *http_server_connections(struct http_server *server)
{
    return &server->connections;
}

struct tls *http_server_tls(struct http_server *server)
{
    return server->tls;
}

bool http_server_is_stopping(struct http_server *server)
{
    return atomic_load_explicit(&server->stopping, memory_order_relaxed);
}

void http_server_count(struct http_server *server, int change)
{
    atomic_fetch_add(&server->requests, change);
}

/* The caller holds request->mutex. Asleep, nobody else can move the request before it was posted. */
void http_server_answered(struct http_request *request)
{
    bool asleep = request->phase == HTTP_SLEEPING;
    struct http_connection *connection = request->connection;
    if (asleep)
        request->phase = HTTP_HANDLING;
    mutex_unlock(&request->mutex);
    if (asleep)
        http_connection_post(connection);
}

/* ---- streams ---- */

void http_server_add_stream(struct http_server *server, struct http_stream *stream)
{
    stream->server = server;
    mutex_lock(&server->mutex);
    list_push_back(&server->streams, &stream->node);
    mutex_lock(&stream->mutex);
    stream->ending = http_server_is_stopping(server);
    mutex_unlock(&stream->mutex);
    mutex_unlock(&server->mutex);
}

void http_server_remove_stream(struct http_server *server, struct http_stream *stream)
{
    mutex_lock(&server->mutex);
    list_remove(&server->streams, &stream->node);
    mutex_unlock(&server->mutex);
}

/* They end at their next turn. */
static void end_streams(struct http_server *server)
{
    mutex_lock(&server->mutex);
    for (struct list_node *node = list_first(&server->streams); node; node = list_next(&server->streams, node)) {
        struct http_stream *stream = CONTAINER_OF(node, struct http_stream, node);
        mutex_lock(&stream->mutex);
        stream->ending = true;
        mutex_unlock(&stream->mutex);
        http_stream_wake(stream);
    }
    mutex_unlock(&server->mutex);
}

/* ---- life ---- */

static enum err_code start_loops(struct http_server *server, int listen_fd, struct err *err)
{
    static const char *const names[HTTP_THREADS] = {"horae-http-0", "horae-http-1", "horae-http-2", "horae-http-3"};
    enum err_code code = OK;
    /* the one that accepts comes last: then all that it may hand a connection to are there */
    for (int i = HTTP_THREADS - 1; code == OK && i >= 0; i--) {
        code = http_loop_start(&server->loops[i], server, i ? -1 : listen_fd, names[i], err);
        server->started++;
    }
    return code;
}

enum err_code http_server_start(const struct http_server_options *options, struct http_server **ret, struct err *err)
{
    struct http_server *server = xcalloc(1, sizeof *server);
    int fd = -1;
    enum err_code code = OK;
    server->options = *options;
    (void)metric_get(METRIC_COUNTER, "horae_http_requests_total", "Requests answered, by route and status.",
                     "route=\"none\",status=\"404\""); /* the family is there from the start */
    mutex_init(&server->mutex);
    list_init(&server->streams);
    in_flight_init(&server->in_flight);
    connections_init(&server->connections, (size_t)options->max_connections, options->clock);
    connections_start(&server->connections);
    if (options->tls_cert_file)
        code = tls_new(options->tls_cert_file, options->tls_key_file, &server->tls, err);
    if (code == OK)
        code = listen_open(options->listen, options->tls_cert_file ? "https" : "http", &fd, server->address,
                           sizeof server->address, err);
    if (code == OK)
        code = start_loops(server, fd, err);
    if (code != OK) {
        if (fd >= 0 && server->started < HTTP_THREADS)
            (void)close(fd); /* no loop has it yet */
        http_server_stop(server, 0);
        return code;
    }
    *ret = server;
    return OK;
}

static void free_server(struct http_server *server)
{
    connections_stop(&server->connections);
    in_flight_release(&server->in_flight);
    mutex_release(&server->mutex);
    tls_free(server->tls);
    free(server);
}

void http_server_stop(struct http_server *server, int64_t timeout_us)
{
    atomic_store(&server->stopping, true);
    if (server->started == HTTP_THREADS)
        http_loop_stop_accepting(&server->loops[0]);
    end_streams(server);
    /* Requests that sleep are answered by whoever holds them. */
    for (int64_t waited = 0; atomic_load(&server->requests) > 0 && waited < timeout_us; waited += STOP_POLL_US)
        (void)usleep(STOP_POLL_US);
    for (int i = HTTP_THREADS - server->started; i < HTTP_THREADS; i++)
        http_loop_stop(&server->loops[i]);
    if (atomic_load(&server->requests) > 0) {
        log_warn("http", "%d requests were not answered before the stop", atomic_load(&server->requests));
        return; /* who answers them later must find them */
    }
    free_server(server);
}
