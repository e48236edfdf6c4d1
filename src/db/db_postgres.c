/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL engine. A statement is prepared once per session; whole results are taken at once, so statements may be used
 * side by side. A session that was lost is made again when the next transaction begins: what was under way in it fails as a whole.
 * A COMMIT whose answer was lost is asked for by a row of its own (docs/decisions/0013-postgres.md). */
#include "db/db_engine.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/panic.h"
#include "db/db_part.h"
#include "db/migrate.h"
#include "db/pg_transaction.h"
#include "db/pg_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMS_MAX = 32, PIPELINE_ROWS = 256 };

struct pg_stmt {
    struct db_stmt base;
    char *text; /* with $1 for ?1 */
    enum pg_control control;
    char name[16];       /* on the server */
    uint64_t generation; /* of the session that knows it */
    int param_count;
    Oid types[PARAMS_MAX]; /* of those that the text does not have too: they are sent as null */
    bool has[PARAMS_MAX];
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX];
    char numbers[PARAMS_MAX][8];
    int wrong; /* a parameter that was bound with a value of another type; 0 = none */
    PGresult *result;
    int row, rows;
    int64_t changes;
};

static struct pg_db *of(struct db *db)
{
    return CONTAINER_OF(db, struct pg_db, base);
}

static struct pg_stmt *stmt_of(struct db_stmt *st)
{
    return CONTAINER_OF(st, struct pg_stmt, base);
}

/* ---- transactions ---- */

static void pg_roll_back(struct db *base)
{
    if (of(base)->in_transaction)
        (void)pg_run_control(of(base), PG_CONTROL_ROLLBACK, "", false, NULL);
}

static enum err_code pg_exec(struct db *base, const char *sql, struct err *err)
{
    return pg_run_control(of(base), pg_control_of(sql), sql, false, err);
}

/* ---- statements ---- */

/* ?1 is $1 here; not in literals and names. Numbers that are left out are given a type: the server would ask for it. */
static void translate(struct pg_stmt *st, const char *text, int64_t part)
{
    char quote = 0;
    st->text = db_part_text(text, part);
    for (int i = 0; i < PARAMS_MAX; i++)
        st->types[i] = PG_INT8;
    for (char *p = st->text; *p; p++) {
        if (quote)
            quote = *p == quote ? 0 : quote;
        else if (*p == '\'' || *p == '"')
            quote = *p;
        else if (*p == '?') {
            long number = strtol(p + 1, NULL, 10);
            must(number >= 1 && number <= PARAMS_MAX);
            st->types[number - 1] = 0; /* the server finds it */
            st->has[number - 1] = true;
            st->param_count = st->param_count > number ? st->param_count : (int)number;
            *p = '$';
        }
    }
}

static bool is_small_int(Oid type)
{
    return type == PG_INT2 || type == PG_INT4;
}

/* Whether the types that the server found for the parameters are those that we bind. What it took for a small integer (beside a
 * literal, say) is to be a large one: *ret_again. */
static enum err_code check_types(struct pg_stmt *st, bool *ret_again, struct err *err)
{
    *ret_again = false;
    for (int i = 0; i < st->param_count; i++) {
        Oid type = st->types[i];
        if (is_small_int(type)) {
            st->types[i] = PG_INT8;
            *ret_again = true;
        } else if (type != PG_INT8 && type != PG_TEXT && type != PG_BYTEA) {
            return err_set(err, ERR_INTERNAL, NULL, "parameter %d has type %u: no integer, text or bytes", i + 1, type);
        }
    }
    return OK;
}

static enum err_code describe(struct pg_db *db, struct pg_stmt *st, struct err *err)
{
    const struct pq_library *pq = db->c.pq;
    PGresult *result = NULL;
    if (!pq->PQsendDescribePrepared(db->c.handle, st->name))
        return pg_connection_failed(&db->c, err);
    enum err_code code = pg_connection_finish(&db->c, &result, err);
    for (int i = 0; code == OK && i < st->param_count; i++)
        st->types[i] = pq->PQparamtype(result, i);
    pq->PQclear(result);
    return code;
}

/* A name of its own each time: what became of an earlier try need not be known. */
static enum err_code send_prepare(struct pg_db *db, struct pg_stmt *st, struct err *err)
{
    (void)snprintf(st->name, sizeof st->name, "h%u", ++db->names);
    if (!db->c.pq->PQsendPrepare(db->c.handle, st->name, st->text, st->param_count, st->types))
        return pg_connection_failed(&db->c, err);
    return pg_connection_finish(&db->c, NULL, err);
}

static enum err_code forget(struct pg_db *db, const struct pg_stmt *st, struct err *err)
{
    char sql[40];
    (void)snprintf(sql, sizeof sql, "DEALLOCATE %s", st->name);
    return pg_connection_exec(&db->c, sql, NULL, err);
}

