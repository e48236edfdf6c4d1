/* SPDX-License-Identifier: Apache-2.0 */
/* SCH-80: whatever is asked, the page holds the newest matching executions, and no other: held against a plain loop over
 * every row. The rows come from a clock that went back once, and some waited for days. */
#include "sched/execution_query.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "db/store.h"
#include "sched/execution_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "db/store_test_kit.h"

enum { ROWS = 6000, FILTERS = 1500, SNAPSHOTS = 4, PAGE_MAX = 100, ID_STEP = 2000 }; /* steps: some rows per noted block of ids */
#define HOUR_US (3600 * (int64_t)US_PER_S)
#define BEGIN_US (490000 * HOUR_US)

/* Two tasks had the name "reused", one task had two names. */
static const struct {
    int64_t task_id;
    const char *name;
} snapshots[SNAPSHOTS] = {{1, "plain"}, {2, "reused"}, {3, "reused"}, {1, "renamed"}};

struct model_row {
    int64_t created_us, started_us; /* 0 = not started */
    int snapshot, state, cause;
};

static struct model_row model[ROWS + 1]; /* by id / ID_STEP */
static uint64_t random_state = 20261125;

static int64_t pick(int64_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((random_state >> 33) % (uint64_t)below);
}

/* A row each ten minutes; after two thirds of them the clock is set back by two days. */
static struct model_row make_row(int64_t id)
{
    int64_t created = BEGIN_US + id * (HOUR_US / 6) - (id > ROWS * 2 / 3 ? 48 * HOUR_US : 0);
    struct model_row row = {.created_us = created, .snapshot = (int)pick(SNAPSHOTS), .cause = CAUSE_MANUAL};
    row.state = pick(50) ? EXECUTION_SUCCESS + (int)pick(5) : (int)pick(2);
    int64_t waited = pick(20) ? pick(pick(2) ? 5 * (int64_t)US_PER_S : HOUR_US) : pick(200 * HOUR_US);
    row.started_us = row.state == EXECUTION_PENDING ? 0 : created + waited;
    return row;
}

static const struct db_sql sql_snapshot = {
    "INSERT INTO task_snapshots (id, task_id, task_uid, task_name, task_type) VALUES (?1, ?2, ?3, ?4, 'noop')"};

static enum err_code add_snapshot(struct db *tx, int number, struct err *err)
{
    struct db_stmt *st;
    struct uuid uid = {.b = {[15] = (uint8_t)snapshots[number].task_id}};
    enum err_code code = db_prepare(tx, &sql_snapshot, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, number + 1);
    db_bind_int(st, 2, snapshots[number].task_id);
    db_bind_blob(st, 3, uid.b, sizeof uid.b);
    db_bind_string(st, 4, snapshots[number].name);
    return db_run(st, NULL, err);
}

static enum err_code fill(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    char sql[256];
    enum err_code code = OK;
    for (int i = 0; i < SNAPSHOTS && code == OK; i++)
        code = add_snapshot(tx, i, err);
    for (int64_t id = 1; id <= ROWS && code == OK; id++) {
        struct model_row *row = &model[id];
        *row = make_row(id);
        struct execution_insert insert = {.id = id * ID_STEP,
                                          .uid = uuid_v7_numbered(row->created_us, id * ID_STEP),
                                          .task_id = snapshots[row->snapshot].task_id,
                                          .snapshot_id = row->snapshot + 1,
                                          .cause = CAUSE_MANUAL,
                                          .scheduled_us = row->created_us,
                                          .created_us = row->created_us,
                                          .due_us = row->created_us};
        if ((code = execution_store_insert(tx, "test", &insert, 1, err)) != OK || !row->started_us)
            continue;
        (void)snprintf(sql, sizeof sql,
                       "UPDATE task_executions SET state = %d, started_at = %lld, lease_owner = 'i%d' WHERE id = %lld",
                       row->state, (long long)row->started_us, row->snapshot, (long long)id * ID_STEP);
        code = db_exec(tx, sql, err);
    }
    return code;
}

