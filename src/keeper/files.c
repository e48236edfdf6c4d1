/* SPDX-License-Identifier: Apache-2.0 */
/* Files under /proc and /sys have no size to ask for: read until the end or until the room is full. */
#include "keeper/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_PATH_MAX = 4096 };

bool file_read_text(const char *path, char *out, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t n = 1;
    while (length + 1 < capacity && n != 0) {
        n = read(fd, out + length, capacity - 1 - length);
        if (n < 0 && errno != EINTR)
            break;
        length += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    out[length] = '\0';
    return n >= 0;
}

bool file_join(char *out, size_t capacity, const char *folder, const char *name)
{
    int n = snprintf(out, capacity, "%s/%s", folder, name);
    return n > 0 && (size_t)n < capacity;
}

bool file_read_in(const char *folder, const char *name, char *out, size_t capacity)
{
    char path[FILE_PATH_MAX];
    return file_join(path, sizeof path, folder, name) && file_read_text(path, out, capacity);
}

bool file_write_in(const char *folder, const char *name, const char *text)
{
    char path[FILE_PATH_MAX];
    int fd = file_join(path, sizeof path, folder, name) ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (fd < 0)
        return false;
    bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return good;
}

uint64_t file_hash(const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}
