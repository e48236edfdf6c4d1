/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as bytes: head, body, chunks of streams, and sending them. */
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/panic.h"
#include "http/gzip.h"
#include "http/http_connection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum {
    COPIED_MAX = 8192, /* a body up to this size goes behind its head: one piece, one call */
    STREAM_BLOCK = 16384,
    BLOCKS_PER_TURN = 16,
};

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status"; /* a handler's own */
}

/* ---- counting ---- */

static struct metric *find_metric(const struct http_request *request)
{
    char labels[200];
    (void)snprintf(labels, sizeof labels, "route=\"%s\",status=\"%d\"", request->route ? request->route->path : "none",
                   request->answer.status);
    return metric_get(METRIC_COUNTER, "horae_http_requests_total", "Requests answered, by route and status.", labels);
}

/* The metric of a route and status is looked up once per loop, as long as few of them share a place. */
static void count(struct http_loop *loop, const struct http_request *request)
{
    size_t place = (((uintptr_t)request->route >> 4) * 31 + (size_t)request->answer.status) % LOOP_ROUTES_CACHED;
    if (!loop->counted[place].metric || loop->counted[place].route != request->route ||
        loop->counted[place].status != request->answer.status) {
        loop->counted[place].route = request->route;
        loop->counted[place].status = request->answer.status;
        loop->counted[place].metric = find_metric(request);
    }
    metric_add(loop->counted[place].metric, 1);
}

/* ---- heads ---- */

static const char *date_of(struct http_loop *loop)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t now = clock_wall(http_server_options(loop->server)->clock).us / US_PER_S;
    if (now == loop->date_s)
        return loop->date;
    time_t seconds = (time_t)now;
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        return loop->date;
    (void)snprintf(loop->date, sizeof loop->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                   months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    loop->date_s = now;
    return loop->date;
}

static void add_header(struct buf *out, const char *name, const char *value)
{
    buf_add_text(out, name);
    buf_add(out, ": ", 2);
    buf_add_text(out, value);
    buf_add(out, "\r\n", 2);
}

