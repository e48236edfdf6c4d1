/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/segment_store.h"

#include "db/db_part.h"

#include <string.h>

enum { SCAN_ROWS = 2048 }; /* of one question: a server's answer is taken whole */

/* horae_writes() exists on connections of the server only. STRICT: what a column holds is of its type, so that verification can
 * tell a text from a blob of the same bytes. */
static const struct db_sql sql_schema = {
    "CREATE TABLE audit_events (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, timestamp INTEGER NOT NULL, action TEXT NOT NULL,"
    " resource_type TEXT NOT NULL, resource_id TEXT, user_uid TEXT, client_ip TEXT, request_id TEXT, status INTEGER NOT NULL,"
    " subsystem TEXT, space_path TEXT, event TEXT NOT NULL, hash BLOB NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX audit_events_id ON audit_events (id);"
    "CREATE INDEX audit_events_time ON audit_events (timestamp, seq, action, resource_type, user_uid, client_ip, request_id,"
    " status, subsystem, resource_id, space_path);"
    "CREATE TABLE audit_segment (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, state INTEGER NOT NULL,"
    " server TEXT NOT NULL, day INTEGER NOT NULL, opened_ms INTEGER NOT NULL, sealed_ms INTEGER NOT NULL, genesis BLOB NOT NULL,"
    " count INTEGER NOT NULL, head BLOB NOT NULL, min_ms INTEGER NOT NULL, max_ms INTEGER NOT NULL, min_id BLOB NOT NULL,"
    " max_id BLOB NOT NULL, pending_id INTEGER NOT NULL, failures INTEGER NOT NULL, signature BLOB NOT NULL) STRICT;"
    "CREATE TRIGGER audit_events_insert BEFORE INSERT ON audit_events WHEN NOT horae_writes()"
    " BEGIN SELECT RAISE(ABORT, 'audit events are written by the server only'); END;"
    "CREATE TRIGGER audit_events_update BEFORE UPDATE ON audit_events"
    " BEGIN SELECT RAISE(ABORT, 'audit events cannot be changed'); END;"
    "CREATE TRIGGER audit_events_delete BEFORE DELETE ON audit_events"
    " BEGIN SELECT RAISE(ABORT, 'audit events cannot be removed'); END;"
    "CREATE TRIGGER audit_segment_insert BEFORE INSERT ON audit_segment WHEN NOT horae_writes()"
    " BEGIN SELECT RAISE(ABORT, 'segments are written by the server only'); END;"
    "CREATE TRIGGER audit_segment_update BEFORE UPDATE ON audit_segment WHEN NOT horae_writes()"
    " BEGIN SELECT RAISE(ABORT, 'segments are written by the server only'); END;"
    "CREATE TRIGGER audit_segment_delete BEFORE DELETE ON audit_segment"
    " BEGIN SELECT RAISE(ABORT, 'segments cannot be removed'); END;"
    "PRAGMA user_version=1",
    "CREATE TABLE audit_events PARTITION OF audit_log (segment DEFAULT {part}, PRIMARY KEY (seq)) FOR VALUES IN ({part});"
    "CREATE UNIQUE INDEX audit_events_id ON audit_events (id);"
    "CREATE INDEX audit_events_time ON audit_events (timestamp, seq);"
    "CREATE TRIGGER audit_events_truncate BEFORE TRUNCATE ON audit_events FOR EACH STATEMENT"
    " EXECUTE FUNCTION horae_refuse('audit events cannot be removed', 'everybody')"};

/* Of a segment that is not added to any more: one for every way of asking (AUD-42, DATA-31). */
#define SEALED_INDEXES \
    "CREATE INDEX audit_events_request ON audit_events (request_id, timestamp) WHERE request_id IS NOT NULL;" \
    "CREATE INDEX audit_events_resource ON audit_events (resource_id, timestamp);" \
    "CREATE INDEX audit_events_address ON audit_events (client_ip, timestamp);" \
    "CREATE INDEX audit_events_user ON audit_events (user_uid, timestamp);" \
    "CREATE INDEX audit_events_space ON audit_events (space_path, timestamp) WHERE space_path IS NOT NULL;" \
    "CREATE INDEX audit_events_type ON audit_events (resource_type, timestamp);" \
    "CREATE INDEX audit_events_action ON audit_events (action, timestamp);" \
    "CREATE INDEX audit_events_subsystem ON audit_events (subsystem, timestamp);" \
    "CREATE INDEX audit_events_status ON audit_events (status, timestamp);" \
    "CREATE INDEX audit_events_type_action ON audit_events (resource_type, action, timestamp)"
static const struct db_sql sql_sealed_indexes = {SEALED_INDEXES, SEALED_INDEXES "; ANALYZE audit_events"};

