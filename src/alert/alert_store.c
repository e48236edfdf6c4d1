/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert_store.h"

#include "base/mem.h"
#include "db/claim.h"

#include <string.h>

enum { STATE_SENT = 2, STATE_DEAD = 3 }; /* below 2: unfinished (db/claim.h) */

static const struct claim_table claims = CLAIM_TABLE("alerts", "");

static const struct db_sql sql_insert = {
    "INSERT INTO alerts (uid, channel, kind, subject, payload, state, attempt, due_at, created_at, updated_at, sent_at)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8, ?9)"};
static const struct db_sql sql_get_memory = {
    "SELECT told_at, repeats, firing FROM alert_subjects WHERE kind = ?1 AND subject = ?2"};
static const struct db_sql sql_put_memory = {
    "INSERT INTO alert_subjects (kind, subject, told_at, repeats, firing) VALUES (?1, ?2, ?3, ?4, ?5)"
    " ON CONFLICT (kind, subject) DO UPDATE SET told_at = ?3, repeats = ?4, firing = ?5"};
static const struct db_sql sql_due = {"SELECT id, attempt, uid, kind, channel, subject, payload FROM alerts"
                                      " WHERE state < 2 AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2"};
static const struct db_sql sql_finish = {
    "UPDATE alerts SET state = ?3, sent_at = ?4, last_error = COALESCE(?5, last_error), updated_at = ?6, lease_owner = NULL" CLAIM_RUNNING};
static const struct db_sql sql_note_error = {"UPDATE alerts SET last_error = ?3" CLAIM_RUNNING};
static const struct db_sql sql_trim = {
    "UPDATE alerts SET state = 3, updated_at = ?2, lease_owner = NULL, last_error = 'too many wait: the oldest are given up'"
    " WHERE id IN (SELECT id FROM alerts WHERE state < 2 ORDER BY id DESC LIMIT 9223372036854775807 OFFSET ?1)"};
static const struct db_sql sql_next_due = {"SELECT MIN(due_at) FROM alerts WHERE state < 2 AND due_at > ?1"};
static const struct db_sql sql_state = {"SELECT state FROM alerts WHERE id = ?1"};
static const struct db_sql sql_retry = {
    "UPDATE alerts SET state = 0, attempt = 0, due_at = ?2, updated_at = ?2 WHERE id = ?1 AND state = 3"};
static const struct db_sql sql_purge = {"DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE state >= 2"
                                        " AND updated_at < ?1 ORDER BY id LIMIT ?2)"};
static const struct db_sql sql_purge_memory = {"DELETE FROM alert_subjects WHERE told_at < ?1 AND firing = 0"};

#define COLUMNS \
    "SELECT id, uid, channel, kind, subject, payload, state, attempt, due_at, last_error, created_at, sent_at FROM alerts"
#define FILTER " WHERE id < ?1 AND (kind = ?2 OR ?2 IS NULL) AND (channel = ?3 OR ?3 IS NULL)"
/* By state, in the order of enum alert_state; the last one is for any. */
static const struct db_sql sql_list[ALERT_STATE_COUNT + 1] = {
    {COLUMNS FILTER " AND state < 2 ORDER BY id DESC LIMIT ?4 OFFSET ?5"},
    {COLUMNS FILTER " AND state = 2 ORDER BY id DESC LIMIT ?4 OFFSET ?5"},
    {COLUMNS FILTER " AND state = 3 ORDER BY id DESC LIMIT ?4 OFFSET ?5"},
    {COLUMNS FILTER " ORDER BY id DESC LIMIT ?4 OFFSET ?5"}};
static const struct db_sql sql_count[ALERT_STATE_COUNT + 1] = {{"SELECT id FROM alerts" FILTER " AND state < 2 LIMIT ?4"},
                                                               {"SELECT id FROM alerts" FILTER " AND state = 2 LIMIT ?4"},
                                                               {"SELECT id FROM alerts" FILTER " AND state = 3 LIMIT ?4"},
                                                               {"SELECT id FROM alerts" FILTER " LIMIT ?4"}};
