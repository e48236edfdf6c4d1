/* SPDX-License-Identifier: Apache-2.0 */
/* The files of segments: names, listing, making and removing. */
#include "base/mem.h"
#include "base/panic.h"
#include "trail/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const suffixes[] = {"", "-wal", "-shm"}; /* the file, and what SQLite keeps beside it */

void segment_path(const char *folder, int64_t number, char *out, size_t capacity)
{
    const int n = snprintf(out, capacity, "%s/%06lld.db", folder, (long long)number);
    must(n > 0 && (size_t)n < capacity);
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

static void remove_files(const char *path)
{
    char name[SEGMENT_PATH_SIZE + 8];
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

char *segment_file_begin(const char *folder, int64_t number, struct err *err)
{
    char path[SEGMENT_PATH_SIZE], *fresh = xmalloc(SEGMENT_PATH_SIZE);
    segment_path(folder, number, path, sizeof path);
    (void)snprintf(fresh, SEGMENT_PATH_SIZE, "%.*s.new", SEGMENT_PATH_SIZE - 8, path);
    if (mkdir(folder, 0700) == 0 || errno == EEXIST) {
        remove_files(fresh); /* of a server that ended just then */
        int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0) {
            (void)close(fd);
            return fresh;
        }
    }
    (void)err_set(err, ERR_UNAVAILABLE, NULL, "cannot make %s: %s", path, strerror(errno));
    free(fresh);
    return NULL;
}

enum err_code segment_file_end(const char *folder, int64_t number, const char *fresh, enum err_code code, struct err *err)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(folder, number, path, sizeof path);
    if (code == OK && link(fresh, path) != 0)
        code = err_set(err, errno == EEXIST ? ERR_CONFLICT : ERR_UNAVAILABLE, NULL, "cannot make %s: %s", path, strerror(errno));
    remove_files(fresh);
    sync_folder(folder);
    return code;
}

void segment_file_protect(const char *path)
{
    (void)chmod(path, 0400);
}

/* ---- listing and removing ---- */

/* "000001.db"; 0 = another name. */
static int64_t number_of(const char *name)
{
    const size_t n = strlen(name);
    int64_t number = 0;
    char again[32];
    if (n < 9 || n > 22 || strcmp(name + n - 3, ".db") != 0 || !str_to_int((struct str){name, n - 3}, 1, INT64_MAX, &number))
        return 0;
    (void)snprintf(again, sizeof again, "%06lld.db", (long long)number);
    return strcmp(again, name) == 0 ? number : 0;
}

static int by_number(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

enum err_code segment_list(const char *folder, int64_t **ret, size_t *ret_count, struct err *err)
{
    size_t capacity = 64;
    DIR *dir = opendir(folder);
    *ret_count = 0;
    *ret = NULL;
    if (!dir && errno != ENOENT)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot read %s: %s", folder, strerror(errno));
    int64_t *numbers = xmalloc(capacity * sizeof numbers[0]);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        const int64_t number = number_of(entry->d_name);
        if (!number)
            continue;
        if (*ret_count == capacity)
            numbers = xrealloc(numbers, (capacity *= 2) * sizeof numbers[0]);
        numbers[(*ret_count)++] = number;
    }
    if (dir)
        (void)closedir(dir);
    qsort(numbers, *ret_count, sizeof numbers[0], by_number);
    *ret = numbers;
    return OK;
}

enum err_code segment_remove(const char *folder, int64_t number, struct err *err)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(folder, number, path, sizeof path);
    if (unlink(path) != 0 && errno != ENOENT)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot remove %s: %s", path, strerror(errno));
    remove_files(path);
    return OK;
}
