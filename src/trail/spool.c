/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void spool_init(struct spool *spool, const char *folder, size_t memory_max)
{
    *spool = (struct spool){.folder = folder};
    buf_init(&spool->memory, memory_max);
}

void spool_release(struct spool *spool)
{
    buf_release(&spool->memory);
    if (spool->file)
        (void)fclose(spool->file);
    spool->file = NULL;
}

static enum err_code no_room(const struct spool *spool, struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, NULL, "no room in %s for what is being received: %s", spool->folder, strerror(errno));
}

/* O_TMPFILE where the file system has it. */
static int open_file(const char *folder)
{
    char path[4200];
    int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    (void)snprintf(path, sizeof path, "%s/spool-XXXXXX", folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

enum err_code spool_add(struct spool *spool, const void *bytes, size_t count, struct err *err)
{
    if (!spool->file && spool->memory.len + count <= spool->memory.max) {
        buf_add(&spool->memory, bytes, count);
        return OK;
    }
    if (!spool->file) {
        int fd = open_file(spool->folder);
        spool->file = fd >= 0 ? fdopen(fd, "w+") : NULL;
        if (!spool->file) {
            if (fd >= 0)
                (void)close(fd);
            return no_room(spool, err);
        }
    }
    return fwrite(bytes, 1, count, spool->file) == count ? OK : no_room(spool, err);
}

enum err_code spool_rewind(struct spool *spool, struct err *err)
{
    spool->at = 0;
    if (!spool->file)
        return OK;
    return fflush(spool->file) == 0 && fseek(spool->file, 0, SEEK_SET) == 0 ? OK : no_room(spool, err);
}

enum err_code spool_read(struct spool *spool, void *out, size_t count, size_t *ret_count, struct err *err)
{
    size_t left = spool->memory.len - spool->at, n = left < count ? left : count;
    if (n)
        memcpy(out, spool->memory.data + spool->at, n);
    spool->at += n;
    if (n < count && spool->file) {
        n += fread((char *)out + n, 1, count - n, spool->file);
        if (n < count && ferror(spool->file))
            return err_set(err, ERR_UNAVAILABLE, NULL, "what was received cannot be read again: %s", strerror(errno));
    }
    *ret_count = n;
    return OK;
}
