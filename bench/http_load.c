/* SPDX-License-Identifier: Apache-2.0 */
/* Load over HTTP from one thread: C keep-alive connections, each with one request on its way, N requests in all.
 *   http_load HOST:PORT CONNECTIONS REQUESTS METHOD PATH TOKEN [BODY | @FILE [CONTENT-TYPE]]
 * prints one JSON object: rate, latencies in microseconds, answers that were not 2xx, and the wall time (microseconds since 1970)
 * at which each request was sent when there is one connection (for measuring from there to a time in the answer).
 *   http_load serve PORT-FILE
 * is the floor to compare with: an epoll loop that answers every request with the same 300 bytes; it writes its port and
 * serves until it is killed. */
#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_AT_FIRST = 16384,
    BUFFER_MAX = 64 << 20,
    CONNECTIONS_MAX = 1024,
    EVENTS = 256,
    HEAD_MAX = 4096,
    SHOWN_MAX = 800,
    BODY_MAX = 64 << 20
};

struct connection {
    int fd;
    size_t length, capacity;
    int64_t sent_us;
    char *buffer;
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "http_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Bytes of the whole message at `p`, 0 while it is not complete. */
static size_t message_size(const char *p, size_t n)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    size_t body = 0;
    if (!end)
        return 0;
    for (const char *line = p; line < end;) {
        const char *eol = memchr(line, '\r', n - (size_t)(line - p));
        if (strncasecmp(line, "content-length:", 15) == 0)
            body = strtoul(line + 15, NULL, 10);
        if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0) /* no more than one answer is on its way */
            return n >= 5 && memcmp(p + n - 5, "0\r\n\r\n", 5) == 0 ? n : 0;
        line = eol + 2;
    }
    size_t all = (size_t)(end - p) + 4 + body;
    return n < all ? 0 : all;
}

static int connect_to(const struct sockaddr_in *address)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0)
        die("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Room for an answer of any length; a long one fills it a piece at a time. */
static ssize_t receive(struct connection *c)
{
    if (c->length == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : BUFFER_AT_FIRST;
        if (c->capacity > BUFFER_MAX || !(c->buffer = realloc(c->buffer, c->capacity)))
            die("memory");
    }
    return read(c->fd, c->buffer + c->length, c->capacity - c->length);
}

static struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        die("address");
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("address");
    return address;
}

struct load {
    const char *request;
    size_t request_length;
    long wanted, sent, done, failed;
    int64_t *latencies_us, *sent_at_us;
};

static void send_one(struct load *load, struct connection *c)
{
    load->sent_at_us[load->sent++] = clock_wall(clock_real()).us;
    c->sent_us = clock_mono(clock_real()).us;
    if (write(c->fd, load->request, load->request_length) != (ssize_t)load->request_length)
        die("write");
}

static void on_readable(struct load *load, struct connection *c)
{
    ssize_t n = receive(c);
    if (n <= 0)
        die("the server closed the connection");
    c->length += (size_t)n;
    size_t size = message_size(c->buffer, c->length);
    if (!size)
        return;
    load->latencies_us[load->done++] = clock_mono(clock_real()).us - c->sent_us;
    if (c->buffer[9] != '2' && !load->failed++)
        (void)fprintf(stderr, "http_load: the first bad answer: %.*s\n", size < SHOWN_MAX ? (int)size : SHOWN_MAX, c->buffer);
    memmove(c->buffer, c->buffer + size, c->length - size);
    c->length -= size;
    if (load->sent < load->wanted)
        send_one(load, c);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(struct load *load, int64_t us, int connections)
{
    int64_t *l = load->latencies_us;
    qsort(l, (size_t)load->done, sizeof *l, compare);
    (void)printf("{\"rate\": %.1f, \"p50_us\": %lld, \"p99_us\": %lld, \"max_us\": %lld, \"failed\": %ld, \"sent_at_us\": [",
                 (double)load->done * 1e6 / (double)us, (long long)l[load->done / 2], (long long)l[load->done * 99 / 100],
                 (long long)l[load->done - 1], load->failed);
    for (long i = 0; connections == 1 && i < load->sent; i++)
        (void)printf("%s%lld", i ? ", " : "", (long long)load->sent_at_us[i]);
    (void)printf("]}\n");
}

static void run_load(struct load *load, const struct sockaddr_in *address, int connections)
{
    int ep = epoll_create1(0);
    int64_t begun = clock_mono(clock_real()).us;
    for (int i = 0; i < connections && load->sent < load->wanted; i++) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (!c)
            die("memory");
        c->fd = connect_to(address);
        (void)epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event);
        send_one(load, c);
    }
    while (load->done < load->wanted) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(ep, events, EVENTS, 30000);
        if (n <= 0)
            die("no answer within 30 s");
        for (int i = 0; i < n; i++)
            on_readable(load, events[i].data.ptr);
    }
    report(load, clock_mono(clock_real()).us - begun, connections);
}

