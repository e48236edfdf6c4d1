/* SPDX-License-Identifier: Apache-2.0 */
#include "db/store.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/panic.h"
#include "base/queue.h"
#include "base/str.h"
#include "db/copy_store.h"
#include "db/db_engine.h"
#include "db/leader_store.h"
#include "db/migrate.h"
#include "db/store_lock.h"

#include <stdatomic.h>
#include <string.h>

enum { READER_WAIT_US = 5 * US_PER_S, DOUBT_PAUSE_US = US_PER_S / 5, DOUBT_END_US = 3 * US_PER_S };

struct store {
    const struct db_engine *engine;
    char *place, *name; /* what is opened, and how messages call it */
    bool relaxed, inline_writer;
    const struct store_fault *fault;
    struct store_lock lock; /* where the engine has an exclusion; writer thread once it runs */
    struct queue queue;     /* any thread */
    struct thread thread;
    struct db *writer; /* writer thread only, as the next */
    int64_t epoch;
    bool is_lost; /* told already */
    void (*lost)(void *arg);
    void *lost_arg;
    bool in_doubt;    /* whether the last commit was carried out will not be known any more: nothing is written after it */
    atomic_bool ends; /* see store_prepare_close */
    struct metric *commit_time, *batch_ops;
    struct mutex watch_mutex; /* guards the next two */
    void (*watch)(void *arg, const struct err *err);
    void *watch_arg;
    void (*committed)(void *arg);
    void *committed_arg;

    struct mutex readers_mutex; /* guards all below */
    struct condition reader_free;
    struct db *idle[STORE_READERS_MAX];
    int idle_count, open_count, max_readers;
};

/* Compiled once per connection, like all others. */
static const struct db_sql sql_commit = {"COMMIT"};

static enum err_code run_sql(struct db *db, const struct db_sql *sql, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, sql, &st, err);
    return code == OK ? db_run(st, NULL, err) : code;
}

/* ---- writing ---- */

static enum err_code run_op(struct store *store, struct store_op *op, struct err *err)
{
    return op->run(store->writer, op->arg, err);
}

static void roll_back(struct store *store)
{
    struct err err;
    if (db_exec(store->writer, "ROLLBACK", &err) != OK) /* none open: the engine has rolled back by itself */
        log_debug("store", "rollback: %s", err.message);
}

static void tell(struct store *store, const struct err *err)
{
    mutex_lock(&store->watch_mutex);
    if (store->watch)
        store->watch(store->watch_arg, err);
    mutex_unlock(&store->watch_mutex);
}

/* What comes in while nothing can be written: nothing of it was begun, so nobody needs to wait. */
static void refuse(struct list *taken, const struct err *err)
{
    for (struct list_node *node; (node = list_pop_front(taken));) {
        struct store_op *op = CONTAINER_OF(node, struct store_op, node);
        op->done(op->arg, err->code, err);
    }
}

static void note_lost(struct store *store)
{
    if (store->is_lost || !store->engine->is_lost || !store->engine->is_lost(store->writer))
        return;
    store->is_lost = true;
    if (store->lost)
        store->lost(store->lost_arg);
}

static enum err_code doubt(struct store *store, const struct err *why, struct err *err)
{
    store->in_doubt = true;
    return err_set(err, ERR_UNAVAILABLE, NULL, "whether the change was made is not known: %s",
                   why ? why->message : "the server stops");
}

/* A COMMIT whose answer was lost may have been carried out. Until that is known, its operations are neither done nor to be run again:
 * run twice, a change would be made twice, and told as failed, one that is there would be made again by whoever asked for it. */
static enum err_code find_outcome(struct store *store, enum err_code failed, struct err *err)
{
    struct list taken;
    struct err why;
    int64_t until_us = 0; /* once the server stops */
    bool committed = false, told = false;
    list_init(&taken);
    for (enum err_code code; (code = store->engine->outcome(store->writer, &committed, &why)) != OK;) {
        if (code == ERR_NOT_FOUND)
            return doubt(store, &why, err);
        int64_t now_us = clock_mono(clock_real()).us;
        if (!told)
            tell(store, &why);
        told = true;
        if (!until_us && atomic_load(&store->ends))
            until_us = now_us + DOUBT_END_US;
        if (until_us && now_us >= until_us)
            return doubt(store, &why, err);
        (void)queue_take_all(&store->queue, &taken, DOUBT_PAUSE_US);
        refuse(&taken, &why);
    }
    return committed ? OK : failed;
}

