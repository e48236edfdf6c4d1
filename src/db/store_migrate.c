/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing a store up to date without a server, or saying what that would do (`horae store migrate`). */
#include "db/migrate.h"
#include "db/store.h"
#include "db/store_alone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell_from(const struct db_engine *engine, size_t first, const struct store_migrate_options *options)
{
    for (size_t i = first; i < *engine->migration_count; i++)
        options->tell(options->arg, engine->migrations[i].number, engine->migrations[i].name);
}

static enum err_code look(struct db *db, void *arg, struct err *err)
{
    const struct store_migrate_options *options = arg;
    size_t applied = 0;
    const enum err_code code = migrate_count(db, &applied, err);
    if (code == OK)
        tell_from(db->engine, applied, options);
    return code;
}

static enum err_code apply(const struct store_alone *store, const struct store_migrate_options *options, struct err *err)
{
    size_t applied = 0;
    enum err_code code = migrate_count(store->db, &applied, err);
    if (code == OK)
        code = migrate_apply(store->db, err);
    if (code == OK)
        tell_from(store->engine, applied, options);
    return store_alone_name(store, code, err);
}

/* A file that is not there is a path that was mistyped: a server makes its own. */
static enum err_code check_there(const char *url, struct err *err)
{
    const struct db_engine *engine;
    char *place, *name;
    enum err_code code = db_engine_of(url, &engine, err);
    if (code == OK)
        code = engine->place(url, &place, &name, err);
    if (code != OK)
        return code;
    if (engine->is_file && access(place, R_OK | W_OK) != 0)
        code = err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_UNAVAILABLE, NULL, "%s cannot be opened: %s", name,
                       strerror(errno));
    free(place);
    free(name);
    return code;
}

enum err_code store_migrate(const char *url, const struct store_migrate_options *options, struct err *err)
{
    struct store_alone store;
    struct store_migrate_options telling = *options;
    if (options->dry_run)
        return store_look(url, look, &telling, err);
    enum err_code code = check_there(url, err);
    if (code == OK)
        code = store_alone_open(url, false, NULL, &store, err);
    if (code != OK)
        return code;
    code = apply(&store, options, err);
    store_alone_close(&store);
    return code;
}
