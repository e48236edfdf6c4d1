/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/execution_hours_store.h"

#include "base/clock.h"

enum { BLOCK_BITS = 12 };
#define HOUR_US (3600 * (int64_t)US_PER_S)

static const struct db_sql sql_note = {"INSERT INTO task_execution_hours (hour, block) VALUES (?1, ?2) ON CONFLICT DO NOTHING"};
static const struct db_sql sql_bounds = {"SELECT MIN(block), MAX(block) FROM task_execution_hours WHERE hour BETWEEN ?1 AND ?2"};
static const struct db_sql sql_purge = {
    "DELETE FROM task_execution_hours WHERE block < (SELECT MIN(id) FROM task_executions) >> 12"};

const struct db_sql *const execution_hours_store_sql[] = {&sql_note, &sql_bounds, &sql_purge};
const size_t execution_hours_store_sql_count = ARRAY_LEN(execution_hours_store_sql);

static int64_t hour_of(int64_t us)
{
    int64_t hour = us / HOUR_US;
    return us % HOUR_US < 0 ? hour - 1 : hour;
}

enum err_code execution_hours_note(struct db *tx, int64_t created_us, int64_t first_id, int64_t last_id, struct err *err)
{
    enum err_code code = OK;
    for (int64_t block = first_id >> BLOCK_BITS; code == OK && block <= last_id >> BLOCK_BITS; block++) {
        struct db_stmt *st;
        if ((code = db_prepare(tx, &sql_note, &st, err)) != OK)
            break;
        db_bind_int(st, 1, hour_of(created_us));
        db_bind_int(st, 2, block);
        code = db_run(st, NULL, err);
    }
    return code;
}

enum err_code execution_hours_bounds(struct db *db, int64_t from_us, int64_t to_us, int64_t *ret_low, int64_t *ret_high,
                                     struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_bounds, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, hour_of(from_us));
    db_bind_int(st, 2, hour_of(to_us));
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    bool any = row && !db_is_null(st, 0);
    int64_t low = db_int(st, 0) << BLOCK_BITS;
    *ret_low = !any ? 0 : low ? low : 1; /* ids begin at 1 */
    *ret_high = any ? ((db_int(st, 1) + 1) << BLOCK_BITS) - 1 : 0;
    db_reset(st);
    return OK;
}

enum err_code execution_hours_purge(struct db *tx, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_purge, &st, err);
    return code == OK ? db_run(st, NULL, err) : code;
}
