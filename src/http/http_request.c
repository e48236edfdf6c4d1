/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a request between its head and its answer, and what handlers read of it. */
#include "base/mem.h"
#include "base/panic.h"
#include "http/http_connection.h"
#include "http/in_flight.h"

#include <stdio.h>
#include <string.h>

static const char *const method_names[HTTP_METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

/* ---- what handlers read ---- */

enum http_method http_method(const struct http_request *request)
{
    return request->method;
}

const char *http_path(const struct http_request *request)
{
    return request->path;
}

const char *http_path_id(const struct http_request *request, int index)
{
    return request->ids[index];
}

const char *http_header(const struct http_request *request, const char *name)
{
    return head_value(&request->head, name);
}

bool http_cookie(const struct http_request *request, const char *name, char *out, size_t capacity)
{
    struct str rest = str_of(http_header(request, "Cookie")), pair, found;
    while (str_split(&rest, ';', &pair)) {
        pair = str_trim(pair);
        if (!str_split(&pair, '=', &found) || !pair.p || !str_equal(found, name) || pair.n >= capacity)
            continue;
        memcpy(out, pair.p, pair.n);
        out[pair.n] = '\0';
        return true;
    }
    return false;
}

struct str http_body(const struct http_request *request)
{
    return (struct str){request->body.len ? request->body.data : "", request->body.len};
}

const struct json *http_body_json(const struct http_request *request)
{
    return request->json ? json_root(request->json) : NULL;
}

const struct http_principal *http_principal(const struct http_request *request)
{
    return &request->principal;
}

const char *http_request_id(const struct http_request *request)
{
    return request->request_id;
}

const char *http_client_address(const struct http_request *request)
{
    return request->client_address;
}

int64_t http_arrived_us(const struct http_request *request)
{
    return request->arrived_us;
}

bool http_is_tls(const struct http_request *request)
{
    return http_server_options(request->server)->tls_cert_file != NULL;
}

const struct http_idempotency *http_idempotency(const struct http_request *request)
{
    return request->has_idempotency ? &request->idempotency : NULL;
}

/* ---- making one ---- */

static struct http_request *new_request(struct http_connection *connection, size_t text)
{
    struct http_request *request = xcalloc(1, sizeof *request + text);
    request->server = connection->loop->server;
    request->connection = connection;
    request->arrived_us = clock_wall(http_server_options(request->server)->clock).us;
    request->path = (char *)(request + 1);
    mutex_init(&request->mutex);
    buf_init(&request->body, HTTP_BODY_MAX);
    return request;
}

static void set_method(struct http_request *request)
{
    const char *name = request->head.method;
    request->is_head = strcmp(name, "HEAD") == 0;
    if (request->is_head)
        name = "GET";
    for (int i = 0; i < HTTP_METHOD_COUNT; i++)
        if (strcmp(name, method_names[i]) == 0) {
            request->method = (enum http_method)i;
            request->method_known = true;
        }
}

/* `place` is a copy of the target. Its absolute form names a host too, which does not matter here (RFC 9112 section 3.2). */
static void split_target(struct http_request *request, char *place)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strncmp(place, schemes[i], strlen(schemes[i])) == 0) {
            char *end = place + strlen(schemes[i]);
            end += strcspn(end, "/?");
            if (*end != '/')
                *--end = '/'; /* over the last letter of the host: "http://host?a" is "/?a" */
            place = end;
            break;
        }
    request->path = place;
    char *query = strchr(place, '?');
    if (query)
        *query++ = '\0';
    request->query = query;
}

/* Repeated lines of a header, joined in their order, or the last one. */
static void join_lines(const struct head *head, const char *name, bool last_only, struct buf *out)
{
    for (size_t i = 0; i < head->count; i++) {
        if (!str_equal_ignoring_case(str_of(head->fields[i].name), name))
            continue;
        if (last_only)
            buf_clear(out);
        else if (out->len)
            buf_add_char(out, ',');
        buf_add_text(out, head->fields[i].value);
    }
}

static void set_address(struct http_request *request)
{
    const struct trusted_proxies *trusted = http_server_options(request->server)->trusted;
    const char *peer = request->connection->peer;
    if (!request->connection->peer_is_trusted) { /* AUD-22: no header is looked at */
        memcpy(request->client_address, peer, sizeof request->connection->peer);
        return;
    }
    struct buf forwarded, real;
    buf_init(&forwarded, HEAD_BYTES_MAX);
    buf_init(&real, HEAD_BYTES_MAX);
    join_lines(&request->head, "X-Forwarded-For", false, &forwarded);
    join_lines(&request->head, "X-Real-IP", true, &real);
    client_address_find(trusted, peer, (struct str){forwarded.data, forwarded.len}, (struct str){real.data, real.len},
                        request->client_address);
    buf_release(&forwarded);
    buf_release(&real);
}