/* count(*) would take the smallest index whatever is said. A server answers no question from an index that is out of step with its
 * table; there it counts whether the index is there and valid. */
#define INDEX(name, rows, sealed, where) \
    { \
        name, rows, sealed, \
        { \
            "SELECT count(1) FROM audit_events INDEXED BY " name where, \
                "SELECT (SELECT count(1) FROM audit_events" where ") FROM pg_index WHERE indexrelid = to_regclass('" name \
                "') AND indrelid = to_regclass('audit_events') AND indisvalid" \
        } \
    }
const struct segment_index segment_indexes[] = {
    INDEX("audit_events_id", SEGMENT_INDEX_ALL, false, ""),
    INDEX("audit_events_time", SEGMENT_INDEX_ALL, false, ""),
    INDEX("audit_events_request", SEGMENT_INDEX_WITH_REQUEST, true, " WHERE request_id IS NOT NULL"),
    INDEX("audit_events_resource", SEGMENT_INDEX_ALL, true, ""),
    INDEX("audit_events_address", SEGMENT_INDEX_ALL, true, ""),
    INDEX("audit_events_user", SEGMENT_INDEX_ALL, true, ""),
    INDEX("audit_events_space", SEGMENT_INDEX_WITH_SPACE, true, " WHERE space_path IS NOT NULL"),
    INDEX("audit_events_type", SEGMENT_INDEX_ALL, true, ""),
    INDEX("audit_events_action", SEGMENT_INDEX_ALL, true, ""),
    INDEX("audit_events_subsystem", SEGMENT_INDEX_ALL, true, ""),
    INDEX("audit_events_status", SEGMENT_INDEX_ALL, true, ""),
    INDEX("audit_events_type_action", SEGMENT_INDEX_ALL, true, ""),
};
#undef INDEX
const size_t segment_index_count = ARRAY_LEN(segment_indexes);

static const struct db_sql sql_insert = {
    "INSERT INTO audit_events (seq, id, timestamp, action, resource_type, resource_id, user_uid, client_ip, request_id, status,"
    " subsystem, space_path, event, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"};
static const struct db_sql sql_find = {"SELECT 1 FROM audit_events WHERE id = ?1"};
static const struct db_sql sql_scan = {
    "SELECT seq, id, timestamp, action, resource_type, resource_id, user_uid, client_ip, request_id, status, subsystem,"
    " space_path, event, hash FROM audit_events WHERE seq >= ?1 ORDER BY seq LIMIT ?2"};
static const struct db_sql sql_span = {
    "SELECT min(seq), max(seq), count(*) FROM audit_events WHERE timestamp >= ?1 AND timestamp <= ?2"};
#define META \
    "state = ?2, server = ?3, day = ?4, opened_ms = ?5, sealed_ms = ?6, genesis = ?7, count = ?8, head = ?9, min_ms = ?10," \
    " max_ms = ?11, min_id = ?12, max_id = ?13, pending_id = ?14, failures = ?15, signature = ?16"
#define VALUES "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
static const struct db_sql sql_put_meta = {"INSERT INTO audit_segment VALUES (1, " VALUES,
                                           "INSERT INTO audit_segments VALUES (" VALUES};
static const struct db_sql sql_set_meta = {"UPDATE audit_segment SET number = ?1, " META,
                                           "UPDATE audit_segments SET " META " WHERE number = ?1"};
#define COLUMNS \
    "SELECT number, state, server, day, opened_ms, sealed_ms, genesis, count, head, min_ms, max_ms, min_id, max_id, pending_id," \
    " failures, signature FROM "
static const struct db_sql sql_meta = {COLUMNS "audit_segment", COLUMNS "audit_segments WHERE number = {part}"};
static const struct db_sql sql_lock_meta = {COLUMNS "audit_segment", COLUMNS "audit_segments WHERE number = {part} FOR UPDATE"};

/* ---- writing ---- */

static enum err_code run_meta(struct db *tx, const struct db_sql *sql, const struct segment_meta *meta, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, meta->number);
    db_bind_int(st, 2, meta->state);
    db_bind_string(st, 3, meta->server);
    db_bind_int(st, 4, meta->day);
    db_bind_int(st, 5, meta->opened_ms);
    db_bind_int(st, 6, meta->sealed_ms);
    db_bind_blob(st, 7, meta->genesis.b, sizeof meta->genesis.b);
    db_bind_int(st, 8, meta->count);
    db_bind_blob(st, 9, meta->head.b, sizeof meta->head.b);
    db_bind_int(st, 10, meta->min_ms);
    db_bind_int(st, 11, meta->max_ms);
    db_bind_blob(st, 12, meta->min_id.b, sizeof meta->min_id.b);
    db_bind_blob(st, 13, meta->max_id.b, sizeof meta->max_id.b);
    db_bind_int(st, 14, meta->pending_id);
    db_bind_int(st, 15, meta->failures);
    db_bind_blob(st, 16, meta->signature.b, sizeof meta->signature.b);
    return db_run(st, NULL, err);
}

