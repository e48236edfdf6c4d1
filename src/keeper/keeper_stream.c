/* SPDX-License-Identifier: Apache-2.0 */
/* A command's pipes: standard output and error go to the log and to the tails, descriptor 3 carries lines
 * `progress N`. Each turn reads a bounded amount, so that one command that shouts does not starve the others. */
#include "keeper/keeper_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { DRAIN_READS_MAX = 16 };

static void take_output(struct stream *stream, const char *bytes, size_t length)
{
    struct command *command = stream->command;
    tail_add(&stream->tail, &command->daemon->tails, bytes, length);
    bool whole = log_writer_add(&command->log, stream->kind, bytes, length, clock_wall(command->daemon->clock).us);
    if (!whole && !command->log_lost) { /* once: more of it would fill the disk again */
        (void)fprintf(stderr, "%s: output is lost: %s\n", command->log.path, strerror(errno));
        command->log_lost = true;
    }
    report_output(command);
}

/* True while the pipe is open and there may be more. */
static bool read_once(struct stream *stream)
{
    struct daemon *daemon = stream->command->daemon;
    ssize_t n = read(stream->source.fd, daemon->block, READ_BYTES);
    if (n > 0) {
        take_output(stream, daemon->block, (size_t)n);
        return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        daemon_unwatch(daemon, &stream->source);
    return false;
}

static void stream_ready(struct source *source, uint32_t events)
{
    struct stream *stream = CONTAINER_OF(source, struct stream, source);
    (void)events;
    (void)read_once(stream);
    if (source->fd < 0)
        command_stream_closed(stream->command);
}

/* ---- progress ---- */

static void take_line(struct progress *progress)
{
    struct str line = str_trim((struct str){progress->line, progress->length});
    int64_t percent;
    if (!str_starts_with(line, "progress "))
        return;
    struct str number = str_trim((struct str){line.p + 9, line.n - 9});
    if (!str_to_int(number, 0, 100, &percent) || progress->command->percent == (int)percent)
        return;
    progress->command->percent = (int)percent;
    report(progress->command, SAY_PROGRESS);
}

static void take_byte(struct progress *progress, char byte)
{
    if (byte == '\n') {
        if (!progress->skip)
            take_line(progress);
        progress->length = 0;
        progress->skip = false;
    } else if (progress->length == sizeof progress->line)
        progress->skip = true;
    else
        progress->line[progress->length++] = byte;
}

static void read_progress(struct progress *progress)
{
    struct daemon *daemon = progress->command->daemon;
    ssize_t n = read(progress->source.fd, daemon->block, READ_BYTES);
    for (ssize_t i = 0; i < n; i++)
        take_byte(progress, daemon->block[i]);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        daemon_unwatch(daemon, &progress->source);
}

static void progress_ready(struct source *source, uint32_t events)
{
    (void)events;
    read_progress(CONTAINER_OF(source, struct progress, source));
}

/* ---- all of them ---- */

static bool open_pipe(struct daemon *daemon, struct source *source, int *ret_child)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    if ((uint64_t)ends[0] + FILES_RESERVED > daemon->files_max) { /* numbers are given from below: nearly all are taken */
        (void)close(ends[0]);
        (void)close(ends[1]);
        errno = EMFILE;
        return false;
    }
    *ret_child = ends[1];
    source->fd = ends[0];
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK); /* ours only: the child's end is a description of its own */
    return daemon_watch(daemon, source, EPOLLIN);
}

bool streams_open(struct command *command, int ret_child[3], int *ret_errno)
{
    struct daemon *daemon = command->daemon;
    command->progress.source.ready = progress_ready;
    command->streams[0].source.ready = command->streams[1].source.ready = stream_ready;
    bool good = open_pipe(daemon, &command->streams[0].source, &ret_child[0]) &&
                open_pipe(daemon, &command->streams[1].source, &ret_child[1]) &&
                open_pipe(daemon, &command->progress.source, &ret_child[2]);
    *ret_errno = errno;
    return good;
}

bool streams_drain(struct command *command, bool last)
{
    struct daemon *daemon = command->daemon;
    bool closed = true;
    for (size_t i = 0; i < ARRAY_LEN(command->streams); i++) {
        struct stream *stream = &command->streams[i];
        for (int reads = 0; stream->source.fd >= 0 && reads < DRAIN_READS_MAX && read_once(stream);)
            reads++;
        if (last && stream->source.fd >= 0)
            daemon_unwatch(daemon, &stream->source);
        closed &= stream->source.fd < 0;
    }
    if (command->progress.source.fd >= 0)
        read_progress(&command->progress);
    if (last && command->progress.source.fd >= 0)
        daemon_unwatch(daemon, &command->progress.source);
    return closed;
}
