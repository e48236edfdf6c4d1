/* SPDX-License-Identifier: Apache-2.0 */
/* The reader follows the file it has open until that is at its end *and* no longer the one at PATH. Frames carry
 * their position in the whole log, so nothing is returned twice whatever was rotated meanwhile. */
#include "keeper/keeper_log.h"

#include "base/mem.h"
#include "keeper/keeper_log_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct keeper_log {
    char *path, *old; /* owned */
    int fd;
    off_t at;
    int64_t next; /* position in the log (log_frame_position) from which frames are new */
    bool rotated; /* the open file is not at PATH any more: read it out, then move on */
    char bytes[LOG_FRAME_MAX];
};

static bool is_same_file(int fd, const char *path)
{
    struct stat here, there;
    return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

static int open_read(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

enum err_code keeper_log_open(const char *path, struct keeper_log **ret, struct err *err)
{
    if (strlen(path) >= LOG_PATH_MAX)
        return err_set(err, ERR_INVALID, NULL, "the path of the log is longer than %d bytes", LOG_PATH_MAX - 1);
    char old[LOG_PATH_MAX + 8];
    (void)snprintf(old, sizeof old, "%s" LOG_OLD_SUFFIX, path);
    int fd = open_read(old);
    if (fd < 0 && errno == ENOENT)
        fd = open_read(path);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, NULL, "there is no log");
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot open the log %s: %s", path, strerror(errno));
    struct keeper_log *log = xcalloc(1, sizeof *log);
    log->path = xstrdup(path);
    log->old = xstrdup(old);
    log->fd = fd;
    *ret = log;
    return OK;
}

void keeper_log_close(struct keeper_log *log)
{
    if (!log)
        return;
    (void)close(log->fd);
    free(log->path);
    free(log->old);
    free(log);
}

/* `*ret_whole` false: the file ends here for now. */
static enum err_code read_frame(struct keeper_log *log, struct log_frame_head *ret, bool *ret_whole, struct err *err)
{
    *ret_whole = false;
    ssize_t n = pread(log->fd, ret, sizeof *ret, log->at);
    if (n < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot read the log %s: %s", log->path, strerror(errno));
    if ((size_t)n < sizeof *ret)
        return OK;
    if (!log_frame_head_is_valid(ret))
        return err_set(err, ERR_CORRUPT, NULL, "the log %s has no frame at byte %lld", log->path, (long long)log->at);
    n = pread(log->fd, log->bytes, ret->length, log->at + (off_t)sizeof *ret);
    if (n < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot read the log %s: %s", log->path, strerror(errno));
    if ((size_t)n < ret->length)
        return OK;
    log->at += (off_t)(sizeof *ret + ret->length);
    *ret_whole = true;
    return OK;
}

/* At the end of the open file. True when there may be more: in this file once again (a frame may have been added just
 * before the rotation) or in the next one. */
static bool move_on(struct keeper_log *log)
{
    if (!log->rotated) {
        log->rotated = !is_same_file(log->fd, log->path);
        return log->rotated;
    }
    const char *next = log->path;
    if (!is_same_file(log->fd, log->old) && access(log->old, F_OK) == 0)
        next = log->old; /* rotated twice meanwhile */
    int fd = open_read(next);
    if (fd < 0)
        return false; /* the next file is not made yet, or the log was removed */
    (void)close(log->fd);
    log->fd = fd;
    log->at = 0;
    log->rotated = false;
    return true;
}

enum err_code keeper_log_next(struct keeper_log *log, struct keeper_log_frame *ret, bool *ret_more, struct err *err)
{
    for (;;) {
        struct log_frame_head head;
        bool whole;
        enum err_code code = read_frame(log, &head, &whole, err);
        if (code != OK)
            return code;
        if (!whole) {
            if (move_on(log))
                continue;
            *ret_more = false;
            return OK;
        }
        int64_t position = log_frame_position(&head);
        if (position < log->next)
            continue;
        log->next = position + head.length;
        *ret = (struct keeper_log_frame){.stream = (enum keeper_stream)head.stream,
                                         .attempt = head.attempt,
                                         .offset = head.offsets[head.stream == KEEPER_STDERR],
                                         .position = position,
                                         .at_us = head.at_us,
                                         .bytes = log->bytes,
                                         .length = head.length};
        *ret_more = true;
        return OK;
    }
}

void keeper_log_remove(const char *path)
{
    char old[LOG_PATH_MAX + 8];
    int n = snprintf(old, sizeof old, "%s" LOG_OLD_SUFFIX, path);
    if (n > 0 && (size_t)n < sizeof old)
        (void)unlink(old);
    (void)unlink(path);
}
