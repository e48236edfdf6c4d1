/* SPDX-License-Identifier: Apache-2.0 */
/* Filters become SQL by picking columns from a closed list, one statement per combination; values are always bound. A page is
 * found as keys, from indexes alone; the texts, which are most of a segment, are read for what is shown. */
#include "trail/event_query.h"

#include "base/buf.h"
#include "base/panic.h"

#include <pthread.h>
#include <string.h>

enum { FROM = 1, BEFORE_TIME, BEFORE_SEQ, LIMIT, FIRST_COLUMN, COMBINATIONS = 1 << EVENT_COLUMNS, SQL_MAX = 2048 };

static const char *const columns[EVENT_COLUMNS] = {
    [EVENT_REQUEST_ID] = "request_id", [EVENT_RESOURCE_ID] = "resource_id", [EVENT_CLIENT_IP] = "client_ip",
    [EVENT_USER_UID] = "user_uid",     [EVENT_SPACE_PATH] = "space_path",   [EVENT_RESOURCE_TYPE] = "resource_type",
    [EVENT_ACTION] = "action",         [EVENT_SUBSYSTEM] = "subsystem",     [EVENT_STATUS] = "status",
};

static const struct {
    const char *head, *tail;
} questions[EVENT_QUESTIONS] = {
    [EVENT_KEYS] = {"SELECT e.timestamp, e.seq", " ORDER BY e.timestamp DESC, e.seq DESC LIMIT ?4"},
    [EVENT_TEXTS] = {"SELECT e.timestamp, e.seq, e.event", " ORDER BY e.timestamp DESC, e.seq DESC LIMIT ?4"},
    [EVENT_COUNT] = {"SELECT 1", " LIMIT ?4"},
    [EVENT_SEQS] = {"SELECT e.seq", ""},
};

static const struct db_sql sql_text = {"SELECT event FROM audit_events WHERE seq = ?1"};
static const struct db_sql sql_find = {"SELECT event FROM audit_events WHERE id = ?1"};

static struct db_sql statements[EVENT_QUESTIONS][2][COMBINATIONS];

/* The columns whose index is used: one, or the two that have one together. */
static unsigned driver_of(unsigned mask)
{
    unsigned lowest = mask & -mask, pair = 1u << EVENT_RESOURCE_TYPE | 1u << EVENT_ACTION;
    return lowest == 1u << EVENT_RESOURCE_TYPE ? mask & pair : lowest;
}

static void add_conditions(struct buf *sql, unsigned mask, char alias)
{
    for (unsigned i = 0; i < EVENT_COLUMNS; i++)
        if (mask >> i & 1)
            buf_printf(sql, " AND %c.%s = ?%u", alias, columns[i], FIRST_COLUMN + i);
}

/* A server picks its indexes itself; that by time has no other columns there. */
static const char *build_text(enum event_question question, unsigned mask, unsigned driver)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_add_text(&sql, questions[question].head);
    buf_add_text(&sql, " FROM audit_events e");
    if (mask != driver) /* what the other filters ask for stands in the index by time too: no row is read for them */
        buf_add_text(&sql,
                     " CROSS JOIN audit_events t INDEXED BY audit_events_time ON t.timestamp = e.timestamp AND t.seq = e.seq");
    buf_add_text(&sql, " WHERE e.timestamp >= ?1 AND (e.timestamp, e.seq) < (?2, ?3)");
    add_conditions(&sql, driver, 'e');
    add_conditions(&sql, mask & ~driver, 't');
    buf_add_text(&sql, questions[question].tail);
    must(!sql.failed);
    return buf_take(&sql);
}

static void build_statement(enum event_question question, bool sealed, unsigned mask)
{
    struct db_sql *sql = &statements[question][sealed][mask];
    sql->text = build_text(question, mask, sealed ? driver_of(mask) : mask);
    sql->pg = build_text(question, mask, mask);
}

/* Made when they are first asked for; most of the combinations never are. */
const struct db_sql *event_query_sql_of(enum event_question question, bool sealed, unsigned mask)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    must(pthread_mutex_lock(&lock) == 0);
    if (!statements[question][sealed][mask].text)
        build_statement(question, sealed, mask);
    must(pthread_mutex_unlock(&lock) == 0);
    return &statements[question][sealed][mask];
}

