/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite engine: the only file that knows its library. WAL; `synchronous=FULL` unless relaxed. Statements are
 * cached by the address of their `struct db_sql`; the one that was not used for longest makes room. */
#include "db/db_priv.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/panic.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { STATEMENTS_MAX = 128, BUSY_MS = 5000, STEPS_PER_CLOCK = 1000 }; /* many more than one operation has in use at a time */

struct db_stmt {
    sqlite3_stmt *st;
    struct db *db;
    const struct db_sql *sql;
    uint64_t used; /* when, in db_prepare calls */
};

struct db {
    sqlite3 *handle;
    const struct store_fault *fault;
    struct int_map cache; /* address of the struct db_sql → db_stmt, owned */
    uint64_t prepares;
    int64_t until_us; /* monotonic; see db_limit_time */
};

static enum err_code fail(struct db *db, int result, struct err *err)
{
    const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(result);
    switch (result & 0xFF) {
    case SQLITE_CONSTRAINT: return err_set(err, ERR_CONFLICT, NULL, "%s", text);
    case SQLITE_INTERRUPT: return err_set(err, ERR_TIMEOUT, NULL, "the query took too long");
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return err_set(err, ERR_BUSY, NULL, "the database is locked: %s", text);
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return err_set(err, ERR_UNAVAILABLE, NULL, "the store cannot be used: %s", text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return err_set(err, ERR_CORRUPT, NULL, "the database file is damaged: %s", text);
    default: return err_set(err, ERR_INTERNAL, NULL, "SQL error %d: %s", result, text);
    }
}

static enum err_code check_fault(struct db *db, const char *what, struct err *err)
{
    return db->fault ? db->fault->before(db->fault->arg, what, err) : OK;
}

static void drop_statement(struct db *db, struct db_stmt *st)
{
    (void)int_map_remove(&db->cache, (int64_t)(uintptr_t)st->sql);
    (void)sqlite3_finalize(st->st);
    free(st);
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
    sqlite3_stmt *st;
    make_room(db);
    int result = sqlite3_prepare_v3(db->handle, sql->text, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (result != SQLITE_OK)
        return fail(db, result, err);
    struct db_stmt *made = xmalloc(sizeof *made);
    *made = (struct db_stmt){st, db, sql, 0};
    (void)int_map_put(&db->cache, (int64_t)(uintptr_t)sql, made);
    *ret = made;
    return OK;
}

enum err_code db_prepare(struct db *db, const struct db_sql *sql, struct db_stmt **ret, struct err *err)
{
    struct db_stmt *st = int_map_get(&db->cache, (int64_t)(uintptr_t)sql);
    if (st) {
        (void)sqlite3_reset(st->st);
    } else {
        enum err_code code = compile(db, sql, &st, err);
        if (code != OK)
            return code;
        must(st);
    }
    st->used = ++db->prepares;
    *ret = st;
    return OK;
}

void db_bind_int(struct db_stmt *st, int index, int64_t value)
{
    must(sqlite3_bind_int64(st->st, index, value) == SQLITE_OK);
}

void db_bind_null(struct db_stmt *st, int index)
{
    must(sqlite3_bind_null(st->st, index) == SQLITE_OK);
}

void db_bind_text(struct db_stmt *st, int index, const char *text, size_t length)
{
    must(sqlite3_bind_text64(st->st, index, text, length, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
}

void db_bind_blob(struct db_stmt *st, int index, const void *bytes, size_t length)
{
    must(sqlite3_bind_blob64(st->st, index, bytes, length, SQLITE_STATIC) == SQLITE_OK);
}

enum err_code db_step(struct db_stmt *st, bool *ret_row, struct err *err)
{
    enum err_code code = check_fault(st->db, st->sql->text, err);
    if (code != OK) {
        db_reset(st);
        return code;
    }
    int result = sqlite3_step(st->st);
    if (result == SQLITE_ROW || result == SQLITE_DONE) {
        *ret_row = result == SQLITE_ROW;
        if (result == SQLITE_DONE)
            db_reset(st);
        return OK;
    }
    code = fail(st->db, result, err);
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
        *ret_changes = sqlite3_changes64(st->db->handle);
    return code;
}

void db_reset(struct db_stmt *st)
{
    (void)sqlite3_reset(st->st);
    (void)sqlite3_clear_bindings(st->st);
}

static int time_is_up(void *arg)
{
    const struct db *db = arg;
    return clock_mono(clock_real()).us > db->until_us;
}

void db_limit_time(struct db *db, int64_t until_us)
{
    db->until_us = until_us;
    sqlite3_progress_handler(db->handle, until_us ? STEPS_PER_CLOCK : 0, until_us ? time_is_up : NULL, db);
}

int64_t db_int(struct db_stmt *st, int column)
{
    return sqlite3_column_int64(st->st, column);
}

enum db_kind db_kind_of(struct db_stmt *st, int column)
{
    switch (sqlite3_column_type(st->st, column)) {
    case SQLITE_INTEGER: return DB_INT;
    case SQLITE_TEXT: return DB_TEXT;
    case SQLITE_BLOB: return DB_BLOB;
    case SQLITE_FLOAT: return DB_REAL;
    default: return DB_NULL;
    }
}

bool db_is_null(struct db_stmt *st, int column)
{
    return sqlite3_column_type(st->st, column) == SQLITE_NULL;
}

const char *db_text(struct db_stmt *st, int column, size_t *ret_length)
{
    const char *text = (const char *)sqlite3_column_text(st->st, column);
    if (ret_length)
        *ret_length = (size_t)sqlite3_column_bytes(st->st, column);
    return text;
}

const void *db_blob(struct db_stmt *st, int column, size_t *ret_length)
{
    const void *bytes = sqlite3_column_blob(st->st, column);
    if (ret_length)
        *ret_length = (size_t)sqlite3_column_bytes(st->st, column);
    return bytes;
}

enum err_code db_exec(struct db *db, const char *sql, struct err *err)
{
    enum err_code code = check_fault(db, sql, err);
    if (code != OK)
        return code;
    int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? OK : fail(db, result, err);
}

enum err_code db_counter_take(struct db *tx, const char *name, int64_t count, int64_t *ret_first, struct err *err)
{
    static const struct db_sql sql = {"INSERT INTO counters (name, value) VALUES (?1, ?2)"
                                      " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value RETURNING value"};
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(tx, &sql, &st, err);
    if (code != OK)
        return code;
    db_bind_text(st, 1, name, strlen(name));
    db_bind_int(st, 2, count);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    must(row);
    *ret_first = db_int(st, 0) - count + 1;
    db_reset(st);
    return OK;
}

static const char *settings_of(const struct db_open_options *options)
{
    if (options->foreign)
        return "PRAGMA temp_store=MEMORY";
    if (options->readonly)
        return "PRAGMA query_only=ON; PRAGMA cache_size=-1024; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY";
    if (options->relaxed)
        return "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=OFF; PRAGMA cache_size=-4096;"
               "PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864; PRAGMA temp_store=MEMORY";
    return "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF; PRAGMA cache_size=-4096;"
           "PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=67108864; PRAGMA temp_store=MEMORY";
}

/* No account of the library's memory, which every allocation would take a process-wide lock for. Refused when somebody used
 * the library before us: that costs speed only. */
static void configure_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* Tables that only the server writes ask for this function in their triggers: on other connections there is none. */
static void writes_here(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count, (void)values;
    sqlite3_result_int(context, 1);
}

static void add_functions(struct db *db)
{
    must(sqlite3_create_function(db->handle, "horae_writes", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                 writes_here, NULL, NULL) == SQLITE_OK);
}

enum err_code db_sqlite_open(const struct db_open_options *options, struct db **ret, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, configure_library) == 0);
    struct db *db = xcalloc(1, sizeof *db);
    int flags = SQLITE_OPEN_READWRITE | (options->existing ? 0 : SQLITE_OPEN_CREATE) | (options->is_uri ? SQLITE_OPEN_URI : 0);
    int result = sqlite3_open_v2(options->path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
    enum err_code code = OK;
    if (result != SQLITE_OK)
        code = fail(db, result, err);
    if (code == OK) {
        (void)sqlite3_extended_result_codes(db->handle, 1);
        (void)sqlite3_busy_timeout(db->handle, BUSY_MS);
        /* A reader that is the last one to close leaves the file and its log as they are. SQLITE_OPEN_READONLY would be no better:
         * it cannot read what a crash has left. */
        if (options->existing && options->readonly)
            (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (!options->readonly)
            add_functions(db);
        code = db_exec(db, settings_of(options), err);
        if (options->log_pages)
            (void)sqlite3_wal_autocheckpoint(db->handle, options->log_pages);
    }
    db->fault = options->fault;
    if (code != OK) {
        db_close(db);
        return code;
    }
    *ret = db;
    return OK;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    size_t cursor = 0;
    for (struct db_stmt *st; (st = int_map_next(&db->cache, &cursor)); cursor--)
        drop_statement(db, st);
    int_map_release(&db->cache);
    (void)sqlite3_close(db->handle);
    free(db);
}

void db_roll_back(struct db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

enum err_code db_check_integrity(struct db *db, struct err *err)
{
    static const struct db_sql sql = {"PRAGMA integrity_check(1)"};
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql, &st, err);
    if (code == OK && (code = db_step(st, &row, err)) == OK && row && strcmp(db_text(st, 0, NULL), "ok") != 0)
        code = err_set(err, ERR_CORRUPT, NULL, "%s", db_text(st, 0, NULL));
    if (code == OK)
        db_reset(st);
    return code;
}

enum { BACKUP_PAGES = 1024, BACKUP_PAUSE_MS = 5 };

static int copy_pages(sqlite3_backup *backup, void (*progress)(void *arg, int64_t done, int64_t total), void *arg)
{
    int result;
    while ((result = sqlite3_backup_step(backup, BACKUP_PAGES)) == SQLITE_OK || result == SQLITE_BUSY ||
           result == SQLITE_LOCKED) {
        int total = sqlite3_backup_pagecount(backup);
        if (result != SQLITE_OK)
            (void)sqlite3_sleep(BACKUP_PAUSE_MS);
        else if (progress)
            progress(arg, total - sqlite3_backup_remaining(backup), total);
    }
    return result;
}

/* All steps see one snapshot, held by a read transaction: else every write meanwhile would begin the copy anew, and on a
 * busy server it would never end. */
enum err_code db_sqlite_backup(struct db *db, const char *to_path, void (*progress)(void *arg, int64_t done, int64_t total),
                               void *arg, struct err *err)
{
    struct db target = {0};
    enum err_code code = db_exec(db, "BEGIN; SELECT count(*) FROM sqlite_master", err);
    if (code != OK)
        return code;
    int result = sqlite3_open_v2(to_path, &target.handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    sqlite3_backup *backup = result == SQLITE_OK ? sqlite3_backup_init(target.handle, "main", db->handle, "main") : NULL;
    if (backup) {
        result = copy_pages(backup, progress, arg);
        (void)sqlite3_backup_finish(backup);
    }
    bool done = backup && result == SQLITE_DONE;
    if (done) /* a copy is one file, which can be read where nothing can be written */
        result = sqlite3_exec(target.handle, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    code = done && result == SQLITE_OK ? OK : fail(&target, result, err);
    (void)sqlite3_close(target.handle);
    (void)db_exec(db, "COMMIT", NULL);
    return code;
}
