/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/export_query.h"

#include <string.h>

static const struct db_sql sql_rows = {
    "SELECT e.seq, e.event, e.hash, b.hash FROM audit_events e LEFT JOIN audit_events b ON b.seq = e.seq - 1"
    " WHERE e.seq BETWEEN ?1 AND ?2 ORDER BY e.seq"};

static bool take_hash(struct db_stmt *st, int column, struct audit_hash *ret)
{
    size_t n;
    const void *bytes = db_blob(st, column, &n);
    if (n != sizeof ret->b)
        return false;
    memcpy(ret->b, bytes, sizeof ret->b);
    return true;
}

enum err_code export_query_rows(struct db *db, int64_t seq, int64_t last, bool (*row)(void *arg, const struct export_row *row),
                                void *arg, struct err *err)
{
    struct db_stmt *st;
    bool more = false, go_on = true;
    enum err_code code = db_prepare(db, &sql_rows, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, seq);
    db_bind_int(st, 2, last);
    while (go_on && (code = db_step(st, &more, err)) == OK && more) {
        struct export_row found = {.seq = db_int(st, 0), .has_before = !db_is_null(st, 3)};
        found.event.p = db_text(st, 1, &found.event.n);
        if (!take_hash(st, 2, &found.hash) || (found.has_before && !take_hash(st, 3, &found.before))) {
            code = err_set(err, ERR_CORRUPT, NULL, "event %lld of a segment has no link", (long long)found.seq);
            break;
        }
        go_on = row(arg, &found);
    }
    db_reset(st);
    return code;
}
