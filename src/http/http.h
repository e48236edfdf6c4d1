/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler of a route sees: the request, its parameters and principal, and the ways to answer. A handler runs on
 * a thread of the server's pool; it may answer at once, or return and let any thread answer later (the connection
 * sleeps meanwhile). Exactly one answer per request. A request lives until it was answered. */
#ifndef HORAE_HTTP_HTTP_H
#define HORAE_HTTP_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum {
    HTTP_BODY_MAX = 1 << 20, /* rulings section 2; routes may say otherwise */
    HTTP_BODY_BULK_MAX = 64 << 20,
    HTTP_PATH_IDS_MAX = 2,
    HTTP_PARAMS_MAX = 24,
    HTTP_TEXT_PARAM_MAX = 1024,
    HTTP_STREAM_BLOCK = 16384, /* what a stream's source is asked for at once */
};

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHOD_COUNT };

/* What a caller must be allowed to do; roles are sets of these (access/roles.h). */
enum http_permission {
    HTTP_PUBLIC = 0,   /* no token needed */
    HTTP_MAY_SELF = 1, /* any known caller */
    HTTP_MAY_READ = 2,
    HTTP_MAY_OPERATE = 4,
    HTTP_MAY_AUDIT = 8,
    HTTP_MAY_ADMIN = 16,
};

struct http_principal {
    char uid[64], username[256], type[16]; /* type: user | token | system */
    char role[16];
    char session[64]; /* id of the session or token that was shown, "" = none */
    unsigned permissions;
    bool by_cookie;
};

struct http_request;

enum http_param_kind { HTTP_PARAM_TEXT, HTTP_PARAM_INT, HTTP_PARAM_BOOL, HTTP_PARAM_TIME, HTTP_PARAM_CHOICE };

/* Allowed query parameters of a route; a table ends with a row without a name. */
struct http_param_spec {
    const char *name;
    enum http_param_kind kind;
    int64_t min, max;           /* INT; TEXT: bytes (max 0 = HTTP_TEXT_PARAM_MAX) */
    const char *const *choices; /* CHOICE: max of them */
};

struct http_param {
    const struct http_param_spec *spec;
    const char *text; /* decoded, NUL-terminated */
    int64_t number;   /* INT; BOOL 0 or 1; TIME microseconds; CHOICE index */
};

enum http_route_flags {
    HTTP_JSON_BODY = 1,       /* a JSON body is allowed (http_body_json) */
    HTTP_BODY_REQUIRED = 2,   /* and needed */
    HTTP_LENIENT = 4,         /* unknown members and parameters are ignored (the trigger.dev routes) */
    HTTP_JSON_EXACT = 16,     /* the body may nest to any depth, and numbers stay digit for digit (json_parse_exact) */
    HTTP_IDEMPOTENT_SAVE = 8, /* the handler saves the answer for an Idempotency-Key in its own transaction */
};

/* Bodies of one media type that a route takes piece by piece, as they arrive, because they have no limit. */
struct http_body_taker {
    const char *type; /* "application/x-ndjson" */
    /* On a thread of the pool, before the route's handler, which comes when the body has ended. An error refuses the request:
     * what still arrives is discarded. */
    enum err_code (*take)(struct http_request *request, void *context, const char *bytes, size_t count, struct err *err);
};

struct http_route {
    enum http_method method;
    const char *path; /* "/api/v1/scheduler/tasks/{id}" */
    void (*handle)(struct http_request *request, void *context);
    unsigned permission, flags;
    size_t body_max;                      /* 0 = HTTP_BODY_MAX */
    const struct http_param_spec *params; /* NULL = none */
    const char *summary;                  /* for the reader of the table */
    unsigned audits;                      /* what its calls leave in the audit log, AUDITS(…) of audit/; 0 = nothing */
    const struct http_body_taker *taker;  /* NULL = none */
};

/* Routes of one part, with what their handlers work on. */
struct http_routes {
    const struct http_route *rows;
    size_t count;
    void *context;
};

