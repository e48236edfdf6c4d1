/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a folder of its own, for tests: opened migrated and empty, removed with all its files. */
#ifndef HORAE_DB_STORE_TEST_KIT_H
#define HORAE_DB_STORE_TEST_KIT_H

#include "base/compiler.h"
#include "db/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct store_kit {
    char folder[32];
    struct store *store;
};

/* Include after cmocka.h: a store that does not open fails the test. */
static inline void store_kit_open(struct store_kit *kit)
{
    char url[64];
    struct err err;
    struct store_options options = {.url = url, .readers = 1};
    (void)snprintf(kit->folder, sizeof kit->folder, "/tmp/horae-store-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    (void)snprintf(url, sizeof url, "sqlite:%s/t.db", kit->folder);
    assert_int_equal(store_open(&options, &kit->store, &err), OK);
}

static inline void store_kit_close(struct store_kit *kit)
{
    static const char *const names[] = {"t.db", "t.db-wal", "t.db-shm", "t.db.lock"};
    char path[64];
    store_close(kit->store);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", kit->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(kit->folder);
}

#endif
