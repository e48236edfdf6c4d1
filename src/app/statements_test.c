/* SPDX-License-Identifier: Apache-2.0 */
/* Every SQL statement of every store prepares on a migrated database: a typo is found here, not at run time. */
#include "base/compiler.h"
#include "db/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "db/store_test_kit.h"

/* clang-format off */
#define STORES(X) \
    X(access_store) X(alert_store) X(checkpoint_store) X(counter_store) \
    X(execution_hours_store) X(execution_query) X(execution_store) X(idempotency_store) X(instance_store) X(leader_store) X(lease_store) \
        X(ledger_store) X(notes_store) X(pending_store) X(occurrence_query) X(retention_store) X(sched_store) X(secret_store) X(stats_query)
#define X(name) \
    extern const struct db_sql *const name##_sql[]; \
    extern const size_t name##_sql_count;
STORES(X)
#undef X

/* clang-format on */

static enum err_code prepare_all(struct db *db, const char *store, const struct db_sql *const *sql, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct db_stmt *st;
        enum err_code code = db_prepare(db, sql[i], &st, err);
        if (code != OK) {
            print_error("%s: %s: %s\n", store, sql[i]->text, err->message);
            return code;
        }
    }
    return OK;
}

/* clang-format off */
static enum err_code prepare_stores(struct db *db, void *arg, struct err *err)
{
    size_t *total = arg;
    enum err_code code = OK;
    *total = 0;
#define X(name) \
    if (code == OK) \
        code = prepare_all(db, #name, name##_sql, name##_sql_count, err); \
    *total += name##_sql_count;
    STORES(X)
#undef X
    return code;
}

/* clang-format on */

static void every_statement_prepares(void **state)
{
    (void)state;
    struct store_kit kit;
    struct err err;
    size_t total = 0;
    store_kit_open(&kit);
    assert_int_equal(store_write(kit.store, prepare_stores, &total, &err), OK);
    assert_true(total > 80);
    store_kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_statement_prepares)};
    return STORE_KIT_RUN(tests);
}
