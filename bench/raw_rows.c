/* SPDX-License-Identifier: Apache-2.0 */
/* The peer of the execution bench: a bare loop over the same table with the same indexes, batch size and durability.
 * usage: raw_rows DB ROWS BATCH; prints rows per second of insert + update. The database was made by a server. */
#include "base/clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK) {
        (void)fprintf(stderr, "raw_rows: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
    return st;
}

static void run(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        (void)fprintf(stderr, "raw_rows: %s: %s\n", sql, message);
        exit(1);
    }
}

static void step(sqlite3 *db, sqlite3_stmt *st)
{
    if (sqlite3_step(st) != SQLITE_DONE) {
        (void)fprintf(stderr, "raw_rows: %s\n", sqlite3_errmsg(db));
        exit(1);
    }
    (void)sqlite3_reset(st);
}

static int64_t last_id(sqlite3 *db)
{
    sqlite3_stmt *st = prepare(db, "SELECT COALESCE(MAX(id), 0) FROM task_executions");
    int64_t id = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    (void)sqlite3_finalize(st);
    return id;
}

static void write_rows(sqlite3 *db, int64_t first, int64_t count)
{
    static sqlite3_stmt *insert, *update;
    if (!insert) {
        insert = prepare(
            db,
            "INSERT INTO task_executions (id, uid, task_id, snapshot_id, state, cause, scheduled_at, created_at, due_at,"
            " started_at, updated_at, attempt, fence, lease_owner) VALUES (?1, ?2, 1, 1, 1, 1, ?3, ?3, ?3, ?3, ?3, 1, ?1, 'raw')");
        update = prepare(
            db,
            "UPDATE task_executions SET state = 2, finished_at = ?2, updated_at = ?2, progress = 100 WHERE id = ?1 AND state = 1");
    }
    run(db, "BEGIN IMMEDIATE");
    for (int64_t id = first; id < first + count; id++) {
        unsigned char uid[16];
        int64_t now = clock_wall(clock_real()).us;
        sqlite3_randomness(sizeof uid, uid);
        (void)sqlite3_bind_int64(insert, 1, id);
        (void)sqlite3_bind_blob(insert, 2, uid, sizeof uid, SQLITE_STATIC);
        (void)sqlite3_bind_int64(insert, 3, now);
        step(db, insert);
        (void)sqlite3_bind_int64(update, 1, id);
        (void)sqlite3_bind_int64(update, 2, now);
        step(db, update);
    }
    run(db, "COMMIT");
}

int main(int argc, char **argv)
{
    sqlite3 *db;
    if (argc != 4 || sqlite3_open(argv[1], &db) != SQLITE_OK) {
        (void)fprintf(stderr, "usage: raw_rows DB ROWS BATCH\n");
        return 2;
    }
    int64_t rows = atoll(argv[2]), batch = atoll(argv[3]);
    run(db, "PRAGMA journal_mode = WAL");
    run(db, "PRAGMA synchronous = FULL");
    int64_t base = last_id(db) + 1, begun = clock_mono(clock_real()).us;
    for (int64_t done = 0; done < rows; done += batch)
        write_rows(db, base + done, batch);
    int64_t us = clock_mono(clock_real()).us - begun;
    (void)printf("%.0f\n", (double)rows * 1e6 / (double)us);
    return sqlite3_close_v2(db) == SQLITE_OK ? 0 : 1;
}