enum err_code segment_store_create(struct db *tx, const struct segment_meta *meta, struct err *err)
{
    enum err_code code = db_part_exec(tx, &sql_schema, err);
    return code == OK ? run_meta(tx, &sql_put_meta, meta, err) : code;
}

enum err_code segment_store_set_meta(struct db *tx, const struct segment_meta *meta, struct err *err)
{
    return run_meta(tx, &sql_set_meta, meta, err);
}

static void bind_column(struct db_stmt *st, int index, struct str value)
{
    if (value.n)
        db_bind_text(st, index, value.p, value.n);
    else
        db_bind_null(st, index);
}

static void bind_row(struct db_stmt *st, void *arg, size_t i)
{
    const struct segment_addition *rows = arg;
    const struct audit_record *record = &rows->records[i];
    const struct audit_hash *hash = &rows->hashes[i];
    db_bind_int(st, 1, rows->first + (int64_t)i);
    db_bind_blob(st, 2, record->id.b, sizeof record->id.b);
    db_bind_int(st, 3, record->timestamp_ms);
    bind_column(st, 4, record->action);
    bind_column(st, 5, record->resource_type);
    bind_column(st, 6, record->resource_id);
    bind_column(st, 7, record->user_uid);
    bind_column(st, 8, record->client_ip);
    bind_column(st, 9, record->request_id);
    db_bind_int(st, 10, record->failure);
    bind_column(st, 11, record->subsystem);
    bind_column(st, 12, record->space_path);
    bind_column(st, 13, record->event);
    db_bind_blob(st, 14, hash->b, sizeof hash->b);
}

enum err_code segment_store_insert(struct db *tx, const struct segment_addition *rows, struct err *err)
{
    struct segment_addition again = *rows;
    const struct db_rows all = {.count = rows->count, .bind = bind_row, .arg = &again};
    return db_run_rows(tx, &sql_insert, &all, err);
}

enum err_code segment_store_index(struct db *tx, struct err *err)
{
    return db_part_exec(tx, &sql_sealed_indexes, err);
}

/* ---- reading ---- */

enum err_code segment_store_find(struct db *db, const struct uuid *id, bool *ret_found, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_find, &st, err);
    if (code != OK)
        return code;
    db_bind_blob(st, 1, id->b, sizeof id->b);
    code = db_step(st, ret_found, err);
    db_reset(st);
    return code;
}

/* False: not a blob of this length. */
static bool get_bytes(struct db_stmt *st, int column, void *out, size_t count)
{
    size_t n;
    if (db_kind_of(st, column) != DB_BLOB)
        return false;
    const void *bytes = db_blob(st, column, &n);
    if (n != count)
        return false;
    memcpy(out, bytes, count);
    return true;
}

static bool read_meta(struct db_stmt *st, struct segment_meta *ret)
{
    static const int numbers[] = {0, 1, 3, 4, 5, 7, 9, 10, 13, 14};
    size_t n;
    const char *server = db_text(st, 2, &n);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (db_kind_of(st, numbers[i]) != DB_INT)
            return false;
    const int64_t state = db_int(st, 1);
    *ret = (struct segment_meta){.number = db_int(st, 0),
                                 .state = (enum segment_state)state,
                                 .day = db_int(st, 3),
                                 .opened_ms = db_int(st, 4),
                                 .sealed_ms = db_int(st, 5),
                                 .count = db_int(st, 7),
                                 .min_ms = db_int(st, 9),
                                 .max_ms = db_int(st, 10),
                                 .pending_id = db_int(st, 13),
                                 .failures = db_int(st, 14)};
    if (state < SEGMENT_OPEN || state > SEGMENT_SEALED || !server || n >= sizeof ret->server)
        return false;
    memcpy(ret->server, server, n);
    return get_bytes(st, 6, ret->genesis.b, sizeof ret->genesis.b) && get_bytes(st, 8, ret->head.b, sizeof ret->head.b) &&
           get_bytes(st, 11, ret->min_id.b, sizeof ret->min_id.b) && get_bytes(st, 12, ret->max_id.b, sizeof ret->max_id.b) &&
           get_bytes(st, 15, ret->signature.b, sizeof ret->signature.b);
}

