/* SPDX-License-Identifier: Apache-2.0 */
/* Orders out, reports in. A failure of the connection is never told by the order that met it but by the next
 * keeper_dispatch, so that callers have one place where connections end. */
#include "keeper/keeper_client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEATH_WAIT_MS = 100 };

/* ---- what is known ---- */

void keeper_know(struct keeper *keeper, int64_t id, int32_t attempt)
{
    struct known_command *known = xmalloc(sizeof *known);
    *known = (struct known_command){id, attempt};
    free(int_map_put(&keeper->known, id, known));
}

void keeper_unknow(struct keeper *keeper, int64_t id, int32_t attempt)
{
    const struct known_command *known = int_map_get(&keeper->known, id);
    if (known && known->attempt == attempt)
        free(int_map_remove(&keeper->known, id));
}

static int compare_listing(const void *a, const void *b)
{
    const struct keeper_listing *first = a, *second = b;
    if (first->id != second->id)
        return first->id < second->id ? -1 : 1;
    return (first->attempt > second->attempt) - (first->attempt < second->attempt);
}

void keeper_lose_unlisted(struct keeper *keeper, const struct keeper_listing *listing, size_t count)
{
    size_t cursor = 0, lost_count = 0;
    struct keeper_listing *sorted = xcalloc(count, sizeof *sorted);
    struct known_command *lost = xcalloc(keeper->known.count, sizeof *lost);
    if (count)
        memcpy(sorted, listing, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_listing);
    for (const struct known_command *known; (known = int_map_next(&keeper->known, &cursor));) {
        const struct keeper_listing key = {.id = known->id, .attempt = known->attempt};
        if (!count || !bsearch(&key, sorted, count, sizeof *sorted, compare_listing))
            lost[lost_count++] = *known;
    }
    for (size_t i = 0; i < lost_count; i++) { /* the callbacks may order something new */
        keeper_unknow(keeper, lost[i].id, lost[i].attempt);
        if (keeper->callbacks.lost)
            keeper->callbacks.lost(keeper->callbacks.arg, lost[i].id, lost[i].attempt);
    }
    free(lost);
    free(sorted);
}

/* ---- the connection ---- */

void keeper_drop(struct keeper *keeper)
{
    if (keeper->fd >= 0)
        (void)close(keeper->fd);
    if (keeper->pidfd >= 0)
        (void)close(keeper->pidfd);
    keeper->fd = keeper->pidfd = -1;
    keeper->broken = false;
    keeper->sent = 0;
    buf_release(&keeper->in);
    buf_release(&keeper->out);
}

/* The socket of a killed process closes a moment before the process counts as dead. */
static bool keeper_died(const struct keeper *keeper)
{
    struct pollfd wait = {.fd = keeper->pidfd, .events = POLLIN};
    return keeper->pidfd >= 0 && poll(&wait, 1, DEATH_WAIT_MS) > 0;
}

static enum err_code disconnect(struct keeper *keeper, struct err *err, const char *why)
{
    bool died = keeper_died(keeper);
    keeper_drop(keeper);
    if (keeper->callbacks.disconnected)
        keeper->callbacks.disconnected(keeper->callbacks.arg);
    if (died)
        keeper_lose_unlisted(keeper, NULL, 0);
    return err_set(err, ERR_UNAVAILABLE, NULL, "%s%s", why, died ? " (the keeper has died, and its commands with it)" : "");
}

static void flush(struct keeper *keeper)
{
    while (!keeper->broken && keeper->sent < keeper->out.len) {
        ssize_t n =
            send(keeper->fd, keeper->out.data + keeper->sent, keeper->out.len - keeper->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            keeper->sent += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR) {
            keeper->broken = true;
            (void)shutdown(keeper->fd, SHUT_WR); /* what it said before is still read; then the end shows */
        }
    }
    if (keeper->broken || keeper->sent == keeper->out.len) {
        buf_clear(&keeper->out);
        keeper->sent = 0;
    } else if (keeper->sent > keeper->out.len / 2) {
        buf_consume(&keeper->out, keeper->sent);
        keeper->sent = 0;
    }
}

/* Hands over one whole message. */
static enum err_code order(struct keeper *keeper, const struct buf *message, struct err *err)
{
    if (keeper->fd < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "the keeper is not connected");
    if (message->len > ORDERS_BYTES_MAX - keeper->out.len)
        return err_set(err, ERR_LIMIT, NULL, "more than %d MiB of orders wait for the keeper", ORDERS_BYTES_MAX >> 20);
    buf_add(&keeper->out, message->data, message->len);
    flush(keeper);
    return OK;
}

