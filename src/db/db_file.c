/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_file.h"

#include "db/db_engine.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 8192, URI_MAX = 4 * PATH_SIZE };

static bool has_beside(const char *path, const char *ending, bool or_empty)
{
    char name[PATH_SIZE];
    struct stat info;
    const int n = snprintf(name, sizeof name, "%s%s", path, ending);
    return n < 0 || (size_t)n >= sizeof name || (stat(name, &info) == 0 && (or_empty || info.st_size > 0));
}

/* A copy on read-only ground: SQLite would make a file beside it in order to read it, unless it is told that nobody writes to it. With
 * a log beside it that would not be the whole of it; with an index of the log a server may be at work. */
static bool is_out_of_reach(const char *path)
{
    char folder[PATH_SIZE] = ".";
    const char *slash = strrchr(path, '/');
    if (slash && (size_t)(slash - path) < sizeof folder - 1)
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path) + 1, path);
    return access(folder, W_OK) != 0 && !has_beside(path, "-wal", false) && !has_beside(path, "-shm", true);
}

static void write_uri(struct buf *out, const char *path)
{
    buf_add_text(out, "file:");
    for (const char *at = path; *at; at++)
        if (*at == '%' || *at == '?' || *at == '#')
            buf_printf(out, "%%%02x", (unsigned char)*at);
        else
            buf_add_char(out, *at);
    buf_add_text(out, "?immutable=1");
}

static enum err_code open_out_of_reach(const struct db_file_options *options, struct db **ret, struct err *err)
{
    struct buf uri;
    buf_init(&uri, URI_MAX);
    write_uri(&uri, options->path);
    const struct db_open_options open = {.place = uri.data,
                                         .readonly = true,
                                         .foreign = options->foreign,
                                         .existing = true,
                                         .is_uri = true,
                                         .fault = options->fault};
    const enum err_code code = uri.failed ? err_set(err, ERR_INVALID, NULL, "the path %.200s… is too long", options->path)
                                          : db_open(&db_sqlite_engine, &open, ret, err);
    buf_release(&uri);
    return code;
}

enum err_code db_file_open(const struct db_file_options *options, struct db **ret, struct err *err)
{
    const struct db_open_options open = {.place = options->path,
                                         .relaxed = options->relaxed,
                                         .readonly = options->readonly,
                                         .foreign = options->foreign,
                                         .existing = true,
                                         .cache_pages = options->cache_pages,
                                         .log_pages = options->log_pages,
                                         .fault = options->fault};
    if (access(options->path, F_OK) != 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, NULL, "cannot open %s: %s", options->path,
                       strerror(errno));
    if (options->readonly && is_out_of_reach(options->path))
        return open_out_of_reach(options, ret, err);
    return db_open(&db_sqlite_engine, &open, ret, err);
}

void db_file_close(struct db *db)
{
    db_close(db);
}

enum err_code db_file_settle(struct db *db, struct err *err)
{
    enum err_code code = db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    return code == OK ? db_exec(db, "PRAGMA journal_mode=DELETE", err) : code;
}

enum err_code db_file_write(struct db *db, enum err_code (*run)(struct db *tx, void *arg, struct err *err), void *arg,
                            struct err *err)
{
    return db_write(db, run, arg, err);
}

enum err_code db_file_check(const char *path, struct err *err)
{
    struct db *db;
    struct err inner;
    enum err_code code = db_file_open(&(struct db_file_options){.path = path, .readonly = true}, &db, &inner);
    if (code == OK) {
        code = db_check_integrity(db, &inner);
        db_file_close(db);
    }
    return code == OK ? OK : err_set(err, code, NULL, "%s: %s", path, inner.message);
}
