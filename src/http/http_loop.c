/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_loop.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "http/gzip.h"
#include "http/http_connection.h"
#include "http/http_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 256, ACCEPTS_AT_ONCE = 64 };

/* What an event is about: a connection, or one of these. */
static char about_inbox, about_listener;

/* ---- the inbox ---- */

static void signal_loop(struct http_loop *loop)
{
    bool first = !loop->signalled;
    loop->signalled = true;
    mutex_unlock(&loop->mutex);
    uint64_t one = 1;
    if (first && write(loop->event_fd, &one, sizeof one) != sizeof one)
        log_error("http", "a loop cannot be woken: %s", strerror(errno));
}

void http_loop_post(struct http_loop *loop, struct http_connection *connection)
{
    mutex_lock(&loop->mutex);
    if (!list_contains_node(&connection->posted))
        list_push_back(&loop->posted, &connection->posted);
    signal_loop(loop);
}

void http_loop_forget(struct http_loop *loop, struct http_connection *connection)
{
    mutex_lock(&loop->mutex);
    if (list_contains_node(&connection->posted))
        list_remove(&loop->posted, &connection->posted);
    mutex_unlock(&loop->mutex);
}

static void hand_over(struct http_loop *loop, struct http_connection *connection)
{
    atomic_fetch_add(&loop->count, 1);
    mutex_lock(&loop->mutex);
    list_push_back(&loop->arrivals, &connection->posted);
    signal_loop(loop);
}

static void drain_event(struct http_loop *loop)
{
    uint64_t count;
    if (read(loop->event_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        log_error("http", "a loop cannot read its wake-ups: %s", strerror(errno));
}

static void adopt(struct http_loop *loop, struct http_connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    list_push_back(&loop->all, &connection->node);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        log_warn("http", "a connection cannot be watched: %s", strerror(errno));
        http_connection_close(connection);
        return;
    }
    http_connection_drive(connection);
}

/* Posted connections one by one: what is done for one may close another. */
static void take_inbox(struct http_loop *loop)
{
    for (;;) {
        mutex_lock(&loop->mutex);
        struct list_node *arrival = list_pop_front(&loop->arrivals);
        struct list_node *posted = arrival ? NULL : list_pop_front(&loop->posted);
        mutex_unlock(&loop->mutex);
        if (arrival)
            adopt(loop, CONTAINER_OF(arrival, struct http_connection, posted));
        else if (posted)
            http_connection_resume(CONTAINER_OF(posted, struct http_connection, posted));
        else
            return;
    }
}

/* ---- accepting ---- */

static struct http_loop *least_loaded(struct http_server *server)
{
    struct http_loop *best = http_server_loop(server, 0);
    for (int i = 1; i < HTTP_THREADS; i++) {
        struct http_loop *loop = http_server_loop(server, i);
        if (atomic_load_explicit(&loop->count, memory_order_relaxed) < atomic_load_explicit(&best->count, memory_order_relaxed))
            best = loop;
    }
    return best;
}

static void welcome(struct http_loop *loop, int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* answers are written whole */
    struct http_loop *home = least_loaded(loop->server);
    struct http_connection *connection = http_connection_new(home, fd);
    if (connection)
        hand_over(home, connection);
}

/* No descriptor is left: the oldest idle connection makes room for the next one, and this one is let go, so that it
 * does not wait for ever. */
static void turn_away(struct http_loop *loop)
{
    (void)connections_close_oldest(http_server_connections(loop->server));
    if (loop->spare_fd >= 0)
        (void)close(loop->spare_fd);
    int fd = accept4(loop->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    log_warn("http", "no file descriptor is left for a connection");
}

static void accept_some(struct http_loop *loop)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE && loop->listen_fd >= 0; i++) {
        int fd = accept4(loop->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            welcome(loop, fd);
        else if (errno == EMFILE || errno == ENFILE)
            turn_away(loop);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        else if (errno != EINTR && errno != ECONNABORTED)
            log_warn("http", "accept: %s", strerror(errno));
    }
}

static void look_after_listener(struct http_loop *loop)
{
    mutex_lock(&loop->mutex);
    bool accepts = loop->listen_fd >= 0 && !http_server_is_stopping(loop->server);
    mutex_unlock(&loop->mutex);
    if (accepts)
        accept_some(loop);
}

/* ---- the thread ---- */

static void take_event(struct http_loop *loop, const struct epoll_event *event)
{
    if (event->data.ptr == &about_inbox)
        drain_event(loop);
    else if (event->data.ptr == &about_listener)
        look_after_listener(loop);
    else
        http_connection_ready(event->data.ptr, event->events & (EPOLLIN | EPOLLRDHUP), event->events & EPOLLOUT,
                              event->events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP));
}