enum err_code keeper_start(struct keeper *keeper, const struct keeper_start *start, struct err *err)
{
    struct buf message;
    if (!start->argv || !start->argv[0] || !start->log_path || start->log_path[0] != '/')
        return err_set(err, ERR_INVALID, NULL, "a command needs a program and an absolute path for its log");
    buf_init(&message, KEEPER_HEADER_BYTES + KEEPER_MESSAGE_MAX);
    keeper_start_encode(start, &message);
    enum err_code code =
        message.failed
            ? err_set(err, ERR_LIMIT, NULL, "arguments, environment and input of a command together are limited to %d bytes",
                      KEEPER_MESSAGE_MAX)
            : order(keeper, &message, err);
    if (code == OK)
        keeper_know(keeper, start->id, start->attempt);
    buf_release(&message);
    return code;
}

static enum err_code order_about(struct keeper *keeper, enum keeper_message type, int64_t id, int32_t attempt, int signo,
                                 struct err *err)
{
    struct buf message;
    buf_init(&message, KEEPER_HEADER_BYTES + 16);
    size_t begin = message_begin(&message, type);
    put_i64(&message, id);
    put_i32(&message, attempt);
    if (type == KEEPER_MESSAGE_SIGNAL)
        put_i32(&message, signo);
    message_end(&message, begin);
    enum err_code code = order(keeper, &message, err);
    buf_release(&message);
    return code;
}

enum err_code keeper_signal(struct keeper *keeper, int64_t id, int32_t attempt, int signo, struct err *err)
{
    if (signo < 1 || signo >= NSIG)
        return err_set(err, ERR_INVALID, NULL, "%d is no signal", signo);
    return order_about(keeper, KEEPER_MESSAGE_SIGNAL, id, attempt, signo, err);
}

enum err_code keeper_ack(struct keeper *keeper, int64_t id, int32_t attempt, struct err *err)
{
    return order_about(keeper, KEEPER_MESSAGE_ACK, id, attempt, 0, err);
}

/* ---- reports ---- */

static bool on_started(struct keeper *keeper, struct wire *wire, int64_t id, int32_t attempt)
{
    int64_t pid = wire_i64(wire), started_us = wire_i64(wire);
    if (wire_done(wire) && keeper->callbacks.started)
        keeper->callbacks.started(keeper->callbacks.arg, id, attempt, pid, started_us);
    return wire_done(wire);
}

static bool on_start_failed(struct keeper *keeper, struct wire *wire, int64_t id, int32_t attempt)
{
    const char *message = wire_text(wire, NULL);
    if (!wire_done(wire) || !message)
        return false;
    keeper_unknow(keeper, id, attempt);
    if (keeper->callbacks.start_failed)
        keeper->callbacks.start_failed(keeper->callbacks.arg, id, attempt, message);
    return true;
}

static bool on_exited(struct keeper *keeper, struct wire *wire, int64_t id, int32_t attempt)
{
    struct keeper_exit end = {.id = id, .attempt = attempt};
    end.exit_code = wire_i32(wire);
    end.signo = wire_i32(wire);
    end.oom_killed = wire_bool(wire);
    end.stdout_truncated = wire_bool(wire);
    end.stderr_truncated = wire_bool(wire);
    end.started_us = wire_i64(wire);
    end.finished_us = wire_i64(wire);
    end.stdout_tail = wire_text(wire, &end.stdout_length);
    end.stderr_tail = wire_text(wire, &end.stderr_length);
    if (!wire_done(wire) || !end.stdout_tail || !end.stderr_tail)
        return false;
    keeper_unknow(keeper, id, attempt);
    if (keeper->callbacks.exited)
        keeper->callbacks.exited(keeper->callbacks.arg, &end);
    return true;
}

static bool on_progress(struct keeper *keeper, struct wire *wire, int64_t id, int32_t attempt)
{
    int32_t percent = wire_i32(wire);
    if (!wire_done(wire) || percent < 0 || percent > 100)
        return false;
    if (keeper->callbacks.progress)
        keeper->callbacks.progress(keeper->callbacks.arg, id, attempt, percent);
    return true;
}

static bool take_message(struct keeper *keeper, const struct keeper_header *header, char *payload)
{
    struct wire wire = {.p = payload, .left = header->length};
    int64_t id = wire_i64(&wire);
    int32_t attempt = wire_i32(&wire);
    switch (header->type) {
    case KEEPER_MESSAGE_STARTED: return on_started(keeper, &wire, id, attempt);
    case KEEPER_MESSAGE_START_FAILED: return on_start_failed(keeper, &wire, id, attempt);
    case KEEPER_MESSAGE_EXITED: return on_exited(keeper, &wire, id, attempt);
    case KEEPER_MESSAGE_PROGRESS: return on_progress(keeper, &wire, id, attempt);
    case KEEPER_MESSAGE_OUTPUT:
        if (keeper->callbacks.output)
            keeper->callbacks.output(keeper->callbacks.arg, id, attempt);
        return wire_done(&wire);
    default: return false; /* LISTING comes once, in keeper_connect */
    }
}