/* ---- the floor ---- */

enum { REPLY_BODY = 300 };
static char reply[512];
static size_t reply_length;

static void make_reply(void)
{
    int head = snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
                        REPLY_BODY);
    memset(reply + head, 'x', REPLY_BODY);
    reply_length = (size_t)head + REPLY_BODY;
}

static void accept_all(int ep, int listener)
{
    int on = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (!c)
            die("memory");
        c->fd = fd;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
    }
}

static void answer(struct connection *c)
{
    ssize_t n = receive(c);
    if (n <= 0) {
        (void)close(c->fd);
        free(c->buffer);
        free(c);
        return;
    }
    c->length += (size_t)n;
    for (size_t size; (size = message_size(c->buffer, c->length)) > 0;) {
        if (write(c->fd, reply, reply_length) < 0)
            die("write");
        memmove(c->buffer, c->buffer + size, c->length - size);
        c->length -= size;
    }
}

static void serve(const char *port_file)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int ep = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct epoll_event event = {.events = EPOLLIN}, events[EVENTS];
    make_reply();
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0)
        die("listen");
    (void)getsockname(listener, (struct sockaddr *)&address, &length);
    FILE *file = fopen(port_file, "w");
    if (!file || fprintf(file, "%u\n", ntohs(address.sin_port)) < 0 || fclose(file) != 0)
        die(port_file);
    (void)epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(ep, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                answer(events[i].data.ptr);
            else
                accept_all(ep, listener);
        }
    }
}

/* The whole request, owned; a body "@FILE" is read from there. */
static char *make_request(int argc, char **argv, size_t *ret_length)
{
    const char *body = argc > 7 ? argv[7] : "", *type = argc > 8 ? argv[8] : "application/json";
    size_t length = strlen(body);
    char *read_body = NULL;
    if (body[0] == '@') {
        FILE *file = fopen(body + 1, "rb");
        if (!file || fseek(file, 0, SEEK_END) != 0 || (length = (size_t)ftell(file)) > BODY_MAX ||
            fseek(file, 0, SEEK_SET) != 0 || !(read_body = malloc(length + 1)) || fread(read_body, 1, length, file) != length ||
            fclose(file) != 0)
            die(body);
        body = read_body;
    }
    char *request = malloc(HEAD_MAX + length);
    if (!request)
        die("memory");
    int head = snprintf(request, HEAD_MAX,
                        "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                        "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                        argv[4], argv[5], argv[1], argv[6], type, length);
    memcpy(request + head, body, length);
    *ret_length = (size_t)head + length;
    free(read_body);
    return request;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2]);
    if (argc < 7) {
        (void)fprintf(
            stderr,
            "usage: http_load HOST:PORT CONNECTIONS REQUESTS METHOD PATH TOKEN [BODY | @FILE [TYPE]] | http_load serve PORT-FILE\n");
        return 2;
    }
    int connections = (int)strtol(argv[2], NULL, 10);
    struct load load = {.wanted = strtol(argv[3], NULL, 10)};
    if (connections < 1 || connections > CONNECTIONS_MAX || load.wanted < 1)
        die("arguments");
    load.request = make_request(argc, argv, &load.request_length);
    load.latencies_us = calloc((size_t)load.wanted, sizeof *load.latencies_us);
    load.sent_at_us = calloc((size_t)load.wanted, sizeof *load.sent_at_us);
    struct sockaddr_in address = parse_address(argv[1]);
    run_load(&load, &address, connections);
    return load.failed ? 1 : 0;
}
