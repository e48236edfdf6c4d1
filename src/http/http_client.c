/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_client.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/queue.h"
#include "base/curl_library.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { POLL_MS = 60000, RECEIVE_BYTES = 4096 /* thousands may be under way */ };

struct transfer {
    struct list_node node; /* an order in the queue */
    bool is_cancel;
    int64_t key;
    struct http_client *client;
    void (*done)(void *arg, int64_t key, const struct http_client_result *result);
    void *arg;
    /* of a request */
    char *method, *url, *body; /* owned */
    size_t body_length;
    struct curl_slist *headers;
    int64_t timeout_ms;
    long max_redirects;
    struct buf response;
    size_t response_max, received;
    bool truncated, enough; /* enough: more than anybody would wait for */
    char detail[CURL_ERROR_SIZE];
    CURL *easy;
};

struct http_client {
    const struct curl_library *curl; /* set before the thread starts */
    struct mutex mutex;              /* guards the start of the thread */
    CURLM *multi;
    struct queue orders;
    struct thread thread;
    _Atomic int count;
    _Atomic bool stopping;
    struct int_map transfers; /* client thread: key → transfer */
};

static void free_transfer(struct transfer *t)
{
    if (t->headers)
        t->client->curl->curl_slist_free_all(t->headers);
    if (t->easy)
        t->client->curl->curl_easy_cleanup(t->easy);
    buf_release(&t->response);
    free(t->method);
    free(t->url);
    free(t->body);
    free(t);
}

static size_t receive(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t n = size * count, room = t->response_max - t->response.len;
    if (n > room)
        t->truncated = true;
    buf_add(&t->response, bytes, n < room ? n : room);
    t->received += n;
    t->enough = t->received > t->response_max + HTTP_CLIENT_READ_ON;
    return t->enough ? CURL_WRITEFUNC_ERROR : n;
}

static const char *reason_of(const struct transfer *t, CURLcode result)
{
    return t->detail[0] ? t->detail : t->client->curl->curl_easy_strerror(result);
}

static void finish(struct transfer *t, CURLcode result, const char *message)
{
    const struct curl_library *curl = t->client->curl;
    bool failed = message || (result != CURLE_OK && !(result == CURLE_WRITE_ERROR && t->enough));
    struct http_client_result out = {.failed = failed,
                                     .timed_out = result == CURLE_OPERATION_TIMEDOUT,
                                     .body = t->response.len ? t->response.data : "",
                                     .length = t->response.len,
                                     .truncated = t->truncated};
    if (out.failed)
        (void)snprintf(out.message, sizeof out.message, "%s", message ? message : reason_of(t, result));
    else
        (void)curl->curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &out.status);
    if (t->easy && int_map_get(&t->client->transfers, t->key) == t) {
        (void)curl->curl_multi_remove_handle(t->client->multi, t->easy);
        (void)int_map_remove(&t->client->transfers, t->key);
    }
    atomic_fetch_sub(&t->client->count, 1);
    t->done(t->arg, t->key, &out);
    free_transfer(t);
}

/* The library's own methods where there are: it then knows what a redirect makes of them. A body is announced even when
 * it is empty, except by methods that have none. */
static void set_method(struct transfer *t)
{
    const struct curl_library *c = t->client->curl;
    bool is_get = strcmp(t->method, "GET") == 0, is_head = strcmp(t->method, "HEAD") == 0;
    bool wants_body = strcmp(t->method, "POST") == 0 || strcmp(t->method, "PUT") == 0 || strcmp(t->method, "PATCH") == 0;
    if (t->body || wants_body) {
        (void)c->curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_length);
        (void)c->curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body ? t->body : "");
    }
    if (is_head)
        (void)c->curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    else if (strcmp(t->method, "POST") != 0 && !(is_get && !t->body))
        (void)c->curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, t->method);
}

static void set_options(struct transfer *t)
{
    const struct curl_library *c = t->client->curl;
    (void)c->curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_URL, t->url);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)c->curl_easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    (void)c->curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "horae/" HORAE_VERSION);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)t->timeout_ms);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CLIENT_CONNECT_MS);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->detail);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, receive);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    (void)c->curl_easy_setopt(t->easy, CURLOPT_PROXY, ""); /* nothing of the server's environment decides where it goes */
    if (t->max_redirects > 0) {
        (void)c->curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 1L);
        (void)c->curl_easy_setopt(t->easy, CURLOPT_MAXREDIRS, t->max_redirects);
    }
    set_method(t);
}

