/* SPDX-License-Identifier: Apache-2.0 */
/* Building answers. The status of an error is decided here and nowhere else (API-04, rulings section 2). */
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "db/store.h"
#include "http/http_priv.h"
#include "http/in_flight.h"
#include "http/stream.h"

#include <stdio.h>
#include <string.h>

enum { ERROR_MAX = 8192, REPLAY_MAX = 1 << 20 };

static const struct {
    const char *api_code;
    int status;
} api_statuses[] = {
    {"METHOD_NOT_ALLOWED", 405}, {"PAYLOAD_TOO_LARGE", 413}, {"UNSUPPORTED_MEDIA_TYPE", 415},
    {"RATE_LIMITED", 429},       {"UNAVAILABLE", 503},
};

static const int statuses[] = {
    [OK] = 200,           [ERR_INVALID] = 400,         [ERR_NOT_FOUND] = 404,   [ERR_CONFLICT] = 409,
    [ERR_DENIED] = 403,   [ERR_UNAUTHENTICATED] = 401, [ERR_LIMIT] = 503,       [ERR_BUSY] = 503,
    [ERR_TIMEOUT] = 503,  [ERR_CANCELLED] = 503,       [ERR_UNAVAILABLE] = 503, [ERR_CORRUPT] = 500,
    [ERR_INTERNAL] = 500,
};

int http_status_of(enum err_code code, const struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(api_statuses); i++)
        if (strcmp(err_api_code(err), api_statuses[i].api_code) == 0)
            return api_statuses[i].status;
    return statuses[code];
}

void http_write_error(struct buf *out, const struct err *err)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "error", err->message);
    json_put_text(&w, "code", err_api_code(err));
    if (err->param[0]) {
        json_key(&w, "params");
        json_begin_object(&w);
        json_put_text(&w, "param", err->param);
        json_end_object(&w);
    }
    json_end_object(&w);
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    must(request->header_count < HTTP_ANSWER_HEADERS_MAX);
    request->headers[request->header_count].name = xstrdup(name);
    request->headers[request->header_count++].value = xstrdup(value);
}

static void deliver(struct http_request *request, const struct http_answer *answer)
{
    in_flight_leave(http_server_in_flight(request->server), request);
    mutex_lock(&request->mutex);
    must(!request->answer.status);
    bool close = request->answer.close_connection;
    request->answer = *answer;
    request->answer.close_connection |= close;
    http_server_answered(request); /* unlocks; the request may be gone afterwards */
}

struct save {
    struct store_op op;
    struct http_request *request;
    struct http_answer answer;
};

static enum err_code save_answer(struct db *tx, void *arg, struct err *err)
{
    const struct save *save = arg;
    return idempotency_save(tx, &save->request->idempotency, save->answer.status, save->answer.body, save->answer.length,
                            save->request->arrived_us, err);
}

static void saved(void *arg, enum err_code code, const struct err *err)
{
    struct save *save = arg;
    if (code != OK)
        log_warn("http", "an answer was not kept for repeats: %s", err->message);
    deliver(save->request, &save->answer);
    free(save);
}

/* Most handlers save their answer in the transaction of their change (HTTP_IDEMPOTENT_SAVE). The others' answers, and
 * refusals that depend on the state (not found, conflict), are kept here, so that a repeat finds the same. Refusals of
 * the request itself, and failures that pass, are answered anew. */
static bool must_be_saved(const struct http_request *request, const struct http_answer *answer)
{
    if (!request->has_idempotency || request->replayed || answer->stream)
        return false;
    if (answer->status >= 200 && answer->status <= 299)
        return !(request->route->flags & HTTP_IDEMPOTENT_SAVE);
    return answer->status == 404 || answer->status == 409;
}

static void give(struct http_request *request, const struct http_answer *answer)
{
    if (must_be_saved(request, answer)) {
        struct save *save = xcalloc(1, sizeof *save);
        *save = (struct save){.request = request, .answer = *answer};
        save->op = (struct store_op){.run = save_answer, .done = saved, .arg = save};
        if (store_submit(http_server_store(request->server), &save->op))
            return;
        free(save);
    }
    deliver(request, answer);
}