static enum err_code commit(struct store *store, struct err *err)
{
    int64_t before = clock_mono(clock_real()).us;
    enum err_code code = run_sql(store->writer, &sql_commit, err);
    if (code != OK && store->engine->outcome && (code = find_outcome(store, code, err)) != OK)
        note_lost(store);
    metric_observe(store->commit_time, clock_mono(clock_real()).us - before);
    return code;
}

/* All in the open transaction; OK when all of them are committed. */
static enum err_code run_together(struct store *store, struct list *batch, struct err *err)
{
    enum err_code code = OK;
    for (struct list_node *node = list_first(batch); node && code == OK; node = list_next(batch, node))
        code = run_op(store, CONTAINER_OF(node, struct store_op, node), err);
    if (code == OK)
        code = commit(store, err);
    if (code != OK)
        roll_back(store);
    return code;
}

static void note_result(struct store_op *op, enum err_code code, const struct err *err)
{
    op->code = code;
    if (code != OK) {
        op->err = xmalloc(sizeof *op->err);
        *op->err = *err;
    }
}

static enum err_code begin(struct store *store, struct err *err)
{
    const struct db_exclusion *exclusion = store->engine->exclusion;
    if (store->in_doubt)
        return doubt(store, NULL, err);
    enum err_code code = exclusion ? exclusion->check(&store->lock, err) : OK;
    if (code == OK && (code = run_sql(store->writer, store->engine->begin_write, err)) != OK)
        note_lost(store);
    return code;
}

/* Returns whether there was a transaction to run it in. */
static bool run_alone(struct store *store, struct store_op *op, struct err *err)
{
    enum err_code code = begin(store, err);
    bool begun = code == OK;
    if (begun) {
        code = run_op(store, op, err);
        if (code == OK)
            code = commit(store, err);
        if (code != OK)
            roll_back(store);
    }
    note_result(op, code, err);
    return begun;
}

/* One by one. After a wait for somebody else's lock, or for a server that is away, the others would fare no better, each after a wait
 * of its own. */
static void run_each(struct store *store, struct list *batch, bool begun, struct err *err)
{
    bool waited = store->in_doubt || (!begun && err->code == ERR_BUSY);
    for (struct list_node *node = list_first(batch); node; node = list_next(batch, node)) {
        struct store_op *op = CONTAINER_OF(node, struct store_op, node);
        if (waited)
            note_result(op, err->code, err);
        else
            waited = (!run_alone(store, op, err) && (err->code == ERR_BUSY || err->code == ERR_UNAVAILABLE)) || store->in_doubt;
    }
}

/* Nothing could be written, or not to its end: as against an operation that is refused for what it asks. */
static bool is_trouble(enum err_code code)
{
    return code == ERR_UNAVAILABLE || code == ERR_CORRUPT || code == ERR_BUSY;
}

static void tell_trouble(struct store *store, const struct list *batch)
{
    const struct err *err = NULL;
    for (struct list_node *node = list_first(batch); node && !err; node = list_next(batch, node)) {
        const struct store_op *op = CONTAINER_OF(node, struct store_op, node);
        err = is_trouble(op->code) ? op->err : NULL;
    }
    if (err)
        tell(store, err);
}

void store_watch(struct store *store, void (*fn)(void *arg, const struct err *err), void *arg)
{
    mutex_lock(&store->watch_mutex);
    store->watch = fn;
    store->watch_arg = arg;
    mutex_unlock(&store->watch_mutex);
}

static void run_batch(struct store *store, struct list *batch)
{
    struct err err;
    metric_observe_count(store->batch_ops, (int64_t)batch->count);
    bool begun = begin(store, &err) == OK;
    bool together = begun && run_together(store, batch, &err) == OK;
    if (!together)
        run_each(store, batch, begun, &err);
    if (!together)
        tell_trouble(store, batch);
    if (store->committed)
        store->committed(store->committed_arg);
    for (struct list_node *node; (node = list_pop_front(batch));) {
        struct store_op *op = CONTAINER_OF(node, struct store_op, node);
        struct err *own = op->err; /* `done` may free the operation */
        op->done(op->arg, together ? OK : op->code, own);
        free(own);
    }
}

