/* SPDX-License-Identifier: Apache-2.0 */
#include "db/leader_store.h"

#include "db/migrate.h"

static const struct db_sql sql_take = {"UPDATE store_leader SET epoch = ?1 WHERE id = 1 AND epoch < ?1"};
/* The embedded store has one server, whose lock of the file tells more. */
static const struct db_sql sql_used = {
    "SELECT id, host FROM instances WHERE stopped_at IS NULL AND last_seen_at > ?1 AND 1 = 0 LIMIT 1",
    .pg =
        "SELECT id, host FROM instances WHERE stopped_at IS NULL"
        " AND last_seen_at > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint) - ?1 ORDER BY last_seen_at DESC LIMIT 1"};

const struct db_sql *const leader_store_sql[] = {&sql_take, &sql_used};
const size_t leader_store_sql_count = ARRAY_LEN(leader_store_sql);

enum err_code leader_store_take(struct db *db, int64_t epoch, struct err *err)
{
    struct db_stmt *st;
    int64_t changed = 0;
    enum err_code code = db_prepare(db, &sql_take, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, epoch);
    if ((code = db_run(st, &changed, err)) != OK)
        return code;
    return changed ? OK : err_set(err, ERR_CONFLICT, NULL, "another instance has led on this store since");
}

static enum err_code find_user(struct db *db, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_used, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, INSTANCE_STALE_US);
    if ((code = db_step(st, &row, err)) == OK && row)
        code = err_set(err, ERR_BUSY, NULL, "another server uses this store: instance %s on %s", db_text(st, 0, NULL),
                       db_text(st, 1, NULL));
    db_reset(st);
    return code;
}

enum err_code leader_store_refuse_used(struct db *db, struct err *err)
{
    size_t applied = 0;
    /* What else is wrong with it is for whoever goes on to say. */
    return migrate_count(db, &applied, NULL) == OK && applied ? find_user(db, err) : OK;
}
