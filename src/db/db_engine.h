/* SPDX-License-Identifier: Apache-2.0 */
/* What a kind of database must provide to stand behind db.h and store.h: one constant table of functions, in a file of its own
 * (db_sqlite.c), and a row in db_engines.def. */
#ifndef HORAE_DB_DB_ENGINE_H
#define HORAE_DB_DB_ENGINE_H

#include "base/map.h"
#include "db/db.h"
#include "db/store_fault.h"

struct db_engine;
struct migration;
struct store_lock;

/* An engine's own connection and statement begin with these. */
struct db {
    const struct db_engine *engine;
    const struct store_fault *fault;
    struct int_map cache; /* part and address of the struct db_sql → db_stmt, owned */
    uint64_t prepares;
    int64_t part; /* that its statements mean (db_part.h); 0 = none */
};

struct db_stmt {
    struct db *db;
    const struct db_sql *sql;
    int64_t key;   /* in the cache */
    uint64_t used; /* when, in db_prepare calls */
    bool is_reset; /* and unbound */
};

struct db_open_options {
    const char *place; /* as the engine's `place` gave it */
    bool relaxed;      /* process-crash safe only */
    bool readonly;     /* a reader connection */
    bool foreign;      /* a database of somebody else: its settings stay as they are */
    bool
        existing; /* the file is there; with `readonly` nothing is ever written to it, and a replica of a server serves as well */
    bool is_uri;  /* `place` is one, of a file (db_file.c) */
    int64_t epoch;   /* writes go on only while this is the number of the store's leader (leader_store.h); 0: whoever leads */
    int cache_pages; /* so many pages are kept in memory; 0: the default */
    int log_pages;   /* a commit moves the log into the database when it has so many pages; 0: the default */
    const struct store_fault *fault; /* borrowed, may be NULL */
};

/* One store at a time uses a place (store_lock.h has the words for each); NULL where many may. */
struct db_exclusion {
    enum err_code (*take)(struct store_lock *lock, const char *place, struct err *err);
    void (*note)(struct store_lock *lock);
    enum err_code (*check)(struct store_lock *lock, struct err *err);
    void (*release)(struct store_lock *lock);
};

typedef void (*db_progress_fn)(void *arg, int64_t done, int64_t total);

struct db_engine {
    const char *name;
    /* What is opened, from an url whose scheme is this engine's, and how messages call it: without secrets. To be freed. */
    enum err_code (*place)(const char *url, char **ret_place, char **ret_name, struct err *err);
    const char *(*advice)(
        enum err_code code); /* what to do about an error at a start; "": it says so itself; NULL: not about the store */
    bool is_file;            /* the place is a path */
    const struct db_exclusion *exclusion; /* NULL = none */
    const char *(*text)(const struct db_sql *sql);
    const struct db_sql *begin_read, *begin_write;
    const struct migration *migrations;
    const size_t *migration_count;
    const struct db_sql *migration_lock; /* run in a transaction that migrates; NULL = begin_write keeps others away */

    /* Without a fault and a cache: db_open adds them. */
    enum err_code (*open)(const struct db_open_options *options, struct db **ret, struct err *err);
    void (*close)(struct db *db); /* frees it; its statements are gone */
    enum err_code (*exec)(struct db *db, const char *sql, struct err *err);
    void (*roll_back)(struct db *db);
    /* After a COMMIT that failed: was it carried out all the same? ERR_UNAVAILABLE: that cannot be known yet, ask again; nothing
     * else may be done meanwhile. ERR_NOT_FOUND: nobody will ever know. NULL = a COMMIT that fails is never carried out. */
    enum err_code (*outcome)(struct db *db, bool *ret_committed, struct err *err);
    /* For good: the store has another leader by now, or is an older state of itself. NULL = never. */
    bool (*is_lost)(struct db *db);
    void (*limit_time)(struct db *db, int64_t until_us);
    enum err_code (*check)(struct db *db, struct err *err); /* integrity; NULL = it looks after that itself */
    /* NULL = it has tools of its own for that; `backup_hint` names them. */
    enum err_code (*backup)(struct db *db, const char *to_path, db_progress_fn progress, void *arg, struct err *err);
    const char *backup_hint;

    enum err_code (*compile)(struct db *db, const struct db_sql *sql, struct db_stmt **ret, struct err *err);
    void (*drop)(struct db_stmt *st); /* frees it */
    void (*bind_int)(struct db_stmt *st, int index, int64_t value);
    void (*bind_null)(struct db_stmt *st, int index);
    void (*bind_text)(struct db_stmt *st, int index, const char *text, size_t length);
    void (*bind_blob)(struct db_stmt *st, int index, const void *bytes, size_t length);
    enum err_code (*step)(struct db_stmt *st, bool *ret_row, struct err *err); /* the caller resets at the end and on errors */
    /* All rows at once, more than one; the caller resets at the end. NULL = one by one serves as well. */
    enum err_code (*run_rows)(struct db_stmt *st, const struct db_rows *rows, struct err *err);
    int64_t (*changes)(struct db_stmt *st); /* of the last run, also after the reset */
    void (*reset)(struct db_stmt *st);
    enum db_kind (*kind)(struct db_stmt *st, int column);
    int64_t (*get_int)(struct db_stmt *st, int column);
    const char *(*get_text)(struct db_stmt *st, int column, size_t *ret_length);
    const void *(*get_blob)(struct db_stmt *st, int column, size_t *ret_length);
};

extern const struct db_engine db_sqlite_engine, db_postgres_engine;

/* The engine that an url names. ERR_INVALID says what is allowed; it shows no more of the url than its scheme. */
enum err_code db_engine_of(const char *url, const struct db_engine **ret, struct err *err);

enum err_code db_open(const struct db_engine *engine, const struct db_open_options *options, struct db **ret, struct err *err);
void db_close(struct db *db); /* NULL allowed */
/* Runs `run` in a transaction of its own, outside of a store's writer: COMMIT, or ROLLBACK when it fails. */
enum err_code db_write(struct db *db, enum err_code (*run)(struct db *tx, void *arg, struct err *err), void *arg,
                       struct err *err);
/* Ends a transaction that is open, whatever stands in the way of statements; the engine may have rolled back by itself. */
void db_roll_back(struct db *db);
/* ERR_CORRUPT says what is wrong with the database. */
enum err_code db_check_integrity(struct db *db, struct err *err);

#endif
