/* SPDX-License-Identifier: Apache-2.0 */
#include "db/copy_store.h"

#include "base/mem.h"
#include "base/panic.h"
#include "db/db_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_MAX = 2048, BYTES_MAX = 1 << 30 };

static const struct {
    const char *name;
    int keys;
    const char *columns;
    enum copy_clear clear;
} rows_of_the_list[] = {
#define COPY_TABLE(name, keys, columns, clear) {#name, keys, columns, clear},
#include "db/copy_tables.def"
#undef COPY_TABLE
};
const size_t copy_table_count = ARRAY_LEN(rows_of_the_list);

/* ---- statements ---- */

static int count_columns(const char *columns)
{
    int count = 1;
    for (; *columns; columns++)
        count += *columns == ',';
    return count;
}

static int keys_length(const struct copy_table *table)
{
    const char *at = table->columns;
    for (int i = 0; i < table->keys && at; i++)
        at = strchr(i ? at + 1 : at, ',');
    return at ? (int)(at - table->columns) : (int)strlen(table->columns);
}

static void add_parameters(struct buf *sql, int count)
{
    for (int i = 1; i <= count; i++)
        buf_printf(sql, "%s?%d", i > 1 ? ", " : "", i);
}

static const char *take(struct buf *sql)
{
    must(!sql->failed);
    return buf_take(sql);
}

static const char *make_select(const struct copy_table *table, bool next)
{
    struct buf sql;
    const int length = keys_length(table);
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "SELECT %s FROM %s", table->columns, table->name);
    if (next) {
        buf_printf(&sql, " WHERE (%.*s) > (", length, table->columns);
        add_parameters(&sql, table->keys);
        buf_add_char(&sql, ')');
    }
    buf_printf(&sql, " ORDER BY %.*s LIMIT %d", length, table->columns, COPY_BATCH_ROWS);
    return take(&sql);
}

static const char *make_insert(const struct copy_table *table)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "INSERT INTO %s (%s) VALUES (", table->name, table->columns);
    add_parameters(&sql, table->column_count);
    buf_add_char(&sql, ')');
    return take(&sql);
}

static const char *make_empty(const struct copy_table *table, const char *verb)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "%s %s", verb, table->name);
    return take(&sql);
}

struct copy_table *copy_tables_new(void)
{
    struct copy_table *tables = xcalloc(copy_table_count, sizeof *tables);
    for (size_t i = 0; i < copy_table_count; i++) {
        struct copy_table *table = &tables[i];
        *table = (struct copy_table){.name = rows_of_the_list[i].name,
                                     .columns = rows_of_the_list[i].columns,
                                     .keys = rows_of_the_list[i].keys,
                                     .column_count = count_columns(rows_of_the_list[i].columns),
                                     .clear = rows_of_the_list[i].clear};
        must(table->keys <= COPY_KEYS_MAX && table->column_count <= COPY_COLUMNS_MAX);
        table->first.text = make_select(table, false);
        table->next.text = make_select(table, true);
        table->insert.text = make_insert(table);
        table->empty.text = make_empty(table, "DELETE FROM");
        table->empty.pg = make_empty(table, table->clear == COPY_TRUNCATES ? "TRUNCATE" : "DELETE FROM");
    }
    return tables;
}

static void free_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

void copy_tables_free(struct copy_table *tables)
{
    for (size_t i = 0; tables && i < copy_table_count; i++) {
        free_text(tables[i].first.text);
        free_text(tables[i].next.text);
        free_text(tables[i].insert.text);
        free_text(tables[i].empty.text);
        free_text(tables[i].empty.pg);
    }
    free(tables);
}

/* ---- reading ---- */

void copy_batch_init(struct copy_batch *batch, const struct copy_table *table)
{
    *batch = (struct copy_batch){.table = table};
    batch->values = xcalloc((size_t)COPY_BATCH_ROWS * (size_t)table->column_count, sizeof *batch->values);
    buf_init(&batch->bytes, BYTES_MAX);
    buf_init(&batch->key, BYTES_MAX);
}

void copy_batch_release(struct copy_batch *batch)
{
    free(batch->values);
    buf_release(&batch->bytes);
    buf_release(&batch->key);
}

static struct copy_value *row_of(const struct copy_batch *batch, size_t row)
{
    return &batch->values[row * (size_t)batch->table->column_count];
}

static const char *bytes_of(const struct buf *bytes, const struct copy_value *value)
{
    return bytes->data ? bytes->data + value->offset : "";
}

