/* SPDX-License-Identifier: Apache-2.0 */
/* The side of the leader: one thread sends what waits, hands pieces on in both directions, and decides what may be tried again. */
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "http/forward_priv.h"
#include "http/http_priv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { POLL_MS = 60000, AGAIN_MS = 50, CONNECT_MS = 1000, CONNECTIONS_KEPT = 64 };

static int64_t now_us(const struct forwarder *f)
{
    return clock_mono(f->options.clock).us;
}

/* ---- pieces: called by the library ---- */

static size_t give_body(char *out, size_t size, size_t count, void *arg)
{
    struct exchange *ex = arg;
    mutex_lock(&ex->mutex);
    size_t left = ex->up.len - ex->up_sent, n = left < size * count ? left : size * count, result = n;
    if (n)
        memcpy(out, ex->up.data + ex->up_sent, n);
    ex->up_sent += n;
    if (ex->up_sent == ex->up.len && ex->client_waits && ex->request) { /* more than is kept: it cannot be sent again */
        ex->up_dropped += ex->up.len;
        buf_clear(&ex->up);
        ex->up_sent = 0;
        ex->client_waits = false;
        http_server_resume(ex->request->connection);
    }
    if (!n && !ex->up_ended) {
        ex->up_paused = true;
        result = ex->abandoned ? CURL_READFUNC_ABORT : CURL_READFUNC_PAUSE;
    }
    mutex_unlock(&ex->mutex);
    return result;
}

/* The mutex is held. What the answer of an HTTP server of ours says anyway is left out. */
static void take_header(struct exchange *ex, const char *name, const char *value)
{
    static const char *const own[] = {"Date", "Cache-Control", "X-Content-Type-Options", "X-Accel-Buffering", "Server"};
    if (strcasecmp(name, "Content-Length") == 0)
        (void)str_to_int(str_of(value), 0, INT64_MAX, &ex->answer_length);
    else if (strcasecmp(name, CLUSTER_HEADER_FOLLOWER) == 0)
        ex->refused_by_follower = true;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (strcasecmp(name, own[i]) == 0)
            return;
    if (!forward_drops_header(name, NULL))
        exchange_add_header(ex, name, value);
}

static void take_status(struct exchange *ex, const char *line)
{
    const char *blank = strchr(line, ' ');
    ex->status = blank ? (int)strtol(blank + 1, NULL, 10) : 0;
    ex->answer_length = -1;
    ex->refused_by_follower = false;
    exchange_forget_headers(ex);
}

static void end_head(struct exchange *ex)
{
    bool empty = ex->status == 204 || ex->status == 304;
    if (ex->status < 200)
        return;
    ex->head_done = true;
    if (empty)
        ex->answer_length = 0;
    if (!ex->refused_by_follower && (ex->answer_length < 0 || ex->answer_length > FORWARD_WHOLE_MAX))
        exchange_answer_stream(ex);
}

static size_t take_head_line(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *ex = arg;
    size_t n = size * count;
    char *line = xstrndup(bytes, n);
    line[strcspn(line, "\r\n")] = '\0';
    char *colon = strchr(line, ':');
    mutex_lock(&ex->mutex);
    if (ex->head_done) {
        ; /* trailers say nothing that we pass on */
    } else if (strncmp(line, "HTTP/", 5) == 0) {
        take_status(ex, line);
    } else if (!line[0]) {
        end_head(ex);
    } else if (colon) {
        *colon = '\0';
        take_header(ex, line, colon + 1 + strspn(colon + 1, " \t"));
    }
    mutex_unlock(&ex->mutex);
    free(line);
    return n;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *ex = arg;
    size_t n = size * count;
    mutex_lock(&ex->mutex);
    bool full = ex->streams && ex->down.len - ex->down_sent > FORWARD_BUFFER;
    if (ex->down_sent > FORWARD_BUFFER / 2) {
        buf_consume(&ex->down, ex->down_sent);
        ex->down_sent = 0;
    }
    if (full)
        ex->down_paused = true;
    else if (!ex->refused_by_follower)
        buf_add(&ex->down, bytes, n);
    bool lost = ex->down.failed || ex->abandoned;
    if (!full && ex->stream)
        http_stream_wake(ex->stream);
    mutex_unlock(&ex->mutex);
    return lost ? CURL_WRITEFUNC_ERROR : full ? CURL_WRITEFUNC_PAUSE : n;
}

