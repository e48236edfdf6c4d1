/* SPDX-License-Identifier: Apache-2.0 */
/* What every request must pass before its handler runs. Order: framing, route, who, what for, parameters, body. */
#include "base/id.h"
#include "base/mem.h"
#include "db/store.h"
#include "http/forward.h"
#include "http/http_priv.h"

#include <string.h>

enum { REPLAY_MAX = 1 << 20 };

static const char *const method_names[HTTP_METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

/* Such messages are refused and the connection closed; the library lets them through. */
static enum err_code check_framing(struct http_request *request, struct err *err)
{
    const char *what = request->head.problem;
    if (!what)
        return OK;
    request->answer.close_connection = true;
    return err_set(err, ERR_INVALID, "INVALID_PARAMETER", "the request has %s", what);
}

/* A caller's id is taken over when it is short and plain; it goes into logs and answers. */
static void set_request_id(struct http_request *request)
{
    const char *given = request->head.values[HEAD_REQUEST_ID];
    size_t n = given ? strlen(given) : 0;
    bool sane = n > 0 && n <= 128;
    for (size_t i = 0; sane && i < n; i++) {
        unsigned char c = (unsigned char)given[i];
        sane = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || strchr("-_.:/+=@", c);
    }
    if (sane) {
        memcpy(request->request_id, given, n + 1);
        return;
    }
    struct uuid uid = uuid_v7(request->arrived_us);
    uuid_format(&uid, request->request_id);
}

static enum err_code check_caller(struct http_request *request, struct err *err)
{
    const struct http_server_options *options = http_server_options(request->server);
    if (request->route->permission == HTTP_PUBLIC)
        return OK;
    enum err_code code = options->authenticate(options->arg, request, &request->principal, err);
    if (code != OK)
        return code;
    if ((request->principal.permissions & request->route->permission) != request->route->permission)
        return err_set(err, ERR_DENIED, NULL, "Forbidden");
    if (request->principal.by_cookie && request->method != HTTP_GET && !http_header(request, "X-Horae-CSRF"))
        return err_set(err, ERR_DENIED, NULL, "a change by cookie needs the header X-Horae-CSRF");
    return OK;
}

static size_t body_max(const struct http_request *request)
{
    return request->route->body_max ? request->route->body_max : HTTP_BODY_MAX;
}

static enum err_code too_large(const struct http_request *request, struct err *err)
{
    return err_set(err, ERR_LIMIT, "PAYLOAD_TOO_LARGE", "the body must have at most %zu bytes", body_max(request));
}

/* application/json, in UTF-8 when a charset is named; for PATCH its own type too (RFC 7396). */
static bool is_json_type(enum http_method method, struct str type)
{
    struct str rest = type, part;
    (void)str_split(&rest, ';', &part);
    part = str_trim(part);
    if (!str_equal_ignoring_case(part, "application/json") &&
        (method != HTTP_PATCH || !str_equal_ignoring_case(part, "application/merge-patch+json")))
        return false;
    while (str_split(&rest, ';', &part)) {
        struct str name;
        part = str_trim(part);
        if (!str_split(&part, '=', &name) || !str_equal_ignoring_case(name, "charset"))
            continue;
        if (!part.p || (!str_equal_ignoring_case(part, "utf-8") && !str_equal_ignoring_case(part, "\"utf-8\"")))
            return false;
    }
    return true;
}

/* The type alone, without parameters. */
static bool is_taken_type(const struct http_route *route, struct str type)
{
    struct str part;
    (void)str_split(&type, ';', &part);
    return route->taker && str_equal_ignoring_case(str_trim(part), route->taker->type);
}

static enum err_code refuse_type(const struct http_request *request, struct err *err)
{
    const struct http_body_taker *taker = request->route->taker;
    return err_set(err, ERR_INVALID, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json%s%s",
                   request->method == HTTP_PATCH ? " or application/merge-patch+json"
                   : taker                       ? " or "
                                                 : "",
                   taker ? taker->type : "");
}

static enum err_code check_body_head(struct http_request *request, struct err *err)
{
    const char *length = request->head.values[HEAD_CONTENT_LENGTH], *type = request->head.values[HEAD_CONTENT_TYPE],
               *coding = request->head.values[HEAD_CONTENT_ENCODING];
    int64_t n = 0;
    if (length && !str_to_int(str_of(length), 0, INT64_MAX, &n))
        return err_param(err, "Content-Length", "Content-Length must be a number");
    bool has_body = n > 0 || request->head.values[HEAD_TRANSFER_ENCODING];
    if (has_body && coding && !str_equal_ignoring_case(str_of(coding), "identity"))
        return err_set(err, ERR_INVALID, "UNSUPPORTED_MEDIA_TYPE",
                       "Content-Encoding is not supported: bodies are sent as they are");
    request->taken = type && is_taken_type(request->route, str_of(type));
    if (request->taken)
        return OK;
    if (n > (int64_t)body_max(request))
        return too_large(request, err);
    if (!has_body || !type || !(request->route->flags & HTTP_JSON_BODY))
        return OK;
    if (is_json_type(request->method, str_of(type)))
        return OK;
    return refuse_type(request, err);
}

static enum err_code read_idempotency_key(struct http_request *request, struct err *err)
{
    const char *key = request->head.values[HEAD_IDEMPOTENCY_KEY];
    if (!key || request->method == HTTP_GET || request->route->permission == HTTP_PUBLIC)
        return OK;
    size_t n = strlen(key);
    bool plain = n > 0 && n <= IDEMPOTENCY_KEY_MAX;
    for (size_t i = 0; plain && i < n; i++)
        plain = (unsigned char)key[i] > 32 && (unsigned char)key[i] < 127;
    if (!plain)
        return err_param(err, "Idempotency-Key", "Idempotency-Key must have 1 to %d visible ASCII characters",
                         IDEMPOTENCY_KEY_MAX);
    memcpy(request->idempotency.key, key, n + 1);
    (void)str_copy(request->idempotency.principal, sizeof request->idempotency.principal, request->principal.uid,
                   strlen(request->principal.uid));
    request->has_idempotency = true;
    if (request->taken)
        request->digest = idempotency_digest_new();
    return OK;
}

/* Whoever sent it here took this instance for the leader; handed on once more, it might go round and round. */
static enum err_code refuse_handed_on(struct http_request *request, struct err *err)
{
    request->forwarded = false;
    http_add_header(request, CLUSTER_HEADER_FOLLOWER, "1");
    return err_set(err, ERR_UNAVAILABLE, NULL, "this instance does not lead");
}

enum err_code checks_head(struct http_request *request, struct err *err)
{
    const struct http_server_options *options = http_server_options(request->server);
    set_request_id(request);
    enum err_code code = check_framing(request, err);
    request->forwarded = code == OK && options->forward && !router_takes(request, options->groups, options->group_count);
    if (request->forwarded)
        return request->is_handed_on ? refuse_handed_on(request, err) : OK;
    if (code == OK)
        code = router_match(request, options->groups, options->group_count, err);
    if (code == OK)
        code = check_caller(request, err);
    if (code == OK)
        code = params_parse(request, err);
    if (code == OK)
        code = check_body_head(request, err);
    return code == OK ? read_idempotency_key(request, err) : code;
}

struct find {
    struct http_request *request;
    int status;
    struct buf body;
};

static enum err_code find_answer(struct db *db, void *arg, struct err *err)
{
    struct find *find = arg;
    return idempotency_find(db, &find->request->idempotency, find->request->arrived_us, &find->status, &find->body, err);
}

enum err_code checks_repeat(struct http_request *request, struct err *err)
{
    struct find find = {.request = request};
    struct str body = http_body(request);
    uint8_t taken[IDEMPOTENCY_HASH];
    if (request->digest && !request->has_hash) {
        idempotency_digest_end(request->digest, taken);
        body = (struct str){(const char *)taken, sizeof taken};
    }
    if (!request->has_hash)
        idempotency_hash(&request->idempotency, method_names[request->method], request->target, body.p, body.n);
    request->has_hash = true; /* it may be asked for again after a wait */
    buf_init(&find.body, REPLAY_MAX);
    enum err_code code = store_read(http_server_store(request->server), find_answer, &find, err);
    if (code == OK && find.status)
        http_answer_again(request, find.status, &find.body);
    else
        buf_release(&find.body);
    return code;
}

static enum err_code parse_body(struct http_request *request, struct err *err)
{
    struct str body = http_body(request);
    unsigned flags = request->route->flags;
    if (!body.n)
        return flags & HTTP_BODY_REQUIRED ? err_set(err, ERR_INVALID, "INVALID_JSON", "a JSON body is required") : OK;
    if (!(flags & HTTP_JSON_BODY) && request->method == HTTP_GET)
        return OK;
    enum err_code code = (flags & HTTP_JSON_EXACT ? json_parse_exact : json_parse)(body.p, body.n, &request->json, err);
    if (code != OK || flags & HTTP_JSON_BODY)
        return code;
    const struct json *root = json_root(request->json);
    return json_is_object(root) && !json_count(root) ? OK : err_param(err, "body", "this call takes no body");
}

enum err_code checks_body(struct http_request *request, struct err *err)
{
    if (request->body.failed || request->discarded)
        return too_large(request, err);
    return request->taken ? OK : parse_body(request, err);
}
