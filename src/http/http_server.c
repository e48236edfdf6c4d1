/* SPDX-License-Identifier: Apache-2.0 */
/* The adapter of libmicrohttpd: poll mode with a pool of threads (its epoll mode stalls when exactly 128·n connections
 * are ready), suspend and resume for answers that come later and for streams. No other file sees the library. */
#include "http/http_server.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "http/connections.h"
#include "http/forward.h"
#include "http/http_priv.h"
#include "http/in_flight.h"
#include "http/listen.h"
#include "http/request_counts.h"
#include "http/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DISCARD_MAX = HTTP_BODY_BULK_MAX + (8 << 20), /* many clients read the refusal only after they have sent the body */
    TAKEN_STEP = 1 << 20,                         /* so much of a body without limit must arrive within HTTP_BODY_TIME_MAX_S */
    SPARE_CONNECTIONS = 64,
    THREAD_STACK = 256 << 10,
    STOP_POLL_US = 2000,
};

struct http_server {
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    struct connections connections;
    char *tls_cert, *tls_key; /* owned */
    bool quiesced;
    int socket; /* of the listener, ours, once the library has given it back */
    struct in_flight in_flight;
    struct streams streams;
    struct request_counts counts;
    _Atomic int requests; /* being handled or asleep */
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

/* ---- what handlers read ---- */

const char *http_handed_on_caller(const struct http_request *request)
{
    return request->is_handed_on ? http_header(request, CLUSTER_HEADER_CALLER) : NULL;
}

const char *http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

bool http_cookie(const struct http_request *request, const char *name, char *out, size_t capacity)
{
    const char *value = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, name);
    if (!value || strlen(value) >= capacity)
        return false;
    (void)snprintf(out, capacity, "%s", value);
    return true;
}

struct header_walk {
    http_header_fn visit;
    void *arg;
};

static enum MHD_Result visit_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    const struct header_walk *walk = arg;
    walk->visit(walk->arg, name, value ? value : "");
    return MHD_YES;
}

void http_server_walk_headers(const struct http_request *request, http_header_fn visit, void *arg)
{
    struct header_walk walk = {visit, arg};
    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, visit_header, &walk);
}

/* ---- streams ---- */

static ssize_t produce(void *arg, uint64_t position, char *out, size_t capacity)
{
    (void)position;
    long n = stream_produce(arg, out, capacity);
    return n == -1 ? MHD_CONTENT_READER_END_OF_STREAM : n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : (ssize_t)n;
}

static struct MHD_Response *stream_response(struct http_server *server, struct http_stream *stream)
{
    streams_add(&server->streams, stream);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK, produce, stream, stream_close);
}

void http_server_suspend(void *connection)
{
    MHD_suspend_connection(connection);
}

void http_server_resume(void *connection)
{
    MHD_resume_connection(connection);
}

/* ---- answers ---- */

/* The caller holds request->mutex. */
void http_server_answered(struct http_request *request)
{
    bool asleep = request->phase == HTTP_SLEEPING;
    void *connection = request->connection;
    if (asleep)
        request->phase = HTTP_ANSWERED;
    mutex_unlock(&request->mutex);
    if (asleep) /* nobody else can move the request before this */
        MHD_resume_connection(connection);
}

static struct MHD_Response *make_response(struct http_request *request)
{
    struct http_answer *answer = &request->answer;
    struct MHD_Response *response;
    bool packed = answer_compress(request);
    if (answer->stream)
        response = stream_response(request->server, answer->stream);
    else if (answer->is_static || !answer->body)
        response =
            MHD_create_response_from_buffer(answer->length, answer->body ? answer->body : (char[]){""}, MHD_RESPMEM_PERSISTENT);
    else
        response = MHD_create_response_from_buffer(answer->length, answer->body, MHD_RESPMEM_MUST_FREE);
    must(response);
    answer->body = NULL;
    answer->stream = NULL;
    if (answer->type)
        (void)MHD_add_response_header(response, "Content-Type", answer->type);
    for (size_t i = 0; i < request->header_count; i++)
        (void)MHD_add_response_header(response, request->headers[i].name, request->headers[i].value);
    (void)MHD_add_response_header(response, "X-Request-Id", request->request_id);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->varies)
        (void)MHD_add_response_header(response, "Vary", "Accept-Encoding");
    if (packed)
        (void)MHD_add_response_header(response, "Content-Encoding", "gzip");
    if (answer->close_connection)
        (void)MHD_add_response_header(response, "Connection", "close");
    return response;
}

