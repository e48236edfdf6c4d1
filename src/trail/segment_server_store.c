/* SPDX-License-Identifier: Apache-2.0 */
/* Segments in the database of a store on a server (decision 18): each is a partition of audit_log, with indexes of its own, and a row
 * of audit_segments. Sessions are few and serve any segment: a reader has one for as long as it reads, a write for its transaction. */
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/thread.h"
#include "db/db_part.h"
#include "trail/segment_store.h"

#include <stdlib.h>
#include <string.h>

enum { READERS_MAX = 8, WRITERS_IDLE_MAX = 2, DROP_TRIES = 6 };
#define READER_WAIT_US (5 * (int64_t)US_PER_S)

struct session {
    struct list_node node;
    struct db *db; /* owned */
};

struct server_place {
    struct segment_place base;
    char *url; /* owned */
    bool relaxed;
    const struct store_fault *fault;
    struct mutex mutex; /* guards all below */
    struct condition given_back;
    struct list readers, writers; /* idle; the one used last is the first */
    int readers_out;
};

/* Not a migration: only a store whose log lies in it has them. Rows of events are for ever; a partition goes as a whole, behind its
 * tombstone. */
static const struct db_sql sql_tables = {
    "",
    "CREATE TABLE IF NOT EXISTS audit_log (segment bigint NOT NULL, seq bigint NOT NULL, id bytea NOT NULL, timestamp bigint NOT NULL,"
    " action text NOT NULL, resource_type text NOT NULL, resource_id text, user_uid text, client_ip text, request_id text,"
    " status bigint NOT NULL, subsystem text, space_path text, event text NOT NULL, hash bytea NOT NULL) PARTITION BY LIST (segment);"
    "CREATE TABLE IF NOT EXISTS audit_segments (number bigint PRIMARY KEY, state bigint NOT NULL, server text NOT NULL,"
    " day bigint NOT NULL, opened_ms bigint NOT NULL, sealed_ms bigint NOT NULL, genesis bytea NOT NULL, count bigint NOT NULL,"
    " head bytea NOT NULL, min_ms bigint NOT NULL, max_ms bigint NOT NULL, min_id bytea NOT NULL, max_id bytea NOT NULL,"
    " pending_id bigint NOT NULL, failures bigint NOT NULL, signature bytea NOT NULL) WITH (fillfactor = 50);"
    "CREATE TRIGGER audit_log_insert BEFORE INSERT ON audit_log"
    " FOR EACH ROW EXECUTE FUNCTION horae_refuse('audit events are written by the server only', 'strangers');"
    "CREATE TRIGGER audit_log_update BEFORE UPDATE ON audit_log"
    " FOR EACH ROW EXECUTE FUNCTION horae_refuse('audit events cannot be changed', 'everybody');"
    "CREATE TRIGGER audit_log_delete BEFORE DELETE ON audit_log"
    " FOR EACH ROW EXECUTE FUNCTION horae_refuse('audit events cannot be removed', 'everybody');"
    "CREATE TRIGGER audit_log_truncate BEFORE TRUNCATE ON audit_log"
    " FOR EACH STATEMENT EXECUTE FUNCTION horae_refuse('audit events cannot be removed', 'everybody');"
    "CREATE TRIGGER audit_segments_insert BEFORE INSERT ON audit_segments"
    " FOR EACH ROW EXECUTE FUNCTION horae_refuse('segments are written by the server only', 'strangers');"
    "CREATE TRIGGER audit_segments_update BEFORE UPDATE ON audit_segments"
    " FOR EACH ROW EXECUTE FUNCTION horae_refuse('segments are written by the server only', 'strangers');"
    "CREATE TRIGGER audit_segments_delete BEFORE DELETE ON audit_segments"
    " FOR EACH ROW EXECUTE FUNCTION horae_refuse('segments are removed by the server only', 'strangers');"
    "CREATE TRIGGER audit_segments_truncate BEFORE TRUNCATE ON audit_segments"
    " FOR EACH STATEMENT EXECUTE FUNCTION horae_refuse('segments cannot be removed', 'everybody')"};
static const struct db_sql sql_has_tables = {"", "SELECT 1 FROM pg_class WHERE oid = to_regclass('audit_segments')"};
/* Either half of a segment makes one: what is left of it is to be looked at. */
static const struct db_sql sql_list = {
    "",
    "SELECT number FROM audit_segments WHERE number BETWEEN 1 AND ?1 UNION SELECT substr(c.relname, 14)::bigint FROM pg_class c"
    " JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = to_regclass('audit_log')"
    " AND c.relname ~ '^audit_events_[0-9]{6,7}$' ORDER BY 1"};
static const struct db_sql sql_has_events = {"", "SELECT 1 WHERE to_regclass('audit_events') IS NOT NULL"},
                           sql_has_row = {"", "SELECT 1 FROM audit_segments WHERE number = {part}"};