static const struct db_sql sql_get = {COLUMNS " WHERE id = ?1"};

const struct db_sql *const alert_store_sql[] = {
    &claims.take,    &claims.release, &claims.adopt,     &claims.renew,   &claims.rescue, &sql_insert,   &sql_get_memory,
    &sql_put_memory, &sql_due,        &sql_finish,       &sql_note_error, &sql_trim,      &sql_next_due, &sql_state,
    &sql_retry,      &sql_purge,      &sql_purge_memory, &sql_list[0],    &sql_list[1],   &sql_list[2],  &sql_list[3],
    &sql_count[0],   &sql_count[1],   &sql_count[2],     &sql_count[3],   &sql_get};
const size_t alert_store_sql_count = ARRAY_LEN(alert_store_sql);

static void bind_name(struct db_stmt *st, int index, const char *const *names, int value)
{
    db_bind_string(st, index, value < 0 ? NULL : names[value]);
}

static struct uuid read_uid(struct db_stmt *st, int column)
{
    struct uuid uid = {{0}};
    size_t length;
    const void *bytes = db_blob(st, column, &length);
    if (bytes && length == sizeof uid.b)
        memcpy(uid.b, bytes, sizeof uid.b);
    return uid;
}

/* ---- writing ---- */

enum err_code alert_store_insert(struct db *tx, const struct alert_row *row, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_insert, &st, err);
    if (code != OK)
        return code;
    db_bind_blob(st, 1, row->uid.b, sizeof row->uid.b);
    bind_name(st, 2, alert_channel_names, (int)row->channel);
    bind_name(st, 3, alert_kind_names, (int)row->kind);
    db_bind_string(st, 4, row->subject);
    db_bind_string(st, 5, row->payload);
    db_bind_int(st, 6, row->sent ? STATE_SENT : 0);
    db_bind_int(st, 7, row->sent);
    db_bind_int(st, 8, now_us);
    if (row->sent)
        db_bind_int(st, 9, now_us);
    else
        db_bind_null(st, 9);
    return db_run(st, NULL, err);
}

enum err_code alert_store_get_memory(struct db *db, enum alert_kind kind, const char *subject, struct alert_memory *ret,
                                     struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    *ret = (struct alert_memory){0};
    enum err_code code = db_prepare(db, &sql_get_memory, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, alert_kind_names[kind]);
    db_bind_string(st, 2, subject);
    code = db_step(st, &row, err);
    if (code == OK && row)
        *ret = (struct alert_memory){.told_us = db_int(st, 0), .repeats = db_int(st, 1), .firing = db_int(st, 2) != 0};
    db_reset(st);
    return code;
}

enum err_code alert_store_put_memory(struct db *tx, enum alert_kind kind, const char *subject, const struct alert_memory *memory,
                                     struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_put_memory, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, alert_kind_names[kind]);
    db_bind_string(st, 2, subject);
    db_bind_int(st, 3, memory->told_us);
    db_bind_int(st, 4, memory->repeats);
    db_bind_int(st, 5, memory->firing);
    return db_run(st, NULL, err);
}

/* ---- deliveries ---- */

/* False: a row of a newer version, whose kind or channel is not known here; it waits for that version. */
static bool read_delivery(struct db_stmt *st, struct alert_delivery *out)
{
    *out = (struct alert_delivery){.id = db_int(st, 0),
                                   .attempt = (int32_t)db_int(st, 1) + 1,
                                   .uid = read_uid(st, 2),
                                   .kind = alert_kind_from(str_of(db_text(st, 3, NULL))),
                                   .channel = alert_channel_from(str_of(db_text(st, 4, NULL)))};
    if (out->kind == ALERT_KIND_COUNT || out->channel == ALERT_CHANNEL_COUNT)
        return false;
    out->subject = xstrdup(db_text(st, 5, NULL));
    out->payload = xstrdup(db_text(st, 6, NULL));
    return true;
}