static void tell_refused(const struct http_request *request)
{
    const struct http_server_options *options = &request->server->options;
    const struct http_route *route = request->route;
    int status = request->answer.status;
    bool denied = status == 401 || status == 403;
    if (options->refused && route && request->refusal && (route->audits || (denied && route->permission != HTTP_PUBLIC)))
        options->refused(options->refused_arg, request, status, request->refusal);
}

static enum MHD_Result queue_answer(struct http_request *request)
{
    request->phase = HTTP_ANSWERED;
    request_counts_add(&request->server->counts, request->route, request->route_number, request->answer.status);
    tell_refused(request);
    struct MHD_Response *response = make_response(request);
    enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)request->answer.status, response);
    MHD_destroy_response(response);
    return result;
}

static void refuse(struct http_request *request, enum err_code code, const struct err *err)
{
    if (!request->answer.status)
        http_answer_error(request, code, err);
}

/* ---- one request ---- */

/* Another instance has found out already who it is. */
static void take_named(struct http_request *request)
{
    const char *client = http_header(request, CLUSTER_HEADER_CLIENT), *peer = http_header(request, CLUSTER_HEADER_PEER);
    (void)snprintf(request->client_address, sizeof request->client_address, "%s", client ? client : request->peer_address);
    if (peer)
        (void)snprintf(request->peer_address, sizeof request->peer_address, "%s", peer);
}

/* Compares all of it, whatever is wrong. */
static bool is_from_instance(const struct http_request *request)
{
    const char *secret = request->server->options.cluster_secret,
               *shown = secret ? http_header(request, CLUSTER_HEADER_SECRET) : NULL;
    unsigned char differs = 0;
    if (!shown || strlen(shown) != strlen(secret))
        return false;
    for (size_t i = 0; secret[i]; i++)
        differs |= (unsigned char)(secret[i] ^ shown[i]);
    return !differs;
}

/* The peer of a connection stays; what its headers say counts for one request. */
static void set_address(struct http_request *request)
{
    struct client_address found;
    const struct http_connection *connection = request->registered;
    const struct request_head *head = &request->head;
    if (!connection)
        return;
    (void)snprintf(request->peer_address, sizeof request->peer_address, "%s", connection->peer);
    if (request->is_handed_on) {
        take_named(request);
        return;
    }
    bool named = head->line_count && client_address_find(request->server->options.client_rules, connection->peer, head->lines,
                                                         head->line_count, NULL, NULL, &found, NULL) == OK;
    (void)snprintf(request->client_address, sizeof request->client_address, "%s", named ? found.ip : connection->client);
}

/* The target as sent, before anything is decoded. */
static void *on_request_line(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct http_server *server = arg;
    struct http_request *request = xcalloc(1, sizeof *request);
    request->server = server;
    request->connection = connection;
    request->arrived_us = clock_wall(server->options.clock).us;
    mutex_init(&request->mutex);
    request_set_target(request, target);
    return request;
}

static enum MHD_Result first_call(struct http_request *request, const char *method)
{
    struct err err;
    request->head_seen = true;
    atomic_fetch_add(&request->server->requests, 1);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->registered = info ? info->socket_context : NULL;
    if (request->registered)
        connections_reading(&request->server->connections, request->registered);
    request_set_method(request, method);
    request_head_read(request, request->server->options.client_rules);
    request->is_handed_on = is_from_instance(request);
    set_address(request);
    buf_init(&request->body, HTTP_BODY_BULK_MAX + 1);
    enum err_code code = checks_head(request, &err);
    if (request->forwarded) {
        forward_begin(request->server->options.forward, request, method);
        return MHD_YES;
    }
    if (request->route)
        request->body.max = request->route->body_max ? request->route->body_max : HTTP_BODY_MAX;
    if (code == OK)
        return MHD_YES;
    refuse(request, code, &err);
    const char *length = request->head.values[HEAD_CONTENT_LENGTH];
    int64_t n = 0;
    bool long_body = length && (!str_to_int(str_of(length), 0, INT64_MAX, &n) || n > DISCARD_MAX);
    if (request->answer.close_connection || long_body || http_header(request, "Expect"))
        return queue_answer(request); /* without reading the body; the connection closes after it */
    return MHD_YES;
}

