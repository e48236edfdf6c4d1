/* SPDX-License-Identifier: Apache-2.0 */
/* A store for tests, of each engine in turn: opened migrated and empty, removed with all that it wrote. SQLite in a folder of its own;
 * PostgreSQL in a schema of its own of the server that HORAE_TEST_POSTGRES names (tests/postgres_kit.py starts one). Where there is
 * none the tests fail: what was not run has not passed. */
#ifndef HORAE_DB_STORE_TEST_KIT_H
#define HORAE_DB_STORE_TEST_KIT_H

#include "base/compiler.h"
#include "db/db_engine.h"
#include "db/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum store_kit_engine { KIT_SQLITE, KIT_POSTGRES, KIT_ENGINES };

struct store_kit {
    char folder[32], path[48], url[512], schema[48];
    struct store *store;
};

/* The engine of the stores that are opened next. */
static enum store_kit_engine store_kit_engine = KIT_SQLITE;

static inline void store_kit_admin(const char *sql)
{
    const char *url = getenv("HORAE_TEST_POSTGRES");
    struct db *db;
    struct err err = {.message =
                          "HORAE_TEST_POSTGRES is not set: tests/postgres_kit.py needs the package postgresql (make deps)"};
    if (!url)
        fail_msg("%s", err.message);
    const struct db_open_options options = {.place = url};
    if (db_open(&db_postgres_engine, &options, &db, &err) != OK || db_exec(db, sql, &err) != OK)
        fail_msg("%s: %s", sql, err.message);
    db_close(db);
}

/* A place for a store: folder and url. */
static inline void store_kit_place(struct store_kit *kit)
{
    static int count;
    char sql[80];
    *kit = (struct store_kit){.folder = "/tmp/horae-store-XXXXXX"};
    assert_non_null(mkdtemp(kit->folder));
    (void)snprintf(kit->path, sizeof kit->path, "%s/t.db", kit->folder);
    (void)snprintf(kit->url, sizeof kit->url, "sqlite:%s", kit->path);
    if (store_kit_engine == KIT_SQLITE)
        return;
    (void)snprintf(kit->schema, sizeof kit->schema, "t%d_%d", (int)getpid(), ++count);
    (void)snprintf(sql, sizeof sql, "CREATE SCHEMA %s", kit->schema);
    store_kit_admin(sql);
    (void)snprintf(kit->url, sizeof kit->url, "%.400s&options=-csearch_path%%3D%s", getenv("HORAE_TEST_POSTGRES"), kit->schema);
}

/* Include after cmocka.h: a store that does not open fails the test. */
static inline void store_kit_open(struct store_kit *kit)
{
    struct err err;
    struct store_options options = {.url = kit->url, .readers = 1};
    store_kit_place(kit);
    if (store_open(&options, &kit->store, &err) != OK)
        fail_msg("%s", err.message);
}

static inline void store_kit_close(struct store_kit *kit)
{
    static const char *const names[] = {"t.db", "t.db-wal", "t.db-shm", "t.db.lock", "copy.db"};
    char text[80];
    store_close(kit->store);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(text, sizeof text, "%s/%s", kit->folder, names[i]);
        (void)unlink(text);
    }
    (void)rmdir(kit->folder);
    (void)snprintf(text, sizeof text, "DROP SCHEMA %s CASCADE", kit->schema);
    if (kit->schema[0])
        store_kit_admin(text);
}

/* The same tests on every engine; how many failed. */
static inline int store_kit_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    for (int engine = 0; engine < KIT_ENGINES; engine++) {
        store_kit_engine = (enum store_kit_engine)engine;
        failed += _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    }
    return failed;
}

#define STORE_KIT_RUN(tests) store_kit_run(#tests, tests, ARRAY_LEN(tests))

#endif
