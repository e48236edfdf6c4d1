/* SPDX-License-Identifier: Apache-2.0 */
/* The peers of the audit bench, bare loops that insert events into a new database, in transactions of BATCH, synchronous=FULL:
 *   bare       the columns of an event of ours without any index but the row's number
 *   published  the model as it is commonly published (DATA-30, DATA-31): a text id as the key, JSON in text columns, six indexes
 * usage: audit_rows DB ROWS BATCH bare|published; prints rows per second. */
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
    char id[UUID_TEXT_LEN + 1], resource[40], user[40], ip[40], event[2048];
    int64_t now = clock_wall(clock_real()).us;
    struct uuid uid = uuid_v7(now);
    uuid_format(&uid, id);
    (void)snprintf(resource, sizeof resource, "web-%lld", (long long)(n * 7919 % 100000));
    (void)snprintf(user, sizeof user, "user-%lld", (long long)(n * 104729 % 1000));
    (void)snprintf(ip, sizeof ip, "10.%lld.%lld.%lld", (long long)(n % 200), (long long)(n / 200 % 200),
                   (long long)(n * 31 % 250));
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
    text(st, 8, id);
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

int main(int argc, char **argv)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    size_t model = argc == 5 && strcmp(argv[4], "published") == 0;
    if (argc != 5 || strcmp(argv[4], models[model].name) != 0 || sqlite3_open(argv[1], &db) != SQLITE_OK) {
        (void)fprintf(stderr, "usage: audit_rows DB ROWS BATCH bare|published\n");
        return 2;
    }
    int64_t rows = atoll(argv[2]), batch = atoll(argv[3]);
    run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-4096; PRAGMA wal_autocheckpoint=4000");
    run(db, models[model].schema);
    if (sqlite3_prepare_v2(db, models[model].insert, -1, &st, NULL) != SQLITE_OK) {
        (void)fprintf(stderr, "audit_rows: %s\n", sqlite3_errmsg(db));
        return 1;
    }
    int64_t begun = clock_mono(clock_real()).us;
    for (int64_t n = 0; n < rows; n += batch)
        insert_batch(db, st, n, batch < rows - n ? batch : rows - n, model == 1);
    (void)printf("%.0f\n", (double)rows * 1e6 / (double)(clock_mono(clock_real()).us - begun));
    (void)sqlite3_finalize(st);
    return sqlite3_close(db) != SQLITE_OK;
}
