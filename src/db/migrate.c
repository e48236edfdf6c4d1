/* SPDX-License-Identifier: Apache-2.0 */
#include "db/migrate.h"

#include "base/clock.h"
#include "db/db_engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct db_sql sql_create = {"CREATE TABLE schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                                         " checksum TEXT NOT NULL, applied_at INTEGER NOT NULL)",
                                         .pg = "CREATE TABLE schema_migrations (number bigint PRIMARY KEY, name text NOT NULL,"
                                               " checksum text NOT NULL, applied_at bigint NOT NULL)"};
static const struct db_sql sql_list = {"SELECT number, checksum FROM schema_migrations ORDER BY number"};
static const struct db_sql sql_first = {"SELECT applied_at FROM schema_migrations ORDER BY number LIMIT 1"};
static const struct db_sql sql_note = {
    "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)"};

/* FNV-1a, 64 bit: it guards against a file edited by mistake, not against an attacker. */
static void checksum(const char *text, char out[17])
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    (void)snprintf(out, 17, "%016" PRIx64, h);
}

static enum err_code check_applied(struct db *db, size_t *ret_applied, struct err *err)
{
    const struct migration *list = db->engine->migrations;
    struct db_stmt *st;
    bool row = false;
    size_t applied = 0;
    enum err_code code = db_prepare(db, &sql_list, &st, err);
    while (code == OK && (code = db_step(st, &row, err)) == OK && row) {
        char expected[17];
        int64_t number = db_int(st, 0);
        if (applied == *db->engine->migration_count || list[applied].number != number)
            code = err_set(
                err, ERR_CONFLICT, NULL,
                "the database has migration %" PRId64
                ", which this version does not know: it was written by a newer one; run that one, or restore an older copy",
                number);
        else {
            checksum(list[applied].sql, expected);
            if (strcmp(db_text(st, 1, NULL), expected) != 0)
                code = err_set(err, ERR_CORRUPT, NULL,
                               "migration %" PRId64 " in the database differs from the one in this program", number);
        }
        applied++;
    }
    if (code == OK)
        *ret_applied = applied;
    return code;
}

/* Whether there are tables, and the table of migrations among them. */
static enum err_code look_at_tables(struct db *db, bool *ret_any, bool *ret_ours, struct err *err)
{
    static const struct db_sql sql = {
        "SELECT count(*), count(CASE name WHEN 'schema_migrations' THEN 1 END) FROM sqlite_master WHERE type = 'table'",
        .pg =
            "SELECT count(*), count(CASE c.relname WHEN 'schema_migrations' THEN 1 END) FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')"};
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql, &st, err);
    if (code != OK || (code = db_step(st, &row, err)) != OK)
        return code;
    *ret_any = row && db_int(st, 0) > 0;
    *ret_ours = row && db_int(st, 1) > 0;
    db_reset(st);
    return OK;
}

static enum err_code not_ours(struct err *err)
{
    return err_set(err, ERR_CORRUPT, NULL, "it is no database of horae");
}

enum err_code migrate_check(struct db *db, struct err *err)
{
    bool any = false, ours = false;
    size_t applied = 0;
    enum err_code code = look_at_tables(db, &any, &ours, err);
    if (code == OK && ours)
        code = check_applied(db, &applied, err);
    return code == OK && !applied ? not_ours(err) : code;
}

static enum err_code apply_one(struct db *db, const struct migration *migration, struct err *err)
{
    char sum[17];
    struct db_stmt *st;
    checksum(migration->sql, sum);
    enum err_code code = db_exec(db, migration->sql, err);
    if (code == OK)
        code = db_prepare(db, &sql_note, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, migration->number);
    db_bind_text(st, 2, migration->name, strlen(migration->name));
    db_bind_text(st, 3, sum, 16);
    db_bind_int(st, 4, clock_wall(clock_real()).us);
    return db_run(st, NULL, err);
}

/* How many of this program's migrations the database has; changes nothing. */
static enum err_code count_applied(struct db *db, bool *ret_ours, size_t *ret_applied, struct err *err)
{
    bool any = false;
    enum err_code code = look_at_tables(db, &any, ret_ours, err);
    if (code == OK && any && !*ret_ours)
        code = not_ours(err);
    return code == OK && *ret_ours ? check_applied(db, ret_applied, err) : code;
}

/* In a transaction, with others kept away; another program may have migrated while we waited for that. */
static enum err_code apply_missing(struct db *db, struct err *err)
{
    const struct db_engine *engine = db->engine;
    size_t applied = 0;
    bool ours = false;
    struct db_stmt *st;
    enum err_code code = OK;
    if (engine->migration_lock && (code = db_prepare(db, engine->migration_lock, &st, err)) == OK)
        code = db_run(st, NULL, err);
    if (code == OK)
        code = count_applied(db, &ours, &applied, err);
    if (code == OK && !ours)
        code = db_exec(db, engine->text(&sql_create), err);
    for (size_t i = applied; i < *engine->migration_count && code == OK; i++)
        code = apply_one(db, &engine->migrations[i], err);
    return code == OK ? db_exec(db, "COMMIT", err) : code;
}

enum err_code migrate_apply(struct db *db, struct err *err)
{
    size_t applied = 0;
    bool ours = false;
    enum err_code code = count_applied(db, &ours, &applied, err);
    if (code != OK || applied == *db->engine->migration_count)
        return code;
    code = db_exec(db, db->engine->begin_write->text, err);
    if (code == OK && (code = apply_missing(db, err)) != OK)
        (void)db_exec(db, "ROLLBACK", NULL);
    return code;
}

enum err_code migrate_count(struct db *db, size_t *ret_applied, struct err *err)
{
    bool ours = false;
    *ret_applied = 0;
    return count_applied(db, &ours, ret_applied, err);
}

enum err_code migrate_first_time(struct db *db, int64_t *ret_us, struct err *err)
{
    return db_read_number(db, &sql_first, ret_us, err);
}
