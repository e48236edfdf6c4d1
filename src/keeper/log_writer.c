/* SPDX-License-Identifier: Apache-2.0 */
/* One write per frame; a frame that could not be written whole is cut off again, so that readers never see half. */
#include "keeper/log_writer.h"

#include "base/mem.h"
#include "keeper/keeper_log_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

void log_writer_init(struct log_writer *log, const char *path, int64_t limit, int32_t attempt)
{
    *log = (struct log_writer){
        .path = xstrdup(path), .fd = -1, .attempt = attempt, .limit = limit < LOG_LIMIT_MIN ? LOG_LIMIT_MIN : limit};
}

void log_writer_release(struct log_writer *log)
{
    if (log->fd >= 0)
        (void)close(log->fd);
    free(log->path);
    *log = (struct log_writer){.fd = -1};
}

/* Walks over the whole frames of an existing log; returns where the first incomplete one begins. */
static int64_t walk_frames(const char *bytes, int64_t size, int64_t offsets[2])
{
    int64_t at = 0;
    struct log_frame_head head;
    while (size - at >= (int64_t)sizeof head) {
        memcpy(&head, bytes + at, sizeof head);
        int64_t end = at + (int64_t)sizeof head + head.length;
        if (!log_frame_head_is_valid(&head) || end > size)
            break;
        offsets[0] = head.offsets[0] + (head.stream == KEEPER_STDOUT ? head.length : 0);
        offsets[1] = head.offsets[1] + (head.stream == KEEPER_STDERR ? head.length : 0);
        at = end;
    }
    return at;
}

/* Length of the whole frames in `fd`, 0 when it is empty or cannot be read. */
static int64_t continue_from(int fd, int64_t offsets[2])
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= 0)
        return 0;
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return 0;
    int64_t whole = walk_frames(bytes, st.st_size, offsets);
    (void)munmap(bytes, (size_t)st.st_size);
    return whole;
}

static void old_path(const struct log_writer *log, char out[LOG_PATH_MAX + 8])
{
    (void)snprintf(out, LOG_PATH_MAX + 8, "%s" LOG_OLD_SUFFIX, log->path);
}

static bool open_file(struct log_writer *log)
{
    log->fd = open(log->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log->fd < 0)
        return false;
    if (log->opened) { /* after a rotation or a failure; what is there is ours and whole */
        struct stat st;
        log->size = fstat(log->fd, &st) == 0 ? st.st_size : 0;
        return true;
    }
    log->opened = true;
    log->size = continue_from(log->fd, log->offsets);
    if (log->size == 0) { /* the former keeper may have ended between the rotation and its next frame */
        char old[LOG_PATH_MAX + 8];
        old_path(log, old);
        int fd = open(old, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0) {
            (void)continue_from(fd, log->offsets);
            (void)close(fd);
        }
    }
    return ftruncate(log->fd, log->size) == 0;
}

static void rotate(struct log_writer *log)
{
    char old[LOG_PATH_MAX + 8];
    old_path(log, old);
    if (rename(log->path, old) != 0)
        return;
    (void)close(log->fd);
    log->fd = -1;
    log->size = 0;
}

static bool write_frame(struct log_writer *log, enum keeper_stream stream, const char *bytes, size_t length, int64_t at_us)
{
    struct log_frame_head head = {.magic = LOG_FRAME_MAGIC,
                                  .length = (uint32_t)length,
                                  .stream = (uint32_t)stream,
                                  .attempt = log->attempt,
                                  .offsets = {log->offsets[0], log->offsets[1]},
                                  .at_us = at_us};
    union { /* writev does not write through it */
        const char *given;
        void *base;
    } payload = {.given = bytes};
    int64_t size = (int64_t)(sizeof head + length);
    log->offsets[stream == KEEPER_STDERR] += (int64_t)length; /* lost bytes leave a visible gap */
    if (log->fd >= 0 && log->size > 0 && log->size + size > log->limit / 2)
        rotate(log);
    if (log->fd < 0 && !open_file(log))
        return false;
    const struct iovec parts[2] = {{&head, sizeof head}, {payload.base, length}};
    ssize_t written = writev(log->fd, parts, 2);
    if (written == size) {
        log->size += size;
        return true;
    }
    if (written > 0) {
        (void)!ftruncate(log->fd, log->size);
        errno = ENOSPC; /* a part fitted, the rest did not */
    }
    return false;
}

bool log_writer_add(struct log_writer *log, enum keeper_stream stream, const char *bytes, size_t length, int64_t at_us)
{
    if (!log->opened && !open_file(log)) /* offsets of earlier attempts come first */
        return false;
    int64_t most = log->limit / 8;
    size_t piece_max = most > LOG_FRAME_MAX ? LOG_FRAME_MAX : (size_t)most;
    bool whole = true;
    while (length) {
        size_t piece = length < piece_max ? length : piece_max;
        whole &= write_frame(log, stream, bytes, piece, at_us);
        bytes += piece;
        length -= piece;
    }
    return whole;
}