static enum err_code find_meta(struct db *db, const struct db_sql *sql, struct segment_meta *ret, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, sql, &st, err);
    if (code == OK)
        code = db_step(st, &row, err);
    if (code == ERR_INTERNAL || (code == OK && (!row || !read_meta(st, ret)))) /* ERR_INTERNAL: there is no such table */
        code = err_set(err, ERR_CORRUPT, NULL, "the file is no segment of the audit log");
    if (row)
        db_reset(st);
    return code;
}

enum err_code segment_store_meta(struct db *db, struct segment_meta *ret, struct err *err)
{
    return find_meta(db, &sql_meta, ret, err);
}

enum err_code segment_store_lock_meta(struct db *tx, struct segment_meta *ret, struct err *err)
{
    return find_meta(tx, &sql_lock_meta, ret, err);
}

void segment_store_scan(struct db *db, int64_t first, struct segment_scan *ret)
{
    *ret = (struct segment_scan){.db = db, .from = first};
}

static enum err_code ask(struct segment_scan *scan, struct err *err)
{
    enum err_code code = db_prepare(scan->db, &sql_scan, &scan->st, err);
    if (code != OK) {
        scan->st = NULL;
        return code;
    }
    scan->rows = 0;
    db_bind_int(scan->st, 1, scan->from);
    db_bind_int(scan->st, 2, SCAN_ROWS);
    return OK;
}

void segment_store_scan_end(struct segment_scan *scan)
{
    if (scan->st)
        db_reset(scan->st);
    scan->st = NULL;
}

/* Empty texts are stored as null: one that is empty was put there by hand. */
static struct str get_column(struct db_stmt *st, int column, bool required, bool *damaged)
{
    struct str value = {"", 0};
    const enum db_kind kind = db_kind_of(st, column);
    if (kind == DB_TEXT || kind == DB_BLOB)
        value.p = db_text(st, column, &value.n);
    if (kind != DB_TEXT ? (required || kind != DB_NULL) : !value.n)
        *damaged = true;
    if (!value.p)
        value = (struct str){"", 0};
    return value;
}

/* The next row, from the next question where this one had all that it asked for. */
static enum err_code step(struct segment_scan *scan, bool *ret_row, struct err *err)
{
    enum err_code code = scan->st ? OK : ask(scan, err);
    if (code == OK)
        code = db_step(scan->st, ret_row, err);
    if (code == OK && !*ret_row && scan->rows == SCAN_ROWS && (code = ask(scan, err)) == OK)
        code = db_step(scan->st, ret_row, err);
    if (code != OK || !*ret_row) {
        scan->st = NULL; /* reset by the step */
        return code;
    }
    const int64_t seq = db_int(scan->st, 0);
    scan->from = seq < INT64_MAX ? seq + 1 : seq;
    scan->rows++;
    return OK;
}

enum err_code segment_store_next(struct segment_scan *scan, struct segment_row *ret, bool *ret_row, struct err *err)
{
    *ret_row = false;
    enum err_code code = step(scan, ret_row, err);
    if (code != OK || !*ret_row)
        return code;
    struct db_stmt *st = scan->st;
    struct audit_record *r = &ret->record;
    const int64_t status = db_int(st, 9);
    *ret = (struct segment_row){.seq = db_int(st, 0)};
    ret->damaged = db_kind_of(st, 2) != DB_INT || db_kind_of(st, 9) != DB_INT || (status != 0 && status != 1) ||
                   !get_bytes(st, 13, ret->hash.b, sizeof ret->hash.b);
    if (!get_bytes(st, 1, r->id.b, sizeof r->id.b))
        ret->damaged = true;
    r->timestamp_ms = db_int(st, 2);
    r->failure = status != 0;
    r->action = get_column(st, 3, true, &ret->damaged);
    r->resource_type = get_column(st, 4, true, &ret->damaged);
    r->resource_id = get_column(st, 5, false, &ret->damaged);
    r->user_uid = get_column(st, 6, false, &ret->damaged);
    r->client_ip = get_column(st, 7, false, &ret->damaged);
    r->request_id = get_column(st, 8, false, &ret->damaged);
    r->subsystem = get_column(st, 10, false, &ret->damaged);
    r->space_path = get_column(st, 11, false, &ret->damaged);
    r->event = get_column(st, 12, true, &ret->damaged);
    return OK;
}

enum err_code segment_store_span(struct db *db, int64_t from_ms, int64_t to_ms, struct segment_span *ret, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_span, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, from_ms);
    db_bind_int(st, 2, to_ms);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    *ret = (struct segment_span){db_int(st, 0), db_int(st, 1), db_int(st, 2)};
    db_reset(st);
    return OK;
}

enum err_code segment_store_count_index(struct db *db, const struct segment_index *index, int64_t *ret, struct err *err)
{
    return db_read_number(db, &index->count, ret, err);
}
