/* SPDX-License-Identifier: Apache-2.0 */
#include "http/forward.h"

#include "base/curl_library.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "http/forward_priv.h"
#include "http/http_priv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- a request that comes in: the connection's thread ---- */

void exchange_unref(struct exchange *ex)
{
    if (atomic_fetch_sub(&ex->refs, 1) > 1)
        return;
    if (ex->headers)
        ex->forwarder->curl->curl_slist_free_all(ex->headers);
    must(!ex->easy);
    buf_release(&ex->up);
    buf_release(&ex->down);
    mutex_release(&ex->mutex);
    free(ex->method);
    free(ex->target);
    free(ex);
}

/* The mutex of the exchange is held. */
void exchange_order(struct exchange *ex)
{
    struct forwarder *f = ex->forwarder;
    if (ex->queued)
        return;
    ex->queued = true;
    atomic_fetch_add(&ex->refs, 1);
    if (queue_push_always(&f->orders, &ex->order)) {
        (void)f->curl->curl_multi_wakeup(f->multi);
        return;
    }
    ex->queued = false;
    atomic_fetch_sub(&ex->refs, 1);
}

/* The request is gone: answered, or its client has left. */
static void release_exchange(void *arg)
{
    struct exchange *ex = arg;
    mutex_lock(&ex->mutex);
    ex->request = NULL;
    if (!ex->answered) {
        ex->abandoned = true;
        exchange_order(ex);
    }
    mutex_unlock(&ex->mutex);
    exchange_unref(ex);
}

/* Names that are about one connection, not the message (RFC 9110 section 7.6.1), and ours. */
bool forward_drops_header(const char *name, const char *connection)
{
    static const char *const names[] = {"Connection",
                                        "Keep-Alive",
                                        "Proxy-Authenticate",
                                        "Proxy-Authorization",
                                        "Proxy-Connection",
                                        "TE",
                                        "Trailer",
                                        "Transfer-Encoding",
                                        "Upgrade",
                                        "Content-Length",
                                        "Expect",
                                        "X-Request-Id"};
    struct str rest = str_of(connection ? connection : ""), item;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    while (rest.n && str_split(&rest, ',', &item))
        if (str_equal_ignoring_case(str_trim(item), name))
            return true;
    return strncasecmp(name, CLUSTER_HEADERS, strlen(CLUSTER_HEADERS)) == 0;
}

static void add_line(struct exchange *ex, const char *name, const char *value)
{
    struct buf line;
    buf_init(&line, HTTP_HEADERS_MAX_BYTES + 512);
    /* "Name;" is how the library sends one without a value; "Name:" would leave it out. */
    bool empty = !value[0];
    buf_add(&line, name, strlen(name));
    buf_add(&line, empty ? ";" : ": ", empty ? 1 : 2);
    buf_add(&line, value, strlen(value) + 1);
    if (!line.failed)
        ex->headers = ex->forwarder->curl->curl_slist_append(ex->headers, line.data);
    buf_release(&line);
}

static void pass_header(void *arg, const char *name, const char *value)
{
    struct exchange *ex = arg;
    if (!forward_drops_header(name, ex->connection))
        add_line(ex, name, value);
}

/* What the library would add of its own accord, unless the client sent it. */
static void leave_out(struct exchange *ex, const struct http_request *request)
{
    static const char *const names[] = {"Accept", "User-Agent", "Content-Type"};
    char line[32];
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!http_header(request, names[i])) {
            (void)snprintf(line, sizeof line, "%s:", names[i]);
            ex->headers = ex->forwarder->curl->curl_slist_append(ex->headers, line);
        }
    ex->headers = ex->forwarder->curl->curl_slist_append(ex->headers, "Expect:");
}

static void take_head(struct exchange *ex, struct http_request *request)
{
    const struct forwarder *f = ex->forwarder;
    const char *length = request->head.values[HEAD_CONTENT_LENGTH];
    const char *caller = f->options.known ? f->options.known(f->options.known_arg, request) : NULL;
    ex->connection = http_header(request, "Connection");
    http_server_walk_headers(request, pass_header, ex);
    ex->connection = NULL;
    leave_out(ex, request);
    add_line(ex, "X-Request-Id", request->request_id);
    add_line(ex, CLUSTER_HEADER_SECRET, f->secret);
    add_line(ex, CLUSTER_HEADER_CLIENT, request->client_address);
    add_line(ex, CLUSTER_HEADER_PEER, request->peer_address);
    if (caller)
        add_line(ex, CLUSTER_HEADER_CALLER, caller);
    ex->length = -1;
    if (length)
        (void)str_to_int(str_of(length), 0, INT64_MAX, &ex->length);
    ex->has_body = request->head.values[HEAD_TRANSFER_ENCODING] || ex->length > 0;
    if (length && !ex->has_body)
        add_line(ex, "Content-Length", "0");
}

/* The origin form, as it was sent. */
static char *target_of(const struct http_request *request)
{
    struct buf text;
    buf_init(&text, HTTP_HEADERS_MAX_BYTES + 2);
    buf_add(&text, request->path, strlen(request->path));
    if (request->query) {
        buf_add(&text, "?", 1);
        buf_add(&text, request->query, strlen(request->query));
    }
    buf_add(&text, "", 1);
    return buf_take(&text);
}

