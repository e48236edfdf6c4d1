/* SPDX-License-Identifier: Apache-2.0 */
#include "db/store_copy.h"

#include "base/clock.h"
#include "base/mem.h"
#include "db/copy_store.h"
#include "db/migrate.h"
#include "db/store.h"
#include "db/store_alone.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store_copy {
    struct store_copy_options options;
    struct store_alone from, to;
    struct copy_table *tables;
};

/* Of the rows of a table, whatever their order. */
struct sum {
    int64_t rows;
    uint64_t sum;
};

static void add_row(struct sum *sum, const struct copy_batch *batch, size_t row)
{
    sum->rows++;
    sum->sum += copy_batch_hash(batch, row);
}

static bool is_same(const struct sum *a, const struct sum *b)
{
    return a->rows == b->rows && a->sum == b->sum;
}

/* ---- the beginning ---- */

static enum err_code check_source(struct store_copy *copy, struct copy_mark *ret, struct err *err)
{
    struct copy_mark mark;
    size_t applied = 0;
    enum err_code code = migrate_check(copy->from.db, err);
    if (code == OK)
        code = migrate_count(copy->from.db, &applied, err);
    if (code == OK && applied < *copy->from.engine->migration_count)
        code = err_set(err, ERR_CONFLICT, NULL, "it is of an older version: run `horae store migrate` on it first");
    if (code == OK && (code = copy_mark_read(copy->from.db, &mark, err)) == OK && mark.exists && !mark.finished)
        code = err_set(err, ERR_CONFLICT, NULL, "it is a copy of %s that was not finished", mark.source);
    if (code == OK)
        code = migrate_first_time(copy->from.db, &ret->origin, err);
    (void)snprintf(ret->source, sizeof ret->source, "%s", copy->from.name);
    return store_alone_name(&copy->from, code, err);
}

static enum err_code check_empty(struct store_copy *copy, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; i < copy_table_count && code == OK; i++) {
        struct db_stmt *st;
        bool row = false;
        code = db_prepare(copy->to.db, &copy->tables[i].first, &st, err);
        if (code == OK && (code = db_step(st, &row, err)) == OK && row)
            code =
                err_set(err, ERR_CONFLICT, NULL, "it holds data already (in %s): name an empty database", copy->tables[i].name);
        if (row)
            db_reset(st);
    }
    return code;
}

static enum err_code check_target(struct store_copy *copy, const struct copy_mark *source, struct err *err)
{
    struct copy_mark mark;
    enum err_code code = copy_mark_read(copy->to.db, &mark, err);
    if (code == OK && !mark.exists)
        code = check_empty(copy, err);
    else if (code == OK && mark.origin != source->origin)
        code = err_set(err, ERR_CONFLICT, NULL, "it is a copy of another store (%s): name an empty database", mark.source);
    return code;
}

struct marking {
    const struct copy_mark *mark;
    int64_t now_us;
};

static enum err_code begin_mark(struct db *tx, void *arg, struct err *err)
{
    const struct marking *marking = arg;
    return copy_mark_begin(tx, marking->mark, marking->now_us, err);
}

static enum err_code prepare_target(struct store_copy *copy, const struct copy_mark *source, struct err *err)
{
    struct marking marking = {source, clock_wall(clock_real()).us};
    enum err_code code = migrate_apply(copy->to.db, err);
    if (code == OK)
        code = check_target(copy, source, err);
    if (code == OK)
        code = db_write(copy->to.db, begin_mark, &marking, err);
    return store_alone_name(&copy->to, code, err);
}

/* Two names of one database cannot be told apart in every case: what it holds keeps it from being copied into itself. */
static enum err_code check_names(const struct store_copy *copy, const char *to, struct err *err)
{
    char *name = store_name(to);
    const bool same = strcmp(name, copy->from.name) == 0;
    free(name);
    return same ? err_set(err, ERR_INVALID, NULL, "%s cannot be copied into itself", copy->from.name) : OK;
}

enum err_code store_copy_begin(const struct store_copy_options *options, struct store_copy **ret, struct err *err)
{
    struct store_copy *copy = xcalloc(1, sizeof *copy);
    struct copy_mark source = {.exists = false};
    copy->options = *options;
    copy->tables = copy_tables_new();
    enum err_code code = store_alone_open(options->from, true, NULL, &copy->from, err);
    if (code == OK)
        code = check_source(copy, &source, err);
    if (code == OK)
        code = db_exec(copy->from.db, copy->from.engine->begin_read->text, err);
    if (code == OK)
        code = check_names(copy, options->to, err);
    if (code == OK)
        code = store_alone_open(options->to, false, options->fault, &copy->to, err);
    if (code == OK)
        code = prepare_target(copy, &source, err);
    if (code != OK) {
        store_copy_end(copy);
        return code;
    }
    *ret = copy;
    return OK;
}

/* ---- a table ---- */

static enum err_code sum_up(struct db *db, const struct copy_table *table, struct sum *ret, struct err *err)
{
    struct copy_batch batch;
    enum err_code code;
    *ret = (struct sum){0};
    copy_batch_init(&batch, table);
    while ((code = copy_batch_read(&batch, db, err)) == OK && batch.rows)
        for (size_t i = 0; i < batch.rows; i++)
            add_row(ret, &batch, i);
    copy_batch_release(&batch);
    return code;
}

struct walk {
    struct store_copy *copy;
    struct copy_batch batch;
    struct sum there; /* in the target at first */
    struct sum sum;   /* of what was read of the source */
    size_t from;      /* of the batch: what is to be inserted */
};