static void take_order(struct http_client *client, struct transfer *order)
{
    if (order->is_cancel) {
        struct transfer *t = int_map_get(&client->transfers, order->key);
        if (t)
            finish(t, CURLE_ABORTED_BY_CALLBACK, "cancelled");
        free(order);
        return;
    }
    order->easy = client->curl->curl_easy_init();
    if (order->easy)
        set_options(order);
    if (!order->easy || client->curl->curl_multi_add_handle(client->multi, order->easy) != CURLM_OK) {
        finish(order, CURLE_FAILED_INIT, NULL);
        return;
    }
    (void)int_map_put(&client->transfers, order->key, order);
}

static void take_results(struct http_client *client)
{
    int left;
    for (CURLMsg *message; (message = client->curl->curl_multi_info_read(client->multi, &left));) {
        struct transfer *t = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        (void)client->curl->curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(t, result, NULL);
    }
}

static void client_main(void *arg)
{
    struct http_client *client = arg;
    while (!atomic_load(&client->stopping)) {
        struct list orders;
        int running;
        list_init(&orders);
        (void)queue_take_all(&client->orders, &orders, 0);
        for (struct list_node *node; (node = list_pop_front(&orders));)
            take_order(client, CONTAINER_OF(node, struct transfer, node));
        (void)client->curl->curl_multi_perform(client->multi, &running);
        take_results(client);
        (void)client->curl->curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
    }
}

static enum err_code ensure_started(struct http_client *client, struct err *err)
{
    enum err_code code = OK;
    mutex_lock(&client->mutex);
    if (!client->multi) {
        client->curl = curl_library_load(err);
        client->multi = client->curl ? client->curl->curl_multi_init() : NULL;
        if (!client->curl)
            code = ERR_UNAVAILABLE;
        else if (!client->multi)
            code = err_set(err, ERR_UNAVAILABLE, NULL, "libcurl cannot be started");
        else
            thread_start(&client->thread, "horae-client", client_main, client);
    }
    mutex_unlock(&client->mutex);
    return code;
}

static void post(struct http_client *client, struct transfer *order)
{
    if (queue_push_always(&client->orders, &order->node))
        (void)client->curl->curl_multi_wakeup(client->multi);
    else
        free_transfer(order);
}

enum err_code http_client_send(struct http_client *client, const struct http_client_request *request, struct err *err)
{
    enum err_code code = ensure_started(client, err);
    if (code != OK)
        return code;
    if (atomic_fetch_add(&client->count, 1) >= HTTP_CLIENT_REQUESTS_MAX) {
        atomic_fetch_sub(&client->count, 1);
        return err_set(err, ERR_LIMIT, NULL, "%d HTTP requests are under way already", HTTP_CLIENT_REQUESTS_MAX);
    }
    struct transfer *t = xcalloc(1, sizeof *t);
    *t = (struct transfer){.key = request->key,
                           .client = client,
                           .done = request->done,
                           .arg = request->arg,
                           .method = xstrdup(request->method),
                           .url = xstrdup(request->url),
                           .body = request->body ? xstrndup(request->body, request->body_length) : NULL,
                           .body_length = request->body_length,
                           .timeout_ms = request->timeout_ms,
                           .max_redirects = request->max_redirects,
                           .response_max = request->response_max};
    buf_init(&t->response, request->response_max + 1);
    for (size_t i = 0; i < HTTP_CLIENT_HEADERS_MAX && request->headers[i]; i++)
        t->headers = client->curl->curl_slist_append(t->headers, request->headers[i]);
    post(client, t);
    return OK;
}

void http_client_cancel(struct http_client *client, int64_t key)
{
    mutex_lock(&client->mutex);
    bool started = client->multi != NULL;
    mutex_unlock(&client->mutex);
    if (!started)
        return;
    struct transfer *order = xcalloc(1, sizeof *order);
    order->is_cancel = true;
    order->key = key;
    order->client = client;
    post(client, order);
}

struct http_client *http_client_new(void)
{
    struct http_client *client = xcalloc(1, sizeof *client);
    mutex_init(&client->mutex);
    queue_init(&client->orders, HTTP_CLIENT_REQUESTS_MAX);
    int_map_init(&client->transfers);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    queue_close(&client->orders);
    atomic_store(&client->stopping, true);
    if (client->multi) {
        (void)client->curl->curl_multi_wakeup(client->multi);
        thread_join(&client->thread);
    }
    struct list orders;
    size_t cursor = 0;
    list_init(&orders);
    (void)queue_take_all(&client->orders, &orders, 0);
    for (struct list_node *node; (node = list_pop_front(&orders));)
        free_transfer(CONTAINER_OF(node, struct transfer, node));
    for (struct transfer *t; (t = int_map_next(&client->transfers, &cursor));) {
        (void)client->curl->curl_multi_remove_handle(client->multi, t->easy);
        free_transfer(t);
    }
    if (client->multi)
        (void)client->curl->curl_multi_cleanup(client->multi);
    int_map_release(&client->transfers);
    queue_release(&client->orders);
    mutex_release(&client->mutex);
    free(client);
}