static const struct db_sql sql_drop = {"", "DROP TABLE IF EXISTS audit_events; DELETE FROM audit_segments WHERE number = {part}"};

static struct server_place *of(struct segment_place *place)
{
    return CONTAINER_OF(place, struct server_place, base);
}

/* ---- sessions ---- */

static struct db *pop(struct list *idle)
{
    struct list_node *node = list_pop_front(idle);
    if (!node)
        return NULL;
    struct session *session = CONTAINER_OF(node, struct session, node);
    struct db *db = session->db;
    free(session);
    return db;
}

static void push(struct list *idle, struct db *db)
{
    struct session *session = xcalloc(1, sizeof *session);
    session->db = db;
    list_push_front(idle, &session->node);
}

static enum err_code open_session(const struct server_place *place, bool readonly, struct db **ret, struct err *err)
{
    const struct db_part_options options = {
        .url = place->url, .readonly = readonly, .relaxed = place->relaxed, .fault = readonly ? NULL : place->fault};
    return db_part_open(&options, ret, err);
}

/* The right to have one, and one that is idle. */
static bool await_reader(struct server_place *place, struct db **ret)
{
    int64_t left_us = READER_WAIT_US;
    mutex_lock(&place->mutex);
    while (place->readers_out >= READERS_MAX && left_us > 0) {
        const int64_t before_us = clock_mono(clock_real()).us;
        (void)condition_wait_for(&place->given_back, &place->mutex, left_us);
        left_us -= clock_mono(clock_real()).us - before_us;
    }
    const bool may = place->readers_out < READERS_MAX;
    place->readers_out += may;
    *ret = may ? pop(&place->readers) : NULL;
    mutex_unlock(&place->mutex);
    return may;
}

static void give_back(struct server_place *place, struct db *db)
{
    mutex_lock(&place->mutex);
    place->readers_out--;
    if (db)
        push(&place->readers, db);
    condition_broadcast(&place->given_back);
    mutex_unlock(&place->mutex);
}

static enum err_code take_reader(struct server_place *place, int64_t number, struct db **ret, struct err *err)
{
    struct db *db;
    enum err_code code = OK;
    if (!await_reader(place, &db))
        return err_set(err, ERR_BUSY, NULL, "too many questions are asked of the audit log at once");
    if (!db)
        code = open_session(place, true, &db, err);
    if (code != OK) {
        give_back(place, NULL);
        return code;
    }
    db_part_use(db, number);
    code = db_part_begin(db, err);
    if (code != OK)
        give_back(place, db);
    else
        *ret = db;
    return code;
}

static void close_reader(struct segment_place *place, struct db *db)
{
    db_part_end(db);
    give_back(of(place), db);
}

/* ---- reading ---- */

static enum err_code find(struct db *db, const struct db_sql *sql, bool *ret, struct err *err)
{
    int64_t number = 0;
    enum err_code code = db_read_number(db, sql, &number, err);
    *ret = number != 0;
    return code;
}

static enum err_code find_segment(struct db *db, bool *ret, struct err *err)
{
    enum err_code code = find(db, &sql_has_events, ret, err);
    if (code == OK && !*ret && (code = find(db, &sql_has_tables, ret, err)) == OK && *ret)
        code = find(db, &sql_has_row, ret, err);
    return code;
}

static enum err_code read_list(struct db *db, int64_t **ret, size_t *ret_count, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    size_t capacity = 64;
    enum err_code code = db_prepare(db, &sql_list, &st, err);
    if (code != OK)
        return code;
    int64_t *numbers = xmalloc(capacity * sizeof numbers[0]);
    db_bind_int(st, 1, DB_PART_MAX);
    while ((code = db_step(st, &row, err)) == OK && row) {
        if (*ret_count == capacity)
            numbers = xrealloc(numbers, (capacity *= 2) * sizeof numbers[0]);
        numbers[(*ret_count)++] = db_int(st, 0);
    }
    if (code == OK)
        *ret = numbers;
    else
        free(numbers);
    return code;
}

static enum err_code list(struct segment_place *place, int64_t **ret, size_t *ret_count, struct err *err)
{
    struct db *db;
    bool any = false;
    *ret = NULL;
    *ret_count = 0;
    enum err_code code = take_reader(of(place), 0, &db, err);
    if (code != OK)
        return code;
    code = find(db, &sql_has_tables, &any, err);
    if (code == OK && any)
        code = read_list(db, ret, ret_count, err);
    close_reader(place, db);
    return code;
}

