/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/etcd_gateway.h"

#include "base/curl_library.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cluster/lease_arbiter.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 8192, TOKEN_MAX = 1024, GRPC_INVALID = 3, GRPC_DENIED = 7, GRPC_UNAUTHENTICATED = 16 };

struct etcd_gateway {
    const struct curl_library *curl;
    CURL *easy; /* keeps its connections */
    struct curl_slist *headers;
    struct lease_url url;
    int current; /* the server that answered last */
    char token[TOKEN_MAX];
    struct buf answer;
    char detail[CURL_ERROR_SIZE];
};

void etcd_put_base64(struct buf *out, const char *text)
{
    size_t n = strlen(text), room = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL); /* with the end */
    char *encoded = xmalloc(room);
    (void)sodium_bin2base64(encoded, room, (const unsigned char *)text, n, sodium_base64_VARIANT_ORIGINAL);
    buf_add(out, encoded, room - 1);
    free(encoded);
}

static size_t receive(char *bytes, size_t size, size_t count, void *arg)
{
    struct etcd_gateway *gateway = arg;
    buf_add(&gateway->answer, bytes, size * count);
    return gateway->answer.failed ? CURL_WRITEFUNC_ERROR : size * count;
}

enum err_code etcd_gateway_new(const struct lease_url *url, struct etcd_gateway **ret, struct err *err)
{
    const struct curl_library *curl = curl_library_load(NULL);
    CURL *easy = curl ? curl->curl_easy_init() : NULL;
    if (!easy)
        return err_set(err, ERR_UNAVAILABLE, "LOCK_LIBRARY_MISSING", "etcd cannot be used: libcurl (package libcurl4) is %s",
                       curl ? "out of memory" : "not installed or too old");
    struct etcd_gateway *gateway = xcalloc(1, sizeof *gateway);
    gateway->curl = curl;
    gateway->easy = easy;
    gateway->url = *url;
    buf_init(&gateway->answer, ETCD_ANSWER_MAX);
    *ret = gateway;
    return OK;
}

void etcd_gateway_free(struct etcd_gateway *gateway)
{
    gateway->curl->curl_slist_free_all(gateway->headers);
    gateway->curl->curl_easy_cleanup(gateway->easy);
    buf_release(&gateway->answer);
    explicit_bzero(gateway, sizeof *gateway);
    free(gateway);
}

/* ---- one request ---- */

static void set_headers(struct etcd_gateway *gateway)
{
    char authorization[TOKEN_MAX + 32];
    gateway->curl->curl_slist_free_all(gateway->headers);
    gateway->headers = gateway->curl->curl_slist_append(NULL, "Content-Type: application/json");
    if (gateway->token[0]) {
        (void)snprintf(authorization, sizeof authorization, "Authorization: %s", gateway->token);
        gateway->headers = gateway->curl->curl_slist_append(gateway->headers, authorization);
        explicit_bzero(authorization, sizeof authorization);
    }
}

static void set_options(struct etcd_gateway *gateway, const char *path, const char *body)
{
    const struct curl_library *c = gateway->curl;
    const struct lease_endpoint *to = &gateway->url.endpoints[gateway->current];
    bool is_v6 = strchr(to->host, ':') != NULL;
    char url[LEASE_HOST_MAX + 100];
    (void)snprintf(url, sizeof url, "http://%s%s%s:%d%s", is_v6 ? "[" : "", to->host, is_v6 ? "]" : "", to->port, path);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_URL, url);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_PROTOCOLS_STR, "http");
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_PROXY, ""); /* nothing of the environment decides where it goes */
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_NOSIGNAL, 1L);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_TCP_NODELAY, 1L);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)LEASE_CONNECT_MS);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_TIMEOUT_MS, (long)LEASE_CALL_MS);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_ERRORBUFFER, gateway->detail);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_WRITEFUNCTION, receive);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_WRITEDATA, gateway);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_HTTPHEADER, gateway->headers);
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    (void)c->curl_easy_setopt(gateway->easy, CURLOPT_POSTFIELDS, body);
}

/* The outcome at one server: etcd's own code, or why there was none. */
struct outcome {
    bool answered;
    int grpc; /* 0 = fine */
    long status;
};

/* A server that cannot reach the others, has no leader or is stopping: another may do better. */
static bool is_trouble(const struct outcome *outcome)
{
    static const int own[] = {0, ETCD_NOT_FOUND, ETCD_FAILED_PRECONDITION, GRPC_INVALID, GRPC_DENIED, GRPC_UNAUTHENTICATED};
    if (!outcome->answered)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (outcome->grpc == own[i])
            return false;
    return true;
}

