/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with a store that no server of this process has opened: copies, checks, a look. And what belongs to it. */
#include "db/store.h"

#include "base/mem.h"
#include "db/copy_store.h"
#include "db/db_engine.h"
#include "db/db_file.h"
#include "db/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct existing {
    const struct db_engine *engine;
    char *place, *name;
    struct db *db;
};

static void close_existing(struct existing *store)
{
    db_close(store->db);
    free(store->place);
    free(store->name);
}

static enum err_code open_existing(const char *url, struct existing *ret, struct err *err)
{
    struct err inner;
    *ret = (struct existing){0};
    enum err_code code = db_engine_of(url, &ret->engine, err);
    if (code == OK)
        code = ret->engine->place(url, &ret->place, &ret->name, err);
    if (code != OK)
        return code;
    struct db_open_options options = {.place = ret->place, .readonly = true, .existing = !ret->engine->is_file};
    if (ret->engine->is_file && access(ret->place, R_OK) != 0)
        code = err_set(err, ERR_NOT_FOUND, NULL, "cannot read %s: %s", ret->name, strerror(errno));
    else if ((code = db_open(ret->engine, &options, &ret->db, &inner)) != OK)
        (void)err_set(err, code, NULL, "%s: %s", ret->name, inner.message);
    if (code != OK)
        close_existing(ret);
    return code;
}

/* It holds what the database holds: secrets. */
static enum err_code make_empty(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? err_set(err, ERR_CONFLICT, NULL, "%s exists already", path)
                               : err_set(err, ERR_UNAVAILABLE, NULL, "cannot write %s: %s", path, strerror(errno));
    (void)close(fd);
    return OK;
}

static enum err_code copy(const struct existing *store, const char *to_path, db_progress_fn progress, void *arg, struct err *err)
{
    struct err inner;
    enum err_code code = make_empty(to_path, err);
    if (code != OK)
        return code;
    code = store->engine->backup(store->db, to_path, progress, arg, &inner);
    if (code != OK) {
        (void)unlink(to_path);
        (void)err_set(err, code, NULL, "%s: %s", to_path, inner.message);
    }
    return code;
}

enum err_code store_can_copy(const char *url, struct err *err)
{
    const struct db_engine *engine;
    enum err_code code = db_engine_of(url, &engine, err);
    if (code != OK || engine->backup)
        return code;
    char *name = store_name(url);
    (void)err_set(err, ERR_INVALID, NULL, "%s: %s", name, engine->backup_hint);
    free(name);
    return ERR_INVALID;
}

enum err_code store_backup(const char *url, const char *to_path, db_progress_fn progress, void *arg, struct err *err)
{
    struct existing store;
    enum err_code code = store_can_copy(url, err);
    if (code == OK)
        code = open_existing(url, &store, err);
    if (code != OK)
        return code;
    code = copy(&store, to_path, progress, arg, err);
    close_existing(&store);
    return code;
}

/* Its tables have their columns, and this user may read them. */
static enum err_code check_tables(struct db *db, const struct copy_table *tables, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; i < copy_table_count && code == OK; i++) {
        struct db_stmt *st;
        struct err inner;
        bool row = false;
        code = db_prepare(db, &tables[i].first, &st, &inner);
        if (code == OK && (code = db_step(st, &row, &inner)) == OK)
            db_reset(st);
        if (code != OK)
            (void)err_set(err, code, NULL, "table %s is not as it is to be: %s", tables[i].name, inner.message);
    }
    return code;
}

static enum err_code check_copy(struct db *db, struct err *err)
{
    struct copy_mark mark;
    const enum err_code code = copy_mark_read(db, &mark, err);
    return code == OK && mark.exists && !mark.finished
               ? err_set(err, ERR_CONFLICT, NULL, "it is a copy of %s that was not finished: repeat `horae store copy`",
                         mark.source)
               : code;
}

static enum err_code check(struct db *db, const struct copy_table *tables, size_t *ret_missing, struct err *err)
{
    size_t applied = 0;
    enum err_code code = db_check_integrity(db, err);
    if (code == OK)
        code = migrate_check(db, err);
    if (code == OK)
        code = check_copy(db, err);
    if (code == OK)
        code = migrate_count(db, &applied, err);
    *ret_missing = *db->engine->migration_count - applied;
    return code == OK && !*ret_missing ? check_tables(db, tables, err) : code;
}

enum err_code store_check(const char *url, size_t *ret_missing, struct err *err)
{
    struct existing store;
    struct err inner;
    size_t missing;
    enum err_code code = open_existing(url, &store, err);
    if (code != OK)
        return code;
    struct copy_table *tables = copy_tables_new();
    code = check(store.db, tables, ret_missing ? ret_missing : &missing, &inner);
    if (code != OK)
        (void)err_set(err, code, NULL, "%s: %s", store.name, inner.message);
    close_existing(&store);
    copy_tables_free(tables);
    return code;
}

/* ---- a look ---- */

static enum err_code run_snapshot(struct db *db, store_run_fn run, void *arg, struct err *err)
{
    enum err_code code = db_exec(db, db->engine->begin_read->text, err);
    if (code == OK)
        code = run(db, arg, err);
    db_roll_back(db);
    return code;
}

/* A file is opened as one that may lie where nothing can be written. */
static enum err_code open_for_look(const struct existing *store, struct db **ret, struct err *err)
{
    struct err inner;
    const struct db_file_options file = {.path = store->place, .readonly = true};
    const struct db_open_options options = {.place = store->place, .readonly = true, .existing = true};
    if (store->engine->is_file)
        return db_file_open(&file, ret, err);
    const enum err_code code = db_open(store->engine, &options, ret, &inner);
    return code == OK ? OK : err_set(err, code, NULL, "%s: %s", store->name, inner.message);
}

enum err_code store_look(const char *url, store_run_fn run, void *arg, struct err *err)
{
    struct existing store = {0};
    struct err inner;
    enum err_code code = db_engine_of(url, &store.engine, err);
    if (code == OK)
        code = store.engine->place(url, &store.place, &store.name, err);
    if (code != OK)
        return code;
    code = open_for_look(&store, &store.db, err);
    if (code == OK && (code = run_snapshot(store.db, run, arg, &inner)) != OK)
        (void)err_set(err, code, NULL, "%s: %s", store.name, inner.message);
    close_existing(&store);
    return code;
}

/* ---- what belongs to it ---- */

void store_files(const char *url, const char *data, char *path, size_t size)
{
    const struct db_engine *engine;
    if (db_engine_of(url, &engine, NULL) == OK && !engine->is_file)
        (void)snprintf(path, size, "%s/%s", data, engine->name);
    else
        (void)snprintf(path, size, "%s", strchr(url, ':') ? strchr(url, ':') + 1 : url);
}

char *store_name(const char *url)
{
    const struct db_engine *engine;
    char *place, *name;
    if (db_engine_of(url, &engine, NULL) != OK || engine->place(url, &place, &name, NULL) != OK)
        return xstrdup("the store");
    free(place);
    return name;
}