/* A turn for each that was here when the round began. */
static void go_round(struct http_loop *loop)
{
    for (size_t n = loop->again.count; n > 0; n--) {
        struct list_node *node = list_pop_front(&loop->again);
        if (!node)
            return;
        http_connection_drive(CONTAINER_OF(node, struct http_connection, again));
    }
}

static bool must_stop(struct http_loop *loop)
{
    mutex_lock(&loop->mutex);
    loop->signalled = false; /* what is posted from here on wakes us again */
    bool stop = loop->stopping;
    mutex_unlock(&loop->mutex);
    return stop;
}

static void close_all(struct http_loop *loop)
{
    for (struct list_node *node; (node = list_pop_front(&loop->arrivals));)
        list_push_back(&loop->all, &CONTAINER_OF(node, struct http_connection, posted)->node);
    struct list_node *next;
    for (struct list_node *node = list_first(&loop->all); node; node = next) {
        next = list_next(&loop->all, node);
        http_connection_close(CONTAINER_OF(node, struct http_connection, node));
    }
}

/* Connections that are closed while events for them wait in the same batch are freed after it. */
static void run(void *arg)
{
    struct http_loop *loop = arg;
    struct epoll_event events[EVENTS_AT_ONCE];
    while (!must_stop(loop)) {
        take_inbox(loop);
        go_round(loop);
        int n = epoll_wait(loop->epoll_fd, events, EVENTS_AT_ONCE, loop->again.count ? 0 : -1);
        must(n >= 0 || errno == EINTR);
        for (int i = 0; i < n; i++)
            take_event(loop, &events[i]);
        http_connections_bury(loop);
    }
    close_all(loop);
    http_connections_bury(loop);
}

static bool watch(struct http_loop *loop, int fd, void *about, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = about};
    return fd >= 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

enum err_code http_loop_start(struct http_loop *loop, struct http_server *server, int listen_fd, const char *name, struct err *err)
{
    *loop = (struct http_loop){.server = server, .listen_fd = listen_fd, .spare_fd = -1};
    mutex_init(&loop->mutex);
    list_init(&loop->posted);
    list_init(&loop->arrivals);
    list_init(&loop->all);
    list_init(&loop->again);
    list_init(&loop->dead);
    buf_init(&loop->text, HTTP_BODY_BULK_MAX);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool fine = loop->epoll_fd >= 0 && watch(loop, loop->event_fd, &about_inbox, EPOLLIN);
    if (fine && listen_fd >= 0) {
        fine = watch(loop, listen_fd, &about_listener, EPOLLIN);
        loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (!fine)
        return err_set(err, ERR_UNAVAILABLE, NULL, "the HTTP server cannot start: %s", strerror(errno));
    loop->block = xmalloc(LOOP_READ_BLOCK);
    thread_start(&loop->thread, name, run, loop);
    return OK;
}

void http_loop_stop_accepting(struct http_loop *loop)
{
    if (loop->listen_fd >= 0 && loop->epoll_fd >= 0)
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->listen_fd, NULL);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void http_loop_stop(struct http_loop *loop)
{
    if (loop->thread.started) {
        mutex_lock(&loop->mutex);
        loop->stopping = true;
        signal_loop(loop);
        thread_join(&loop->thread);
    }
    close_one(&loop->epoll_fd);
    close_one(&loop->event_fd);
    close_one(&loop->listen_fd);
    close_one(&loop->spare_fd);
    gzip_free(loop->gzip);
    free(loop->block);
    buf_release(&loop->text);
}
