/* SPDX-License-Identifier: Apache-2.0 */
/* One step may hold several changes of one execution: while a commit is on its way, an attempt may be adopted, end, and be
 * followed by the next. They are applied in the order in which they happened (SCH-39, SCH-70). */
#include "sched/work.h"

#include "base/mem.h"
#include "sched/execution_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "db/store_test_kit.h"

enum { ID = 7 };

struct found {
    int64_t fence;
    int32_t attempt;
    bool claimed;
    char attempts[64];
};

static enum err_code insert_claimed(struct db *tx, void *arg, struct err *err)
{
    int64_t *ret_fence = arg;
    struct execution_insert row = {
        .id = ID, .task_id = 1, .snapshot_id = 1, .cause = CAUSE_MANUAL, .created_us = 1, .started_us = 1};
    enum err_code code = db_exec(tx, "INSERT INTO task_snapshots VALUES (1, 1, '', 'task', 'command')", err);
    if (code == OK)
        code = execution_store_insert(tx, "former", &row, 1, err);
    *ret_fence = row.fence;
    return code;
}

static enum err_code note_found(void *arg, const struct execution_active *active, struct err *err)
{
    struct found *found = arg;
    (void)err;
    assert_int_equal(active->id, ID);
    *found = (struct found){.fence = active->fence, .attempt = active->attempt, .claimed = active->claimed};
    (void)snprintf(found->attempts, sizeof found->attempts, "%s", active->attempts ? active->attempts : "");
    free(active->attempts);
    free(active->error_message);
    return OK;
}

static enum err_code find(struct db *db, void *arg, struct err *err)
{
    return execution_store_each_active(db, note_found, arg, err);
}

/* Adopted, ended and, if asked for, begun again in one step. */
static struct found after_step(bool begins_again)
{
    struct store_kit kit;
    struct err err;
    struct found found = {0};
    int64_t fence;
    store_kit_open(&kit);
    assert_int_equal(store_write(kit.store, insert_claimed, &fence, &err), OK);
    struct sched_work *step = work_new(NULL, "ours");
    if (begins_again)
        *WORK_ADD(&step->claims) = (struct claim){.id = ID, .attempt = 2, .now_us = 3};
    *WORK_ADD(&step->backoffs) = (struct execution_backoff){
        .id = ID, .fence = fence, .due_us = 3, .now_us = 2, .attempt = 1, .attempts = xstrdup("first")};
    *WORK_ADD(&step->adoptions) = ID;
    assert_int_equal(store_write(kit.store, work_apply, step, &err), OK);
    if (begins_again)
        assert_true(step->claims.rows[0].fence > fence);
    work_free(step);
    assert_int_equal(store_read(kit.store, find, &found, &err), OK);
    store_kit_close(&kit);
    return found;
}

static void an_attempt_that_ends_is_kept_when_the_next_begins(void **state)
{
    (void)state;
    struct found found = after_step(true);
    assert_string_equal(found.attempts, "first");
    assert_int_equal(found.attempt, 2);
    assert_true(found.claimed);
}

static void an_adopted_attempt_that_ends_leaves_nobody_at_work(void **state)
{
    (void)state;
    struct found found = after_step(false);
    assert_string_equal(found.attempts, "first");
    assert_int_equal(found.attempt, 1);
    assert_false(found.claimed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_that_ends_is_kept_when_the_next_begins),
        cmocka_unit_test(an_adopted_attempt_that_ends_leaves_nobody_at_work),
    };
    return STORE_KIT_RUN(tests);
}
