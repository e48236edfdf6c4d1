/* SPDX-License-Identifier: Apache-2.0 */
#include "db/store_alone.h"

#include "db/leader_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum err_code store_alone_name(const struct store_alone *store, enum err_code code, struct err *err)
{
    if (code == OK || !err)
        return code;
    const struct err inner = *err;
    return err_set(err, code, NULL, "%s: %s", store->name, inner.message);
}

static enum err_code fail(struct store_alone *store, enum err_code code, struct err *err)
{
    const struct err inner = *err;
    (void)err_set(err, code, NULL, "%s: %s%s", store->name, inner.message, code == ERR_BUSY ? ": stop it first" : "");
    store_alone_close(store);
    return code;
}

/* It will hold secrets. What keeps it from being made, opening it says. */
static void make_file(const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        (void)close(fd);
}

enum err_code store_alone_open(const char *url, bool readonly, const struct store_fault *fault, struct store_alone *ret,
                               struct err *err)
{
    *ret = (struct store_alone){.lock.fd = -1};
    enum err_code code = db_engine_of(url, &ret->engine, err);
    if (code == OK)
        code = ret->engine->place(url, &ret->place, &ret->name, err);
    if (code != OK)
        return code;
    const struct db_open_options options = {.place = ret->place, .readonly = readonly, .existing = readonly, .fault = fault};
    if (readonly && ret->engine->is_file && access(ret->place, R_OK) != 0)
        code = err_set(err, ERR_NOT_FOUND, NULL, "it cannot be read: %s", strerror(errno));
    else
        code = ret->engine->exclusion ? ret->engine->exclusion->take(&ret->lock, ret->place, err) : OK;
    if (code == OK && !readonly && ret->engine->is_file)
        make_file(ret->place);
    if (code == OK)
        code = db_open(ret->engine, &options, &ret->db, err);
    if (code == OK && !ret->engine->exclusion)
        code = leader_store_refuse_used(ret->db, err);
    return code == OK ? OK : fail(ret, code, err);
}

void store_alone_close(struct store_alone *store)
{
    db_close(store->db);
    if (store->engine && store->engine->exclusion)
        store->engine->exclusion->release(&store->lock);
    free(store->place);
    free(store->name);
    *store = (struct store_alone){.lock.fd = -1};
}