static void add_common(struct http_connection *c, const struct http_request *request, struct buf *out)
{
    const struct http_answer *answer = &request->answer;
    buf_add_text(out, "HTTP/1.1 ");
    buf_add_int(out, answer->status);
    buf_add_char(out, ' ');
    buf_add_text(out, reason_of(answer->status));
    buf_add_text(out, "\r\n");
    add_header(out, "Date", date_of(c->loop));
    add_header(out, "X-Request-Id", request->request_id);
    buf_add_text(out, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    if (answer->type)
        add_header(out, "Content-Type", answer->type);
    for (size_t i = 0; i < request->header_count; i++)
        add_header(out, request->headers[i].name, request->headers[i].value);
    if (c->last)
        buf_add_text(out, "Connection: close\r\n");
    else if (!request->head.minor)
        buf_add_text(out, "Connection: keep-alive\r\n");
}

static void add_length(struct buf *out, size_t length)
{
    buf_add_text(out, "Content-Length: ");
    buf_add_int(out, (int64_t)length);
    buf_add_text(out, "\r\n");
}

/* ---- bodies ---- */

static bool is_text(const char *type)
{
    return type && (strncmp(type, "text/", 5) == 0 || strncmp(type, "application/json", 16) == 0);
}

/* Replaces the answer's body by a smaller one. */
static void compress(struct http_connection *c, struct http_request *request, struct buf *out)
{
    struct http_answer *answer = &request->answer;
    if (answer->length < GZIP_LEAST || answer->length > GZIP_MOST || !is_text(answer->type))
        return;
    buf_add_text(out, "Vary: Accept-Encoding\r\n");
    if (!gzip_is_accepted(http_header(request, "Accept-Encoding")))
        return;
    struct buf packed;
    buf_init(&packed, GZIP_MOST);
    if (!gzip_compress(&c->loop->gzip, answer->body, answer->length, &packed)) {
        buf_release(&packed);
        return;
    }
    if (!answer->is_static)
        free(answer->body);
    answer->length = packed.len;
    answer->body = buf_take(&packed);
    answer->is_static = false;
    buf_add_text(out, "Content-Encoding: gzip\r\n");
}

static void send_first(struct http_connection *c, struct buf *out);

static void begin_plain(struct http_connection *c, struct http_request *request, struct buf *out)
{
    const struct http_answer *answer = &request->answer;
    add_common(c, request, out);
    compress(c, request, out);
    if (answer->status != 204)
        add_length(out, answer->length);
    buf_add_text(out, "\r\n");
    if (!request->is_head && answer->length && answer->length <= COPIED_MAX) {
        buf_add(out, answer->body, answer->length);
    } else if (!request->is_head) {
        c->tail = answer->body;
        c->tail_left = answer->length;
    }
}

/* HTTP/1.0 knows no chunks: there the end of the connection is the end of the stream. */
static void begin_stream(struct http_connection *c, struct http_request *request, struct buf *out)
{
    struct http_stream *stream = request->answer.stream;
    c->chunked = request->head.minor > 0;
    c->last |= !c->chunked;
    add_common(c, request, out);
    buf_add_text(out, c->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    request->answer.stream = NULL;
    c->stream = stream;
    c->state = CONN_STREAMING;
    http_server_add_stream(c->loop->server, stream);
    if (!request->is_head)
        return;
    http_output_close_stream(c);
    c->state = CONN_WRITING;
}

void http_output_begin(struct http_connection *c)
{
    struct http_request *request = c->request;
    struct buf *out = &c->loop->text;
    request->phase = HTTP_ANSWERED;
    c->last |= request->answer.close_connection;
    count(c->loop, request);
    buf_clear(out);
    if (request->answer.stream)
        begin_stream(c, request, out);
    else
        begin_plain(c, request, out);
    send_first(c, out);
}

void http_output_continue(struct http_connection *c)
{
    struct buf *out = &c->loop->text;
    buf_clear(out);
    buf_add_text(out, "HTTP/1.1 100 Continue\r\n\r\n");
    send_first(c, out);
}

/* ---- sending ---- */

static ssize_t send_pieces(struct http_connection *c, const void *first, size_t first_n, const void *second, size_t second_n)
{
    if (c->tls)
        return first_n ? tls_write(c->tls, first, first_n) : tls_write(c->tls, second, second_n);
    union {
        const void *in;
        void *out;
    } a = {.in = first}, b = {.in = second};
    struct iovec pieces[] = {{a.out, first_n}, {b.out, second_n}};
    struct msghdr message = {.msg_iov = first_n ? pieces : pieces + 1, .msg_iovlen = first_n && second_n ? 2 : 1};
    return sendmsg(c->fd, &message, MSG_NOSIGNAL);
}

/* Sends until nothing is left (1) or the client takes no more (0). */
static int send_all(struct http_connection *c, const char *text, size_t n, size_t *ret_sent)
{
    size_t sent = 0;
    int result = 1;
    while (result == 1 && (sent < n || c->tail_left)) {
        ssize_t done = c->fd < 0 ? -1 : send_pieces(c, text + sent, n - sent, c->tail, c->tail_left);
        if (done > 0) {
            c->moved = true;
            size_t of_text = (size_t)done < n - sent ? (size_t)done : n - sent;
            sent += of_text;
            c->tail += (size_t)done - of_text;
            c->tail_left -= (size_t)done - of_text;
        } else if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && c->fd >= 0) {
            result = 0;
        } else if (done == 0 || errno != EINTR) {
            result = -1;
        }
    }
    *ret_sent = sent;
    return result;
}

/* Mostly all of it goes at once, from the loop's own buffer; what does not is kept. */
static void send_first(struct http_connection *c, struct buf *out)
{
    size_t sent = 0;
    if (!c->out.len)
        (void)send_all(c, out->data, out->len, &sent); /* what is wrong shows again with the next try */
    if (sent < out->len)
        buf_add(&c->out, out->data + sent, out->len - sent);
    if (out->cap > LOOP_READ_BLOCK * 4)
        buf_release(out); /* not for ever */
}

int http_output_flush(struct http_connection *c)
{
    size_t sent;
    c->moved = false;
    int result = send_all(c, c->out.data + c->out_sent, c->out.len - c->out_sent, &sent);
    c->out_sent += sent;
    if (c->out_sent == c->out.len) {
        buf_release(&c->out);
        c->out_sent = 0;
    }
    return result;
}

/* ---- streams ---- */

/* Asks for more; 1 the end, 0 nothing now, 2 there is more to send. */
static int produce(struct http_connection *c, char *block)
{
    struct http_stream *stream = c->stream;
    mutex_lock(&stream->mutex);
    stream->woken = false;
    bool ending = stream->ending;
    mutex_unlock(&stream->mutex);
    long n = ending ? -1 : stream->source.produce(stream->source.arg, block, STREAM_BLOCK);
    if (n > 0) {
        if (c->chunked)
            buf_printf(&c->out, "%lX\r\n", (unsigned long)n);
        buf_add(&c->out, block, (size_t)n);
        if (c->chunked)
            buf_add_text(&c->out, "\r\n");
        return 2;
    }
    if (n < 0) {
        if (c->chunked)
            buf_add_text(&c->out, "0\r\n\r\n");
        return 1;
    }
    mutex_lock(&stream->mutex);
    stream->asleep = !stream->woken;
    bool asleep = stream->asleep;
    mutex_unlock(&stream->mutex);
    return asleep ? 0 : 3; /* woken meanwhile: ask again */
}

int http_output_stream(struct http_connection *c)
{
    mutex_lock(&c->stream->mutex);
    bool asleep = c->stream->asleep;
    mutex_unlock(&c->stream->mutex);
    for (int i = 0; i < BLOCKS_PER_TURN; i++) {
        int flushed = http_output_flush(c);
        if (flushed <= 0)
            return flushed;
        if (asleep)
            return 0;
        switch (produce(c, c->loop->block)) {
        case 0: return 0;
        case 1: return 1;
        default: break;
        }
    }
    http_connection_post(c); /* others have their turn */
    return 0;
}

void http_output_close_stream(struct http_connection *c)
{
    struct http_stream *stream = c->stream;
    c->stream = NULL;
    http_server_remove_stream(c->loop->server, stream);
    stream->source.closed(stream->source.arg);
    http_loop_forget(c->loop, c);
    mutex_release(&stream->mutex);
    free(stream);
}