/* ---- one exchange: the client's thread ---- */

static void take_off(struct exchange *ex)
{
    struct forwarder *f = ex->forwarder;
    if (!ex->easy)
        return;
    (void)f->curl->curl_multi_remove_handle(f->multi, ex->easy);
    f->curl->curl_easy_cleanup(ex->easy);
    ex->easy = NULL;
}

static void drop(struct exchange *ex)
{
    struct forwarder *f = ex->forwarder;
    take_off(ex);
    if (ex->works)
        list_remove(&f->working, &ex->waiting);
    bool worked = ex->works;
    ex->works = false;
    if (worked)
        exchange_unref(ex);
}

static void set_options(struct exchange *ex)
{
    const struct curl_library *c = ex->forwarder->curl;
    CURL *easy = ex->easy;
    (void)c->curl_easy_setopt(easy, CURLOPT_PRIVATE, ex);
    (void)c->curl_easy_setopt(easy, CURLOPT_URL, ex->address);
    (void)c->curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, ex->target);
    (void)c->curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)c->curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)c->curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)c->curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)c->curl_easy_setopt(easy, CURLOPT_HTTPHEADER, ex->headers);
    (void)c->curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    (void)c->curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head_line);
    (void)c->curl_easy_setopt(easy, CURLOPT_HEADERDATA, ex);
    (void)c->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    (void)c->curl_easy_setopt(easy, CURLOPT_WRITEDATA, ex);
    if (ex->has_body) {
        (void)c->curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        (void)c->curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
        (void)c->curl_easy_setopt(easy, CURLOPT_READDATA, ex);
        (void)c->curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)ex->length);
    }
    if (!ex->is_safe || ex->has_body)
        (void)c->curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, ex->method);
    /* On a connection that had been used and turns out to be closed, the library sends a request once more of its own accord. */
    if (!ex->is_safe)
        (void)c->curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
}

static void refuse(struct exchange *ex, const char *why)
{
    mutex_lock(&ex->mutex);
    exchange_refuse(ex, why);
    mutex_unlock(&ex->mutex);
    drop(ex);
}

/* Begins anew, as long as there is time for that. */
static void try_again(struct exchange *ex)
{
    mutex_lock(&ex->mutex);
    buf_clear(&ex->down);
    exchange_forget_headers(ex);
    ex->up_sent = 0;
    ex->up_paused = ex->down_paused = false;
    mutex_unlock(&ex->mutex);
    ex->head_done = ex->refused_by_follower = false;
    ex->again_us = now_us(ex->forwarder) + AGAIN_MS * US_PER_MS;
    (void)ex->forwarder->curl->curl_multi_wakeup(ex->forwarder->multi); /* the next wait is to be a short one */
}

/* What is on its way or waits for its time is looked at again later. */
static void send_due(struct exchange *ex)
{
    struct forwarder *f = ex->forwarder;
    char reason[sizeof f->reason];
    int64_t now = now_us(f);
    if (ex->easy)
        return;
    mutex_lock(&f->mutex);
    (void)snprintf(ex->address, sizeof ex->address, "%s", f->address);
    (void)snprintf(reason, sizeof reason, "%s", f->reason);
    bool waits = f->waits;
    mutex_unlock(&f->mutex);
    if (now >= ex->give_up_us || (!ex->address[0] && !waits)) {
        refuse(ex, ex->address[0] ? "the instance that leads cannot be reached at the moment: nothing was done" : reason);
        return;
    }
    if (!ex->address[0] || now < ex->again_us)
        return;
    ex->easy = f->curl->curl_easy_init();
    if (ex->easy)
        set_options(ex);
    if (!ex->easy || f->curl->curl_multi_add_handle(f->multi, ex->easy) != CURLM_OK) {
        if (ex->easy)
            f->curl->curl_easy_cleanup(ex->easy);
        ex->easy = NULL;
        refuse(ex, "the request cannot be handed on: no memory");
    }
}