static void bind(struct db_stmt *st, int index, const struct copy_value *value, const struct buf *bytes)
{
    if (value->kind == DB_INT)
        db_bind_int(st, index, value->number);
    else if (value->kind == DB_TEXT)
        db_bind_text(st, index, bytes_of(bytes, value), value->length);
    else if (value->kind == DB_BLOB)
        db_bind_blob(st, index, bytes_of(bytes, value), value->length);
    else
        db_bind_null(st, index);
}

static enum err_code take_value(struct copy_batch *batch, struct db_stmt *st, int column, struct copy_value *ret, struct err *err)
{
    const char *bytes = NULL;
    *ret = (struct copy_value){.kind = db_kind_of(st, column), .offset = batch->bytes.len};
    switch (ret->kind) {
    case DB_NULL: return OK;
    case DB_INT: ret->number = db_int(st, column); return OK;
    case DB_TEXT: bytes = db_text(st, column, &ret->length); break;
    case DB_BLOB: bytes = db_blob(st, column, &ret->length); break;
    case DB_REAL: return err_set(err, ERR_CORRUPT, NULL, "column %d holds what is no number of horae", column + 1);
    }
    if (ret->length)
        buf_add(&batch->bytes, bytes, ret->length);
    return batch->bytes.failed ? err_set(err, ERR_LIMIT, NULL, "a row has more than %d bytes", BYTES_MAX) : OK;
}

/* What the next rows come after must outlive the batch that it is of. */
static void keep_key(struct copy_batch *batch)
{
    const struct copy_value *row = row_of(batch, batch->rows - 1);
    buf_clear(&batch->key);
    for (int i = 0; i < batch->table->keys; i++) {
        batch->last[i] = row[i];
        batch->last[i].offset = batch->key.len;
        buf_add(&batch->key, bytes_of(&batch->bytes, &row[i]), row[i].length);
    }
    batch->begun = true;
}

static enum err_code take_rows(struct copy_batch *batch, struct db_stmt *st, struct err *err)
{
    bool row = false;
    enum err_code code = OK;
    while (batch->rows < COPY_BATCH_ROWS && batch->bytes.len < COPY_BATCH_BYTES && code == OK &&
           (code = db_step(st, &row, err)) == OK && row) {
        struct copy_value *values = row_of(batch, batch->rows++);
        for (int i = 0; i < batch->table->column_count && code == OK; i++)
            code = take_value(batch, st, i, &values[i], err);
    }
    db_reset(st);
    return code;
}

enum err_code copy_batch_read(struct copy_batch *batch, struct db *db, struct err *err)
{
    struct db_stmt *st;
    batch->rows = 0;
    buf_clear(&batch->bytes);
    enum err_code code = db_prepare(db, batch->begun ? &batch->table->next : &batch->table->first, &st, err);
    if (code != OK)
        return code;
    for (int i = 0; batch->begun && i < batch->table->keys; i++)
        bind(st, i + 1, &batch->last[i], &batch->key);
    code = take_rows(batch, st, err);
    if (code == OK && batch->rows)
        keep_key(batch);
    return code;
}

/* ---- checksums ---- */

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

static uint64_t mix_bytes(uint64_t h, const char *bytes, size_t length)
{
    for (; length >= 8; bytes += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        h = mix(h ^ word);
    }
    for (; length; bytes++, length--)
        h = mix(h ^ (unsigned char)*bytes);
    return h;
}

uint64_t copy_batch_hash(const struct copy_batch *batch, size_t row)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    const struct copy_value *value = row_of(batch, row);
    for (int i = 0; i < batch->table->column_count; i++, value++) {
        h = mix(h + (uint64_t)value->kind + 1);
        h = mix(h ^ (value->kind == DB_INT ? (uint64_t)value->number : value->length));
        h = mix_bytes(h, bytes_of(&batch->bytes, value), value->length);
    }
    return h;
}

/* ---- writing ---- */

struct inserting {
    const struct copy_batch *batch;
    size_t from;
};

static void bind_row(struct db_stmt *st, void *arg, size_t i)
{
    const struct inserting *inserting = arg;
    const struct copy_value *row = row_of(inserting->batch, inserting->from + i);
    for (int column = 0; column < inserting->batch->table->column_count; column++)
        bind(st, column + 1, &row[column], &inserting->batch->bytes);
}

enum err_code copy_batch_insert(const struct copy_batch *batch, size_t from, struct db *tx, struct err *err)
{
    struct inserting inserting = {batch, from};
    return db_run_rows(tx, &batch->table->insert, &(struct db_rows){batch->rows - from, bind_row, NULL, &inserting}, err);
}

