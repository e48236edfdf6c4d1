/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "db/db.h"

enum err_code db_count_rows(struct db *db, struct db_stmt *st, struct row_count *ret, struct err *err)
{
    bool row = false;
    enum err_code code;
    *ret = (struct row_count){0};
    db_limit_time(db, clock_mono(clock_real()).us + ROW_COUNT_TIME_MS * US_PER_MS);
    while ((code = db_step(st, &row, err)) == OK && row)
        ret->total++;
    db_limit_time(db, 0);
    db_reset(st);
    ret->is_lower_bound = code == ERR_TIMEOUT || ret->total > ROW_COUNT_MAX;
    if (ret->total > ROW_COUNT_MAX)
        ret->total = ROW_COUNT_MAX;
    return code == ERR_TIMEOUT ? OK : code;
}
