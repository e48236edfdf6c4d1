/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_file.h"

#include "db/db_priv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum err_code db_file_open(const struct db_file_options *options, struct db **ret, struct err *err)
{
    const struct db_open_options open = {.path = options->path,
                                         .relaxed = options->relaxed,
                                         .readonly = options->readonly,
                                         .existing = true,
                                         .log_pages = options->log_pages,
                                         .fault = options->fault};
    if (access(options->path, F_OK) != 0)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, NULL, "cannot open %s: %s", options->path,
                       strerror(errno));
    return db_sqlite_open(&open, ret, err);
}

void db_file_close(struct db *db)
{
    db_close(db);
}

void db_file_rest(struct db *db)
{
    (void)db_exec(db, "PRAGMA shrink_memory", NULL);
}

enum err_code db_file_settle(struct db *db, struct err *err)
{
    enum err_code code = db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    return code == OK ? db_exec(db, "PRAGMA journal_mode=DELETE", err) : code;
}

enum err_code db_file_write(struct db *db, enum err_code (*run)(struct db *tx, void *arg, struct err *err), void *arg,
                            struct err *err)
{
    enum err_code code = db_exec(db, "BEGIN IMMEDIATE", err);
    if (code != OK)
        return code;
    code = run(db, arg, err);
    if (code == OK)
        code = db_exec(db, "COMMIT", err);
    if (code != OK)
        db_roll_back(db);
    return code;
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
