/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with a store that no server of this process has opened: copies and checks. */
#include "db/store.h"

#include "base/mem.h"
#include "db/db_engine.h"
#include "db/migrate.h"

#include <errno.h>
#include <fcntl.h>
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
    struct db_open_options options = {.place = ret->place, .readonly = true};
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
    if (!store->engine->backup)
        return err_set(err, ERR_INVALID, NULL, "%s: %s", store->name, store->engine->backup_hint);
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

enum err_code store_backup(const char *url, const char *to_path, db_progress_fn progress, void *arg, struct err *err)
{
    struct existing store;
    enum err_code code = open_existing(url, &store, err);
    if (code != OK)
        return code;
    code = copy(&store, to_path, progress, arg, err);
    close_existing(&store);
    return code;
}

enum err_code store_check(const char *url, struct err *err)
{
    struct existing store;
    struct err inner;
    enum err_code code = open_existing(url, &store, err);
    if (code != OK)
        return code;
    code = db_check_integrity(store.db, &inner);
    if (code == OK)
        code = migrate_check(store.db, &inner);
    if (code != OK)
        (void)err_set(err, code, NULL, "%s: %s", store.name, inner.message);
    close_existing(&store);
    return code;
}