static enum err_code open_reader(struct segment_place *place, int64_t number, struct db **ret, struct err *err)
{
    bool found = false;
    if (number > DB_PART_MAX)
        return err_set(err, ERR_NOT_FOUND, NULL, "there is no segment %lld", (long long)number);
    enum err_code code = take_reader(of(place), number, ret, err);
    if (code != OK)
        return code;
    code = find_segment(*ret, &found, err);
    if (code == OK && !found)
        code = err_set(err, ERR_NOT_FOUND, NULL, "there is no segment %lld", (long long)number);
    if (code != OK)
        close_reader(place, *ret);
    return code;
}

/* What cannot be known now is not gone. */
static bool is_there(struct segment_place *place, int64_t number)
{
    struct db *db;
    enum err_code code = open_reader(place, number, &db, NULL);
    if (code == OK)
        close_reader(place, db);
    return code != ERR_NOT_FOUND;
}

/* ---- writing ---- */

static enum err_code take_writer(struct server_place *place, int64_t number, struct db **ret, struct err *err)
{
    mutex_lock(&place->mutex);
    *ret = pop(&place->writers);
    mutex_unlock(&place->mutex);
    enum err_code code = *ret ? OK : open_session(place, false, ret, err);
    if (code == OK)
        db_part_use(*ret, number);
    return code;
}

static void give_writer(struct server_place *place, struct db *db)
{
    mutex_lock(&place->mutex);
    const bool keep = place->writers.count < WRITERS_IDLE_MAX;
    if (keep)
        push(&place->writers, db);
    mutex_unlock(&place->mutex);
    if (!keep)
        db_part_close(db);
}

static enum err_code write_segment(struct segment_place *place, struct db *none, int64_t number, segment_run_fn run, void *arg,
                                   struct err *err)
{
    struct db *db;
    (void)none;
    enum err_code code = take_writer(of(place), number, &db, err);
    if (code != OK)
        return code;
    code = db_part_write(db, run, arg, err);
    give_writer(of(place), db);
    return code;
}

struct creation {
    segment_run_fn run;
    void *arg;
};

static enum err_code run_create(struct db *tx, void *arg, struct err *err)
{
    const struct creation *creation = arg;
    bool any = false;
    enum err_code code = find(tx, &sql_has_tables, &any, err);
    if (code == OK && !any)
        code = db_part_exec(tx, &sql_tables, err);
    if (code == OK)
        code = find_segment(tx, &any, err);
    if (code == OK && any)
        code = err_set(err, ERR_CONFLICT, NULL, "segment %lld exists", (long long)db_part_of(tx));
    return code == OK ? creation->run(tx, creation->arg, err) : code;
}

static enum err_code create(struct segment_place *place, const struct segment_options *options, segment_run_fn run, void *arg,
                            struct err *err)
{
    struct creation creation = {run, arg};
    if (options->number > DB_PART_MAX)
        return err_set(err, ERR_UNAVAILABLE, NULL, "the audit log has no number for another segment");
    return write_segment(place, NULL, options->number, run_create, &creation, err);
}

static enum err_code open_none(struct segment_place *place, const struct segment_options *options, struct db **ret,
                               struct err *err)
{
    (void)place, (void)options, (void)err;
    *ret = NULL;
    return OK;
}

static void settle(struct segment_place *place, struct db *db, int64_t number)
{
    (void)place, (void)db, (void)number;
}

static enum err_code run_drop(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_part_exec(tx, &sql_drop, err);
}

/* Who reads it just then is waited for, as long as a lock may take. */
static enum err_code remove_segment(struct segment_place *place, int64_t number, struct err *err)
{
    enum err_code code = ERR_BUSY;
    for (int i = 0; i < DROP_TRIES && code == ERR_BUSY; i++)
        code = write_segment(place, NULL, number, run_drop, NULL, err);
    return code;
}

/* ---- the place ---- */

static void close_idle(struct list *idle)
{
    for (struct db *db; (db = pop(idle));)
        db_part_close(db);
}

static void free_place(struct segment_place *base)
{
    struct server_place *place = of(base);
    close_idle(&place->readers);
    close_idle(&place->writers);
    condition_release(&place->given_back);
    mutex_release(&place->mutex);
    free(place->url);
    free(place);
}

static const struct segment_place_kind kind = {
    .free = free_place,
    .list = list,
    .open_reader = open_reader,
    .close_reader = close_reader,
    .is_there = is_there,
    .remove = remove_segment,
    .create = create,
    .open = open_none,
    .write = write_segment,
    .settle = settle,
};

struct segment_place *segment_server_new(const struct segment_place_options *options)
{
    struct server_place *place = xcalloc(1, sizeof *place);
    place->base.kind = &kind;
    place->url = xstrdup(options->url);
    place->relaxed = options->relaxed;
    place->fault = options->fault;
    mutex_init(&place->mutex);
    condition_init(&place->given_back);
    list_init(&place->readers);
    list_init(&place->writers);
    return &place->base;
}
