/* SPDX-License-Identifier: Apache-2.0 */
/* Connections. Whoever says HELLO becomes the server, and the one before is closed; who only connects disturbs
 * nobody. The first message that does not fit closes its connection. */
#include "keeper/keeper_daemon.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_IN_MAX = KEEPER_HEADER_BYTES + KEEPER_MESSAGE_MAX + READ_BYTES, PEER_OUT_MAX = 4 << 20, NO_FILES_REST_MS = 10 };

void peer_close(struct peer *peer)
{
    struct daemon *daemon = peer->daemon;
    if (peer->source.fd < 0)
        return;
    daemon_unwatch(daemon, &peer->source);
    if (daemon->server == peer)
        daemon->server = NULL;
    list_remove(&daemon->peers, &peer->node);
    list_push_back(&daemon->dead_peers, &peer->node);
}

void peer_free(struct peer *peer)
{
    buf_release(&peer->in);
    buf_release(&peer->out);
    free(peer);
}

/* ---- writing ---- */

static void ask_for_room(struct peer *peer, bool wanted)
{
    if (peer->waits_for_room == wanted)
        return;
    peer->waits_for_room = wanted;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0u), .data.ptr = &peer->source};
    (void)epoll_ctl(peer->daemon->epoll_fd, EPOLL_CTL_MOD, peer->source.fd, &event);
}

void peer_flush(struct peer *peer)
{
    if (peer->out.failed) { /* it orders without reading the answers */
        peer_close(peer);
        return;
    }
    while (!peer->broken && peer->sent < peer->out.len) {
        ssize_t n = send(peer->source.fd, peer->out.data + peer->sent, peer->out.len - peer->sent, MSG_NOSIGNAL);
        if (n >= 0)
            peer->sent += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            peer->broken = true; /* it has gone, but what it sent before counts: reading finds the end */
    }
    if (peer->broken || peer->sent == peer->out.len) {
        buf_clear(&peer->out);
        peer->sent = 0;
    } else if (peer->sent > PEER_BACKLOG_MAX) {
        buf_consume(&peer->out, peer->sent);
        peer->sent = 0;
    }
    ask_for_room(peer, peer->sent < peer->out.len);
}

/* ---- messages ---- */

/* False in any case: the connection ends. What was sent before is still delivered. */
static bool refuse(struct peer *peer)
{
    size_t at = message_begin(&peer->out, KEEPER_MESSAGE_REFUSED);
    put_u32(&peer->out, KEEPER_PROTOCOL_VERSION);
    put_u32(&peer->out, KEEPER_PROTOCOL_VERSION);
    put_u32(&peer->out, (uint32_t)peer->daemon->commands.count);
    message_end(&peer->out, at);
    peer_flush(peer);
    return false;
}

static bool on_hello(struct peer *peer, struct wire *wire)
{
    struct daemon *daemon = peer->daemon;
    uint32_t lowest = wire_u32(wire), highest = wire_u32(wire);
    if (wire->bad || peer->said_hello)
        return false;
    if (lowest > KEEPER_PROTOCOL_VERSION || highest < KEEPER_PROTOCOL_VERSION)
        return refuse(peer);
    peer->said_hello = true;
    struct peer *before = daemon->server;
    if (before)
        peer_close(before);
    daemon->server = peer;
    daemon->shutdown_when_idle = false;
    report_everything(daemon);
    return true;
}

static bool on_start(struct peer *peer, struct wire *wire)
{
    struct keeper_start start;
    char **arrays;
    if (!keeper_start_decode(wire, &start, &arrays))
        return false;
    command_start(peer->daemon, &start);
    free(arrays);
    return true;
}

static bool on_signal(struct peer *peer, struct wire *wire)
{
    int64_t id = wire_i64(wire);
    int32_t attempt = wire_i32(wire), signo = wire_i32(wire);
    if (!wire_done(wire) || signo < 1 || signo >= NSIG)
        return false;
    struct command *command = command_find(peer->daemon, id, attempt);
    if (command)
        command_signal(command, signo);
    return true;
}

static bool on_ack(struct peer *peer, struct wire *wire)
{
    int64_t id = wire_i64(wire);
    int32_t attempt = wire_i32(wire);
    if (!wire_done(wire))
        return false;
    struct command *command = command_find(peer->daemon, id, attempt);
    if (command)
        command_forget(command);
    return true;
}

/* False: it does not belong there, or does not hold what its type says. */
static bool take_message(struct peer *peer, const struct keeper_header *header, char *payload)
{
    struct wire wire = {.p = payload, .left = header->length};
    if (header->type != KEEPER_MESSAGE_HELLO && peer->daemon->server != peer)
        return false;
    switch (header->type) {
    case KEEPER_MESSAGE_HELLO: return on_hello(peer, &wire);
    case KEEPER_MESSAGE_START: return on_start(peer, &wire);
    case KEEPER_MESSAGE_SIGNAL: return on_signal(peer, &wire);
    case KEEPER_MESSAGE_ACK: return on_ack(peer, &wire);
    case KEEPER_MESSAGE_SHUTDOWN: peer->daemon->shutdown_when_idle = true; return true;
    default: return false;
    }
}

bool peer_take_messages(struct peer *peer)
{
    size_t at = 0;
    while (peer->in.len - at >= KEEPER_HEADER_BYTES && peer->source.fd >= 0) {
        struct keeper_header header;
        if (!keeper_header_read(peer->in.data + at, KEEPER_SIDE_SERVER, &header))
            return false;
        if (peer->in.len - at - KEEPER_HEADER_BYTES < header.length)
            break;
        if (!take_message(peer, &header, peer->in.data + at + KEEPER_HEADER_BYTES))
            return false;
        at += KEEPER_HEADER_BYTES + header.length;
    }
    buf_consume(&peer->in, at);
    return true;
}

static void peer_ready(struct source *source, uint32_t events)
{
    struct peer *peer = CONTAINER_OF(source, struct peer, source);
    if (events & EPOLLOUT)
        peer_flush(peer);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    char *room = buf_reserve(&peer->in, READ_BYTES);
    ssize_t n = room ? recv(source->fd, room, READ_BYTES, 0) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_commit(&peer->in, (size_t)n);
    if (n <= 0 || !peer_take_messages(peer))
        peer_close(peer);
}

/* ---- new ones ---- */

static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && (who.uid == geteuid() || who.uid == 0);
}

static void make_room(struct daemon *daemon)
{
    for (struct list_node *node = list_first(&daemon->peers); node && daemon->peers.count >= PEERS_MAX;) {
        struct peer *peer = CONTAINER_OF(node, struct peer, node);
        node = list_next(&daemon->peers, node);
        if (peer != daemon->server)
            peer_close(peer);
    }
}

void peer_accept(struct source *listener, uint32_t events)
{
    struct daemon *daemon = CONTAINER_OF(listener, struct daemon, listener);
    (void)events;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            (void)poll(NULL, 0, NO_FILES_REST_MS); /* it stays ready: no spinning until something ends */
        return;
    }
    if (!is_ours(fd)) {
        (void)close(fd);
        return;
    }
    make_room(daemon);
    struct peer *peer = xcalloc(1, sizeof *peer);
    peer->daemon = daemon;
    peer->source = (struct source){peer_ready, fd};
    buf_init(&peer->in, PEER_IN_MAX);
    buf_init(&peer->out, PEER_OUT_MAX);
    list_push_back(&daemon->peers, &peer->node);
    if (!daemon_watch(daemon, &peer->source, EPOLLIN))
        peer_close(peer);
}