unsigned event_filter_mask(const struct event_filter *filter)
{
    unsigned mask = filter->failure >= 0 ? 1u << EVENT_STATUS : 0;
    for (unsigned i = 0; i < EVENT_STATUS; i++)
        mask |= filter->texts[i] ? 1u << i : 0;
    return mask;
}

static enum err_code ask(struct db *db, enum event_question question, bool sealed, const struct event_filter *filter,
                         struct event_key before, struct db_stmt **ret, struct err *err)
{
    enum err_code code = db_prepare(db, event_query_sql_of(question, sealed, event_filter_mask(filter)), ret, err);
    if (code != OK)
        return code;
    struct event_key end = {filter->to_ms == INT64_MAX ? INT64_MAX : filter->to_ms + 1, 0};
    if (filter->to_ms == INT64_MAX || before.timestamp_ms < end.timestamp_ms)
        end = before;
    db_bind_int(*ret, FROM, filter->from_ms);
    db_bind_int(*ret, BEFORE_TIME, end.timestamp_ms);
    db_bind_int(*ret, BEFORE_SEQ, end.seq);
    for (int i = 0; i < EVENT_STATUS; i++)
        if (filter->texts[i])
            db_bind_string(*ret, FIRST_COLUMN + i, filter->texts[i]);
    if (filter->failure >= 0)
        db_bind_int(*ret, FIRST_COLUMN + EVENT_STATUS, filter->failure);
    return OK;
}

static const struct event_key newest = {INT64_MAX, INT64_MAX};

enum err_code event_query_keys(struct db *db, bool sealed, const struct event_filter *filter, struct event_key before, int limit,
                               struct event_key *ret, int *ret_count, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    *ret_count = 0;
    enum err_code code = ask(db, EVENT_KEYS, sealed, filter, before, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, LIMIT, limit);
    while ((code = db_step(st, &row, err)) == OK && row)
        ret[(*ret_count)++] = (struct event_key){db_int(st, 0), db_int(st, 1)};
    return code;
}

enum err_code event_query_texts(struct db *db, bool sealed, const struct event_filter *filter, struct event_key before, int most,
                                bool (*row)(void *arg, struct event_key key, struct str event), void *arg, bool *ret_end,
                                struct err *err)
{
    struct db_stmt *st;
    bool more = false, go_on = true;
    int count = 0;
    *ret_end = false;
    enum err_code code = ask(db, EVENT_TEXTS, sealed, filter, before, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, LIMIT, most);
    while (go_on && (code = db_step(st, &more, err)) == OK && more) {
        struct str text;
        text.p = db_text(st, 2, &text.n);
        count++;
        go_on = row(arg, (struct event_key){db_int(st, 0), db_int(st, 1)}, text);
    }
    db_reset(st);
    *ret_end = code == OK && !more && count < most;
    return code;
}

enum err_code event_query_count(struct db *db, bool sealed, const struct event_filter *filter, int64_t most, int64_t *ret,
                                struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    *ret = 0;
    enum err_code code = ask(db, EVENT_COUNT, sealed, filter, newest, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, LIMIT, most);
    while ((code = db_step(st, &row, err)) == OK && row)
        (*ret)++;
    return code;
}

enum err_code event_query_seqs(struct db *db, bool sealed, const struct event_filter *filter, void (*seq)(void *arg, int64_t seq),
                               void *arg, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = ask(db, EVENT_SEQS, sealed, filter, newest, &st, err);
    if (code != OK)
        return code;
    while ((code = db_step(st, &row, err)) == OK && row)
        seq(arg, db_int(st, 0));
    return code;
}

static enum err_code take_text(struct db_stmt *st, void (*fn)(void *arg, struct str event), void *arg, struct err *err)
{
    bool row = false;
    enum err_code code = db_step(st, &row, err);
    if (code != OK)
        return code;
    if (!row)
        return err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
    struct str text;
    text.p = db_text(st, 0, &text.n);
    fn(arg, text);
    db_reset(st);
    return OK;
}

enum err_code event_query_text(struct db *db, int64_t seq, void (*fn)(void *arg, struct str event), void *arg, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_text, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, seq);
    return take_text(st, fn, arg, err);
}

enum err_code event_query_find(struct db *db, const struct uuid *id, void (*fn)(void *arg, struct str event), void *arg,
                               struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_find, &st, err);
    if (code != OK)
        return code;
    db_bind_blob(st, 1, id->b, sizeof id->b);
    return take_text(st, fn, arg, err);
}