static enum err_code prepare(struct pg_db *db, struct pg_stmt *st, struct err *err)
{
    bool again;
    enum err_code code = send_prepare(db, st, err);
    if (code == OK)
        code = describe(db, st, err);
    if (code == OK)
        code = check_types(st, &again, err);
    if (code == OK && again && (code = forget(db, st, err)) == OK)
        code = send_prepare(db, st, err);
    if (code == OK)
        st->generation = db->c.generation;
    return code;
}

static enum err_code pg_compile(struct db *base, const struct db_sql *sql, struct db_stmt **ret, struct err *err)
{
    struct pg_db *db = of(base);
    struct pg_stmt *st = xcalloc(1, sizeof *st);
    const char *text = sql->pg ? sql->pg : sql->text;
    enum err_code code = OK;
    st->control = pg_control_of(text);
    translate(st, text, base->part);
    if (st->control == PG_CONTROL_NONE && (code = pg_need_session(db, err)) == OK)
        code = prepare(db, st, err);
    if (code != OK) {
        free(st->text);
        free(st);
        return code;
    }
    *ret = &st->base;
    return OK;
}

static void pg_reset(struct db_stmt *base)
{
    struct pg_stmt *st = stmt_of(base);
    if (st->result)
        of(base->db)->c.pq->PQclear(st->result);
    st->result = NULL;
    st->wrong = 0;
    memset(st->values, 0, (size_t)st->param_count * sizeof st->values[0]);
}

static void pg_drop(struct db_stmt *base)
{
    struct pg_stmt *st = stmt_of(base);
    struct pg_db *db = of(base->db);
    pg_reset(base);
    if (db->c.handle && st->name[0] && st->generation == db->c.generation &&
        db->c.pq->PQtransactionStatus(db->c.handle) != PQTRANS_INERROR)
        (void)forget(db, st, NULL);
    free(st->text);
    free(st);
}

static void bind(struct db_stmt *base, int index, Oid type, const void *bytes, size_t length)
{
    struct pg_stmt *st = stmt_of(base);
    must(index >= 1 && index <= st->param_count && length <= INT32_MAX);
    if (!st->has[index - 1])
        return;
    if (st->types[index - 1] != type)
        st->wrong = index;
    st->values[index - 1] = bytes ? bytes : ""; /* no bytes are not null */
    st->lengths[index - 1] = (int)length;
}

static void pg_bind_int(struct db_stmt *base, int index, int64_t value)
{
    struct pg_stmt *st = stmt_of(base);
    must(index >= 1 && index <= st->param_count);
    pg_put_int(st->numbers[index - 1], value);
    bind(base, index, PG_INT8, st->numbers[index - 1], 8);
}

static void pg_bind_null(struct db_stmt *base, int index)
{
    struct pg_stmt *st = stmt_of(base);
    must(index >= 1 && index <= st->param_count);
    st->values[index - 1] = NULL;
}

static void pg_bind_text(struct db_stmt *base, int index, const char *text, size_t length)
{
    bind(base, index, PG_TEXT, text, length);
}

static void pg_bind_blob(struct db_stmt *base, int index, const void *bytes, size_t length)
{
    bind(base, index, PG_BYTEA, bytes, length);
}

