/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/copy_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 8, PATH_SIZE = 4800, PIECE = 1 << 16 };

static enum err_code fail(const char *what, const char *path, struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, NULL, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool write_all(int out, const char *bytes, ssize_t count)
{
    while (count > 0) {
        const ssize_t n = write(out, bytes, (size_t)count);
        if (n < 0)
            return false;
        bytes += n;
        count -= n;
    }
    return true;
}

static enum err_code copy_bytes(int in, const char *from, int out, const char *to, struct err *err)
{
    char piece[PIECE];
    for (;;) {
        const ssize_t n = read(in, piece, sizeof piece);
        if (n < 0)
            return fail("read", from, err);
        if (!n)
            return OK;
        if (!write_all(out, piece, n))
            return fail("write", to, err);
    }
}

/* The time last: a file with it is whole. */
static enum err_code write_copy(int in, const struct stat *info, const char *from, const char *to, struct err *err)
{
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        return fail("write", to, err);
    enum err_code code = copy_bytes(in, from, out, to, err);
    const struct timespec times[2] = {info->st_atim, info->st_mtim};
    if (code == OK && futimens(out, times) != 0)
        code = fail("write", to, err);
    if (close(out) != 0 && code == OK)
        code = fail("write", to, err);
    return code;
}

enum err_code copy_one_file(const char *from, const char *to, struct err *err)
{
    struct stat info, there;
    const int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return errno == ENOENT ? OK : fail("read", from, err);
    enum err_code code = OK;
    if (fstat(in, &info) != 0)
        code = fail("read", from, err);
    else if (lstat(to, &there) != 0 || !is_same(&info, &there))
        code = write_copy(in, &info, from, to, err);
    (void)close(in);
    return code;
}

static enum err_code copy_below(const char *from, const char *to, int depth, struct err *err);

static enum err_code copy_entry(const char *from, const char *to, const char *name, int depth, struct err *err)
{
    char source[PATH_SIZE], target[PATH_SIZE];
    struct stat info;
    const int n = snprintf(source, sizeof source, "%s/%s", from, name), m = snprintf(target, sizeof target, "%s/%s", to, name);
    if (n >= PATH_SIZE || m >= PATH_SIZE)
        return err_set(err, ERR_LIMIT, NULL, "the path %.300s… is too long", source);
    if (lstat(source, &info) != 0)
        return errno == ENOENT ? OK : fail("read", source, err);
    if (S_ISDIR(info.st_mode))
        return copy_below(source, target, depth + 1, err);
    return S_ISREG(info.st_mode) ? copy_one_file(source, target, err) : OK;
}

static enum err_code copy_below(const char *from, const char *to, int depth, struct err *err)
{
    enum err_code code = OK;
    if (depth > DEPTH_MAX)
        return err_set(err, ERR_LIMIT, NULL, "%s is deeper than %d folders", from, DEPTH_MAX);
    DIR *dir = opendir(from);
    if (!dir)
        return errno == ENOENT ? OK : fail("read", from, err);
    if (mkdir(to, 0700) != 0 && errno != EEXIST)
        code = fail("make", to, err);
    for (const struct dirent *entry; code == OK && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            code = copy_entry(from, to, entry->d_name, depth, err);
    (void)closedir(dir);
    return code;
}

enum err_code copy_folder(const char *from, const char *to, struct err *err)
{
    return copy_below(from, to, 1, err);
}

enum err_code copy_folder_sync(const char *folder, struct err *err)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const enum err_code code = fd < 0 || syncfs(fd) != 0 ? fail("write", folder, err) : OK;
    if (fd >= 0)
        (void)close(fd);
    return code;
}