static bool was_sent(const struct exchange *ex)
{
    long sent = 0;
    (void)ex->forwarder->curl->curl_easy_getinfo(ex->easy, CURLINFO_REQUEST_SIZE, &sent);
    return sent > 0;
}

/* Nothing came back that says what became of it. */
static void fail(struct exchange *ex, bool sent)
{
    struct forwarder *f = ex->forwarder;
    mutex_lock(&ex->mutex);
    bool answered = ex->answered, whole = !ex->up_dropped;
    ex->failed = answered;
    if (ex->stream)
        http_stream_wake(ex->stream);
    mutex_unlock(&ex->mutex);
    take_off(ex);
    if (f->options.failed)
        f->options.failed(f->options.arg);
    if (answered) {
        drop(ex);
    } else if (whole && (!sent || ex->is_safe)) {
        try_again(ex);
    } else {
        refuse(ex,
               sent ? "the instance that leads was lost before it answered: whether the change was made is not known; look, and"
                      " repeat it with the same Idempotency-Key"
                    : "the instance that leads was lost before it had all of the request: nothing was done");
    }
}

static void finish(struct exchange *ex, CURLcode result)
{
    mutex_lock(&ex->mutex);
    bool whole = !ex->up_dropped;
    mutex_unlock(&ex->mutex);
    if (ex->head_done && ex->refused_by_follower) {
        take_off(ex);
        if (ex->forwarder->options.failed)
            ex->forwarder->options.failed(ex->forwarder->options.arg);
        if (whole)
            try_again(ex);
        else
            refuse(ex, "another instance leads by now: nothing was done");
        return;
    }
    if (result != CURLE_OK || !ex->head_done) {
        fail(ex, was_sent(ex));
        return;
    }
    mutex_lock(&ex->mutex);
    ex->ended = true;
    if (!ex->answered)
        exchange_answer_whole(ex);
    else if (ex->stream)
        http_stream_wake(ex->stream);
    mutex_unlock(&ex->mutex);
    drop(ex);
}

/* ---- the thread ---- */

static void take_order(struct exchange *ex)
{
    struct forwarder *f = ex->forwarder;
    mutex_lock(&ex->mutex);
    ex->queued = false;
    bool abandoned = ex->abandoned, starts = ex->started && !ex->works && !ex->answered && !ex->abandoned;
    bool goes_on = ex->up_paused || ex->down_paused;
    ex->up_paused = ex->down_paused = false;
    mutex_unlock(&ex->mutex);
    if (abandoned) {
        drop(ex);
    } else if (starts) {
        ex->works = true;
        atomic_fetch_add(&ex->refs, 1);
        list_push_back(&f->working, &ex->waiting);
        send_due(ex);
    } else if (goes_on && ex->easy) {
        (void)f->curl->curl_easy_pause(ex->easy, CURLPAUSE_CONT);
    }
    exchange_unref(ex); /* of the order */
}

static void take_results(struct forwarder *f)
{
    int left;
    for (CURLMsg *message; (message = f->curl->curl_multi_info_read(f->multi, &left));) {
        struct exchange *ex = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        (void)f->curl->curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&ex);
        finish(ex, result);
    }
}

/* What is on its way to one that does not lead any more would wait for ever where that one stands still. */
static void leave_former(struct forwarder *f, struct exchange *ex)
{
    char address[sizeof f->address];
    mutex_lock(&f->mutex);
    (void)snprintf(address, sizeof address, "%s", f->address);
    mutex_unlock(&f->mutex);
    if (ex->easy && address[0] && strcmp(address, ex->address) != 0)
        fail(ex, was_sent(ex));
}

/* A stream is ended by the HTTP server. */
static void end_waiting(struct exchange *ex)
{
    mutex_lock(&ex->mutex);
    bool answered = ex->answered;
    mutex_unlock(&ex->mutex);
    if (!answered)
        refuse(ex, "the server is stopping: whether the change was made is not known");
}

