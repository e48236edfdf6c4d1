/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/lease_store.h"

#include <stdio.h>
#include <string.h>

enum lock_state { LOCK_ACTIVE, LOCK_EXPIRED, LOCK_RELEASED };

static const struct db_sql sql_insert = {
    "INSERT INTO task_locks (lock_key, holder_id, token, fencing_token, state, acquired_at, expires_at, purpose, created_at,"
    " updated_at) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?5, ?5)"};
static const struct db_sql sql_now = {"SELECT NULL", /* the embedded store has no clock of its own */
                                      .pg = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)"};
static const struct db_sql sql_release = {
    "UPDATE task_locks SET state = 2, released_at = CASE WHEN ?2 > acquired_at THEN ?2 ELSE acquired_at END,"
    " updated_at = ?2 WHERE token = ?1 AND state = 0 AND expires_at > ?3"};
static const struct db_sql sql_renew = {
    "UPDATE task_locks SET expires_at = ?3, updated_at = ?2 WHERE token = ?1 AND state = 0 AND expires_at > ?2"};
static const struct db_sql sql_expire = {
    "UPDATE task_locks SET state = 1, expires_at = CASE WHEN ?3 > acquired_at THEN ?3 ELSE acquired_at + 1 END,"
    " updated_at = ?2 WHERE token = ?1 AND state = 0"};
static const struct db_sql sql_expire_key = {
    "UPDATE task_locks SET state = 1, updated_at = ?2 WHERE state = 0 AND lock_key = ?1 AND expires_at <= ?2"};
static const struct db_sql sql_expire_all = {"UPDATE task_locks SET state = 1, updated_at = ?1 WHERE state = 0"};
static const struct db_sql sql_sweep = {"UPDATE task_locks SET state = 1, updated_at = ?1 WHERE state = 0 AND expires_at <= ?1"};
static const struct db_sql sql_is_held = {"SELECT id FROM task_locks WHERE lock_key = ?1 AND state = 0"};
#define HELD_COLUMNS "SELECT lock_key, holder_id, token, fencing_token, acquired_at, expires_at, purpose FROM task_locks"
static const struct db_sql sql_held = {HELD_COLUMNS " WHERE lock_key = ?1 AND state = 0 AND expires_at > ?2"};
static const struct db_sql sql_held_all = {HELD_COLUMNS " WHERE state = 0 AND expires_at > ?1 ORDER BY lock_key LIMIT ?2"};
static const struct db_sql sql_history = {
    "SELECT id, lock_key, holder_id, fencing_token, state, acquired_at, expires_at, purpose, released_at FROM task_locks"
    " WHERE state BETWEEN ?3 AND ?4 AND id < ?5 ORDER BY id DESC LIMIT ?1 OFFSET ?2"};
static const struct db_sql sql_history_count = {"SELECT id FROM task_locks WHERE state BETWEEN ?1 AND ?2 LIMIT ?3"};
static const struct db_sql sql_purge = {
    "DELETE FROM task_locks WHERE id IN (SELECT id FROM task_locks WHERE state > 0 AND COALESCE(released_at, expires_at) < ?1"
    " LIMIT ?2)"};

const struct db_sql *const lease_store_sql[] = {&sql_now,        &sql_insert,     &sql_release,       &sql_renew,   &sql_expire,
                                                &sql_expire_key, &sql_expire_all, &sql_sweep,         &sql_is_held, &sql_held,
                                                &sql_held_all,   &sql_history,    &sql_history_count, &sql_purge};
const size_t lease_store_sql_count = ARRAY_LEN(lease_store_sql);

enum err_code lease_store_now(struct db *db, const struct clock *clock, int64_t *ret_us, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_now, &st, err);
    if (code == OK)
        code = db_step(st, &row, err);
    if (code != OK)
        return code;
    *ret_us = row && !db_is_null(st, 0) ? db_int(st, 0) : clock_wall(clock).us;
    db_reset(st);
    return OK;
}

static enum err_code held(const char *key, struct err *err)
{
    return err_set(err, ERR_CONFLICT, "LOCK_HELD", "the lock %s is held by another", key);
}

/* One that is held takes no number, and its refusal is no error of the database. */
static enum err_code refuse_held(struct db *tx, const char *key, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(tx, &sql_is_held, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, key);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    db_reset(st);
    return row ? held(key, err) : OK;
}

static enum err_code expire_key(struct db *tx, const char *key, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_expire_key, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, key);
    db_bind_int(st, 2, now_us);
    return db_run(st, NULL, err);
}

enum err_code lease_store_acquire(struct db *tx, struct lease *lease, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = expire_key(tx, lease->key, lease->acquired_us, err);
    if (code == OK)
        code = refuse_held(tx, lease->key, err);
    if (code == OK)
        code = db_counter_take(tx, "fence", 1, &lease->fence, err);
    if (code == OK)
        code = db_prepare(tx, &sql_insert, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, lease->key);
    db_bind_string(st, 2, lease->holder);
    db_bind_string(st, 3, lease->token);
    db_bind_int(st, 4, lease->fence);
    db_bind_int(st, 5, lease->acquired_us);
    db_bind_int(st, 6, lease->expires_us);
    db_bind_string(st, 7, lease->purpose);
    code = db_run(st, NULL, err);
    return code == ERR_CONFLICT ? held(lease->key, err) : code; /* another was faster, on a store with several writers */
}

/* Runs a statement whose first parameters are a token and two times: ERR_NOT_FOUND when it changes nothing. */
static enum err_code change_by_token(struct db *tx, const struct db_sql *sql, const char *token, int64_t first, int64_t second,
                                     struct err *err)
{
    struct db_stmt *st;
    int64_t changed = 0;
    enum err_code code = db_prepare(tx, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, token);
    db_bind_int(st, 2, first);
    db_bind_int(st, 3, second);
    if ((code = db_run(st, &changed, err)) != OK)
        return code;
    return changed ? OK : err_set(err, ERR_NOT_FOUND, "LOCK_NOT_HELD", "the lock is not held under this token");
}