/* ---- the mark ---- */

static const struct db_sql sql_is_there = {
    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'store_copy'",
    .pg = "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
          " WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relname = 'store_copy'"};
static const struct db_sql sql_create = {
    "CREATE TABLE store_copy (source TEXT NOT NULL, origin INTEGER NOT NULL, begun_at INTEGER NOT NULL, finished_at INTEGER)",
    .pg = "CREATE TABLE store_copy (source text NOT NULL, origin bigint NOT NULL, begun_at bigint NOT NULL, finished_at bigint)"};
static const struct db_sql sql_drop = {"DROP TABLE store_copy"};
static const struct db_sql sql_read = {"SELECT source, origin, finished_at FROM store_copy"};
/* What the source's server held and said of itself is not true of the copy: nobody holds it, nobody lives. */
static const struct db_sql sql_end_locks = {"UPDATE task_locks SET state = 1 WHERE state = 0"};
static const struct db_sql sql_end_instances = {"UPDATE instances SET stopped_at = last_seen_at WHERE stopped_at IS NULL"};
static const struct db_sql sql_begin = {"INSERT INTO store_copy (source, origin, begun_at) VALUES (?1, ?2, ?3)"};
static const struct db_sql sql_finish = {"UPDATE store_copy SET finished_at = ?1"};
/* The other engines go on behind the greatest number that they have by themselves. */
static const struct db_sql sql_numbers = {
    "SELECT 1",
    .pg = "DO $$ DECLARE c record; BEGIN FOR c IN SELECT table_name AS t, column_name AS n FROM information_schema.columns"
          " WHERE table_schema = current_schema() AND is_identity = 'YES' LOOP EXECUTE format('SELECT"
          " setval(pg_get_serial_sequence(%L, %L), (SELECT coalesce(max(%I), 0) + 1 FROM %I), false)', c.t, c.n, c.n, c.t);"
          " END LOOP; END $$"};

enum err_code copy_mark_read(struct db *db, struct copy_mark *ret, struct err *err)
{
    int64_t count = 0;
    struct db_stmt *st;
    bool row = false;
    *ret = (struct copy_mark){.exists = false};
    enum err_code code = db_read_number(db, &sql_is_there, &count, err);
    if (code != OK || !count || (code = db_prepare(db, &sql_read, &st, err)) != OK)
        return code;
    if ((code = db_step(st, &row, err)) == OK && row) {
        ret->exists = true;
        (void)snprintf(ret->source, sizeof ret->source, "%s", db_text(st, 0, NULL));
        ret->origin = db_int(st, 1);
        ret->finished = !db_is_null(st, 2);
    }
    db_reset(st);
    return code;
}

enum err_code copy_mark_begin(struct db *tx, const struct copy_mark *mark, int64_t now_us, struct err *err)
{
    int64_t count = 0;
    struct db_stmt *st;
    enum err_code code = db_read_number(tx, &sql_is_there, &count, err);
    if (code == OK && count)
        code = db_exec(tx, sql_drop.text, err);
    if (code == OK)
        code = db_exec(tx, tx->engine->text(&sql_create), err);
    if (code == OK)
        code = db_prepare(tx, &sql_begin, &st, err);
    if (code != OK)
        return code;
    db_bind_text(st, 1, mark->source, strlen(mark->source));
    db_bind_int(st, 2, mark->origin);
    db_bind_int(st, 3, now_us);
    return db_run(st, NULL, err);
}

enum err_code copy_mark_finish(struct db *tx, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_exec(tx, tx->engine->text(&sql_numbers), err);
    if (code == OK)
        code = db_prepare(tx, &sql_finish, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, now_us);
    return db_run(st, NULL, err);
}

static enum err_code end_source(struct db *db, struct err *err)
{
    enum err_code code = db_exec(db, sql_end_locks.text, err);
    if (code == OK)
        code = db_exec(db, sql_end_instances.text, err);
    return code == OK ? db_exec(db, sql_drop.text, err) : code;
}

enum err_code copy_mark_take(struct db *db, struct err *err)
{
    struct copy_mark mark;
    enum err_code code = copy_mark_read(db, &mark, err);
    if (code != OK || !mark.exists)
        return code;
    if (mark.finished)
        return end_source(db, err);
    return err_set(err, ERR_CONFLICT, NULL,
                   "it is a copy of %s that was not finished: repeat `horae store copy`, or name another database", mark.source);
}
