/* SPDX-License-Identifier: Apache-2.0 */
/* The store: one database with one writer and group commit. An operation is a function over an open transaction plus
 * its data; it may run twice, so it has no effect outside the transaction. The writer takes everything that waits,
 * runs it in one transaction, commits once, and then completes every operation. When one fails, the batch is rolled
 * back and run again one by one, so that a bad operation never harms its neighbours. No timer delays a lone one.
 * Acknowledged (`done` with OK) means committed, and on disk unless the store is relaxed. */
#ifndef HORAE_DB_STORE_H
#define HORAE_DB_STORE_H

#include "base/list.h"
#include "db/db.h"

struct store;
struct store_fault;

enum { STORE_QUEUE_MAX = 65536, STORE_BATCH_MAX = 4096, STORE_READERS_MAX = 16 };

struct store_options {
    const char *url;                 /* one of store_url_forms() */
    bool relaxed;                    /* acknowledged survives a crash of the process, not of the machine */
    int readers;                     /* reader connections at most, 1 … STORE_READERS_MAX; opened on first use */
    bool inline_writer;              /* no thread: store_tick() writes; for simulation */
    const struct store_fault *fault; /* borrowed, may be NULL */
    /* A store that several instances share is led by one of them: its number, larger than any before (the fence of the lease that it
     * holds). From the opening on nobody with a smaller one writes, and transactions that such a one has open have ended. 0: what is
     * written belongs to no leader, or the engine knows one server alone. */
    int64_t epoch;
    /* On the writer's thread, after a batch was committed and before its operations are told; may be NULL. */
    void (*committed)(void *arg);
    void *arg;
    /* On the writer's thread, once: another leads by now. Nothing more is written, and what is known of the store may be wrong. May be
     * NULL. */
    void (*lost)(void *arg);
    void *lost_arg;
};

typedef enum err_code (*store_run_fn)(struct db *tx, void *arg, struct err *err);
typedef void (*store_done_fn)(void *arg, enum err_code code, const struct err *err); /* writer thread, in order */

struct store_op {
    struct list_node node; /* the store's */
    store_run_fn run;
    store_done_fn done;
    void *arg;
    enum err_code code; /* the store's */
    struct err *err;    /* the store's */
};

/* How the url of a store may look, for messages: "sqlite:PATH or …". */
const char *store_url_forms(void);
/* Whether an engine takes it; the place itself is not looked at. ERR_INVALID says what is allowed, and shows no password. */
enum err_code store_url_check(const char *url, struct err *err);
/* Opens, locks the file for one server (ERR_BUSY names the process that holds it) and migrates. With an epoch: ERR_CONFLICT, another has
 * led with a larger one; ERR_BUSY, a transaction of the former leader has not ended yet. */
enum err_code store_open(const struct store_options *options, struct store **ret, struct err *err);
/* Adds to an error of the store at a start which store it is about and what to do; other errors stay as they are. */
void store_explain(const struct store *store, struct err *err);
/* False: too much waits already, or the store is closing; the operation stays the caller's and is not called. */
bool store_submit(struct store *store, struct store_op *op) MUST_CHECK;
/* Submits and waits. */
enum err_code store_write(struct store *store, store_run_fn run, void *arg, struct err *err);
/* From now on `fn` hears on the writer's thread when the store refused changes, once for each commit that failed; what is wrong
 * with an operation itself is not told. It must not wait. NULL: nobody. One listener; `arg` is borrowed until the close. */
void store_watch(struct store *store, void (*fn)(void *arg, const struct err *err), void *arg);
/* On a reader connection, one snapshot, the caller's thread; waits at most 5 s for a connection (ERR_BUSY). */
enum err_code store_read(struct store *store, store_run_fn run, void *arg, struct err *err);
/* inline_writer: writes what waits; returns how many operations were completed. */
size_t store_tick(struct store *store);
/* The server is about to stop: a commit whose outcome is not known, since its database is away, is waited for no longer than some
 * seconds; then nothing is written any more, and what was in doubt is found out by the next start. Any thread. */
void store_prepare_close(struct store *store);
/* Writes what waits, then closes. */
void store_close(struct store *store);

/* One snapshot of a store that no server of this process need have open; nothing is changed. ERR_NOT_FOUND: there is none. */
enum err_code store_look(const char *url, store_run_fn run, void *arg, struct err *err);
/* The path that the files of a store begin with, those that belong to it and are no part of it (PATH-audit, PATH.notes): that of the
 * database, or one in the folder `data` where the database is on a server. */
void store_files(const char *url, const char *data, char *path, size_t size);
/* How messages call a store: without passwords. To be freed. */
char *store_name(const char *url);

/* Whether copies of this kind of store are made by horae; ERR_INVALID names the tools that make them otherwise. */
enum err_code store_can_copy(const char *url, struct err *err);
/* Where a store is one file: a consistent copy of it to a new file (mode 0600) while a server may use it (`horae store backup`).
 * `progress` may be NULL. ERR_CONFLICT when the file exists; errors of store_can_copy. */
enum err_code store_backup(const char *url, const char *to_path, void (*progress)(void *arg, int64_t done, int64_t total),
                           void *arg, struct err *err);
/* Integrity of a store, whether it is one of this program and not of a newer version, whether its tables are those that it is to have,
 * and whether it is no copy that was broken off; OK when sound (`horae store check`). `ret_missing` may be NULL: how many migrations
 * it is behind. */
enum err_code store_check(const char *url, size_t *ret_missing, struct err *err);

struct store_migrate_options {
    bool dry_run;                                              /* only tells; any number of servers may be at work */
    void (*tell)(void *arg, int64_t number, const char *name); /* of each migration that was missing: once all are applied */
    void *arg;
};
/* Applies what is missing. ERR_BUSY names the server that uses the store; ERR_NOT_FOUND: there is no such file. */
enum err_code store_migrate(const char *url, const struct store_migrate_options *options, struct err *err);

#endif