/* How many rows at the beginning of the batch are in the target already. *ret_same: as far as is known. */
static size_t skip_rows(struct walk *walk, bool *ret_same)
{
    size_t skipped = 0;
    while (skipped < walk->batch.rows && walk->sum.rows < walk->there.rows)
        add_row(&walk->sum, &walk->batch, skipped++);
    *ret_same = walk->sum.rows < walk->there.rows || skipped == 0 || is_same(&walk->sum, &walk->there);
    return skipped;
}

static enum err_code insert_rows(struct db *tx, void *arg, struct err *err)
{
    const struct walk *walk = arg;
    return copy_batch_insert(&walk->batch, walk->from, tx, err);
}

static enum err_code insert(struct walk *walk, struct err *err)
{
    for (size_t i = walk->from; i < walk->batch.rows; i++)
        add_row(&walk->sum, &walk->batch, i);
    if (walk->copy->options.progress)
        walk->copy->options.progress(walk->copy->options.arg, walk->batch.table->name, walk->sum.rows);
    return walk->from < walk->batch.rows ? db_write(walk->copy->to.db, insert_rows, walk, err) : OK;
}

/* Ends early, with *ret_same false, when what the target has is not the beginning of the source. */
static enum err_code copy_rest(struct walk *walk, bool *ret_same, struct err *err)
{
    enum err_code code = OK;
    *ret_same = true;
    while (*ret_same && (code = copy_batch_read(&walk->batch, walk->copy->from.db, err)) == OK && walk->batch.rows) {
        walk->from = skip_rows(walk, ret_same);
        if (*ret_same && (code = insert(walk, err)) != OK)
            return code;
    }
    if (!*ret_same)
        return OK;
    *ret_same = walk->sum.rows >= walk->there.rows;
    return code;
}

static enum err_code empty_table(struct db *tx, void *arg, struct err *err)
{
    const struct copy_table *table = arg;
    return db_exec(tx, tx->engine->text(&table->empty), err);
}

static enum err_code empty(struct store_copy *copy, struct copy_table *table, struct err *err)
{
    if (table->clear == COPY_KEEPS)
        return err_set(err, ERR_CONFLICT, NULL,
                       "what the target has is not the beginning of what the source has, and is never removed: name an empty"
                       " database");
    return db_write(copy->to.db, empty_table, table, err);
}

/* One walk over the source; what the target has stays when it is the beginning of that. */
static enum err_code copy_once(struct store_copy *copy, struct copy_table *table, const struct sum *there, struct sum *ret,
                               bool *ret_same, struct err *err)
{
    struct walk walk = {.copy = copy, .there = *there};
    copy_batch_init(&walk.batch, table);
    const enum err_code code = copy_rest(&walk, ret_same, err);
    copy_batch_release(&walk.batch);
    *ret = walk.sum;
    return code;
}

static enum err_code check_arrived(struct store_copy *copy, const struct copy_table *table, const struct sum *sum,
                                   struct err *err)
{
    struct sum there;
    const enum err_code code = sum_up(copy->to.db, table, &there, err);
    if (code != OK || is_same(sum, &there))
        return code;
    return err_set(err, ERR_CORRUPT, NULL,
                   "what arrived is not what was sent: %" PRId64 " rows with checksum %016" PRIx64 " instead of %" PRId64
                   " with %016" PRIx64,
                   there.rows, there.sum, sum->rows, sum->sum);
}

static enum err_code copy_table(struct store_copy *copy, struct copy_table *table, struct store_copy_table *ret, struct err *err)
{
    struct sum there, sum = {0};
    bool same = false;
    enum err_code code = sum_up(copy->to.db, table, &there, err);
    if (code == OK)
        code = copy_once(copy, table, &there, &sum, &same, err);
    if (code == OK && !same) {
        there = (struct sum){0};
        if ((code = empty(copy, table, err)) == OK)
            code = copy_once(copy, table, &there, &sum, &same, err);
    }
    if (code == OK && sum.rows > there.rows)
        code = check_arrived(copy, table, &sum, err);
    if (code == OK)
        *ret = (struct store_copy_table){table->name, sum.rows, sum.rows - there.rows, sum.sum};
    return code;
}

enum err_code store_copy_run(struct store_copy *copy, struct store_copy_table *ret, struct err *err)
{
    enum err_code code = OK;
    struct err inner;
    for (size_t i = 0; i < copy_table_count && code == OK; i++)
        if ((code = copy_table(copy, &copy->tables[i], &ret[i], &inner)) != OK)
            (void)err_set(err, code, NULL, "%s: table %s: %s", copy->to.name, copy->tables[i].name, inner.message);
    return code;
}

size_t store_copy_tables(void)
{
    return copy_table_count;
}

/* ---- the end ---- */

static enum err_code finish_mark(struct db *tx, void *arg, struct err *err)
{
    return copy_mark_finish(tx, *(const int64_t *)arg, err);
}

enum err_code store_copy_finish(struct store_copy *copy, struct err *err)
{
    int64_t now_us = clock_wall(clock_real()).us;
    return store_alone_name(&copy->to, db_write(copy->to.db, finish_mark, &now_us, err), err);
}

void store_copy_end(struct store_copy *copy)
{
    if (!copy)
        return;
    store_alone_close(&copy->from);
    store_alone_close(&copy->to);
    copy_tables_free(copy->tables);
    free(copy);
}