enum err_code lease_store_release(struct db *tx, const char *token, int64_t now_us, int64_t live_us, struct err *err)
{
    return change_by_token(tx, &sql_release, token, now_us, live_us, err);
}

enum err_code lease_store_renew(struct db *tx, const char *token, int64_t now_us, int64_t expires_us, struct err *err)
{
    return change_by_token(tx, &sql_renew, token, now_us, expires_us, err);
}

enum err_code lease_store_expire(struct db *tx, const char *token, int64_t now_us, int64_t expired_us, struct err *err)
{
    enum err_code code = change_by_token(tx, &sql_expire, token, now_us, expired_us, err);
    return code == ERR_NOT_FOUND ? OK : code;
}

static void read_held_row(struct db_stmt *st, int64_t now_us, struct lease *lease)
{
    *lease = (struct lease){.fence = db_int(st, 3), .acquired_us = db_int(st, 4), .expires_us = db_int(st, 5)};
    lease->left_us = lease->expires_us - now_us;
    (void)snprintf(lease->key, sizeof lease->key, "%s", db_text(st, 0, NULL));
    (void)snprintf(lease->holder, sizeof lease->holder, "%s", db_text(st, 1, NULL));
    (void)snprintf(lease->token, sizeof lease->token, "%s", db_text(st, 2, NULL));
    (void)snprintf(lease->purpose, sizeof lease->purpose, "%s", db_text(st, 6, NULL));
}

enum err_code lease_store_held(struct db *db, const char *key, int64_t now_us, void (*fn)(void *arg, const struct lease *lease),
                               void *arg, struct err *err)
{
    struct db_stmt *st;
    struct lease lease;
    bool row = false;
    enum err_code code = db_prepare(db, key ? &sql_held : &sql_held_all, &st, err);
    if (code != OK)
        return code;
    if (key)
        db_bind_string(st, 1, key);
    else
        db_bind_int(st, 2, LEASE_LIST_MAX);
    db_bind_int(st, key ? 2 : 1, now_us);
    while ((code = db_step(st, &row, err)) == OK && row) {
        read_held_row(st, now_us, &lease);
        fn(arg, &lease);
    }
    return code;
}

static enum err_code run_at(struct db *tx, const struct db_sql *sql, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, now_us);
    return db_run(st, NULL, err);
}

enum err_code lease_store_expire_all(struct db *tx, int64_t now_us, struct err *err)
{
    return run_at(tx, &sql_expire_all, now_us, err);
}

enum err_code lease_store_sweep(struct db *tx, int64_t now_us, struct err *err)
{
    return run_at(tx, &sql_sweep, now_us, err);
}

void lease_write_json(struct json_writer *w, const struct lease *lease, const char *state, int64_t released_us)
{
    json_begin_object(w);
    json_put_text(w, "key", lease->key);
    json_put_text(w, "holder_id", lease->holder);
    json_put_int(w, "fencing_token", lease->fence);
    json_put_time(w, "acquired_at", lease->acquired_us, 3);
    json_put_time(w, "expires_at", lease->expires_us, 3);
    if (released_us)
        json_put_time(w, "released_at", released_us, 3);
    json_put_text(w, "state", state);
    json_put_text(w, "purpose", lease->purpose);
    json_end_object(w);
}

static void write_history_row(struct db_stmt *st, struct json_writer *w)
{
    struct lease lease = {.fence = db_int(st, 3), .acquired_us = db_int(st, 5), .expires_us = db_int(st, 6)};
    (void)snprintf(lease.key, sizeof lease.key, "%s", db_text(st, 1, NULL));
    (void)snprintf(lease.holder, sizeof lease.holder, "%s", db_text(st, 2, NULL));
    (void)snprintf(lease.purpose, sizeof lease.purpose, "%s", db_text(st, 7, NULL));
    lease_write_json(w, &lease, db_int(st, 4) == LOCK_RELEASED ? "released" : "expired", db_is_null(st, 8) ? 0 : db_int(st, 8));
}

static void bind_states(struct db_stmt *st, int first, enum lease_ended which)
{
    db_bind_int(st, first, which == LEASE_ENDED_RELEASED ? LOCK_RELEASED : LOCK_EXPIRED);
    db_bind_int(st, first + 1, which == LEASE_ENDED_EXPIRED ? LOCK_EXPIRED : LOCK_RELEASED);
}

enum err_code lease_store_count(struct db *db, enum lease_ended which, struct row_count *ret, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_history_count, &st, err);
    if (code != OK)
        return code;
    bind_states(st, 1, which);
    db_bind_int(st, 3, ROW_COUNT_MAX + 1);
    return db_count_rows(db, st, ret, err);
}

enum err_code lease_store_history(struct db *db, struct lease_history *history, struct json_writer *w, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_history, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, history->limit + 1); /* one more tells whether there is another page */
    db_bind_int(st, 2, history->offset);
    bind_states(st, 3, history->which);
    db_bind_int(st, 5, history->before_id ? history->before_id : INT64_MAX);
    for (int n = 0; (code = db_step(st, &row, err)) == OK && row; n++) {
        history->more = n == history->limit;
        if (history->more)
            break;
        write_history_row(st, w);
        history->last_id = db_int(st, 0);
    }
    db_reset(st);
    return code;
}

enum err_code lease_store_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err)
{
    return db_run_pair(tx, &sql_purge, before_us, limit, ret_deleted, err);
}
