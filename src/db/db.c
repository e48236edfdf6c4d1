/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and statements of every engine: the cache of statements, faults put in by tests, and the way to the engine's
 * functions. Statements are cached by the address of their `struct db_sql` and by the part that they mean; the one that was not
 * used for longest makes room. */
#include "db/db_engine.h"

#include "base/mem.h"
#include "base/panic.h"

enum { STATEMENTS_MAX = 128 }; /* many more than one operation has in use at a time */

static enum err_code check_fault(const struct db *db, const char *what, struct err *err)
{
    return db->fault ? db->fault->before(db->fault->arg, what, err) : OK;
}

enum err_code db_open(const struct db_engine *engine, const struct db_open_options *options, struct db **ret, struct err *err)
{
    enum err_code code = engine->open(options, ret, err);
    if (code != OK)
        return code;
    (*ret)->engine = engine;
    (*ret)->fault = options->fault;
    return OK;
}

/* Addresses have 47 bits at most, and their objects are aligned to 8: there is room for the 20 bits of a part. */
static int64_t key_of(const struct db *db, const struct db_sql *sql)
{
    const uint64_t address = (uint64_t)(uintptr_t)sql, part = (uint64_t)db->part;
    return (int64_t)(address ^ (part & 7) ^ part >> 3 << 47);
}

static void drop_statement(struct db *db, struct db_stmt *st)
{
    (void)int_map_remove(&db->cache, st->key);
    db->engine->drop(st);
}

void db_close(struct db *db)
{
    if (!db)
        return;
    size_t cursor = 0;
    for (struct db_stmt *st; (st = int_map_next(&db->cache, &cursor)); cursor--)
        drop_statement(db, st);
    int_map_release(&db->cache);
    db->engine->close(db);
}

/* Queries with many filters are one statement per combination: what a caller asks for must not fill the memory. */
static void make_room(struct db *db)
{
    struct db_stmt *oldest = NULL;
    size_t cursor = 0;
    if (db->cache.count < STATEMENTS_MAX)
        return;
    for (struct db_stmt *st; (st = int_map_next(&db->cache, &cursor));)
        if (!oldest || st->used < oldest->used)
            oldest = st;
    must(oldest); /* the cache is full */
    drop_statement(db, oldest);
}

static enum err_code compile(struct db *db, const struct db_sql *sql, struct db_stmt **ret, struct err *err)
{
    make_room(db);
    enum err_code code = db->engine->compile(db, sql, ret, err);
    if (code != OK)
        return code;
    (*ret)->db = db;
    (*ret)->sql = sql;
    (*ret)->key = key_of(db, sql);
    (void)int_map_put(&db->cache, (*ret)->key, *ret);
    return OK;
}

enum err_code db_prepare(struct db *db, const struct db_sql *sql, struct db_stmt **ret, struct err *err)
{
    struct db_stmt *st = int_map_get(&db->cache, key_of(db, sql));
    if (st) {
        if (!st->is_reset)
            db->engine->reset(st);
    } else {
        enum err_code code = compile(db, sql, &st, err);
        if (code != OK)
            return code;
        must(st);
    }
    st->used = ++db->prepares;
    st->is_reset = false;
    *ret = st;
    return OK;
}

void db_bind_int(struct db_stmt *st, int index, int64_t value)
{
    st->db->engine->bind_int(st, index, value);
}

void db_bind_null(struct db_stmt *st, int index)
{
    st->db->engine->bind_null(st, index);
}

void db_bind_text(struct db_stmt *st, int index, const char *text, size_t length)
{
    st->db->engine->bind_text(st, index, text, length);
}

void db_bind_blob(struct db_stmt *st, int index, const void *bytes, size_t length)
{
    st->db->engine->bind_blob(st, index, bytes, length);
}

enum err_code db_step(struct db_stmt *st, bool *ret_row, struct err *err)
{
    const struct db_engine *engine = st->db->engine;
    enum err_code code = check_fault(st->db, st->sql->text, err);
    if (code == OK)
        code = engine->step(st, ret_row, err);
    if (code != OK || !*ret_row)
        db_reset(st);
    return code;
}

enum err_code db_run(struct db_stmt *st, int64_t *ret_changes, struct err *err)
{
    bool row = true;
    enum err_code code = OK;
    while (code == OK && row)
        code = db_step(st, &row, err);
    if (code == OK && ret_changes)
        *ret_changes = st->db->engine->changes(st);
    return code;
}

static enum err_code run_row(struct db *db, const struct db_sql *sql, const struct db_rows *rows, size_t i, struct err *err)
{
    struct db_stmt *st;
    int64_t changes = 0;
    enum err_code code = db_prepare(db, sql, &st, err);
    if (code != OK)
        return code;
    rows->bind(st, rows->arg, i);
    code = db_run(st, &changes, err);
    if (code == OK && rows->done)
        rows->done(rows->arg, i, changes);
    return code;
}

static enum err_code run_together(struct db *db, const struct db_sql *sql, const struct db_rows *rows, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, sql, &st, err);
    for (size_t i = 0; i < rows->count && code == OK; i++)
        code = check_fault(db, sql->text, err);
    if (code != OK)
        return code;
    code = db->engine->run_rows(st, rows, err);
    db_reset(st);
    return code;
}

enum err_code db_run_rows(struct db *db, const struct db_sql *sql, const struct db_rows *rows, struct err *err)
{
    enum err_code code = OK;
    if (db->engine->run_rows && rows->count > 1)
        return run_together(db, sql, rows, err);
    for (size_t i = 0; i < rows->count && code == OK; i++)
        code = run_row(db, sql, rows, i, err);
    return code;
}

void db_reset(struct db_stmt *st)
{
    st->db->engine->reset(st);
    st->is_reset = true;
}

void db_limit_time(struct db *db, int64_t until_us)
{
    db->engine->limit_time(db, until_us);
}

enum db_kind db_kind_of(struct db_stmt *st, int column)
{
    return st->db->engine->kind(st, column);
}

bool db_is_null(struct db_stmt *st, int column)
{
    return st->db->engine->kind(st, column) == DB_NULL;
}

int64_t db_int(struct db_stmt *st, int column)
{
    return st->db->engine->get_int(st, column);
}

const char *db_text(struct db_stmt *st, int column, size_t *ret_length)
{
    return st->db->engine->get_text(st, column, ret_length);
}

const void *db_blob(struct db_stmt *st, int column, size_t *ret_length)
{
    return st->db->engine->get_blob(st, column, ret_length);
}

enum err_code db_exec(struct db *db, const char *sql, struct err *err)
{
    enum err_code code = check_fault(db, sql, err);
    return code == OK ? db->engine->exec(db, sql, err) : code;
}

enum err_code db_write(struct db *db, enum err_code (*run)(struct db *tx, void *arg, struct err *err), void *arg, struct err *err)
{
    enum err_code code = db_exec(db, db->engine->begin_write->text, err);
    if (code != OK)
        return code;
    code = run(db, arg, err);
    if (code == OK)
        code = db_exec(db, "COMMIT", err);
    if (code != OK)
        db_roll_back(db);
    return code;
}

void db_roll_back(struct db *db)
{
    db->engine->roll_back(db);
}

enum err_code db_check_integrity(struct db *db, struct err *err)
{
    return db->engine->check ? db->engine->check(db, err) : OK;
}
