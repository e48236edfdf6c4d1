/* SPDX-License-Identifier: Apache-2.0 */
#include "db/pg_transaction.h"

#include "base/panic.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_SIZE = 320, COMMITS_KEPT = 4096 };

/* Cut short it would be another statement. */
PRINTF_LIKE(2, 3)
static void write_sql(char sql[SQL_SIZE], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(sql, SQL_SIZE, format, args);
    va_end(args);
    must(length > 0 && length < SQL_SIZE);
}

enum err_code pg_need_session(struct pg_db *db, struct err *err)
{
    if (db->in_transaction && !db->c.handle)
        return err_set(err, ERR_UNAVAILABLE, NULL, "the store cannot be used: the connection was lost during the transaction");
    return db->in_transaction ? OK : pg_connection_need(&db->c, err);
}

static enum err_code not_ours(struct err *err)
{
    return err_set(
        err, ERR_UNAVAILABLE, NULL,
        "another instance leads on this store by now, or it was put back to an older state: nothing more is written by this one");
}

/* In a new session: the row of our last commit is there unless another leader began to write (which removes it), or the database was put
 * back to an older state. What we know of the store is wrong then, and what we would write by it as well. */
static enum err_code check_ours(struct pg_db *db, struct err *err)
{
    char sql[SQL_SIZE];
    PGresult *result = NULL;
    if (!db->last_mark || db->generation == db->c.generation)
        return OK;
    write_sql(sql, "SELECT id FROM store_commits WHERE id = %" PRId64, db->last_mark);
    enum err_code code = pg_connection_exec(&db->c, sql, &result, err);
    db->lost = code == OK && db->c.pq->PQntuples(result) == 0;
    db->c.pq->PQclear(result);
    if (!db->lost)
        return code;
    pg_connection_drop(&db->c); /* another server may have it */
    return not_ours(err);
}

/* What tells later whether a COMMIT without an answer was carried out: a row of this transaction alone. The transaction's number would
 * not do, since a server that crashed may give it once more; it only tells whether the transaction still goes on. The row is there
 * only while we lead, and whoever wants to lead waits until this transaction has ended: nothing of two leaders is ever mixed. */
static void write_begin(struct pg_db *db, const char *text, char sql[SQL_SIZE])
{
    bool tidies = !db->last_mark || ++db->begins % COMMITS_KEPT == 0; /* until one that did is committed: see check_ours */
    db->mark++;
    write_sql(sql,
              "%s;%s INSERT INTO store_commits (id) SELECT %" PRId64 " FROM store_leader WHERE id = 1 AND epoch = %" PRId64
              " FOR SHARE RETURNING pg_current_xact_id()::text",
              text, tidies ? " DELETE FROM store_commits;" : "", db->mark, db->epoch);
}

static enum err_code send_begin(struct pg_db *db, const char *text, bool marked, struct err *err)
{
    PGresult *result = NULL;
    char sql[SQL_SIZE];
    db->xid[0] = '\0';
    if (!marked || !db->epoch)
        return pg_connection_exec(&db->c, text, NULL, err);
    enum err_code code = check_ours(db, err);
    if (code != OK)
        return code;
    write_begin(db, text, sql);
    code = pg_connection_exec(&db->c, sql, &result, err);
    db->lost = code == OK && db->c.pq->PQntuples(result) == 0;
    if (db->lost)
        code = not_ours(err);
    if (code == OK)
        (void)snprintf(db->xid, sizeof db->xid, "%s", db->c.pq->PQgetvalue(result, 0, 0));
    else if (db->c.handle) /* begun, perhaps, and failed */
        (void)pg_connection_exec(&db->c, "ROLLBACK", NULL, NULL);
    db->c.pq->PQclear(result);
    return code;
}

/* An idle session may have been ended by the server meanwhile: nothing is lost with it, so a new one serves as well. */
static enum err_code begin(struct pg_db *db, const char *text, bool marked, struct err *err)
{
    if (db->lost)
        return not_ours(err);
    enum err_code code = pg_need_session(db, err);
    if (code == OK && (code = send_begin(db, text, marked, err)) != OK && !db->c.handle && !db->lost &&
        (code = pg_connection_need(&db->c, err)) == OK)
        code = send_begin(db, text, marked, err);
    db->in_transaction = code == OK;
    return code;
}

static void note_commit(struct pg_db *db)
{
    db->last_mark = db->mark;
    db->generation = db->c.generation;
}