static size_t run_all(struct store *store, struct list *taken)
{
    size_t count = taken->count;
    while (taken->count) {
        struct list batch;
        list_init(&batch);
        while (taken->count && batch.count < STORE_BATCH_MAX) {
            struct list_node *node = list_pop_front(taken);
            must(node);
            list_push_back(&batch, node);
        }
        run_batch(store, &batch);
    }
    return count;
}

static void writer_main(void *arg)
{
    struct store *store = arg;
    struct list taken;
    list_init(&taken);
    while (queue_take_all(&store->queue, &taken, -1))
        (void)run_all(store, &taken);
}

size_t store_tick(struct store *store)
{
    must(store->inline_writer);
    struct list taken;
    list_init(&taken);
    (void)queue_take_all(&store->queue, &taken, 0);
    return run_all(store, &taken);
}

bool store_submit(struct store *store, struct store_op *op)
{
    must(op->run && op->done);
    op->node = (struct list_node){0};
    op->err = NULL;
    return queue_push(&store->queue, &op->node);
}

struct waiting_op {
    struct store_op op;
    store_run_fn run;
    void *arg;
    struct mutex mutex;
    struct condition finished;
    bool is_done;
    enum err_code code;
    struct err err;
};

static enum err_code waiting_run(struct db *tx, void *arg, struct err *err)
{
    struct waiting_op *waiting = arg;
    return waiting->run(tx, waiting->arg, err);
}

static void waiting_done(void *arg, enum err_code code, const struct err *err)
{
    struct waiting_op *waiting = arg;
    mutex_lock(&waiting->mutex);
    waiting->code = code;
    if (code != OK)
        waiting->err = *err;
    waiting->is_done = true;
    condition_signal(&waiting->finished);
    mutex_unlock(&waiting->mutex);
}

enum err_code store_write(struct store *store, store_run_fn run, void *arg, struct err *err)
{
    struct waiting_op waiting = {.run = run, .arg = arg};
    waiting.op = (struct store_op){.run = waiting_run, .done = waiting_done, .arg = &waiting};
    mutex_init(&waiting.mutex);
    condition_init(&waiting.finished);
    if (!store_submit(store, &waiting.op)) {
        waiting.code = err_set(&waiting.err, ERR_UNAVAILABLE, NULL, "the store takes no more work at the moment");
        waiting.is_done = true;
    } else if (store->inline_writer) {
        (void)store_tick(store);
    }
    mutex_lock(&waiting.mutex);
    while (!waiting.is_done)
        condition_wait(&waiting.finished, &waiting.mutex);
    mutex_unlock(&waiting.mutex);
    condition_release(&waiting.finished);
    mutex_release(&waiting.mutex);
    if (waiting.code != OK && err)
        *err = waiting.err;
    return waiting.code;
}

/* ---- reading ---- */

static enum err_code open_reader(struct store *store, struct db **ret, struct err *err)
{
    struct db_open_options options = {.place = store->place, .readonly = true, .fault = store->fault};
    return db_open(store->engine, &options, ret, err);
}

/* An idle connection, or the right to open one (NULL). */
static enum err_code take_reader(struct store *store, struct db **ret, struct err *err)
{
    int64_t until = clock_mono(clock_real()).us + READER_WAIT_US;
    mutex_lock(&store->readers_mutex);
    while (!store->idle_count && store->open_count == store->max_readers) {
        int64_t left = until - clock_mono(clock_real()).us;
        if (left <= 0) {
            mutex_unlock(&store->readers_mutex);
            return err_set(err, ERR_BUSY, NULL, "too many queries at the moment");
        }
        (void)condition_wait_for(&store->reader_free, &store->readers_mutex, left);
    }
    if (store->idle_count) {
        *ret = store->idle[--store->idle_count];
    } else {
        store->open_count++;
        *ret = NULL;
    }
    mutex_unlock(&store->readers_mutex);
    return OK;
}

static void give_reader(struct store *store, struct db *reader)
{
    mutex_lock(&store->readers_mutex);
    if (reader)
        store->idle[store->idle_count++] = reader;
    else
        store->open_count--;
    condition_signal(&store->reader_free);
    mutex_unlock(&store->readers_mutex);
}

