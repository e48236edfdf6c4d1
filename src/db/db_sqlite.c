/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite engine: the only file that knows its library. WAL; `synchronous=FULL` unless relaxed. */
#include "db/db_engine.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"
#include "db/migrate.h"
#include "db/store_lock.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { BUSY_MS = 5000, STEPS_PER_CLOCK = 1000 };

struct sqlite_stmt {
    struct db_stmt base;
    sqlite3_stmt *st;
};

struct sqlite_db {
    struct db base;
    sqlite3 *handle;
    int64_t until_us; /* monotonic; see db_limit_time */
};

static struct sqlite_db *of(struct db *db)
{
    return CONTAINER_OF(db, struct sqlite_db, base);
}

static sqlite3_stmt *handle_of(struct db_stmt *st)
{
    return CONTAINER_OF(st, struct sqlite_stmt, base)->st;
}

static enum err_code fail(sqlite3 *handle, int result, struct err *err)
{
    const char *text = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(result);
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

static enum err_code sqlite_compile(struct db *db, const struct db_sql *sql, struct db_stmt **ret, struct err *err)
{
    sqlite3 *handle = of(db)->handle;
    sqlite3_stmt *st;
    int result = sqlite3_prepare_v3(handle, sql->text, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (result != SQLITE_OK)
        return fail(handle, result, err);
    struct sqlite_stmt *made = xcalloc(1, sizeof *made);
    made->st = st;
    *ret = &made->base;
    return OK;
}

static void sqlite_drop(struct db_stmt *st)
{
    (void)sqlite3_finalize(handle_of(st));
    free(CONTAINER_OF(st, struct sqlite_stmt, base));
}

static void sqlite_bind_int(struct db_stmt *st, int index, int64_t value)
{
    must(sqlite3_bind_int64(handle_of(st), index, value) == SQLITE_OK);
}

static void sqlite_bind_null(struct db_stmt *st, int index)
{
    must(sqlite3_bind_null(handle_of(st), index) == SQLITE_OK);
}

static void sqlite_bind_text(struct db_stmt *st, int index, const char *text, size_t length)
{
    must(sqlite3_bind_text64(handle_of(st), index, text, length, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
}

static void sqlite_bind_blob(struct db_stmt *st, int index, const void *bytes, size_t length)
{
    must(sqlite3_bind_blob64(handle_of(st), index, bytes, length, SQLITE_STATIC) == SQLITE_OK);
}

static enum err_code sqlite_step(struct db_stmt *st, bool *ret_row, struct err *err)
{
    int result = sqlite3_step(handle_of(st));
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return fail(of(st->db)->handle, result, err);
    *ret_row = result == SQLITE_ROW;
    return OK;
}

static int64_t sqlite_changes(struct db_stmt *st)
{
    return sqlite3_changes64(of(st->db)->handle);
}

static void sqlite_reset(struct db_stmt *st)
{
    (void)sqlite3_reset(handle_of(st));
    (void)sqlite3_clear_bindings(handle_of(st));
}

static int time_is_up(void *arg)
{
    const struct sqlite_db *db = arg;
    return clock_mono(clock_real()).us > db->until_us;
}

static void sqlite_limit_time(struct db *db, int64_t until_us)
{
    of(db)->until_us = until_us;
    sqlite3_progress_handler(of(db)->handle, until_us ? STEPS_PER_CLOCK : 0, until_us ? time_is_up : NULL, of(db));
}

static enum db_kind sqlite_kind(struct db_stmt *st, int column)
{
    switch (sqlite3_column_type(handle_of(st), column)) {
    case SQLITE_INTEGER: return DB_INT;
    case SQLITE_TEXT: return DB_TEXT;
    case SQLITE_BLOB: return DB_BLOB;
    case SQLITE_FLOAT: return DB_REAL;
    default: return DB_NULL;
    }
}

static int64_t sqlite_get_int(struct db_stmt *st, int column)
{
    return sqlite3_column_int64(handle_of(st), column);
}

static const char *sqlite_get_text(struct db_stmt *st, int column, size_t *ret_length)
{
    const char *text = (const char *)sqlite3_column_text(handle_of(st), column);
    if (ret_length)
        *ret_length = (size_t)sqlite3_column_bytes(handle_of(st), column);
    return text;
}

static const void *sqlite_get_blob(struct db_stmt *st, int column, size_t *ret_length)
{
    const void *bytes = sqlite3_column_blob(handle_of(st), column);
    if (ret_length)
        *ret_length = (size_t)sqlite3_column_bytes(handle_of(st), column);
    return bytes;
}

static enum err_code sqlite_exec(struct db *db, const char *sql, struct err *err)
{
    int result = sqlite3_exec(of(db)->handle, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? OK : fail(of(db)->handle, result, err);
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

static void add_functions(struct sqlite_db *db)
{
    must(sqlite3_create_function(db->handle, "horae_writes", 0, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
                                 writes_here, NULL, NULL) == SQLITE_OK);
}

static void set_up(struct sqlite_db *db, const struct db_open_options *options)
{
    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_timeout(db->handle, BUSY_MS);
    /* A reader that is the last one to close leaves the file and its log as they are. SQLITE_OPEN_READONLY would be no better:
     * it cannot read what a crash has left. */
    if (options->existing && options->readonly)
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!options->readonly)
        add_functions(db);
}

static enum err_code limit_cache(struct sqlite_db *db, int pages, struct err *err)
{
    char sql[40];
    (void)snprintf(sql, sizeof sql, "PRAGMA cache_size=%d", pages);
    return sqlite_exec(&db->base, sql, err);
}

static void sqlite_close(struct db *db)
{
    (void)sqlite3_close(of(db)->handle);
    free(of(db));
}

static enum err_code sqlite_open(const struct db_open_options *options, struct db **ret, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, configure_library) == 0);
    struct sqlite_db *db = xcalloc(1, sizeof *db);
    int flags = SQLITE_OPEN_READWRITE | (options->existing ? 0 : SQLITE_OPEN_CREATE) | (options->is_uri ? SQLITE_OPEN_URI : 0);
    int result = sqlite3_open_v2(options->place, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
    enum err_code code = result == SQLITE_OK ? OK : fail(db->handle, result, err);
    if (code == OK) {
        set_up(db, options);
        code = sqlite_exec(&db->base, settings_of(options), err);
        if (code == OK && options->cache_pages)
            code = limit_cache(db, options->cache_pages, err);
        if (options->log_pages)
            (void)sqlite3_wal_autocheckpoint(db->handle, options->log_pages);
    }
    if (code != OK) {
        sqlite_close(&db->base);
        return code;
    }
    *ret = &db->base;
    return OK;
}

static void sqlite_roll_back(struct db *db)
{
    if (!sqlite3_get_autocommit(of(db)->handle))
        (void)sqlite3_exec(of(db)->handle, "ROLLBACK", NULL, NULL, NULL);
}

static enum err_code sqlite_check(struct db *db, struct err *err)
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

static int copy_pages(sqlite3_backup *backup, db_progress_fn progress, void *arg)
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
static enum err_code sqlite_backup(struct db *db, const char *to_path, db_progress_fn progress, void *arg, struct err *err)
{
    sqlite3 *target = NULL;
    enum err_code code = db_exec(db, "BEGIN; SELECT count(*) FROM sqlite_master", err);
    if (code != OK)
        return code;
    int result = sqlite3_open_v2(to_path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    sqlite3_backup *backup = result == SQLITE_OK ? sqlite3_backup_init(target, "main", of(db)->handle, "main") : NULL;
    if (backup) {
        result = copy_pages(backup, progress, arg);
        (void)sqlite3_backup_finish(backup);
    }
    bool done = backup && result == SQLITE_DONE;
    if (done) /* a copy is one file, which can be read where nothing can be written */
        result = sqlite3_exec(target, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    code = done && result == SQLITE_OK ? OK : fail(target, result, err);
    (void)sqlite3_close(target);
    (void)db_exec(db, "COMMIT", NULL);
    return code;
}

static enum err_code sqlite_place(const char *url, char **ret_place, char **ret_name, struct err *err)
{
    (void)err;
    *ret_place = xstrdup(url + strlen("sqlite:"));
    *ret_name = xstrdup(*ret_place);
    return OK;
}

static const char *sqlite_text(const struct db_sql *sql)
{
    return sql->text;
}

static const char *sqlite_advice(enum err_code code)
{
    switch ((int)code) {
    case ERR_CORRUPT: return "see `horae store check`; `horae store restore` puts a copy in its place";
    case ERR_BUSY: return "end the program that holds it, then start again";
    case ERR_UNAVAILABLE: return "make room on the disk, and let this user write the file and its folder";
    default: return NULL;
    }
}

static const struct db_exclusion one_server = {
    .take = store_lock_take, .note = store_lock_note, .check = store_lock_check, .release = store_lock_release};
static const struct db_sql begin_read = {"BEGIN"}, begin_write = {"BEGIN IMMEDIATE"};

const struct db_engine db_sqlite_engine = {
    .name = "sqlite",
    .place = sqlite_place,
    .advice = sqlite_advice,
    .is_file = true,
    .exclusion = &one_server,
    .text = sqlite_text,
    .begin_read = &begin_read,
    .begin_write = &begin_write,
    .migrations = sqlite_migrations,
    .migration_count = &sqlite_migration_count,
    .open = sqlite_open,
    .close = sqlite_close,
    .exec = sqlite_exec,
    .roll_back = sqlite_roll_back,
    .limit_time = sqlite_limit_time,
    .check = sqlite_check,
    .backup = sqlite_backup,
    .compile = sqlite_compile,
    .drop = sqlite_drop,
    .bind_int = sqlite_bind_int,
    .bind_null = sqlite_bind_null,
    .bind_text = sqlite_bind_text,
    .bind_blob = sqlite_bind_blob,
    .step = sqlite_step,
    .changes = sqlite_changes,
    .reset = sqlite_reset,
    .kind = sqlite_kind,
    .get_int = sqlite_get_int,
    .get_text = sqlite_get_text,
    .get_blob = sqlite_get_blob,
};