bool keeper_take_messages(struct keeper *keeper)
{
    size_t at = 0;
    while (keeper->in.len - at >= KEEPER_HEADER_BYTES) {
        struct keeper_header header;
        char *bytes = keeper->in.data + at;
        if (!keeper_header_read(bytes, KEEPER_SIDE_KEEPER, &header))
            return false;
        if (keeper->in.len - at - KEEPER_HEADER_BYTES < header.length)
            break;
        if (!take_message(keeper, &header, bytes + KEEPER_HEADER_BYTES))
            return false;
        at += KEEPER_HEADER_BYTES + header.length;
    }
    buf_consume(&keeper->in, at);
    return true;
}

enum err_code keeper_dispatch(struct keeper *keeper, short revents, struct err *err)
{
    if (keeper->fd < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "the keeper is not connected");
    flush(keeper);
    if (!(revents & (POLLIN | POLLHUP | POLLERR)) && !keeper->broken)
        return OK;
    char *room = buf_reserve(&keeper->in, DISPATCH_READ_BYTES);
    must(room); /* a message that is too large was refused by its head */
    ssize_t n = recv(keeper->fd, room, DISPATCH_READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return keeper->broken ? disconnect(keeper, err, "the keeper does not take orders any more") : OK;
    if (n < 0)
        return disconnect(keeper, err, strerror(errno));
    if (n == 0)
        return disconnect(keeper, err, "the keeper has closed the connection");
    buf_commit(&keeper->in, (size_t)n);
    return keeper_take_messages(keeper) ? OK
                                        : disconnect(keeper, err, "the keeper sent a message that does not fit the protocol");
}

const struct keeper_info *keeper_info(const struct keeper *keeper)
{
    return &keeper->info;
}

int keeper_poll_fd(const struct keeper *keeper)
{
    return keeper->fd;
}

short keeper_poll_events(const struct keeper *keeper)
{
    return (short)(POLLIN | (keeper->sent < keeper->out.len ? POLLOUT : 0));
}

/* ---- open and close ---- */

enum err_code keeper_open(const char *data_dir, const char *executable, const struct keeper_callbacks *callbacks,
                          struct keeper **ret, struct err *err)
{
    char *absolute = realpath(data_dir, NULL);
    char *program = absolute ? realpath(executable, NULL) : NULL;
    if (!absolute || !program) {
        enum err_code code =
            err_set(err, ERR_UNAVAILABLE, NULL, "cannot use %s: %s", absolute ? executable : data_dir, strerror(errno));
        free(absolute);
        return code;
    }
    struct keeper *keeper = xcalloc(1, sizeof *keeper);
    keeper->data_dir = absolute;
    keeper->executable = program;
    keeper->callbacks = *callbacks;
    keeper->fd = keeper->pidfd = -1;
    buf_init(&keeper->in, KEEPER_HEADER_BYTES + KEEPER_MESSAGE_MAX + DISPATCH_READ_BYTES);
    buf_init(&keeper->out, ORDERS_BYTES_MAX);
    int_map_init(&keeper->known);
    *ret = keeper;
    return OK;
}

void keeper_set_files(struct keeper *keeper, uint64_t soft)
{
    keeper->files_soft = soft;
}

static void flush_for_a_while(struct keeper *keeper)
{
    const struct clock *clock = clock_real();
    int64_t until = clock_mono(clock).us + CLOSE_TIMEOUT_MS * US_PER_MS;
    flush(keeper);
    while (!keeper->broken && keeper->sent < keeper->out.len) {
        int64_t left_ms = (until - clock_mono(clock).us) / US_PER_MS;
        struct pollfd wait = {.fd = keeper->fd, .events = POLLOUT};
        if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) <= 0)
            return;
        flush(keeper);
    }
}

void keeper_close(struct keeper *keeper, bool shutdown_when_idle)
{
    if (!keeper)
        return;
    if (keeper->fd >= 0) {
        if (shutdown_when_idle)
            message_end(&keeper->out, message_begin(&keeper->out, KEEPER_MESSAGE_SHUTDOWN));
        flush_for_a_while(keeper);
    }
    keeper_drop(keeper);
    size_t cursor = 0;
    for (struct known_command *known; (known = int_map_next(&keeper->known, &cursor));)
        free(known);
    int_map_release(&keeper->known);
    free(keeper->data_dir);
    free(keeper->executable);
    free(keeper);
}