/* Returns whether something waits for its time. */
static bool look_at_all(struct forwarder *f)
{
    mutex_lock(&f->mutex);
    bool moved = f->moved, waits = f->end_us != 0, ends = waits && now_us(f) >= f->end_us;
    f->moved = false;
    mutex_unlock(&f->mutex);
    for (struct list_node *node = list_first(&f->working), *next; node; node = next) {
        struct exchange *ex = CONTAINER_OF(node, struct exchange, waiting);
        next = list_next(&f->working, node);
        if (ends)
            end_waiting(ex);
        else if (moved)
            leave_former(f, ex);
    }
    for (struct list_node *node = list_first(&f->working), *next; node; node = next) {
        struct exchange *ex = CONTAINER_OF(node, struct exchange, waiting);
        next = list_next(&f->working, node);
        waits |= !ex->easy;
        send_due(ex);
    }
    return waits;
}

static void forwarder_main(void *arg)
{
    struct forwarder *f = arg;
    while (!atomic_load(&f->stopping)) {
        struct list orders;
        int running;
        list_init(&orders);
        (void)queue_take_all(&f->orders, &orders, 0);
        for (struct list_node *node; (node = list_pop_front(&orders));)
            take_order(CONTAINER_OF(node, struct exchange, order));
        bool waits = look_at_all(f);
        (void)f->curl->curl_multi_perform(f->multi, &running);
        take_results(f);
        (void)f->curl->curl_multi_poll(f->multi, NULL, 0, waits ? AGAIN_MS : POLL_MS, NULL);
    }
}

bool forwarder_start(struct forwarder *f, struct err *err)
{
    mutex_lock(&f->mutex);
    if (!f->multi) {
        f->curl = curl_library_load(err);
        f->multi = f->curl ? f->curl->curl_multi_init() : NULL;
        if (f->multi) {
            (void)f->curl->curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
            thread_start(&f->thread, "horae-forward", forwarder_main, f);
        } else if (f->curl) {
            (void)err_set(err, ERR_UNAVAILABLE, NULL, "libcurl cannot be started");
        }
    }
    bool started = f->multi != NULL;
    mutex_unlock(&f->mutex);
    return started;
}

struct forwarder *forwarder_new(const struct forwarder_options *options)
{
    struct forwarder *f = xcalloc(1, sizeof *f);
    f->options = *options;
    (void)snprintf(f->secret, sizeof f->secret, "%s", options->secret);
    mutex_init(&f->mutex);
    queue_init(&f->orders, FORWARD_ORDERS_MAX);
    list_init(&f->working);
    f->waits = true;
    (void)snprintf(f->reason, sizeof f->reason, "no instance leads at the moment: try again");
    return f;
}

void forwarder_point(struct forwarder *f, const char *address, const char *reason, bool waits)
{
    mutex_lock(&f->mutex);
    bool moved = strcmp(f->address, address) != 0 || f->waits != waits;
    (void)snprintf(f->address, sizeof f->address, "%s", address);
    (void)snprintf(f->reason, sizeof f->reason, "%s", reason);
    f->waits = waits;
    f->moved |= moved;
    if (moved && f->multi)
        (void)f->curl->curl_multi_wakeup(f->multi);
    mutex_unlock(&f->mutex);
}

void forwarder_finish(struct forwarder *f)
{
    mutex_lock(&f->mutex);
    f->end_us = now_us(f) + FORWARD_WAIT_US;
    if (f->multi)
        (void)f->curl->curl_multi_wakeup(f->multi);
    mutex_unlock(&f->mutex);
}

void forwarder_free(struct forwarder *f)
{
    if (!f)
        return;
    atomic_store(&f->stopping, true);
    if (f->multi) {
        (void)f->curl->curl_multi_wakeup(f->multi);
        thread_join(&f->thread);
    }
    struct list orders;
    list_init(&orders);
    queue_close(&f->orders);
    (void)queue_take_all(&f->orders, &orders, 0);
    for (struct list_node *node; (node = list_pop_front(&orders));)
        exchange_unref(CONTAINER_OF(node, struct exchange, order));
    for (struct list_node *node; (node = list_first(&f->working));)
        drop(CONTAINER_OF(node, struct exchange, waiting));
    if (f->multi)
        (void)f->curl->curl_multi_cleanup(f->multi);
    queue_release(&f->orders);
    mutex_release(&f->mutex);
    free(f);
}