void alert_delivery_release(struct alert_delivery *delivery)
{
    free(delivery->subject);
    free(delivery->payload);
    delivery->subject = delivery->payload = NULL;
}

static enum err_code read_due(struct db *db, int64_t now_us, size_t limit, struct alert_delivery *out, size_t *ret_count,
                              struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_due, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, now_us);
    db_bind_int(st, 2, (int64_t)limit);
    while ((code = db_step(st, &row, err)) == OK && row)
        *ret_count += read_delivery(st, &out[*ret_count]);
    return code;
}

enum err_code alert_store_take(struct db *tx, const char *owner, int64_t now_us, size_t limit, struct alert_delivery *out,
                               size_t *ret_count, struct err *err)
{
    struct claim taken[ALERT_BATCH_MAX];
    size_t count = 0;
    *ret_count = 0;
    enum err_code code = read_due(tx, now_us, limit < ALERT_BATCH_MAX ? limit : ALERT_BATCH_MAX, out, &count, err);
    for (size_t i = 0; i < count; i++)
        taken[i] = (struct claim){.id = out[i].id, .attempt = out[i].attempt, .now_us = now_us};
    if (code == OK)
        code = claim_take(tx, &claims, owner, taken, count, err);
    for (size_t i = 0; i < count; i++) {
        out[i].fence = taken[i].fence;
        if (code != OK || taken[i].lost)
            alert_delivery_release(&out[i]);
        else
            out[(*ret_count)++] = out[i];
    }
    return code;
}

static enum err_code finish(struct db *tx, const struct alert_delivery *d, int state, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_finish, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, d->id);
    db_bind_int(st, 2, d->fence);
    db_bind_int(st, 3, state);
    if (state == STATE_SENT)
        db_bind_int(st, 4, now_us);
    else
        db_bind_null(st, 4);
    db_bind_string(st, 5, d->error[0] ? d->error : NULL);
    db_bind_int(st, 6, now_us);
    return db_run(st, NULL, err);
}

enum err_code alert_store_sent(struct db *tx, const struct alert_delivery *delivery, int64_t now_us, struct err *err)
{
    return finish(tx, delivery, STATE_SENT, now_us, err);
}

enum err_code alert_store_dead(struct db *tx, const struct alert_delivery *delivery, int64_t now_us, struct err *err)
{
    return finish(tx, delivery, STATE_DEAD, now_us, err);
}

enum err_code alert_store_again(struct db *tx, const struct alert_delivery *delivery, int64_t due_us, int64_t now_us,
                                struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_note_error, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, delivery->id);
    db_bind_int(st, 2, delivery->fence);
    db_bind_string(st, 3, delivery->error);
    if ((code = db_run(st, NULL, err)) == OK)
        code = claim_release(tx, &claims, delivery->id, delivery->fence, due_us, now_us, err);
    return code == ERR_CONFLICT ? OK : code; /* it was given up, or retried by hand, meanwhile */
}

enum err_code alert_store_trim(struct db *tx, int64_t max, int64_t now_us, int64_t *ret_count, struct err *err)
{
    return db_run_pair(tx, &sql_trim, max, now_us, ret_count, err);
}

enum err_code alert_store_next_due(struct db *db, int64_t after_us, int64_t *ret_us, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    *ret_us = INT64_MAX;
    enum err_code code = db_prepare(db, &sql_next_due, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, after_us);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    if (row && !db_is_null(st, 0))
        *ret_us = db_int(st, 0);
    db_reset(st);
    return OK;
}