/* ---- the request ---- */
enum http_method http_method(const struct http_request *request);
const char *http_path(const struct http_request *request);                     /* as sent, without the query */
const char *http_path_id(const struct http_request *request, int index);       /* decoded text of the n-th {…} */
const char *http_header(const struct http_request *request, const char *name); /* NULL = absent */
/* Another instance has handed the request on and knows who calls by a token of its machine: the name; NULL = not so. */
const char *http_handed_on_caller(const struct http_request *request);
/* A cookie's value copied to `out`; false when absent. */
bool http_cookie(const struct http_request *request, const char *name, char *out, size_t capacity);
const struct http_param *http_param(const struct http_request *request, const char *name); /* NULL = absent */
int64_t http_param_int(const struct http_request *request, const char *name, int64_t absent);
const char *http_param_text(const struct http_request *request, const char *name); /* NULL = absent */
struct str http_body(const struct http_request *request);
/* Root of the JSON body; NULL when there was none and none is required. Owned by the request. */
const struct json *http_body_json(const struct http_request *request);
bool http_body_was_taken(const struct http_request *request); /* by the route's taker, piece by piece */
/* What taker and handler keep for a request; `release` is called with it when the request is gone. Once. */
void http_set_state(struct http_request *request, void *state, void (*release)(void *state));
void *http_state(const struct http_request *request); /* NULL = none */
const struct http_principal *http_principal(const struct http_request *request);
const char *http_request_id(const struct http_request *request);
const struct http_route *http_route_of(const struct http_request *request); /* NULL: refused before routing */
const char *http_client_address(const struct http_request *request);
const char *http_peer_address(const struct http_request *request); /* of the socket, whatever headers say (AUD-28) */
int64_t http_arrived_us(const struct http_request *request);       /* wall time */
bool http_is_tls(const struct http_request *request);
/* The Idempotency-Key with the hash of the request; NULL when none was sent. Lives as long as the request. */
const struct http_idempotency *http_idempotency(const struct http_request *request);

/* ---- answers ---- */
void http_add_header(struct http_request *request, const char *name, const char *value); /* before the answer; copied; ≤ 28 */
/* Takes the buffer's memory. `type` is a literal. */
void http_answer(struct http_request *request, int status, const char *type, struct buf *body);
void http_answer_json(struct http_request *request, int status, struct buf *body);
void http_answer_empty(struct http_request *request, int status);                        /* 204 */
void http_answer_message(struct http_request *request, int status, const char *message); /* {"message":…} */
/* Bytes that live as long as the process. */
void http_answer_static(struct http_request *request, int status, const char *type, const char *bytes, size_t length);
/* {"error","code","params"?}: status from the code (http_status_of). */
void http_answer_error(struct http_request *request, enum err_code code, const struct err *err);

/* Instead of an answer: `go_on` runs on a pool thread soon (after a command was carried out elsewhere, to read what it
 * did without holding up that thread). Any thread; then the request is handled as before. */
void http_continue(struct http_request *request, void (*go_on)(struct http_request *request, void *arg), void *arg);

/* Status of an error: by its API code where that decides, else by its kind (API-04). */
int http_status_of(enum err_code code, const struct err *err);
void http_write_error(struct buf *out, const struct err *err);

/* ---- streams: an answer without an end known in advance ---- */
struct http_stream;
struct http_stream_source {
    /* Writes up to `capacity` (HTTP_STREAM_BLOCK) bytes; 0 = nothing now (the stream sleeps until http_stream_wake), -1 = the
     * end, -2 = it cannot be completed: the connection is broken off, so that the client sees it. */
    long (*produce)(void *arg, char *out, size_t capacity);
    void (*closed)(void *arg); /* once, when the client or the server ended it; no produce after it */
    void *arg;
    bool whole; /* worth nothing without its end: a stop of the server breaks it off */
    int status; /* 0: 200 */
};
/* The stream lives until `closed` returns: wake it from any thread, holding the lock that `closed` takes; never from
 * within produce. */
struct http_stream *http_answer_stream(struct http_request *request, const char *type, const struct http_stream_source *source);
void http_stream_wake(struct http_stream *stream);

#endif