static struct execution_filter make_filter(void)
{
    static const char *const names[] = {"plain", "reused", "renamed", "nobody"};
    static const char *const runners[] = {"i0", "i1"};
    struct execution_filter filter = {.state = -1, .manual = -1, .end_us = INT64_MAX, .limit = 1 + (int)pick(PAGE_MAX)};
    if (pick(2))
        filter.task_name = names[pick(4)];
    if (pick(2))
        filter.state = (int)pick(7);
    if (!pick(8))
        filter.run_by = runners[pick(2)];
    if (pick(3)) {
        filter.start_us = BEGIN_US + pick(ROWS / 6) * HOUR_US - pick(HOUR_US);
        if (pick(2)) /* exactly where something started */
            filter.start_us = model[1 + pick(ROWS)].started_us;
        filter.end_us = filter.start_us + pick(pick(2) ? 2 * HOUR_US : 300 * HOUR_US);
    }
    if (pick(2))
        filter.before_id = 1 + pick((int64_t)ROWS * ID_STEP);
    if (!pick(3))
        filter.offset = pick(200);
    return filter;
}

static bool matches(const struct execution_filter *filter, const struct model_row *row)
{
    char runner[8];
    int64_t at = row->started_us ? row->started_us : row->created_us;
    (void)snprintf(runner, sizeof runner, "i%d", row->snapshot);
    return (!filter->task_name || strcmp(filter->task_name, snapshots[row->snapshot].name) == 0) &&
           (filter->state < 0 || filter->state == row->state) && at >= filter->start_us && at <= filter->end_us &&
           (!filter->run_by || (row->started_us && strcmp(filter->run_by, runner) == 0));
}

/* The next "id": of the answer, 0 at its end. */
static int64_t next_id(const char **at)
{
    static const char key[] = "{\"id\":";
    const char *found = strstr(*at, key);
    if (!found)
        return 0;
    char *end;
    int64_t id = strtoll(found + sizeof key - 1, &end, 10);
    *at = end;
    return id;
}

/* Returns how many rows were shown. */
static size_t assert_page(const struct execution_filter *filter, const char *answer, const struct execution_page *page)
{
    int64_t skipped = 0, total = 0;
    int shown = 0;
    bool more = false;
    for (int64_t id = ROWS; id > 0; id--) {
        if (!matches(filter, &model[id]))
            continue;
        total++;
        if ((filter->before_id && id * ID_STEP >= filter->before_id) || skipped++ < filter->offset)
            continue;
        more = shown == filter->limit;
        if (more)
            continue;
        assert_int_equal(next_id(&answer), id * ID_STEP);
        shown++;
    }
    assert_int_equal(next_id(&answer), 0);
    assert_int_equal(page->more, more);
    if (page->total.is_lower_bound)
        assert_true(page->total.total <= total);
    else
        assert_int_equal(page->total.total, total);
    return (size_t)shown;
}

static enum err_code ask(struct db *db, void *arg, struct err *err)
{
    size_t *shown = arg;
    for (int i = 0; i < FILTERS; i++) {
        struct execution_filter filter = make_filter();
        struct execution_page page = {0};
        struct json_writer w;
        struct buf out;
        buf_init(&out, 1 << 20);
        json_writer_init(&w, &out);
        json_begin_array(&w);
        enum err_code code = execution_query_list(db, &filter, &w, true, &page, err);
        json_end_array(&w);
        if (code != OK)
            return code;
        *shown += assert_page(&filter, out.data, &page);
        buf_release(&out);
    }
    return OK;
}

static void pages_hold_what_matches_and_nothing_else(void **state)
{
    (void)state;
    struct store_kit kit;
    struct err err;
    size_t shown = 0;
    store_kit_open(&kit);
    assert_int_equal(store_write(kit.store, fill, NULL, &err), OK);
    assert_int_equal(store_read(kit.store, ask, &shown, &err), OK);
    assert_true(shown > FILTERS);
    store_kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages_hold_what_matches_and_nothing_else)};
    return STORE_KIT_RUN(tests);
}