static enum err_code send(struct pg_db *db, struct pg_stmt *st, struct err *err)
{
    static const int binary[PARAMS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                           1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    return db->c.pq->PQsendQueryPrepared(db->c.handle, st->name, st->param_count, st->values, st->lengths, binary, 1)
               ? OK
               : pg_connection_failed(&db->c, err);
}

/* A time limit is the server's: a savepoint keeps the transaction usable when it ends the statement, and takes the limit back. */
static enum err_code begin_limit(struct pg_db *db, struct err *err)
{
    char sql[96];
    int64_t left_us = db->until_us - clock_mono(clock_real()).us;
    if (left_us <= 0)
        return err_set(err, ERR_TIMEOUT, NULL, "the query took too long");
    (void)snprintf(sql, sizeof sql, "SAVEPOINT limited; SET LOCAL statement_timeout = %" PRId64, left_us / US_PER_MS + 1);
    return pg_connection_exec(&db->c, sql, NULL, err);
}

static enum err_code end_limit(struct pg_db *db, struct err *err)
{
    return db->c.handle ? pg_connection_exec(&db->c, "ROLLBACK TO SAVEPOINT limited; RELEASE SAVEPOINT limited", NULL, err) : OK;
}

static enum err_code execute(struct pg_db *db, struct pg_stmt *st, struct err *err)
{
    bool limited = db->until_us && db->in_transaction;
    enum err_code code = limited ? begin_limit(db, err) : OK;
    if (code != OK)
        return code;
    code = send(db, st, err);
    if (code == OK)
        code = pg_connection_finish(&db->c, &st->result, err);
    if (limited) {
        enum err_code end = end_limit(db, code == OK ? err : NULL);
        code = code == OK ? end : code;
    }
    return code;
}

static enum err_code check_values(const struct pg_stmt *st, struct err *err)
{
    return st->wrong ? err_set(err, ERR_INTERNAL, NULL, "parameter %d was bound with another type than the statement has: %.200s",
                               st->wrong, st->text)
                     : OK;
}

static enum err_code need_prepared(struct pg_db *db, struct pg_stmt *st, struct err *err)
{
    enum err_code code = pg_need_session(db, err);
    return code == OK && st->generation != db->c.generation ? prepare(db, st, err) : code;
}

static enum err_code run(struct pg_db *db, struct pg_stmt *st, struct err *err)
{
    enum err_code code = check_values(st, err);
    if (code == OK)
        code = need_prepared(db, st, err);
    if (code == OK)
        code = execute(db, st, err);
    if (code != OK)
        return code;
    st->row = -1;
    st->rows = db->c.pq->PQntuples(st->result);
    st->changes = strtoll(db->c.pq->PQcmdTuples(st->result), NULL, 10);
    return OK;
}

static enum err_code pg_step(struct db_stmt *base, bool *ret_row, struct err *err)
{
    struct pg_stmt *st = stmt_of(base);
    enum err_code code = OK;
    *ret_row = false;
    if (st->control != PG_CONTROL_NONE)
        return pg_run_control(of(base->db), st->control, st->text, true, err);
    if (!st->result)
        code = run(of(base->db), st, err);
    *ret_row = code == OK && ++st->row < st->rows;
    return code;
}

/* ---- many rows: a pipeline ---- */

static enum err_code send_rows(struct pg_db *db, struct pg_stmt *st, const struct db_rows *rows, size_t from, size_t to,
                               struct err *err)
{
    enum err_code code = OK;
    for (size_t i = from; i < to && code == OK; i++) {
        pg_reset(&st->base);
        rows->bind(&st->base, rows->arg, i);
        must(check_values(st, NULL) == OK);
        code = send(db, st, err);
    }
    if (code == OK && !db->c.pq->PQpipelineSync(db->c.handle))
        code = pg_connection_failed(&db->c, err);
    return code;
}

/* Of one statement: its result, and the NULL that ends it. */
static enum err_code take_row(struct pg_db *db, int64_t *ret_changes, struct err *err)
{
    PGresult *result = NULL;
    enum err_code code = pg_connection_finish(&db->c, &result, err);
    if (code == OK)
        *ret_changes = strtoll(db->c.pq->PQcmdTuples(result), NULL, 10);
    db->c.pq->PQclear(result);
    return code;
}

/* Up to the end of what was sent together, also after an error: the session is to be used on. */
static enum err_code take_rows(struct pg_db *db, const struct db_rows *rows, size_t from, size_t to, struct err *err)
{
    enum err_code failed = OK;
    PGresult *sync = NULL;
    for (size_t i = from; i < to && db->c.handle; i++) {
        int64_t changes = 0;
        enum err_code code = take_row(db, &changes, failed == OK ? err : NULL);
        if (failed == OK && code == OK && rows->done)
            rows->done(rows->arg, i, changes);
        if (failed == OK)
            failed = code;
    }
    if (!db->c.handle)
        return failed;
    enum err_code code = pg_connection_result(&db->c, &sync, failed == OK ? err : NULL);
    db->c.pq->PQclear(sync);
    return failed == OK ? code : failed;
}

static enum err_code run_pipeline(struct pg_db *db, struct pg_stmt *st, const struct db_rows *rows, struct err *err)
{
    enum err_code code = OK;
    if (!db->c.pq->PQenterPipelineMode(db->c.handle))
        return pg_connection_failed(&db->c, err);
    for (size_t from = 0; from < rows->count && code == OK; from += PIPELINE_ROWS) {
        size_t to = rows->count - from < PIPELINE_ROWS ? rows->count : from + PIPELINE_ROWS;
        code = send_rows(db, st, rows, from, to, err);
        if (code == OK)
            code = take_rows(db, rows, from, to, err);
    }
    if (db->c.handle && !db->c.pq->PQexitPipelineMode(db->c.handle)) { /* the session cannot be used on */
        pg_connection_drop(&db->c);
        code = code == OK ? err_set(err, ERR_UNAVAILABLE, NULL, "the store cannot be used: answers are out of step") : code;
    }
    return code;
}

static enum err_code pg_run_rows(struct db_stmt *base, const struct db_rows *rows, struct err *err)
{
    struct pg_db *db = of(base->db);
    struct pg_stmt *st = stmt_of(base);
    must(st->control == PG_CONTROL_NONE && db->in_transaction);
    enum err_code code = need_prepared(db, st, err);
    return code == OK ? run_pipeline(db, st, rows, err) : code;
}

static int64_t pg_changes(struct db_stmt *base)
{
    return stmt_of(base)->changes;
}

static void pg_limit_time(struct db *base, int64_t until_us)
{
    of(base)->until_us = until_us;
}

/* ---- columns ---- */

static struct pg_value value_at(struct db_stmt *base, int column)
{
    const struct pg_stmt *st = stmt_of(base);
    const struct pq_library *pq = of(base->db)->c.pq;
    if (pq->PQgetisnull(st->result, st->row, column))
        return (struct pg_value){0};
    return (struct pg_value){pq->PQftype(st->result, column), pq->PQgetvalue(st->result, st->row, column),
                             (size_t)pq->PQgetlength(st->result, st->row, column)};
}

static enum db_kind pg_kind(struct db_stmt *st, int column)
{
    struct pg_value value = value_at(st, column);
    return pg_value_kind(&value);
}

static int64_t pg_get_int(struct db_stmt *st, int column)
{
    struct pg_value value = value_at(st, column);
    return pg_value_int(&value);
}

static const char *pg_get_text(struct db_stmt *st, int column, size_t *ret_length)
{
    struct pg_value value = value_at(st, column);
    if (ret_length)
        *ret_length = value.length;
    return value.bytes; /* the library ends each with a zero */
}

static const void *pg_get_blob(struct db_stmt *st, int column, size_t *ret_length)
{
    return pg_get_text(st, column, ret_length);
}

/* ---- life ---- */

static bool pg_is_lost(struct db *base)
{
    return of(base)->lost;
}

static void pg_close(struct db *base)
{
    pg_connection_release(&of(base)->c);
    free(of(base));
}

static enum err_code pg_open(const struct db_open_options *options, struct db **ret, struct err *err)
{
    struct pg_db *db = xcalloc(1, sizeof *db);
    enum err_code code = pg_connection_init(&db->c, options, err);
    if (code == OK)
        code = pg_connection_need(&db->c, err);
    db->epoch = options->epoch;
    id_random_bytes(&db->mark, sizeof db->mark); /* no other process has these numbers */
    db->mark &= INT64_MAX >> 1;
    if (code != OK) {
        pg_close(&db->base);
        return code;
    }
    *ret = &db->base;
    return OK;
}

static enum err_code pg_place(const char *url, char **ret_place, char **ret_name, struct err *err)
{
    struct pg_url parsed;
    enum err_code code = pg_url_parse(url, &parsed, err);
    if (code != OK)
        return code;
    pg_url_release(&parsed);
    *ret_place = xstrdup(url);
    *ret_name = pg_url_name(url);
    return OK;
}

static const char *pg_text(const struct db_sql *sql)
{
    return sql->pg ? sql->pg : sql->text;
}

static const char *pg_advice(enum err_code code)
{
    switch ((int)code) {
    case ERR_CORRUPT: return "name an empty database, or a schema of its own for horae (ALTER ROLE user SET search_path)";
    case ERR_BUSY: return "end what holds it, then start again";
    case ERR_UNAVAILABLE: return "";
    default: return NULL;
    }
}

static const struct db_sql begin_read = {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}, begin_write = {"BEGIN"};
/* Any number that is always the same: "horae" in letters. */
static const struct db_sql migration_lock = {"SELECT pg_advisory_xact_lock(448378266981)"};

const struct db_engine db_postgres_engine = {
    .name = "postgres",
    .place = pg_place,
    .advice = pg_advice,
    .text = pg_text,
    .begin_read = &begin_read,
    .begin_write = &begin_write,
    .migrations = postgres_migrations,
    .migration_count = &postgres_migration_count,
    .migration_lock = &migration_lock,
    .open = pg_open,
    .close = pg_close,
    .exec = pg_exec,
    .roll_back = pg_roll_back,
    .outcome = pg_outcome,
    .is_lost = pg_is_lost,
    .limit_time = pg_limit_time,
    .backup_hint = "copies of a PostgreSQL database are made with its own tools (pg_dump, pg_basebackup); the key of the"
                   " audit log lies in the data folder, in audit.key",
    .compile = pg_compile,
    .drop = pg_drop,
    .bind_int = pg_bind_int,
    .bind_null = pg_bind_null,
    .bind_text = pg_bind_text,
    .bind_blob = pg_bind_blob,
    .step = pg_step,
    .run_rows = pg_run_rows,
    .changes = pg_changes,
    .reset = pg_reset,
    .kind = pg_kind,
    .get_int = pg_get_int,
    .get_text = pg_get_text,
    .get_blob = pg_get_blob,
};
