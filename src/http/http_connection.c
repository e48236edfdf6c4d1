/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_connection.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REQUESTS_PER_TURN = 16,  /* pipelined ones; then others have theirs */
    READS_PER_TURN = 16,     /* of LOOP_READ_BLOCK */
    DISCARD_MAX = 256 << 20, /* of a body that nobody wants: so that its sender hears why, and no more */
    IN_MAX = HEAD_BYTES_MAX + LOOP_READ_BLOCK + 16,
};

static void enter(struct http_connection *c, enum connection_state state, enum connection_step step)
{
    c->state = state;
    connections_enter(http_server_connections(c->loop->server), &c->age, step);
}

/* ---- life ---- */

static void set_peer(struct http_connection *c)
{
    const struct trusted_proxies *trusted = http_server_options(c->loop->server)->trusted;
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char text[CLIENT_ADDRESS_MAX] = "";
    if (getpeername(c->fd, (struct sockaddr *)&address, &length) != 0)
        return;
    if (address.ss_family == AF_INET)
        (void)inet_ntop(AF_INET, &((struct sockaddr_in *)&address)->sin_addr, text, sizeof text);
    else if (address.ss_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address)->sin6_addr, text, sizeof text);
    c->peer_is_trusted = client_address_is_trusted(trusted, text);
    client_address_find(trusted, text, (struct str){NULL, 0}, (struct str){NULL, 0}, c->peer);
}

struct http_connection *http_connection_new(struct http_loop *loop, int fd)
{
    struct http_server *server = loop->server;
    struct http_connection *c = xcalloc(1, sizeof *c);
    struct tls *tls = http_server_tls(server);
    c->loop = loop;
    c->fd = fd;
    c->state = tls ? CONN_HANDSHAKE : CONN_HEAD;
    bool fine = !tls || (c->tls = tls_accept(tls, fd));
    if (!fine || !connections_add(http_server_connections(server), &c->age, fd)) {
        if (c->tls)
            tls_close(c->tls);
        (void)close(fd);
        free(c);
        return NULL;
    }
    set_peer(c);
    buf_init(&c->in, IN_MAX);
    buf_init(&c->out, HTTP_BODY_BULK_MAX + HEAD_BYTES_MAX);
    return c;
}

static void end_request(struct http_connection *c)
{
    if (!c->request)
        return;
    http_request_free(c->request);
    c->request = NULL;
    http_server_count(c->loop->server, -1);
}

/* A request that sleeps keeps its connection until it is answered. */
void http_connection_close(struct http_connection *c)
{
    struct http_loop *loop = c->loop;
    if (c->fd >= 0) {
        connections_remove(http_server_connections(loop->server), &c->age);
        if (c->tls)
            tls_close(c->tls);
        c->tls = NULL;
        (void)close(c->fd); /* also takes it out of epoll */
        c->fd = -1;
        atomic_fetch_sub(&loop->count, 1);
    }
    if (c->state == CONN_HANDLING || c->state == CONN_CLOSED)
        return;
    if (c->stream)
        http_output_close_stream(c);
    end_request(c);
    http_loop_forget(loop, c);
    if (list_contains_node(&c->again))
        list_remove(&loop->again, &c->again);
    list_remove(&loop->all, &c->node);
    c->state = CONN_CLOSED;
    list_push_back(&loop->dead, &c->node);
}

void http_connections_bury(struct http_loop *loop)
{
    for (struct list_node *node; (node = list_pop_front(&loop->dead));) {
        struct http_connection *c = CONTAINER_OF(node, struct http_connection, node);
        buf_release(&c->in);
        buf_release(&c->out);
        free(c);
    }
}

static void take_turns(struct http_connection *c)
{
    if (!list_contains_node(&c->again))
        list_push_back(&c->loop->again, &c->again);
}

/* ---- after an answer ---- */

/* The client may still be sending: closing at once would reset the connection, and the answer with it. */
static void linger(struct http_connection *c)
{
    end_request(c);
    if (c->tls)
        tls_close(c->tls);
    c->tls = NULL;
    (void)shutdown(c->fd, SHUT_WR);
    buf_release(&c->in);
    enter(c, CONN_LINGERING, CONNECTION_LINGERING);
}

