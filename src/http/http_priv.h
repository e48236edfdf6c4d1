/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of http/ only. */
#ifndef HORAE_HTTP_HTTP_PRIV_H
#define HORAE_HTTP_HTTP_PRIV_H

#include "base/list.h"
#include "base/thread.h"
#include "http/http_server.h"
#include "http/idempotency_store.h"
#include "http/request_head.h"

enum { HTTP_ANSWER_HEADERS_MAX = 32 };

struct http_answer {
    int status;       /* 0 = none yet */
    const char *type; /* literal, NULL without a body */
    char *body;       /* owned; or borrowed from the process when is_static */
    size_t length;
    bool is_static;
    bool close_connection;
    bool varies;                /* with what the client accepts: a cache must know */
    struct http_stream *stream; /* instead of a body */
};

enum http_phase {
    HTTP_READING,  /* body on its way */
    HTTP_HANDLING, /* the handler runs */
    HTTP_SLEEPING, /* suspended until somebody answers */
    HTTP_ANSWERED,
};

struct http_connection; /* connections.h */

struct http_request {
    struct http_server *server;
    void *connection; /* the library's */
    struct http_connection *registered;
    struct mutex mutex; /* guards phase and answer against the thread that answers */
    enum http_phase phase;
    enum http_method method;
    bool is_head, method_known;
    bool forwarded;               /* another instance answers it (forward.h) */
    bool is_handed_on;            /* another instance sends it */
    char *target;                 /* owned: as sent */
    char *path;                   /* owned: without the query */
    char *query;                  /* owned, NULL = none; decoded in place */
    char *ids[HTTP_PATH_IDS_MAX]; /* owned */
    struct request_head head;
    const struct http_route *route; /* NULL: refused before routing */
    size_t route_number;            /* among all routes of the server */
    void *context;
    struct http_param params[HTTP_PARAMS_MAX];
    size_t param_count;
    struct buf body;
    bool head_seen;
    size_t discarded; /* bytes of a body that nobody wants */
    bool taken;       /* the body goes to the route's taker */
    int64_t taken_bytes;
    struct idempotency_digest *digest; /* of what was taken; owned, NULL = nobody asks for it */
    void *state;                       /* of taker and handler */
    void (*release_state)(void *state);
    struct json_doc *json;
    struct http_principal principal;
    char request_id[129];
    char client_address[64], peer_address[64];
    int64_t arrived_us, started_mono_us;
    struct http_idempotency idempotency;
    bool has_idempotency, has_hash, replayed;
    bool in_flight;           /* holds its key in the server's table */
    struct list_node waiting; /* for the request that holds the same key */
    struct http_answer answer;
    char *refusal; /* owned: message of an answer that is an error; NULL = none, or one that is given again */
    void (*go_on)(struct http_request *request, void *arg); /* http_continue */
    void *go_on_arg;
    struct {
        char *name, *value;
    } headers[HTTP_ANSWER_HEADERS_MAX];
    size_t header_count;
};

/* request.c: what the request line says; the target is copied. */
void request_set_method(struct http_request *request, const char *name);
void request_set_target(struct http_request *request, const char *target);

/* router.c: finds the route and the ids of the path. OK, ERR_NOT_FOUND, or ERR_INVALID with METHOD_NOT_ALLOWED (and
 * the header Allow added). */
enum err_code router_match(struct http_request *request, const struct http_routes *groups, size_t count, struct err *err);
/* Whether a route has this path, whatever the method. */
bool router_takes(const struct http_request *request, const struct http_routes *groups, size_t count);
/* Percent-decodes in place; `plus` turns '+' into a blank. False: bad escape, U+0000 or not UTF-8. */
bool router_decode(char *text, bool plus);

/* params.c: the query against the route's table. */
enum err_code params_parse(struct http_request *request, struct err *err);

/* checks.c: what is wrong with a request head, before and after its body. */
enum err_code checks_head(struct http_request *request, struct err *err);
enum err_code checks_body(struct http_request *request, struct err *err);

/* answer.c: an answer that was kept. Takes the buffer's memory. */
void http_answer_again(struct http_request *request, int status, struct buf *body);

/* gzip.c: makes the body of the answer smaller, for those who accept it; false: it is as it was. */
bool answer_compress(struct http_request *request);

/* checks.c: the answer of an earlier request with the same key; then request->answer.status is set. */
enum err_code checks_repeat(struct http_request *request, struct err *err);

/* http_server.c: for answer.c and stream.c, which do not see the library. */
void http_server_answered(struct http_request *request); /* request->answer was filled in under the mutex */
void http_server_suspend(void *connection);
void http_server_resume(void *connection);
typedef void (*http_header_fn)(void *arg, const char *name, const char *value);
void http_server_walk_headers(const struct http_request *request, http_header_fn visit, void *arg);
struct in_flight *http_server_in_flight(struct http_server *server);
struct store *http_server_store(const struct http_server *server);
const struct http_server_options *http_server_options(const struct http_server *server);

#endif