/* After a statement that failed, the server answers a COMMIT with what it did: ROLLBACK. */
static enum err_code commit(struct pg_db *db, struct err *err)
{
    PGresult *result = NULL;
    enum err_code code = pg_need_session(db, err);
    if (code != OK)
        return code;
    code = pg_connection_exec(&db->c, "COMMIT", &result, err);
    if (code == OK && strcmp(db->c.pq->PQcmdStatus(result), "COMMIT") != 0)
        code = err_set(err, ERR_INTERNAL, NULL, "a statement of the transaction had failed: it was rolled back");
    db->c.pq->PQclear(result);
    db->in_doubt = code != OK && !db->c.handle && db->xid[0];
    db->in_transaction = false;
    if (code == OK && db->xid[0])
        note_commit(db);
    return code;
}

static enum err_code roll_back(struct pg_db *db, struct err *err)
{
    db->in_transaction = false;
    return db->c.handle ? pg_connection_exec(&db->c, "ROLLBACK", NULL, err) : OK;
}

/* Whether the transaction goes on still: the server may not have noticed that we are gone, or waits for its replica. An error: it does
 * not know the number, so that nothing goes on under it. */
static enum err_code await_end(struct pg_db *db, struct err *err)
{
    char sql[SQL_SIZE];
    PGresult *result = NULL;
    write_sql(sql, "SELECT coalesce(pg_xact_status('%s'::xid8), '')", db->xid);
    enum err_code code = pg_connection_exec(&db->c, sql, &result, err);
    if (code == OK && strcmp(db->c.pq->PQgetvalue(result, 0, 0), "in progress") == 0)
        code =
            err_set(err, ERR_UNAVAILABLE, NULL, "the store cannot be used: a transaction of a lost connection has not ended yet");
    db->c.pq->PQclear(result);
    return code == ERR_INTERNAL ? OK : code;
}

/* A leader that came after us has removed the rows of ours: that there is none tells nothing then. */
static enum err_code take_outcome(struct pg_db *db, const PGresult *result, bool *ret_committed, struct err *err)
{
    const struct pq_library *pq = db->c.pq;
    bool rows = pq->PQntuples(result) > 0;
    *ret_committed = rows && strtoll(pq->PQgetvalue(result, 0, 0), NULL, 10) > 0;
    db->in_doubt = false;
    if (*ret_committed)
        note_commit(db);
    else
        db->lost = !rows || strtoll(pq->PQgetvalue(result, 0, 1), NULL, 10) != db->epoch;
    return db->lost ? err_set(err, ERR_NOT_FOUND, NULL, "another instance leads on this store by now") : OK;
}

enum err_code pg_outcome(struct db *base, bool *ret_committed, struct err *err)
{
    struct pg_db *db = CONTAINER_OF(base, struct pg_db, base);
    char sql[SQL_SIZE];
    PGresult *result = NULL;
    *ret_committed = false;
    if (!db->in_doubt)
        return OK;
    enum err_code code = pg_connection_need(&db->c, err);
    if (code == OK)
        code = await_end(db, err);
    if (code != OK)
        return code;
    write_sql(sql, "SELECT (SELECT count(*) FROM store_commits WHERE id = %" PRId64 "), epoch FROM store_leader", db->mark);
    code = pg_connection_exec(&db->c, sql, &result, err);
    if (code == OK)
        code = take_outcome(db, result, ret_committed, err);
    db->c.pq->PQclear(result);
    return code;
}

enum pg_control pg_control_of(const char *text)
{
    static const char *const words[] = {
        [PG_CONTROL_BEGIN] = "BEGIN", [PG_CONTROL_COMMIT] = "COMMIT", [PG_CONTROL_ROLLBACK] = "ROLLBACK"};
    for (int i = PG_CONTROL_BEGIN; i <= PG_CONTROL_ROLLBACK; i++)
        if (strncmp(text, words[i], strlen(words[i])) == 0)
            return (enum pg_control)i;
    return PG_CONTROL_NONE;
}

/* Migrations: they take the time that they need. */
static enum err_code run_script(struct pg_db *db, const char *text, struct err *err)
{
    enum err_code code = pg_need_session(db, err);
    if (code != OK)
        return code;
    db->c.is_patient = true;
    if (db->in_transaction)
        code = pg_connection_exec(&db->c, "SET LOCAL statement_timeout = 0", NULL, err);
    if (code == OK)
        code = pg_connection_exec(&db->c, text, NULL, err);
    db->c.is_patient = false;
    return code;
}

enum err_code pg_run_control(struct pg_db *db, enum pg_control control, const char *text, bool marked, struct err *err)
{
    switch (control) {
    case PG_CONTROL_BEGIN: return begin(db, text, marked, err);
    case PG_CONTROL_COMMIT: return commit(db, err);
    case PG_CONTROL_ROLLBACK: return roll_back(db, err);
    case PG_CONTROL_NONE: break;
    }
    return run_script(db, text, err);
}