static void next_request(struct http_connection *c)
{
    end_request(c);
    c->scan = (struct head_scan){0};
    c->discarded = 0;
    enter(c, CONN_HEAD, CONNECTION_IDLE);
}

static void answered(struct http_connection *c)
{
    if (c->last)
        linger(c);
    else if (c->body.state == BODY_DONE)
        next_request(c);
    else
        enter(c, CONN_DISCARDING, CONNECTION_READING);
}

/* ---- a request ---- */

static void answer_now(struct http_connection *c)
{
    enter(c, CONN_WRITING, CONNECTION_BUSY);
    http_output_begin(c);
}

static void handle(struct http_connection *c)
{
    enter(c, CONN_HANDLING, CONNECTION_BUSY);
    if (http_request_run(c->request))
        answer_now(c);
}

/* The head is there and was checked. With Expect the client waits for a word before it sends the body. */
static void begin_body(struct http_connection *c)
{
    struct http_request *request = c->request;
    bool expects = request->head.minor && head_has_token(&request->head, "Expect", "100-continue");
    if (request->answer.status) { /* refused without looking at the body */
        c->last |= expects || body_declared(&c->body) > DISCARD_MAX;
        answer_now(c);
        return;
    }
    if (c->body.state == BODY_DONE) {
        handle(c);
        return;
    }
    enter(c, CONN_BODY, CONNECTION_READING);
    if (expects)
        http_output_continue(c);
}

static size_t take_head(struct http_connection *c, const char *bytes, size_t n)
{
    struct err err;
    int status = 400;
    enum head_progress progress = head_scan(&c->scan, bytes, n, &status, &err);
    if (progress == HEAD_INCOMPLETE)
        return 0;
    size_t used = progress == HEAD_BAD ? n : c->scan.scanned;
    http_server_count(c->loop->server, 1);
    if (progress == HEAD_BAD)
        c->request = http_request_refused(c, status, &err);
    else
        c->request = http_request_new(c, bytes + c->scan.begin, used - c->scan.begin);
    begin_body(c);
    return used;
}

static void keep(struct http_connection *c, struct str data)
{
    struct http_request *request = c->request;
    bool fits = request && !request->answer.status && request->body.len + data.n <= request->body.max;
    if (fits)
        buf_add(&request->body, data.p, data.n);
    else
        c->discarded += data.n;
}

/* In a body, wanted or not. */
static size_t take_body(struct http_connection *c, const char *bytes, size_t n)
{
    struct str data;
    size_t used = body_take(&c->body, bytes, n, &data);
    keep(c, data);
    if (c->body.state == BODY_BAD || c->discarded > DISCARD_MAX) {
        if (c->state == CONN_BODY)
            http_request_refuse_body(c->request, c->body.state == BODY_BAD);
        c->last = true;
    } else if (c->discarded && c->state == CONN_BODY) {
        http_request_refuse_body(c->request, false); /* too large: said at once, the rest is read away */
    }
    if (c->state == CONN_DISCARDING) {
        if (c->last)
            linger(c);
        else if (c->body.state == BODY_DONE)
            next_request(c);
    } else if (c->request->answer.status) {
        answer_now(c);
    } else if (c->body.state == BODY_DONE) {
        handle(c);
    }
    return used;
}

/* ---- input ---- */

static bool wants_input(const struct http_connection *c)
{
    return c->state == CONN_HEAD || c->state == CONN_BODY || c->state == CONN_DISCARDING;
}

/* Uses bytes as long as the state wants some; returns how many. What is left is the begin of a head, or belongs to a
 * request after the present one. */
static size_t use(struct http_connection *c, const char *bytes, size_t n)
{
    size_t used = 0;
    while (used < n && wants_input(c)) {
        size_t taken = c->state == CONN_HEAD ? take_head(c, bytes + used, n - used) : take_body(c, bytes + used, n - used);
        if (!taken)
            break;
        used += taken;
    }
    return used;
}

static void use_buffered(struct http_connection *c)
{
    size_t used = use(c, c->in.data, c->in.len);
    if (used == c->in.len)
        buf_release(&c->in); /* idle connections own no buffer */
    else if (used)
        buf_consume(&c->in, used);
}

