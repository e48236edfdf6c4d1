/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that were tampered with, by somebody who can write the files but has not the key: what is found and where. */
#include "db/db_file.h"
#include "trail/segment_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "trail/verify_test_kit.h"

static void a_used_log_is_in_order(void **state)
{
    (void)state;
    struct log log;
    struct verify_result result;
    struct buf out;
    struct json_writer w;
    log_open(&log);
    expect_good(&log, SEGMENTS * EVENTS);
    verify(&log, (struct verify_options){.outside = log.checkpoints, .outside_count = log.checkpoint_count}, &result);
    assert_true(result.ok);
    assert_int_equal(result.head_count, SEGMENTS);
    buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
    verify_result_write(&result, &w);
    static const char beginning[] =
        "{\"ok\":true,\"checked\":30,\"first_bad\":null,\"heads\":[{\"segment\":1,\"seq\":10,\"hash\":\"";
    assert_true(strncmp(out.data, beginning, sizeof beginning - 1) == 0);
    buf_release(&out);
    verify_result_release(&result);
    segment_kit_close(&log.kit);
}

static void rows_that_were_tampered_with_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        enum verify_reason reason;
        int64_t seq;
        int id_of; /* 0: none; -1: the one that was put in */
    } cases[] = {
        {"UPDATE audit_events SET timestamp = timestamp + 1 WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET action = 'deleted' WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET resource_type = 'pod' WHERE seq = 1", VERIFY_CHANGED, 1, 1},
        {"UPDATE audit_events SET resource_id = 'x' WHERE seq = 10", VERIFY_CHANGED, 10, 10},
        {"UPDATE audit_events SET user_uid = NULL WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET client_ip = '' WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET request_id = request_id || 'x' WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET status = 1 WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET status = 2 WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET subsystem = 'http' WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET space_path = 'a' WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET event = replace(event, 'success', 'Success') WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET hash = zeroblob(32) WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET hash = zeroblob(31) WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET id = randomblob(16) WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"UPDATE audit_events SET action = 'read', hash = zeroblob(32) WHERE seq = 4", VERIFY_CHANGED, 4, 4},
        {"DELETE FROM audit_events WHERE seq = 1", VERIFY_REMOVED, 1, 0},
        {"DELETE FROM audit_events WHERE seq = 5", VERIFY_REMOVED, 5, 0},
        {"DELETE FROM audit_events WHERE seq = 10", VERIFY_TRUNCATED, 10, 0},
        {"DELETE FROM audit_events WHERE seq > 6", VERIFY_TRUNCATED, 7, 0},
        {"DELETE FROM audit_events", VERIFY_TRUNCATED, 1, 0},
        {"DROP TABLE audit_events", VERIFY_REMOVED, 1, 0},
        {"DELETE FROM audit_events WHERE seq = 5; UPDATE audit_events SET seq = seq - 1 WHERE seq > 5", VERIFY_REMOVED, 5, 0},
        {"DELETE FROM audit_events WHERE seq IN (2, 3); UPDATE audit_events SET seq = seq - 2 WHERE seq > 3", VERIFY_REMOVED, 2,
         0},
        {"INSERT INTO audit_events SELECT 11, x'ff', timestamp, action, resource_type, resource_id, user_uid, client_ip, request_id,"
         " status, subsystem, space_path, event, hash FROM audit_events WHERE seq = 3; UPDATE audit_events SET"
         " id = x'ffffffffffffffffffffffffffffffff' WHERE seq = 11",
         VERIFY_INSERTED, 11, -1},
        {"INSERT INTO audit_events SELECT 0, x'ffffffffffffffffffffffffffffffff', timestamp, action, resource_type, resource_id,"
         " user_uid, client_ip, request_id, status, subsystem, space_path, event, hash FROM audit_events WHERE seq = 3",
         VERIFY_INSERTED, 0, -1},
        {"UPDATE audit_events SET seq = -(seq + 1) WHERE seq >= 4; UPDATE audit_events SET seq = -seq WHERE seq < 0;"
         "INSERT INTO audit_events SELECT 4, x'ffffffffffffffffffffffffffffffff', timestamp, action, resource_type, resource_id,"
         " user_uid, client_ip, request_id, status, subsystem, space_path, event, hash FROM audit_events WHERE seq = 3",
         VERIFY_INSERTED, 4, -1},
        {"UPDATE audit_events SET seq = -1 WHERE seq = 3; UPDATE audit_events SET seq = 3 WHERE seq = 7; UPDATE audit_events SET"
         " seq = 7 WHERE seq = -1",
         VERIFY_REORDERED, 3, 7},
        {"UPDATE audit_events SET seq = -1 WHERE seq = 3; UPDATE audit_events SET seq = 3 WHERE seq = 4; UPDATE audit_events SET"
         " seq = 4 WHERE seq = -1",
         VERIFY_REORDERED, 3, 4},
        {"UPDATE audit_events SET seq = -1 WHERE seq = 1; UPDATE audit_events SET seq = 1 WHERE seq = 10; UPDATE audit_events SET"
         " seq = 10 WHERE seq = -1",
         VERIFY_REORDERED, 1, 10},
        {"UPDATE audit_events SET seq = 11 WHERE seq = 5", VERIFY_REORDERED, 5, 0},
        {"CREATE TABLE h AS SELECT seq, hash FROM audit_events; UPDATE audit_events SET seq = -1 WHERE seq = 3;"
         "UPDATE audit_events SET seq = 3 WHERE seq = 7; UPDATE audit_events SET seq = 7 WHERE seq = -1;"
         "UPDATE audit_events SET hash = (SELECT h.hash FROM h WHERE h.seq = audit_events.seq)",
         VERIFY_REORDERED, 3, 7},
        {"UPDATE audit_segment SET count = 9", VERIFY_CHANGED, 10, 0},
        {"UPDATE audit_segment SET signature = zeroblob(64)", VERIFY_CHANGED, 10, 0},
        {"UPDATE audit_segment SET max_ms = 5", VERIFY_CHANGED, 10, 0},
        {"UPDATE audit_segment SET genesis = zeroblob(32)", VERIFY_REMOVED, 1, 0},
        {"DELETE FROM audit_segment", VERIFY_CHANGED, 0, 0},
        {"UPDATE audit_segment SET count = 9; DELETE FROM audit_events WHERE seq = 10", VERIFY_TRUNCATED, 10, 0},
    };
    static const struct uuid put_in = {{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int64_t segment = 1; segment <= SEGMENTS; segment += 2) { /* a sealed one, and the open one */
            struct log log;
            log_open(&log);
            tamper_segment(&log, segment, cases[i].sql);
            const struct uuid *id = cases[i].id_of < 0 ? &put_in : cases[i].id_of ? &log.ids[segment][cases[i].id_of] : NULL;
            expect(&log, cases[i].sql, cases[i].reason, segment, cases[i].seq, id);
            segment_kit_close(&log.kit);
        }
}

/* ---- a chain that was computed anew ---- */

/* Puts in, behind `after`, an event whose hash is right; later ones get new numbers, and with `all` new hashes as well. */
static void insert_chained(const struct log *log, int64_t number, int64_t after, bool all, struct uuid *ret_id)
{
    char path[SEGMENT_PATH_SIZE], sql[256];
    struct db *db;
    struct segment_kit kit = log->kit;
    struct audit_record *made = segment_kit_records(&kit, 1);
    struct audit_hash hash = log->metas[number].genesis;
    struct segment_row row;
    struct segment_scan scan;
    bool more = true;
    (void)snprintf(sql, sizeof sql,
                   "UPDATE audit_events SET seq = -(seq + 1) WHERE seq > %d; UPDATE audit_events SET seq = -seq WHERE seq < 0",
                   (int)after);
    tamper_segment(log, number, sql);
    path_of(log, number, path);
    const struct db_file_options file = {.path = path, .relaxed = true};
    assert_int_equal(db_file_open(&file, &db, NULL), OK);
    *ret_id = made[0].id;
    segment_store_scan(db, 1, &scan);
    for (int64_t seq = 1; seq <= after && more; seq++) {
        assert_int_equal(segment_store_next(&scan, &row, &more, NULL), OK);
        hash = row.hash;
    }
    segment_store_scan_end(&scan);
    audit_record_hash(&hash, after + 1, &made[0], &hash);
    const struct segment_addition row_made = {after + 1, made, &hash, 1};
    assert_int_equal(segment_store_insert(db, &row_made, NULL), OK);
    for (int64_t seq = after + 2; all; seq++) {
        char digits[2 * AUDIT_HASH_BYTES + 1];
        segment_store_scan(db, seq, &scan);
        assert_int_equal(segment_store_next(&scan, &row, &more, NULL), OK);
        if (!more)
            break;
        audit_record_hash(&hash, seq, &row.record, &hash);
        segment_store_scan_end(&scan);
        for (int i = 0; i < AUDIT_HASH_BYTES; i++)
            (void)snprintf(digits + 2 * i, 3, "%02x", hash.b[i]);
        (void)snprintf(sql, sizeof sql, "UPDATE audit_events SET hash = x'%s' WHERE seq = %d", digits, (int)seq);
        assert_int_equal(db_exec(db, sql, NULL), OK);
    }
    db_file_close(db);
    segment_kit_free(made, 1);
}

static void events_with_a_right_hash_are_found(void **state)
{
    (void)state;
    struct log log;
    struct uuid id;
    for (int64_t segment = 1; segment <= SEGMENTS; segment++) {
        log_open(&log); /* at the end, behind what was signed */
        insert_chained(&log, segment, EVENTS, false, &id);
        expect(&log, "at the end", VERIFY_INSERTED, segment, 11, &id);
        tamper_segment(&log, segment,
                       "UPDATE audit_segment SET count = 11, head = (SELECT hash FROM audit_events WHERE seq = 11)");
        expect(&log, "at the end, with the state", VERIFY_INSERTED, segment, 11, &id);
        segment_kit_close(&log.kit);
        log_open(&log);
        insert_chained(&log, segment, 4, false, &id);
        expect(&log, "in the middle", VERIFY_INSERTED, segment, 5, &id);
        segment_kit_close(&log.kit);
        log_open(&log);
        insert_chained(&log, segment, 0, false, &id);
        expect(&log, "before the first", VERIFY_INSERTED, segment, 1, &id);
        segment_kit_close(&log.kit);
    }
    log_open(&log); /* everything behind it computed anew: between two signed places, nobody can say where it began */
    insert_chained(&log, 3, 6, true, &id);
    expect(&log, "computed anew", VERIFY_CHANGED, 3, 6, &log.ids[3][6]);
    segment_kit_close(&log.kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_used_log_is_in_order),
        cmocka_unit_test(rows_that_were_tampered_with_are_named),
        cmocka_unit_test(events_with_a_right_hash_are_found),
    };
    return cmocka_run_group_tests(tests, make_template, remove_template);
}