/* It has no limit here, and may take its time as long as it goes on. */
static void forward_piece(struct http_request *request, const char *bytes, size_t count)
{
    int64_t before = request->taken_bytes;
    request->taken_bytes += (int64_t)count;
    if (request->registered && before / TAKEN_STEP != request->taken_bytes / TAKEN_STEP)
        connections_reading(&request->server->connections, request->registered);
    if (http_state(request))
        forward_take(request, bytes, count);
}

/* An unlimited body may take its time as long as it goes on. */
static void hand_over(struct http_request *request, const char *bytes, size_t count)
{
    struct err err;
    int64_t before = request->taken_bytes;
    request->taken_bytes += (int64_t)count;
    if (request->registered && before / TAKEN_STEP != request->taken_bytes / TAKEN_STEP)
        connections_reading(&request->server->connections, request->registered);
    if (request->digest)
        idempotency_digest_add(request->digest, bytes, count);
    enum err_code code = request->route->taker->take(request, request->context, bytes, count, &err);
    if (code != OK)
        refuse(request, code, &err);
}

static enum MHD_Result take_body(struct http_request *request, const char *bytes, size_t *count)
{
    if (request->forwarded) {
        forward_piece(request, bytes, *count);
    } else if (request->taken && !request->answer.status) {
        hand_over(request, bytes, *count);
    } else if (request->answer.status || request->body.failed || request->discarded ||
               request->body.len + *count > request->body.max) {
        request->discarded += *count;
        if (request->discarded > DISCARD_MAX)
            return MHD_NO;
    } else {
        buf_add(&request->body, bytes, *count);
    }
    *count = 0;
    return MHD_YES;
}

/* After a handler returned: it answered, asked to go on, or somebody else will do one of the two. */
static enum MHD_Result finish_or_sleep(struct http_request *request)
{
    for (;;) {
        mutex_lock(&request->mutex);
        void (*go_on)(struct http_request * request, void *arg) = request->go_on;
        request->go_on = NULL;
        bool answered = request->answer.status != 0;
        if (!answered && !go_on) {
            request->phase = HTTP_SLEEPING;
            MHD_suspend_connection(request->connection);
        } else if (go_on) {
            request->phase = HTTP_HANDLING;
        }
        mutex_unlock(&request->mutex);
        if (answered)
            return queue_answer(request);
        if (!go_on)
            return MHD_YES;
        go_on(request, request->go_on_arg);
    }
}

/* With an Idempotency-Key, one at a time: what came first is answered first, and repeats find its answer. */
static void handle(struct http_request *request, void *arg)
{
    (void)arg;
    struct err err;
    if (request->has_idempotency) {
        if (!request->in_flight && !in_flight_enter(&request->server->in_flight, request, handle))
            return;
        enum err_code code = checks_repeat(request, &err);
        if (code != OK) {
            http_answer_error(request, code, &err);
            return;
        }
        if (request->answer.status)
            return;
    }
    request->route->handle(request, request->context);
}

static enum MHD_Result run_handler(struct http_request *request)
{
    struct err err;
    if (request->registered)
        connections_busy(&request->server->connections, request->registered);
    if (request->forwarded) {
        request->phase = HTTP_HANDLING;
        forward_end(request);
        return finish_or_sleep(request);
    }
    if (!request->answer.status) {
        enum err_code code = checks_body(request, &err);
        if (code != OK)
            refuse(request, code, &err);
    }
    if (request->answer.status)
        return queue_answer(request);
    request->phase = HTTP_HANDLING;
    handle(request, NULL);
    return finish_or_sleep(request);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **slot)
{
    (void)arg, (void)connection, (void)url, (void)version;
    struct http_request *request = *slot;
    if (!request->head_seen)
        return first_call(request, method);
    if (*upload_size)
        return take_body(request, upload, upload_size);
    return request->phase == HTTP_READING ? run_handler(request) : finish_or_sleep(request);
}

