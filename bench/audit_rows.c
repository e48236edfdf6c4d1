/* SPDX-License-Identifier: Apache-2.0 */
/* The peers of the audit bench, bare loops that insert events into a new database, in transactions of BATCH, synchronous=FULL:
 *   bare       the columns of an event of ours without any index but the row's number
 *   published  the model as it is commonly published (DATA-30, DATA-31): a text id as the key, JSON in text columns, six indexes
 * Ids, requests and addresses are random, as they are where they come from elsewhere. PREFILL rows are there before time is taken.
 * usage: audit_rows DB PREFILL ROWS BATCH bare|published; prints rows per second. */
#include "base/clock.h"
#include "base/id.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the events of the bench hold: the texts of audit_ingest.py. */
static const char object[] =
    "{\"name\":\"web-frontend\",\"replicas\":3,\"image\":\"registry/web:1.27.3\",\"labels\":{\"app\":\"web\",\"tier\":\"frontend\"},"
    "\"env\":[{\"name\":\"MODE\",\"value\":\"production\"},{\"name\":\"REGION\",\"value\":\"eu-west\"}],\"ports\":[80,443]}";

static const struct {
    const char *name, *schema, *insert;
} models[] = {
    {"bare",
     "CREATE TABLE events (seq INTEGER PRIMARY KEY, id BLOB, timestamp INTEGER, action TEXT, resource_type TEXT, resource_id TEXT,"
     " user_uid TEXT, client_ip TEXT, request_id TEXT, status INTEGER, subsystem TEXT, space_path TEXT, event TEXT, hash BLOB)",
     "INSERT INTO events (id, timestamp, action, resource_type, resource_id, user_uid, client_ip, request_id, status, subsystem,"
     " event, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 'http', ?9, ?10)"},
    {"published",
     "CREATE TABLE events (id TEXT PRIMARY KEY, timestamp INTEGER NOT NULL, action TEXT NOT NULL, resource_type TEXT NOT NULL,"
     " resource TEXT NOT NULL, user TEXT NOT NULL, client_ip TEXT, request_id TEXT, diff_object TEXT, data TEXT, created_at TEXT);"
     "CREATE INDEX events_timestamp ON events (timestamp DESC); CREATE INDEX events_action ON events (action);"
     "CREATE INDEX events_type ON events (resource_type); CREATE INDEX events_ip ON events (client_ip);"
     "CREATE INDEX events_request ON events (request_id);"
     "CREATE INDEX events_composite ON events (resource_type, action, timestamp DESC)",
     "INSERT INTO events (id, timestamp, action, resource_type, resource, user, client_ip, request_id, diff_object, data, created_at)"
     " VALUES (?1, ?2, ?3, ?4, '{\"type\":\"deployment\",\"identifier\":\"' || ?5 || '\"}', '{\"uid\":\"' || ?6 || '\"}', ?7, ?8, ?9, '{}',"
     " '2026-01-01T00:00:00Z')"},
};

static void run(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        (void)fprintf(stderr, "audit_rows: %s: %s\n", sql, message);
        exit(1);
    }
}

static void text(sqlite3_stmt *st, int index, const char *value)
{
    (void)sqlite3_bind_text(st, index, value, -1, SQLITE_TRANSIENT);
}

static void bind_row(sqlite3_stmt *st, int64_t n, bool text_id)
{
    static const char *const actions[] = {"created", "updated", "deleted", "read"}, *const types[] = {"deployment", "pod",
                                                                                                      "service"};
    char id[UUID_TEXT_LEN + 1], request[UUID_TEXT_LEN + 1], resource[40], user[40], ip[40], event[2048];
    int64_t now = clock_wall(clock_real()).us;
    uint64_t random[4] = {id_random_fast(), id_random_fast(), id_random_fast(), id_random_fast()};
    struct uuid uid, other;
    memcpy(uid.b, random, sizeof uid.b);
    memcpy(other.b, random + 2, sizeof other.b);
    uuid_format(&uid, id);
    uuid_format(&other, request);
    (void)snprintf(resource, sizeof resource, "web-%lld", (long long)(n * 7919 % 100000));
    (void)snprintf(user, sizeof user, "user-%lld", (long long)(n * 104729 % 1000));
    (void)snprintf(ip, sizeof ip, "10.%u.%u.%u", other.b[0], other.b[1], other.b[2]);
    (void)snprintf(event, sizeof event,
                   "{\"id\":\"%s\",\"timestamp\":%lld,\"user\":{\"uid\":\"%s\"},\"resource\":\"%s\",\"diff_object\":%s}", id,
                   (long long)(now / 1000), user, resource, object);
    if (text_id)
        text(st, 1, id);
    else
        (void)sqlite3_bind_blob(st, 1, uid.b, sizeof uid.b, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(st, 2, now / 1000);
    text(st, 3, actions[n % 4]);
    text(st, 4, types[n % 3]);
    text(st, 5, resource);
    text(st, 6, user);
    text(st, 7, ip);
    text(st, 8, request);
    text(st, 9, event);
    if (!text_id)
        (void)sqlite3_bind_blob(st, 10, event, 32, SQLITE_TRANSIENT);
}

static void insert_batch(sqlite3 *db, sqlite3_stmt *st, int64_t first, int64_t count, bool text_id)
{
    run(db, "BEGIN IMMEDIATE");
    for (int64_t n = first; n < first + count; n++) {
        bind_row(st, n, text_id);
        if (sqlite3_step(st) != SQLITE_DONE) {
            (void)fprintf(stderr, "audit_rows: %s\n", sqlite3_errmsg(db));
            exit(1);
        }
        (void)sqlite3_reset(st);
    }
    run(db, "COMMIT");
}

static void insert_all(sqlite3 *db, sqlite3_stmt *st, int64_t first, int64_t rows, int64_t batch, bool text_id)
{
    for (int64_t n = 0; n < rows; n += batch)
        insert_batch(db, st, first + n, batch < rows - n ? batch : rows - n, text_id);
}

int main(int argc, char **argv)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    size_t model = argc == 6 && strcmp(argv[5], "published") == 0;
    if (argc != 6 || strcmp(argv[5], models[model].name) != 0 || sqlite3_open(argv[1], &db) != SQLITE_OK) {
        (void)fprintf(stderr, "usage: audit_rows DB PREFILL ROWS BATCH bare|published\n");
        return 2;
    }
    int64_t prefill = atoll(argv[2]), rows = atoll(argv[3]), batch = atoll(argv[4]);
    run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-4096; PRAGMA wal_autocheckpoint=4000");
    run(db, models[model].schema);
    if (sqlite3_prepare_v2(db, models[model].insert, -1, &st, NULL) != SQLITE_OK) {
        (void)fprintf(stderr, "audit_rows: %s\n", sqlite3_errmsg(db));
        return 1;
    }
    insert_all(db, st, 0, prefill, 10000, model == 1);
    int64_t begun = clock_mono(clock_real()).us;
    insert_all(db, st, prefill, rows, batch, model == 1);
    (void)printf("%.0f\n", (double)rows * 1e6 / (double)(clock_mono(clock_real()).us - begun));
    (void)sqlite3_finalize(st);
    return sqlite3_close(db) != SQLITE_OK;
}