static struct outcome post_once(struct etcd_gateway *gateway, const char *path, const char *body, struct json_doc **ret_doc)
{
    struct outcome outcome = {false, ETCD_OTHER, 0};
    int64_t number = 0;
    set_headers(gateway);
    set_options(gateway, path, body);
    buf_clear(&gateway->answer);
    gateway->answer.failed = false;
    gateway->detail[0] = '\0';
    *ret_doc = NULL;
    CURLcode result = gateway->curl->curl_easy_perform(gateway->easy);
    if (result != CURLE_OK) {
        if (!gateway->detail[0])
            (void)snprintf(gateway->detail, sizeof gateway->detail, "%s", gateway->curl->curl_easy_strerror(result));
        return outcome;
    }
    (void)gateway->curl->curl_easy_getinfo(gateway->easy, CURLINFO_RESPONSE_CODE, &outcome.status);
    if (!gateway->answer.len || json_parse(gateway->answer.data, gateway->answer.len, ret_doc, NULL) != OK) {
        (void)snprintf(gateway->detail, sizeof gateway->detail, "its answer (status %ld) is not etcd's", outcome.status);
        return outcome;
    }
    outcome.answered = true;
    outcome.grpc = outcome.status == 200 ? 0 : ETCD_OTHER;
    if (json_get_int(json_member(json_root(*ret_doc), "code"), &number) && number > 0 && number < 100)
        outcome.grpc = (int)number;
    if (outcome.grpc == ETCD_OTHER || is_trouble(&outcome))
        (void)snprintf(gateway->detail, sizeof gateway->detail, "it cannot serve now (status %ld, code %d)", outcome.status,
                       outcome.grpc);
    return outcome;
}

/* From the server that answered last on, each once. */
static struct outcome post(struct etcd_gateway *gateway, const char *path, const char *body, struct json_doc **ret_doc)
{
    struct outcome outcome = {false, ETCD_OTHER, 0};
    for (int n = 0; n < gateway->url.endpoint_count; n++) {
        outcome = post_once(gateway, path, body, ret_doc);
        if (!is_trouble(&outcome))
            break;
        json_doc_free(*ret_doc);
        *ret_doc = NULL;
        gateway->current = (gateway->current + 1) % gateway->url.endpoint_count;
    }
    return outcome;
}

/* ---- names and passwords ---- */

static enum err_code denied(struct err *err, const char *why)
{
    return err_set(err, ERR_DENIED, "LOCK_SERVER_REFUSED", "etcd %s", why);
}

static enum err_code away(struct etcd_gateway *gateway, struct err *err)
{
    const struct lease_endpoint *last =
        &gateway->url.endpoints[(gateway->current + gateway->url.endpoint_count - 1) % gateway->url.endpoint_count];
    return err_set(err, ERR_UNAVAILABLE, "LOCK_SERVER_AWAY", "etcd is away: %s:%d: %s%s", last->host, last->port, gateway->detail,
                   gateway->url.endpoint_count > 1 ? ", and no other server serves" : "");
}

static enum err_code sign_in(struct etcd_gateway *gateway, struct err *err)
{
    struct buf body;
    struct json_writer w;
    struct json_doc *doc = NULL;
    if (!gateway->url.user[0])
        return denied(err, "wants a user and a password: etcd://USER@HOST with HORAE_LOCK_PASSWORD or lock_password_file");
    buf_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_put_text(&w, "name", gateway->url.user);
    json_put_text(&w, "password", gateway->url.password);
    json_end_object(&w);
    gateway->token[0] = '\0';
    struct outcome outcome = post(gateway, "/v3/auth/authenticate", body.data, &doc);
    struct str token = doc && !outcome.grpc ? json_get_text(json_member(json_root(doc), "token")) : str_of(NULL);
    enum err_code code = is_trouble(&outcome) ? away(gateway, err) : OK;
    if (code == OK && outcome.grpc == ETCD_FAILED_PRECONDITION)
        code = denied(err, "has no users (its authentication is off): leave user and password out");
    else if (code == OK && (token.n < 1 || token.n >= sizeof gateway->token || memchr(token.p, '\n', token.n)))
        code = denied(err, "does not take this user or password");
    if (code == OK)
        (void)snprintf(gateway->token, sizeof gateway->token, "%.*s", (int)token.n, token.p);
    explicit_bzero(body.data, body.len);
    buf_release(&body);
    json_doc_free(doc);
    return code;
}

static bool wants_sign_in(const struct outcome *outcome)
{
    return outcome->grpc == GRPC_INVALID || outcome->grpc == GRPC_UNAUTHENTICATED; /* no name, or a token that has ended */
}

enum err_code etcd_gateway_call(struct etcd_gateway *gateway, const char *path, const char *body, enum etcd_status *ret_status,
                                struct json_doc **ret_doc, struct err *err)
{
    enum err_code code = gateway->url.user[0] && !gateway->token[0] ? sign_in(gateway, err) : OK;
    if (code != OK)
        return code;
    struct outcome outcome = post(gateway, path, body, ret_doc);
    if (!is_trouble(&outcome) && wants_sign_in(&outcome)) {
        json_doc_free(*ret_doc);
        if ((code = sign_in(gateway, err)) != OK)
            return code;
        outcome = post(gateway, path, body, ret_doc);
    }
    if (is_trouble(&outcome))
        return away(gateway, err);
    *ret_status = outcome.grpc == 0                          ? ETCD_OK
                  : outcome.grpc == ETCD_NOT_FOUND           ? ETCD_NOT_FOUND
                  : outcome.grpc == ETCD_FAILED_PRECONDITION ? ETCD_FAILED_PRECONDITION
                                                             : ETCD_OTHER;
    if (*ret_status != ETCD_OK) {
        json_doc_free(*ret_doc);
        *ret_doc = NULL;
    }
    return *ret_status == ETCD_OTHER ? denied(err, "refuses this user the keys of locks") : OK;
}