static void feed(struct http_connection *c, const char *bytes, size_t n)
{
    size_t used = c->in.len ? 0 : use(c, bytes, n);
    if (used == n || c->state == CONN_CLOSED || c->state == CONN_LINGERING)
        return;
    buf_add(&c->in, bytes + used, n - used);
    if (!used && c->in.len > n) /* it waits for what came before */
        use_buffered(c);
}

static ssize_t receive(struct http_connection *c)
{
    ssize_t n = c->tls ? tls_read(c->tls, c->loop->block, LOOP_READ_BLOCK) : recv(c->fd, c->loop->block, LOOP_READ_BLOCK, 0);
    if (n > 0 && !c->tls && !c->gone && n < LOOP_READ_BLOCK)
        c->readable = false; /* all there was; more, or the end, is a new event */
    return n;
}

/* Reads once. False: nothing to read now, or the connection ended. */
static bool read_some(struct http_connection *c)
{
    if (!c->readable)
        return false;
    ssize_t n = receive(c);
    if (n > 0) {
        if (c->state != CONN_LINGERING)
            feed(c, c->loop->block, (size_t)n);
        return true;
    }
    if (n < 0 && errno == EINTR)
        return true;
    c->readable = false;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    http_connection_close(c); /* the end, or an error; a request whose body did not come is dropped */
    return false;
}

/* ---- the machine ---- */

static bool handshake(struct http_connection *c)
{
    int done = tls_handshake(c->tls);
    if (done < 0)
        http_connection_close(c);
    else if (done > 0)
        c->state = CONN_HEAD;
    return done > 0;
}

/* The client takes nothing at the moment; every byte that it takes gives it new time. */
static void note_blocked(struct http_connection *c)
{
    if (c->age.step != CONNECTION_WRITING || c->moved)
        connections_enter(http_server_connections(c->loop->server), &c->age, CONNECTION_WRITING);
}

static bool write_on(struct http_connection *c)
{
    int done = http_output_flush(c);
    if (done > 0) {
        answered(c);
        return true;
    }
    if (done < 0)
        http_connection_close(c);
    else
        note_blocked(c);
    return false;
}

static bool stream_on(struct http_connection *c)
{
    int done = c->gone ? -1 : http_output_stream(c);
    if (done > 0) { /* its last bytes are still to be sent */
        http_output_close_stream(c);
        c->state = CONN_WRITING;
        return true;
    }
    if (done < 0)
        http_connection_close(c);
    else if (c->out.len)
        note_blocked(c);
    else if (c->age.step == CONNECTION_WRITING)
        connections_enter(http_server_connections(c->loop->server), &c->age, CONNECTION_BUSY);
    return false;
}

/* One step. False: it waits for an event, an answer or its next turn. */
static bool step(struct http_connection *c)
{
    switch (c->state) {
    case CONN_HANDSHAKE: return handshake(c);
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_DISCARDING:
        if (c->in.len && c->scan.scanned < c->in.len) { /* not all of it was looked at */
            use_buffered(c);
            return true;
        }
        return read_some(c);
    case CONN_LINGERING: return read_some(c);
    case CONN_WRITING: return write_on(c);
    case CONN_STREAMING: return stream_on(c);
    case CONN_HANDLING:
    case CONN_CLOSED: return false;
    }
    unreachable("connection state");
}

void http_connection_drive(struct http_connection *connection)
{
    for (int i = 0; i < REQUESTS_PER_TURN * 4; i++)
        if (!step(connection))
            return;
    take_turns(connection);
}

void http_connection_ready(struct http_connection *connection, bool readable, bool writable, bool gone)
{
    if (connection->state == CONN_CLOSED)
        return;
    connection->readable |= readable;
    connection->writable |= writable;
    connection->gone |= gone;
    http_connection_drive(connection);
}

void http_connection_resume(struct http_connection *connection)
{
    if (connection->state == CONN_HANDLING && !http_request_go_on(connection->request))
        return;
    if (connection->state == CONN_HANDLING && connection->fd < 0) { /* closed meanwhile */
        connection->state = CONN_WRITING;
        http_connection_close(connection);
        return;
    }
    if (connection->state == CONN_HANDLING)
        answer_now(connection);
    http_connection_drive(connection);
}

void http_connection_post(struct http_connection *connection)
{
    http_loop_post(connection->loop, connection);
}