enum err_code store_read(struct store *store, store_run_fn run, void *arg, struct err *err)
{
    struct db *reader;
    enum err_code code = take_reader(store, &reader, err);
    if (code != OK)
        return code;
    if (!reader)
        code = open_reader(store, &reader, err);
    if (code == OK && (code = run_sql(reader, store->engine->begin_read, err)) == OK) {
        code = run(reader, arg, err);
        struct err ignored;
        if (run_sql(reader, &sql_commit, &ignored) != OK)
            (void)db_exec(reader, "ROLLBACK", &ignored);
    }
    give_reader(store, reader);
    return code;
}

/* ---- life ---- */

void store_explain(const struct store *store, struct err *err)
{
    const char *advice = store->engine->advice(err->code);
    struct err inner = *err;
    if (advice)
        (void)err_set(err, inner.code, NULL, "%s: %s%s%s", store->name, inner.message, advice[0] ? ": " : "", advice);
}

static enum err_code open_writer(struct store *store, struct err *err)
{
    struct db_open_options options = {
        .place = store->place, .relaxed = store->relaxed, .epoch = store->epoch, .fault = store->fault};
    enum err_code code = db_open(store->engine, &options, &store->writer, err);
    if (code == OK)
        code = migrate_apply(store->writer, err);
    if (code == OK && store->epoch)
        code = leader_store_take(store->writer, store->epoch, err);
    if (code == OK)
        code = copy_mark_take(store->writer, err);
    if (code != OK)
        store_explain(store, err);
    return code;
}

static void store_free(struct store *store)
{
    for (int i = 0; i < store->idle_count; i++)
        db_close(store->idle[i]);
    db_close(store->writer);
    if (store->engine->exclusion)
        store->engine->exclusion->release(&store->lock);
    queue_release(&store->queue);
    condition_release(&store->reader_free);
    mutex_release(&store->readers_mutex);
    mutex_release(&store->watch_mutex);
    free(store->place);
    free(store->name);
    free(store);
}

static void init(struct store *store, const struct store_options *options)
{
    store->lock.fd = -1;
    store->relaxed = options->relaxed;
    store->inline_writer = options->inline_writer;
    store->fault = options->fault;
    store->max_readers = options->readers;
    store->committed = options->committed;
    store->lost = options->lost;
    store->lost_arg = options->lost_arg;
    store->committed_arg = options->arg;
    store->epoch = options->epoch;
    queue_init(&store->queue, STORE_QUEUE_MAX);
    mutex_init(&store->readers_mutex);
    mutex_init(&store->watch_mutex);
    condition_init(&store->reader_free);
    store->commit_time = metric_get(METRIC_HISTOGRAM, "horae_store_commit_seconds", "Time of one group commit.", "");
    store->batch_ops = metric_get(METRIC_HISTOGRAM, "horae_store_batch_ops", "Operations per group commit.", "");
}

enum err_code store_open(const struct store_options *options, struct store **ret, struct err *err)
{
    const struct db_engine *engine;
    char *place, *name;
    enum err_code code = db_engine_of(options->url, &engine, err);
    if (code == OK)
        code = engine->place(options->url, &place, &name, err);
    if (code != OK)
        return code;
    must(options->readers > 0 && options->readers <= STORE_READERS_MAX);
    struct store *store = xcalloc(1, sizeof *store);
    store->engine = engine;
    store->place = place;
    store->name = name;
    init(store, options);
    if (engine->exclusion)
        code = engine->exclusion->take(&store->lock, place, err);
    if (code == OK)
        code = open_writer(store, err);
    if (code == OK && engine->exclusion)
        engine->exclusion->note(&store->lock);
    if (code != OK) {
        store_free(store);
        return code;
    }
    if (!store->inline_writer)
        thread_start(&store->thread, "horae-store", writer_main, store);
    *ret = store;
    return OK;
}

void store_prepare_close(struct store *store)
{
    atomic_store(&store->ends, true);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_prepare_close(store);
    queue_close(&store->queue);
    thread_join(&store->thread);
    if (store->inline_writer)
        (void)store_tick(store);
    store_free(store);
}
