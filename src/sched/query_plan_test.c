/* SPDX-License-Identifier: Apache-2.0 */
/* What the requirements list as indexes is held as what they are for: every question of the API about executions, locks and
 * statistics is answered from a key or an index range, however long the history is (DATA-02, DATA-12, DATA-25, SCH-85). */
#include "base/buf.h"
#include "base/compiler.h"
#include "base/json_write.h"
#include "db/store.h"
#include "sched/execution_query.h"
#include "sched/execution_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "db/store_test_kit.h"

/* clang-format off */
#define QUESTIONS(X) X(execution_query) X(execution_store) X(stats_query) X(lease_store) X(ledger_store) X(occurrence_query)
#define X(name) \
    extern const struct db_sql *const name##_sql[]; \
    extern const size_t name##_sql_count;
QUESTIONS(X)
#undef X
/* clang-format on */

/* Tables that grow with time. Those of tasks and instances are as long as there are tasks: their pages are read whole. */
static const char *const growing[] = {
    "task_executions", "task_locks", "task_stats_by_hour", "task_snapshots", "task_occurrences", " e", " h", " o"};

/* Once a day, and of rows that each stand for many slots. */
static const char daily[] = "DELETE FROM task_occurrences";

static bool scans_what_grows(const char *detail, const char *text)
{
    if (strncmp(text, daily, sizeof daily - 1) == 0 || strncmp(detail, "SCAN ", 5) != 0 || strstr(detail, "INDEX"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(growing); i++) {
        const char *name = growing[i] + (growing[i][0] == ' ');
        if (strcmp(detail + 5, name) == 0)
            return true;
    }
    return false;
}

/* The connection keeps them as the keys of its statements. */
static struct db_sql explained_sql[200];
static size_t explained_count;

static enum err_code explain(struct db *db, const char *text, size_t *ret_steps, struct err *err)
{
    struct buf sql;
    struct db_stmt *st;
    bool row = false;
    buf_init(&sql, 16384);
    buf_printf(&sql, "EXPLAIN QUERY PLAN %s", text);
    assert_true(explained_count < ARRAY_LEN(explained_sql));
    struct db_sql *explained = &explained_sql[explained_count++];
    explained->text = buf_take(&sql);
    enum err_code code = db_prepare(db, explained, &st, err);
    while (code == OK && (code = db_step(st, &row, err)) == OK && row) {
        const char *detail = db_text(st, 3, NULL);
        if (scans_what_grows(detail, text))
            fail_msg("%s: %s", detail, text);
        (*ret_steps)++;
    }
    if (code == OK)
        db_reset(st);
    return code;
}

static enum err_code explain_all(struct db *db, void *arg, struct err *err)
{
    enum err_code code = OK;
    (void)arg;
#define X(name) \
    for (size_t i = 0; code == OK && i < name##_sql_count; i++) \
        if (strncmp(name##_sql[i]->text, "INSERT", 6) != 0) \
            code = explain(db, name##_sql[i]->text, arg, err);
    QUESTIONS(X)
#undef X
    return code;
}

static void no_question_reads_what_grows_from_end_to_end(void **state)
{
    (void)state;
    struct store_kit kit;
    struct err err;
    size_t steps = 0;
    store_kit_open(&kit);
    assert_int_equal(store_read(kit.store, explain_all, &steps, &err), OK);
    assert_true(steps > 20);
    store_kit_close(&kit);
    while (explained_count)
        free((char *)(uintptr_t)explained_sql[--explained_count].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_question_reads_what_grows_from_end_to_end)};
    return cmocka_run_group_tests_name("sched: query plans", tests, NULL, NULL);
}