static void free_request(struct http_request *request)
{
    if (request->release_state) /* the first: whoever holds it may be about to answer */
        request->release_state(request->state);
    for (size_t i = 0; i < HTTP_PATH_IDS_MAX; i++)
        free(request->ids[i]);
    for (size_t i = 0; i < request->header_count; i++) {
        free(request->headers[i].name);
        free(request->headers[i].value);
    }
    if (!request->answer.is_static)
        free(request->answer.body);
    request_head_release(&request->head);
    idempotency_digest_free(request->digest);
    json_doc_free(request->json);
    buf_release(&request->body);
    mutex_release(&request->mutex);
    free(request->refusal);
    free(request->target);
    free(request->path);
    free(request->query);
    free(request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode why)
{
    (void)connection, (void)why;
    struct http_server *server = arg;
    struct http_request *request = *slot;
    if (!request)
        return;
    if (request->registered)
        connections_idle(&server->connections, request->registered);
    if (request->head_seen)
        atomic_fetch_sub(&server->requests, 1);
    free_request(request);
    *slot = NULL;
}

static void name_peer(struct http_server *server, struct MHD_Connection *connection, struct http_connection *registered)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    struct client_address found;
    char *peer = registered->peer;
    if (address && address->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, peer, CLIENT_ADDRESS_MAX);
    else if (address && address->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, peer, CLIENT_ADDRESS_MAX);
    enum err_code code = client_address_find(server->options.client_rules, peer, NULL, 0, NULL, NULL, &found, NULL);
    (void)snprintf(registered->client, sizeof registered->client, "%s", code == OK ? found.ip : peer);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = arg;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = connections_add(&server->connections, info->connect_fd);
        name_peer(server, connection, *context);
    } else if (*context) {
        connections_remove(&server->connections, *context);
        *context = NULL;
    }
}

/* ---- life ---- */

/* We decode ourselves, after splitting. */
static size_t leave_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg, (void)connection;
    return strlen(text);
}

PRINTF_LIKE(2, 0) static void library_log(void *arg, const char *format, va_list arguments)
{
    (void)arg;
    char line[500];
    (void)vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = '\0';
    log_debug("http", "%s", line);
}

static struct MHD_Daemon *start_daemon(struct http_server *server, int fd)
{
    const struct http_server_options *o = &server->options;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, server->tls_cert},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, server->tls_key},
                                   {MHD_OPTION_END, 0, NULL}};
    if (server->tls_cert)
        flags |= MHD_USE_TLS;
    else
        tls[0] = tls[2];
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_THREADS,
                            MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)o->max_connections + SPARE_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)HTTP_HEADERS_MAX_BYTES, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, server,
                            MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

enum err_code http_server_start(const struct http_server_options *options, struct http_server **ret, struct err *err)
{
    struct http_server *server = xcalloc(1, sizeof *server);
    server->options = *options;
    request_counts_init(&server->counts, options->groups, options->group_count);
    streams_init(&server->streams);
    in_flight_init(&server->in_flight);
    connections_init(&server->connections, (size_t)options->max_connections, options->clock);
    int fd = -1;
    enum err_code code = OK;
    if (options->tls_cert_file)
        code = listen_read_tls(options->tls_cert_file, options->tls_key_file, &server->tls_cert, &server->tls_key, err);
    if (code == OK && (fd = fcntl(options->listener->fd, F_DUPFD_CLOEXEC, 0)) < 0)
        code = err_set(err, ERR_UNAVAILABLE, NULL, "the HTTP server cannot start: %s", strerror(errno));
    if (code == OK && !(server->daemon = start_daemon(server, fd))) {
        (void)close(fd);
        code = err_set(err, ERR_UNAVAILABLE, NULL, "the HTTP server cannot start%s",
                       server->tls_cert ? ": is the certificate valid, and does the key belong to it?" : "");
    }
    if (code != OK) {
        http_server_stop(server, 0);
        return code;
    }
    *ret = server;
    return OK;
}

void http_server_quiesce(struct http_server *server)
{
    if (server->daemon && !server->quiesced)
        server->socket = MHD_quiesce_daemon(server->daemon);
    server->quiesced = true;
}

void http_server_stop(struct http_server *server, int64_t timeout_us)
{
    if (server->daemon) {
        http_server_quiesce(server);
        streams_end(&server->streams);
        /* Requests that sleep are answered by whoever holds them; the library cannot stop before. */
        for (int64_t waited = 0; atomic_load(&server->requests) > 0 && waited < timeout_us; waited += STOP_POLL_US)
            (void)usleep(STOP_POLL_US);
        MHD_stop_daemon(server->daemon);
        if (server->socket >= 0)
            (void)close(server->socket);
    }
    connections_stop(&server->connections);
    in_flight_release(&server->in_flight);
    streams_release(&server->streams);
    request_counts_release(&server->counts);
    free(server->tls_cert);
    free(server->tls_key);
    free(server);
}
