/* SPDX-License-Identifier: Apache-2.0 */
/* Segments in files of a folder: names, listing, making and removing. */
#include "base/mem.h"
#include "base/panic.h"
#include "db/db_file.h"
#include "trail/segment_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 2 MiB: the commit that finds the log so long moves it into the file and syncs that, and everybody whose event waits then waits
 * for as long. With the store's 4,000 pages that is 10 to 20 ms, too few and too long to be hidden (p99). */
enum { LOG_PAGES = 500 };
/* A question goes down an index and the table of every segment: the roots and what is below them stay. The system has the rest, and
 * the connections of READERS_IDLE_MAX segments that are kept open hold 80 KiB each, not 1 MiB. */
enum { READER_CACHE_PAGES = 20 };

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

/* ---- making ---- */

/* An empty file beside the place (0600). NULL: it could not be made. */
static char *begin_file(const char *folder, int64_t number, struct err *err)
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

/* What becomes of it: with OK it is put in place, else it goes. */
static enum err_code end_file(const char *folder, int64_t number, const char *fresh, enum err_code code, struct err *err)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(folder, number, path, sizeof path);
    if (code == OK && link(fresh, path) != 0)
        code = err_set(err, errno == EEXIST ? ERR_CONFLICT : ERR_UNAVAILABLE, NULL, "cannot make %s: %s", path, strerror(errno));
    remove_files(fresh);
    sync_folder(folder);
    return code;
}

/* Complete under another name, then put in its place: whatever happens, there is no half segment. */
static enum err_code create(struct segment_place *place, const struct segment_options *o, segment_run_fn run, void *arg,
                            struct err *err)
{
    auto_free char *fresh = begin_file(place->folder, o->number, err);
    struct db *db;
    if (!fresh)
        return ERR_UNAVAILABLE;
    const struct db_file_options file = {.path = fresh, .relaxed = o->relaxed, .fault = o->fault};
    enum err_code code = db_file_open(&file, &db, err);
    if (code == OK) {
        code = db_file_write(db, run, arg, err);
        db_file_close(db);
    }
    return end_file(place->folder, o->number, fresh, code, err);
}

/* ---- writing and reading ---- */

static enum err_code open_file(struct segment_place *place, const struct segment_options *o, struct db **ret, struct err *err)
{
    char path[SEGMENT_PATH_SIZE];
    const struct db_file_options file = {.path = path, .relaxed = o->relaxed, .log_pages = LOG_PAGES, .fault = o->fault};
    segment_path(place->folder, o->number, path, sizeof path);
    return db_file_open(&file, ret, err);
}

static enum err_code write_file(struct segment_place *place, struct db *db, int64_t number, segment_run_fn run, void *arg,
                                struct err *err)
{
    (void)place, (void)number;
    return db_file_write(db, run, arg, err);
}

/* One file that nobody writes to. While readers have it open it cannot become so; it is no less sealed then. */
static void settle(struct segment_place *place, struct db *db, int64_t number)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(place->folder, number, path, sizeof path);
    if (db_file_settle(db, NULL) == OK)
        (void)chmod(path, 0400);
}

static enum err_code open_reader(struct segment_place *place, int64_t number, struct db **ret, struct err *err)
{
    char path[SEGMENT_PATH_SIZE];
    const struct db_file_options file = {.path = path, .readonly = true, .cache_pages = READER_CACHE_PAGES};
    segment_path(place->folder, number, path, sizeof path);
    return db_file_open(&file, ret, err);
}

static void close_reader(struct segment_place *place, struct db *db)
{
    (void)place;
    db_file_close(db);
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

static enum err_code list(struct segment_place *place, int64_t **ret, size_t *ret_count, struct err *err)
{
    const char *folder = place->folder;
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

static bool is_there(struct segment_place *place, int64_t number)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(place->folder, number, path, sizeof path);
    return access(path, F_OK) == 0;
}

static enum err_code remove_segment(struct segment_place *place, int64_t number, struct err *err)
{
    char path[SEGMENT_PATH_SIZE];
    segment_path(place->folder, number, path, sizeof path);
    if (unlink(path) != 0 && errno != ENOENT)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot remove %s: %s", path, strerror(errno));
    remove_files(path);
    return OK;
}

/* ---- the place ---- */

static void free_place(struct segment_place *place)
{
    free(place->folder);
    free(place);
}

static const struct segment_place_kind kind = {
    .free = free_place,
    .list = list,
    .open_reader = open_reader,
    .close_reader = close_reader,
    .is_there = is_there,
    .remove = remove_segment,
    .create = create,
    .open = open_file,
    .close = db_file_close,
    .write = write_file,
    .settle = settle,
};

struct segment_place *segment_place_files(const char *folder)
{
    struct segment_place *place = xcalloc(1, sizeof *place);
    place->kind = &kind;
    place->folder = xstrdup(folder);
    return place;
}
