/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's executable is part of the server's (keeper_image.S, made by embed-executable.sh). It is written out
 * under a name that holds its hash, so that a newer server never writes over the program of a living keeper. */
#include "keeper/keeper.h"

#include "base/mem.h"
#include "keeper/cgroup.h"
#include "keeper/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HASH_DIGITS = 16 };

extern const char keeper_image_begin[];
extern const char keeper_image_end[];

static size_t image_length(void)
{
    return (size_t)((uintptr_t)keeper_image_end - (uintptr_t)keeper_image_begin);
}

/* Ours, executable by us alone, and byte for byte what we carry. */
static bool is_there(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    bool same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700 &&
                (size_t)st.st_size == image_length();
    void *bytes = same ? mmap(NULL, image_length(), PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    same = bytes != MAP_FAILED && memcmp(bytes, keeper_image_begin, image_length()) == 0;
    if (bytes != MAP_FAILED)
        (void)munmap(bytes, image_length());
    (void)close(fd);
    return same;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* Closed before the rename: a file that is open for writing cannot be executed. */
static bool write_image(const char *data_dir, const char *path)
{
    size_t size = strlen(data_dir) + 32;
    char *fresh = xmalloc(size);
    (void)snprintf(fresh, size, "%s/keeper-new-XXXXXX", data_dir);
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0) {
        free(fresh);
        return false;
    }
    bool good = write_all(fd, keeper_image_begin, image_length()) && fchmod(fd, 0700) == 0 && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    good = good && rename(fresh, path) == 0;
    int saved = errno;
    if (!good)
        (void)unlink(fresh);
    free(fresh);
    errno = saved;
    return good;
}

static bool is_program_name(const char *name)
{
    static const char prefix[] = "keeper-";
    size_t digits = sizeof prefix - 1;
    return strncmp(name, prefix, digits) == 0 && strspn(name + digits, "0123456789abcdef") == HASH_DIGITS &&
           name[digits + HASH_DIGITS] == '\0';
}

/* Of former versions; a keeper that still runs one of them keeps it until it ends. */
static void remove_others(const char *data_dir, const char *own)
{
    DIR *folder = opendir(data_dir);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char path[4096];
        if (is_program_name(entry->d_name) && file_join(path, sizeof path, data_dir, entry->d_name) && strcmp(path, own) != 0)
            (void)unlink(path);
    }
    if (folder)
        (void)closedir(folder);
}

enum err_code keeper_install(const char *data_dir, char *path, size_t capacity, struct err *err)
{
    uint64_t hash = file_hash(keeper_image_begin, image_length());
    int n = snprintf(path, capacity, "%s/keeper-%016llx", data_dir, (unsigned long long)hash);
    if (n < 0 || (size_t)n >= capacity)
        return err_set(err, ERR_INVALID, NULL, "the path of the data directory is too long");
    if (is_there(path) || write_image(data_dir, path)) {
        remove_others(data_dir, path);
        return OK;
    }
    return err_set(err, ERR_UNAVAILABLE, NULL, "cannot write the keeper to %s: %s", path, strerror(errno));
}

void keeper_look_around(struct keeper_abilities *ret)
{
    struct cgroup_tree tree;
    cgroup_tree_find(&tree);
    *ret = (struct keeper_abilities){.limits = tree.limits, .trees = tree.trees};
    (void)snprintf(ret->no_limits, sizeof ret->no_limits, "%s", tree.no_limits);
    (void)snprintf(ret->no_trees, sizeof ret->no_trees, "%s", tree.no_trees);
}