void http_continue(struct http_request *request, void (*go_on)(struct http_request *request, void *arg), void *arg)
{
    mutex_lock(&request->mutex);
    must(!request->answer.status && !request->go_on);
    request->go_on = go_on;
    request->go_on_arg = arg;
    http_server_answered(request);
}

void http_answer(struct http_request *request, int status, const char *type, struct buf *body)
{
    struct http_answer answer = {.status = status, .type = type, .length = body->len};
    if (body->failed) {
        struct err err;
        buf_release(body);
        (void)err_set(&err, ERR_LIMIT, NULL, "the answer is too large: ask for fewer items");
        http_answer_error(request, ERR_LIMIT, &err);
        return;
    }
    answer.body = buf_take(body);
    give(request, &answer);
}

void http_answer_json(struct http_request *request, int status, struct buf *body)
{
    http_answer(request, status, "application/json", body);
}

void http_answer_empty(struct http_request *request, int status)
{
    give(request, &(struct http_answer){.status = status});
}

void http_answer_message(struct http_request *request, int status, const char *message)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, ERROR_MAX);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_put_text(&w, "message", message);
    json_end_object(&w);
    http_answer_json(request, status, &body);
}

void http_answer_static(struct http_request *request, int status, const char *type, const char *bytes, size_t length)
{
    give(request, &(struct http_answer){
                      .status = status, .type = type, .body = (char *)(uintptr_t)bytes, .length = length, .is_static = true});
}

void http_answer_again(struct http_request *request, int status, struct buf *body)
{
    request->replayed = true;
    if (body->len) {
        http_answer_json(request, status, body);
        return;
    }
    buf_release(body);
    http_answer_empty(request, status);
}

struct replay {
    struct http_request *request;
    int status;
    struct buf body;
};

static enum err_code find_replay(struct db *db, void *arg, struct err *err)
{
    struct replay *replay = arg;
    return idempotency_find(db, &replay->request->idempotency, replay->request->arrived_us, &replay->status, &replay->body, err);
}

/* The same request was committed while this one was on its way: it gets the same answer. */
static bool replay_after_race(struct http_request *request)
{
    struct replay replay = {.request = request};
    struct err err;
    buf_init(&replay.body, REPLAY_MAX);
    if (store_read(http_server_store(request->server), find_replay, &replay, &err) != OK || !replay.status) {
        buf_release(&replay.body);
        return false;
    }
    http_answer_again(request, replay.status, &replay.body);
    return true;
}

static const char *retry_after(int status, const struct err *err)
{
    const char *given = strstr(err->message, "try again in ");
    static const char *const few = "1";
    return status == 429 && given ? given + strlen("try again in ") : few;
}

void http_answer_error(struct http_request *request, enum err_code code, const struct err *err)
{
    struct buf body;
    struct err hidden;
    if (request->has_idempotency && strcmp(err->api_code, IDEMPOTENCY_RACE) == 0 && replay_after_race(request))
        return;
    int status = http_status_of(code, err);
    if (strcmp(err_api_code(err), IDEMPOTENCY_REUSED) == 0)
        request->replayed = true; /* about the key, not the answer of the request */
    if (status == 500) {          /* what went wrong inside is for the log, not for the caller */
        log_error("http", "request %s to %s failed: %s", request->request_id, request->path ? request->path : "nowhere",
                  err->message);
        (void)err_set(&hidden, ERR_INTERNAL, NULL, "Internal server error");
        err = &hidden;
    }
    free(request->refusal); /* of an answer that was too large */
    request->refusal = xstrdup(err->message);
    buf_init(&body, ERROR_MAX);
    http_write_error(&body, err);
    if (status == 503 || status == 429) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%d", atoi(retry_after(status, err)) > 0 ? atoi(retry_after(status, err)) : 1);
        http_add_header(request, "Retry-After", seconds);
    }
    if (status == 401)
        http_add_header(request, "WWW-Authenticate", "Bearer");
    http_answer_json(request, status, &body);
}

struct http_stream *http_answer_stream(struct http_request *request, const char *type, const struct http_stream_source *source)
{
    struct http_stream *stream = stream_new(request->connection, source);
    http_add_header(request, "X-Accel-Buffering", "no"); /* a proxy must pass on each event as it comes */
    give(request, &(struct http_answer){.status = source->status ? source->status : 200, .type = type, .stream = stream});
    return stream;
}
