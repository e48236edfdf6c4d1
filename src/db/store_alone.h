/* SPDX-License-Identifier: Apache-2.0 */
/* A store that a command works on by itself, without a server's writer: none may use it meanwhile. */
#ifndef HORAE_DB_STORE_ALONE_H
#define HORAE_DB_STORE_ALONE_H

#include "db/db_engine.h"
#include "db/store_lock.h"

struct store_alone {
    const struct db_engine *engine;
    char *place, *name; /* owned; `name` has no passwords */
    struct store_lock lock;
    struct db *db;
};

/* `readonly`: nothing is ever written to it, and it must be there. ERR_BUSY names the server that uses it; every message names the
 * store. Not opened on errors. */
enum err_code store_alone_open(const char *url, bool readonly, const struct store_fault *fault, struct store_alone *ret,
                               struct err *err);
void store_alone_close(struct store_alone *store);
/* Puts the store's name before a message. Returns `code`. */
enum err_code store_alone_name(const struct store_alone *store, enum err_code code, struct err *err);

#endif