enum err_code alert_store_retry(struct db *tx, int64_t id, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    int64_t changed = 0;
    enum err_code code = db_prepare(tx, &sql_state, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    db_reset(st);
    if (!row)
        return err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
    if ((code = db_prepare(tx, &sql_retry, &st, err)) != OK)
        return code;
    db_bind_int(st, 1, id);
    db_bind_int(st, 2, now_us);
    if ((code = db_run(st, &changed, err)) != OK)
        return code;
    return changed
               ? OK
               : err_set(err, ERR_CONFLICT, NULL, "alert %lld is not dead: only dead ones are sent again by hand", (long long)id);
}

enum err_code alert_store_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_run_pair(tx, &sql_purge, before_us, limit, ret_deleted, err);
    if (code != OK || (code = db_prepare(tx, &sql_purge_memory, &st, err)) != OK)
        return code;
    db_bind_int(st, 1, before_us);
    return db_run(st, NULL, err);
}

/* ---- reading ---- */

static void write_row(struct json_writer *w, struct db_stmt *st)
{
    struct uuid uid = read_uid(st, 1);
    int64_t state = db_int(st, 6);
    size_t length;
    json_begin_object(w);
    json_put_int(w, "id", db_int(st, 0));
    json_put_uuid(w, "message_id", &uid);
    json_put_text(w, "channel", db_text(st, 2, NULL));
    json_put_text(w, "kind", db_text(st, 3, NULL));
    json_put_text(w, "subject", db_text(st, 4, NULL));
    json_put_text(w, "state",
                  alert_state_names[state < STATE_SENT    ? ALERT_PENDING
                                    : state == STATE_SENT ? ALERT_SENT
                                                          : ALERT_DEAD]);
    json_put_int(w, "attempts", db_int(st, 7));
    json_put_time_or_null(w, "next_attempt_at", state < STATE_SENT ? db_int(st, 8) : 0, 3);
    json_put_text_unless_empty(w, "last_error", db_text(st, 9, NULL));
    json_put_time(w, "created_at", db_int(st, 10), 3);
    json_put_time_or_null(w, "sent_at", db_int(st, 11), 3);
    const char *payload = db_text(st, 5, &length);
    json_key(w, "payload");
    json_raw(w, payload, length);
    json_end_object(w);
}

static enum err_code prepare_filtered(struct db *db, const struct db_sql sql[ALERT_STATE_COUNT + 1],
                                      const struct alert_filter *filter, int64_t before_id, struct db_stmt **ret, struct err *err)
{
    enum err_code code = db_prepare(db, &sql[filter->state < 0 ? ALERT_STATE_COUNT : filter->state], ret, err);
    if (code != OK)
        return code;
    db_bind_int(*ret, 1, before_id ? before_id : INT64_MAX);
    bind_name(*ret, 2, alert_kind_names, filter->kind);
    bind_name(*ret, 3, alert_channel_names, filter->channel);
    return OK;
}

enum err_code alert_store_list(struct db *db, const struct alert_filter *filter, struct json_writer *w, bool *ret_more,
                               int64_t *ret_last, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    *ret_more = false;
    enum err_code code = prepare_filtered(db, sql_list, filter, filter->before_id, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 4, filter->limit + 1);
    db_bind_int(st, 5, filter->offset);
    for (int n = 0; (code = db_step(st, &row, err)) == OK && row && !*ret_more; n++) {
        *ret_more = n == filter->limit;
        if (*ret_more)
            break;
        write_row(w, st);
        *ret_last = db_int(st, 0);
    }
    db_reset(st);
    return code;
}

enum err_code alert_store_count(struct db *db, const struct alert_filter *filter, struct row_count *ret, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = prepare_filtered(db, sql_count, filter, 0, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 4, ROW_COUNT_MAX + 1);
    return db_count_rows(db, st, ret, err);
}

enum err_code alert_store_get(struct db *db, int64_t id, struct json_writer *w, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_get, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    if (row)
        write_row(w, st);
    db_reset(st);
    return row ? OK : err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
}