static void refuse(struct http_request *request, enum err_code code, const struct err *err)
{
    if (!request->answer.status)
        http_answer_error(request, code, err);
}

/* Nothing that follows on this connection can be understood. */
static void refuse_framing(struct http_request *request, enum err_code code, const struct err *err)
{
    request->connection->last = true;
    request->connection->body = (struct body_reader){.state = BODY_DONE};
    refuse(request, code, err);
}

struct http_request *http_request_refused(struct http_connection *connection, int status, const struct err *err)
{
    struct http_request *request = new_request(connection, 1);
    checks_set_request_id(request);
    request->refused_status = status;
    refuse_framing(request, err->code, err);
    return request;
}

/* HTTP/1.1 goes on unless it is told not to, HTTP/1.0 the other way round. */
static bool is_last(const struct head *head)
{
    return head->minor ? head_has_token(head, "Connection", "close") : !head_has_token(head, "Connection", "keep-alive");
}

struct http_request *http_request_new(struct http_connection *connection, const char *head, size_t length)
{
    struct err err;
    int status = 400;
    struct http_request *request = new_request(connection, 2 * length + 1); /* the head, and its target once more */
    char *text = (char *)(request + 1);
    memcpy(text, head, length);
    enum err_code code = head_parse(text, length, &request->head, &status, &err);
    if (code != OK) {
        http_request_free(request);
        return http_request_refused(connection, status, &err);
    }
    split_target(request, strcpy(text + length, request->head.target));
    set_method(request);
    set_address(request);
    checks_set_request_id(request);
    connection->last = is_last(&request->head) || http_server_is_stopping(request->server);
    code = body_begin(&request->head, &connection->body, &err);
    if (code == OK)
        code = checks_single_fields(request, &err);
    if (code != OK) {
        refuse_framing(request, code, &err);
        return request;
    }
    code = checks_head(request, &err);
    if (request->route)
        request->body.max = request->route->body_max ? request->route->body_max : HTTP_BODY_MAX;
    if (code != OK)
        refuse(request, code, &err);
    return request;
}

void http_request_refuse_body(struct http_request *request, bool malformed)
{
    struct err err;
    if (malformed)
        (void)err_set(&err, ERR_INVALID, "INVALID_PARAMETER", "the request has a malformed chunked body");
    else
        (void)checks_too_large(request, &err);
    refuse(request, err.code, &err);
}

void http_request_free(struct http_request *request)
{
    for (size_t i = 0; i < HTTP_PATH_IDS_MAX; i++)
        free(request->ids[i]);
    for (size_t i = 0; i < request->header_count; i++) {
        free(request->headers[i].name);
        free(request->headers[i].value);
    }
    if (!request->answer.is_static)
        free(request->answer.body);
    json_doc_free(request->json);
    buf_release(&request->body);
    mutex_release(&request->mutex);
    free(request);
}

/* ---- handling one ---- */

/* After a handler returned: it answered, asked to go on, or somebody else will do one of the two. */
bool http_request_go_on(struct http_request *request)
{
    for (;;) {
        mutex_lock(&request->mutex);
        void (*go_on)(struct http_request * request, void *arg) = request->go_on;
        request->go_on = NULL;
        bool answered = request->answer.status != 0;
        if (!answered)
            request->phase = go_on ? HTTP_HANDLING : HTTP_SLEEPING;
        mutex_unlock(&request->mutex);
        if (answered || !go_on)
            return answered;
        go_on(request, request->go_on_arg);
    }
}

/* With an Idempotency-Key, one at a time: what came first is answered first, and repeats find its answer. */
static void handle(struct http_request *request, void *arg)
{
    (void)arg;
    struct err err;
    if (request->has_idempotency) {
        if (!request->in_flight && !in_flight_enter(http_server_in_flight(request->server), request, handle))
            return;
        enum err_code code = checks_repeat(request, &err);
        if (code != OK)
            refuse(request, code, &err);
        if (request->answer.status)
            return;
    }
    request->route->handle(request, request->context);
}

bool http_request_run(struct http_request *request)
{
    struct err err;
    enum err_code code = checks_body(request, &err);
    if (code != OK)
        refuse(request, code, &err);
    if (request->answer.status)
        return true;
    request->phase = HTTP_HANDLING;
    handle(request, NULL);
    return http_request_go_on(request);
}