static void refuse_all(struct http_request *request, const struct err *err)
{
    http_answer_error(request, ERR_UNAVAILABLE, err);
}

void forward_begin(struct forwarder *f, struct http_request *request, const char *method)
{
    struct err err;
    if (!forwarder_start(f, &err)) {
        refuse_all(request, &err);
        return;
    }
    struct exchange *ex = xcalloc(1, sizeof *ex);
    *ex = (struct exchange){.forwarder = f, .request = request, .refs = 1};
    mutex_init(&ex->mutex);
    ex->method = xstrdup(request->is_head ? "GET" : method); /* the library leaves the body of the answer out */
    ex->is_safe = strcmp(ex->method, "GET") == 0;
    ex->target = target_of(request);
    ex->give_up_us = clock_mono(f->options.clock).us + FORWARD_WAIT_US;
    buf_init(&ex->up, FORWARD_BUFFER + (64 << 10));
    buf_init(&ex->down, FORWARD_WHOLE_MAX + (64 << 10));
    take_head(ex, request);
    http_set_state(request, ex, release_exchange);
}

/* The mutex is held. */
static void send_now(struct exchange *ex)
{
    ex->started = true;
    exchange_order(ex);
}

void forward_take(struct http_request *request, const char *bytes, size_t count)
{
    struct exchange *ex = http_state(request);
    mutex_lock(&ex->mutex);
    if (!ex->answered) {
        buf_add(&ex->up, bytes, count);
        bool full = ex->up.len >= FORWARD_BUFFER;
        if (full && !ex->started)
            send_now(ex);
        else if (ex->started && ex->up_paused)
            exchange_order(ex);
        if (full) {
            ex->client_waits = true;
            http_server_suspend(request->connection);
        }
    }
    mutex_unlock(&ex->mutex);
}

void forward_end(struct http_request *request)
{
    struct exchange *ex = http_state(request);
    if (!ex) /* refused at once */
        return;
    mutex_lock(&ex->mutex);
    ex->up_ended = true;
    send_now(ex);
    mutex_unlock(&ex->mutex);
}

/* ---- the answer as a stream: the connection's thread ---- */

static long produce(void *arg, char *out, size_t capacity)
{
    struct exchange *ex = arg;
    mutex_lock(&ex->mutex);
    size_t left = ex->down.len - ex->down_sent, n = left < capacity ? left : capacity;
    long result = n ? (long)n : ex->failed ? -2 : ex->ended ? -1 : 0;
    memcpy(out, ex->down.data ? ex->down.data + ex->down_sent : "", n);
    ex->down_sent += n;
    if (ex->down_sent == ex->down.len) {
        buf_clear(&ex->down);
        ex->down_sent = 0;
        if (ex->down_paused)
            exchange_order(ex);
    }
    mutex_unlock(&ex->mutex);
    return result;
}

static void closed(void *arg)
{
    struct exchange *ex = arg;
    mutex_lock(&ex->mutex);
    ex->stream = NULL;
    if (!ex->ended && !ex->failed) {
        ex->abandoned = true;
        exchange_order(ex);
    }
    mutex_unlock(&ex->mutex);
    exchange_unref(ex);
}

/* ---- answering: the client's thread, with the mutex held ---- */

/* What the body is waited for from a client that is told the answer already is thrown away. */
static void note_answered(struct exchange *ex)
{
    ex->answered = true;
    if (ex->client_waits)
        http_server_resume(ex->request->connection);
    ex->client_waits = false;
}

void exchange_answer_stream(struct exchange *ex)
{
    const struct http_stream_source source = {
        .produce = produce, .closed = closed, .arg = ex, .whole = ex->answer_length >= 0, .status = ex->status};
    if (!ex->request || ex->answered)
        return;
    atomic_fetch_add(&ex->refs, 1); /* of the stream */
    ex->streams = true;
    struct http_request *request = ex->request;
    note_answered(ex);
    ex->stream = http_answer_stream(request, NULL, &source);
}

void exchange_answer_whole(struct exchange *ex)
{
    struct http_request *request = ex->request;
    if (!request || ex->answered)
        return;
    note_answered(ex);
    struct buf body = ex->down;
    buf_init(&ex->down, FORWARD_WHOLE_MAX);
    if (body.len) {
        http_answer(request, ex->status, NULL, &body);
    } else {
        buf_release(&body);
        http_answer_empty(request, ex->status);
    }
}

void exchange_refuse(struct exchange *ex, const char *why)
{
    struct http_request *request = ex->request;
    struct err err;
    if (!request || ex->answered)
        return;
    note_answered(ex);
    (void)err_set(&err, ERR_UNAVAILABLE, NULL, "%s", why);
    refuse_all(request, &err);
}

void exchange_add_header(struct exchange *ex, const char *name, const char *value)
{
    if (ex->request && !ex->answered && ex->request->header_count < HTTP_ANSWER_HEADERS_MAX - 4)
        http_add_header(ex->request, name, value);
}

void exchange_forget_headers(struct exchange *ex)
{
    struct http_request *request = ex->request;
    if (!request || ex->answered)
        return;
    for (size_t i = 0; i < request->header_count; i++) {
        free(request->headers[i].name);
        free(request->headers[i].value);
    }
    request->header_count = 0;
}
