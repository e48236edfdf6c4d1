/* SPDX-License-Identifier: Apache-2.0 */
/* The mechanism on a table of its own: what holds for executions holds for every claimable table (SCH-73, rulings
 * section 3). */
#include "db/claim.h"

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

static const struct claim_table things = CLAIM_TABLE("things", "");
static const struct db_sql sql_finish = {"UPDATE things SET state = 2" CLAIM_UNFINISHED};
static const struct db_sql sql_row = {
    "SELECT state, attempt, fence, lease_owner IS NULL, owner_epoch, due_at FROM things WHERE id = 1"};

static enum err_code finish(struct db *tx, int64_t fence, int64_t *ret_changed, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_finish, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, 1);
    db_bind_int(st, 2, fence);
    return db_run(st, ret_changed, err);
}

static void assert_row(struct db *tx, int64_t state, int64_t attempt, int64_t fence, bool free, int64_t epoch)
{
    struct db_stmt *st;
    struct err err;
    bool row = false;
    assert_int_equal(db_prepare(tx, &sql_row, &st, &err), OK);
    assert_int_equal(db_step(st, &row, &err), OK);
    assert_true(row);
    assert_int_equal(db_int(st, 0), state);
    assert_int_equal(db_int(st, 1), attempt);
    assert_int_equal(db_int(st, 2), fence);
    assert_int_equal(db_int(st, 3), free);
    assert_int_equal(db_int(st, 4), epoch);
    db_reset(st);
}

static enum err_code life_of_a_row(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    int64_t changed = 0, count = 0;
    assert_int_equal(
        db_exec(tx,
                "CREATE TABLE things (id INTEGER PRIMARY KEY, state INTEGER, attempt INTEGER, fence INTEGER, lease_owner TEXT,"
                " lease_until INTEGER, owner_epoch INTEGER, due_at INTEGER, updated_at INTEGER)",
                err),
        OK);
    assert_int_equal(
        db_exec(tx, "INSERT INTO things VALUES (1, 0, 0, 0, NULL, NULL, 0, 0, 0), (2, 0, 0, 0, NULL, NULL, 0, 0, 0)", err), OK);
    struct claim both[] = {{.id = 1, .attempt = 1, .now_us = 5}, {.id = 2, .attempt = 1, .now_us = 5}},
                 again = {.id = 1, .attempt = 1, .now_us = 6};
    assert_int_equal(claim_take(tx, &things, "a", both, 2, err), OK);
    assert_false(both[0].lost || both[1].lost);
    assert_true(both[1].fence > both[0].fence);
    assert_int_equal(claim_take(tx, &things, "b", &again, 1, err), OK);
    assert_true(again.lost); /* one winner per attempt */
    assert_row(tx, 1, 1, both[0].fence, false, 0);
    assert_int_equal(claim_adopt(tx, &things, 1, "b", err), OK);
    assert_row(tx, 1, 1, both[0].fence, false, 1); /* another owner, the same fence */
    assert_int_equal(claim_renew(tx, &things, "b", 100, &count, err), OK);
    assert_int_equal(count, 1);
    assert_int_equal(claim_rescue(tx, &things, 99, &count, err), OK);
    assert_int_equal(count, 0);
    assert_int_equal(claim_rescue(tx, &things, 100, &count, err), OK);
    assert_int_equal(count, 1);
    assert_row(tx, 1, 1, both[0].fence, true, 2);
    struct claim second = {.id = 1, .attempt = 2, .now_us = 7};
    assert_int_equal(claim_take(tx, &things, "c", &second, 1, err), OK);
    assert_int_equal(finish(tx, both[0].fence, &changed, err), OK);
    assert_int_equal(changed, 0); /* the stale owner comes back and changes nothing */
    assert_int_equal(claim_release(tx, &things, 1, both[0].fence, 50, 8, err), ERR_CONFLICT);
    assert_int_equal(claim_release(tx, &things, 1, second.fence, 50, 8, err), OK);
    assert_row(tx, 1, 2, second.fence, true, 2);
    assert_int_equal(finish(tx, second.fence, &changed, err), OK);
    assert_int_equal(changed, 1);
    struct claim late = {.id = 1, .attempt = 3, .now_us = 9};
    assert_int_equal(claim_take(tx, &things, "d", &late, 1, err), OK);
    assert_true(late.lost); /* finished rows never change */
    return OK;
}

static void a_row_is_claimed_released_rescued_and_finished_under_its_fence(void **state)
{
    (void)state;
    struct store_kit kit;
    struct err err;
    store_kit_open(&kit);
    assert_int_equal(store_write(kit.store, life_of_a_row, NULL, &err), OK);
    store_kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_row_is_claimed_released_rescued_and_finished_under_its_fence)};
    return STORE_KIT_RUN(tests);
}
