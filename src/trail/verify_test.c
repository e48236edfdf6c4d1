/* SPDX-License-Identifier: Apache-2.0 */
/* Tampering of every kind, by somebody who can write the files but has not the key: what is found, where, and that a log that was
 * only used is in order. */
#include "trail/verify.h"

#include "db/db_file.h"
#include "db/store.h"
#include "trail/checkpoint_store.h"
#include "trail/segment_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "trail/chain_test_kit.h"

enum { SEGMENTS = 3, EVENTS = 10 };

/* A log of three segments: two sealed, one open with a checkpoint at 5 of its 10 events. */
struct log {
    struct segment_kit kit;
    char database[64];
    struct uuid ids[SEGMENTS + 1][EVENTS + 1];
    struct segment_meta metas[SEGMENTS + 1];
    struct checkpoint checkpoints[8];
    size_t checkpoint_count;
};

struct adding {
    const struct audit_key *key;
    struct checkpoint *c;
};

static enum err_code run_add(struct db *tx, void *arg, struct err *err)
{
    struct adding *adding = arg;
    return checkpoint_store_add(tx, adding->key, adding->c, err);
}

static void vouch(struct log *log, enum checkpoint_kind kind, const struct segment_meta *meta)
{
    char url[80];
    struct store *store;
    struct checkpoint *c = &log->checkpoints[log->checkpoint_count++];
    struct adding adding = {&log->kit.key, c};
    const struct store_options options = {.url = url, .relaxed = true, .readers = 1};
    struct err err;
    (void)snprintf(url, sizeof url, "sqlite:%s", log->database);
    *c = (struct checkpoint){.kind = kind,
                             .segment = meta->number,
                             .seq = meta->count,
                             .genesis = meta->genesis,
                             .head = meta->head,
                             .min_ms = meta->min_ms,
                             .max_ms = meta->max_ms,
                             .created_ms = KIT_NOW,
                             .reason = "why"};
    assert_int_equal(store_open(&options, &store, &err), OK);
    assert_int_equal(store_write(store, run_add, &adding, &err), OK);
    store_close(store);
    heads_note_checkpoint(log->kit.heads, c);
}

static void add_events(struct log *log, struct segment *segment, size_t count)
{
    struct audit_record *records = segment_kit_records(&log->kit, count);
    const struct segment_meta *meta = segment_meta(segment);
    for (size_t i = 0; i < count; i++)
        log->ids[meta->number][meta->count + 1 + (int64_t)i] = records[i].id;
    assert_int_equal(segment_append(segment, records, count, 0, NULL), OK);
    segment_kit_free(records, count);
}

static void fill(struct log *log)
{
    for (int n = 1; n <= SEGMENTS; n++) {
        struct segment *segment = segment_kit_create(&log->kit, n, n > 1 ? &log->metas[n - 1].genesis : NULL);
        vouch(log, CHECKPOINT_HEAD, segment_meta(segment));
        add_events(log, segment, 5);
        if (n == SEGMENTS)
            vouch(log, CHECKPOINT_HEAD, segment_meta(segment));
        add_events(log, segment, 5);
        if (n < SEGMENTS) {
            assert_int_equal(segment_seal(segment, KIT_NOW, NULL), OK);
            vouch(log, CHECKPOINT_SEALED, segment_meta(segment));
            heads_drop(log->kit.heads, n);
        }
        log->metas[n] = *segment_meta(segment);
        segment_close(segment);
    }
}

/* Made once, then copied. */
static struct log template;

static void log_open(struct log *log)
{
    char command[128];
    *log = template;
    (void)snprintf(log->kit.folder, sizeof log->kit.folder, "/tmp/horae-trail-XXXXXX");
    assert_non_null(mkdtemp(log->kit.folder));
    (void)snprintf(command, sizeof command, "cp -p %s/* %s", template.kit.folder, log->kit.folder);
    assert_int_equal(system(command), 0);
    (void)snprintf(log->database, sizeof log->database, "%s/horae.db", log->kit.folder);
    assert_int_equal(heads_open(log->kit.folder, &log->kit.key, &log->kit.heads, NULL), OK);
}

static int make_template(void **state)
{
    (void)state;
    segment_kit_open(&template.kit);
    (void)snprintf(template.database, sizeof template.database, "%s/horae.db", template.kit.folder);
    fill(&template);
    return 0;
}

static int remove_template(void **state)
{
    (void)state;
    segment_kit_close(&template.kit);
    return 0;
}

static void verify(const struct log *log, struct verify_options options, struct verify_result *ret)
{
    struct err err;
    options.folder = log->kit.folder;
    options.database = log->database;
    options.public_key = log->kit.key.public_key;
    if (!options.from_ms && !options.to_ms) {
        options.from_ms = INT64_MIN;
        options.to_ms = INT64_MAX;
    }
    if (verify_store(&options, ret, &err) != OK)
        fail_msg("%s", err.message);
}

static void expect_good(const struct log *log, int64_t checked)
{
    struct verify_result result;
    verify(log, (struct verify_options){.threads = 2}, &result);
    if (!result.ok)
        fail_msg("%s at %lld.%lld: %s", verify_reason_name(result.first_bad.reason), (long long)result.first_bad.segment,
                 (long long)result.first_bad.seq, result.first_bad.detail);
    assert_int_equal(result.checked, checked);
    verify_result_release(&result);
}

static void expect(const struct log *log, const char *what, enum verify_reason reason, int64_t segment, int64_t seq,
                   const struct uuid *id)
{
    struct verify_result result;
    verify(log, (struct verify_options){.threads = 2}, &result);
    const struct verify_bad *bad = &result.first_bad;
    if (result.ok || bad->reason != reason || bad->segment != segment || bad->seq != seq || bad->has_id != (id != NULL) ||
        (id && memcmp(id, &bad->id, sizeof *id) != 0))
        fail_msg("%s: %s at %lld.%lld, id %d: %s", what, result.ok ? "all well" : verify_reason_name(bad->reason),
                 (long long)bad->segment, (long long)bad->seq, bad->has_id, bad->detail);
    verify_result_release(&result);
}

/* By hand, with the triggers out of the way. */
static void tamper(const char *path, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    (void)chmod(path, 0600);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    static const char *const triggers[] = {"audit_events_insert",      "audit_events_update",     "audit_events_delete",
                                           "audit_segment_update",     "audit_segment_delete",    "audit_checkpoints_update",
                                           "audit_checkpoints_delete", "audit_checkpoints_insert"};
    for (size_t i = 0; i < ARRAY_LEN(triggers); i++) {
        char drop[80];
        (void)snprintf(drop, sizeof drop, "DROP TRIGGER IF EXISTS %s", triggers[i]);
        assert_int_equal(sqlite3_exec(db, drop, NULL, NULL, NULL), SQLITE_OK);
    }
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void path_of(const struct log *log, int64_t number, char path[SEGMENT_PATH_SIZE])
{
    segment_path(log->kit.folder, number, path, SEGMENT_PATH_SIZE);
}

static void tamper_segment(const struct log *log, int64_t number, const char *sql)
{
    char path[SEGMENT_PATH_SIZE];
    path_of(log, number, path);
    tamper(path, sql);
}

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
    struct db_stmt *scan;
    bool more = true;
    (void)snprintf(sql, sizeof sql,
                   "UPDATE audit_events SET seq = -(seq + 1) WHERE seq > %d; UPDATE audit_events SET seq = -seq WHERE seq < 0",
                   (int)after);
    tamper_segment(log, number, sql);
    path_of(log, number, path);
    const struct db_file_options file = {.path = path, .relaxed = true};
    assert_int_equal(db_file_open(&file, &db, NULL), OK);
    *ret_id = made[0].id;
    assert_int_equal(segment_store_scan(db, 1, &scan, NULL), OK);
    for (int64_t seq = 1; seq <= after && more; seq++) {
        assert_int_equal(segment_store_next(scan, &row, &more, NULL), OK);
        hash = row.hash;
    }
    db_reset(scan);
    audit_record_hash(&hash, after + 1, &made[0], &hash);
    assert_int_equal(segment_store_insert(db, after + 1, &made[0], &hash, NULL), OK);
    for (int64_t seq = after + 2; all; seq++) {
        char digits[2 * AUDIT_HASH_BYTES + 1];
        assert_int_equal(segment_store_scan(db, seq, &scan, NULL), OK);
        assert_int_equal(segment_store_next(scan, &row, &more, NULL), OK);
        if (!more)
            break;
        audit_record_hash(&hash, seq, &row.record, &hash);
        db_reset(scan);
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

/* ---- files ---- */

static void copy_file(const char *from, const char *to)
{
    char command[2 * SEGMENT_PATH_SIZE + 32];
    (void)snprintf(command, sizeof command, "cp -p %s %s 2>/dev/null", from, to);
    (void)!system(command);
}

static void set_aside(const struct log *log, const char *name, const char *suffix, bool back)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char there[128], here[160];
        (void)snprintf(there, sizeof there, "%s/%s%s", log->kit.folder, name, ends[i]);
        (void)snprintf(here, sizeof here, "%s%s", there, suffix);
        if (back)
            (void)unlink(there);
        copy_file(back ? here : there, back ? there : here);
    }
}

static void missing_files_are_found(void **state)
{
    (void)state;
    struct log log;
    for (int64_t number = 1; number <= SEGMENTS; number++) {
        log_open(&log);
        assert_int_equal(segment_remove(log.kit.folder, number, NULL), OK);
        expect(&log, "removed file", VERIFY_REMOVED, number, 1, NULL);
        segment_kit_close(&log.kit);
    }
    log_open(&log);
    char path[SEGMENT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/heads", log.kit.folder);
    assert_int_equal(unlink(path), 0);
    expect(&log, "no heads", VERIFY_REMOVED, 3, 10, NULL);
    segment_kit_close(&log.kit);
    log_open(&log);
    path_of(&log, 2, path);
    (void)chmod(path, 0600);
    assert_int_equal(truncate(path, 0), 0);
    expect(&log, "empty file", VERIFY_CHANGED, 2, 0, NULL);
    segment_kit_close(&log.kit);
}

static void damaged_pages_are_found(void **state)
{
    (void)state;
    struct log log;
    struct stat st;
    char path[SEGMENT_PATH_SIZE];
    int found = 0, harmless = 0;
    for (int page = 0;; page++) {
        struct verify_result result;
        static const char rubbish[4096] = "rubbish";
        log_open(&log);
        path_of(&log, 2, path);
        (void)chmod(path, 0600);
        assert_int_equal(stat(path, &st), 0);
        if ((off_t)page * 4096 >= st.st_size) {
            segment_kit_close(&log.kit);
            break;
        }
        const int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, (off_t)page * 4096), sizeof rubbish);
        (void)close(fd);
        verify(&log, (struct verify_options){.threads = 1}, &result);
        if (!result.ok) {
            assert_int_equal(result.first_bad.segment, 2);
            found++;
        } else {
            assert_int_equal(result.checked, SEGMENTS * EVENTS); /* a page of an index: every event is there */
            harmless++;
        }
        verify_result_release(&result);
        segment_kit_close(&log.kit);
    }
    assert_true(found >= 4 && harmless > 0);
}

static bool is_seen(const struct log *log, int fd, const char *bytes, ssize_t at)
{
    struct verify_result result;
    const char flipped = (char)(bytes[at] ^ 1);
    assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
    verify(log, (struct verify_options){.threads = 1}, &result);
    const bool seen = !result.ok && result.first_bad.segment == 1;
    verify_result_release(&result);
    assert_int_equal(pwrite(fd, bytes + at, 1, at), 1);
    return seen;
}

/* Where the row of the event stands: its id, with its text behind it, not in what is left of pages that were moved. */
static ssize_t find_row(const struct log *log, int fd, const char *bytes, ssize_t size, const struct uuid *id)
{
    for (const char *at = bytes; (at = memmem(at, (size_t)(bytes + size - at), id->b, sizeof id->b)); at++) {
        const char *text = memmem(at, (size_t)(bytes + size - at), "{\"id\":", 6);
        if (text && text - at < 200 && is_seen(log, fd, bytes, text - bytes))
            return at - bytes;
    }
    fail_msg("the row is not in the file");
    return 0;
}

static void any_flipped_byte_of_an_event_is_found(void **state)
{
    enum { LENGTHS = 19 }; /* of the row and its columns, before the id */
    (void)state;
    struct log log;
    char path[SEGMENT_PATH_SIZE];
    static char bytes[1 << 20];
    log_open(&log);
    path_of(&log, 1, path);
    (void)chmod(path, 0600);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    const ssize_t size = read(fd, bytes, sizeof bytes), id = find_row(&log, fd, bytes, size, &log.ids[1][7]);
    const char *created = memmem(bytes + id, (size_t)(size - id), "\"created_at\":\"", 14);
    assert_non_null(created);
    const ssize_t end = created - bytes + 14 + 26 + AUDIT_HASH_BYTES;
    for (ssize_t i = id - LENGTHS; i < end; i++)
        if (!is_seen(&log, fd, bytes, i))
            fail_msg("byte %zd of %zd to %zd", i, id - LENGTHS, end);
    (void)close(fd);
    expect_good(&log, SEGMENTS * EVENTS);
    segment_kit_close(&log.kit);
}

static void older_copies_are_found(void **state)
{
    (void)state;
    struct log log;
    struct segment_options options;
    struct segment *segment;
    log_open(&log);
    set_aside(&log, "000003.db", ".old", false);
    set_aside(&log, "horae.db", ".old", false);
    options = segment_kit_options(&log.kit, 3);
    assert_int_equal(segment_resume(&options, &segment, NULL), OK);
    segment_kit_append(&log.kit, segment, 2);
    segment_close(segment);
    expect_good(&log, SEGMENTS * EVENTS + 2);
    set_aside(&log, "000003.db", ".new", false);
    set_aside(&log, "000003.db", ".old", true);
    expect(&log, "an older segment", VERIFY_TRUNCATED, 3, 11, NULL); /* its end was signed as it is; heads knows better */
    set_aside(&log, "000003.db", ".new", true);
    expect_good(&log, SEGMENTS * EVENTS + 2);
    struct segment_meta meta = log.metas[3];
    vouch(&log, CHECKPOINT_HEAD, &meta);
    expect_good(&log, SEGMENTS * EVENTS + 2);
    set_aside(&log, "horae.db", ".old", true);
    expect(&log, "an older database", VERIFY_TRUNCATED, 0, 0, NULL);
    segment_kit_close(&log.kit);
}

static void a_cut_tail_with_all_witnesses_on_this_machine_is_found_by_checkpoints(void **state)
{
    (void)state;
    struct log log;
    struct verify_result result;
    char path[SEGMENT_PATH_SIZE];
    log_open(&log);
    set_aside(&log, "000003.db", ".old", false);
    set_aside(&log, "heads", ".old", false);
    set_aside(&log, "horae.db", ".old", false);
    struct segment_options options = segment_kit_options(&log.kit, 3);
    struct segment *segment;
    assert_int_equal(segment_resume(&options, &segment, NULL), OK);
    segment_kit_append(&log.kit, segment, 2);
    vouch(&log, CHECKPOINT_HEAD, segment_meta(segment));
    segment_close(segment);
    set_aside(&log, "000003.db", ".old", true);
    set_aside(&log, "heads", ".old", true);
    expect(&log, "segment and heads are older", VERIFY_TRUNCATED, 3, 11, NULL);
    set_aside(&log, "horae.db", ".old", true);
    expect_good(&log, SEGMENTS * EVENTS); /* everything on this machine is of the same moment */
    verify(&log, (struct verify_options){.outside = log.checkpoints, .outside_count = log.checkpoint_count}, &result);
    assert_false(result.ok);
    assert_int_equal(result.first_bad.reason, VERIFY_TRUNCATED);
    assert_int_equal(result.first_bad.segment, 3);
    assert_int_equal(result.first_bad.seq, 11);
    verify_result_release(&result);
    (void)path;
    segment_kit_close(&log.kit);
}

static void checkpoints_prove_each_other(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        enum verify_reason reason;
        int64_t segment;
    } cases[] = {
        {"DELETE FROM audit_checkpoints WHERE id = 1", VERIFY_REMOVED, 1},
        {"DELETE FROM audit_checkpoints WHERE id = 3", VERIFY_REMOVED, 2},
        {"DELETE FROM audit_checkpoints WHERE id = 6", VERIFY_TRUNCATED, 0},
        {"DELETE FROM audit_checkpoints", VERIFY_REMOVED, 1},
        {"UPDATE audit_checkpoints SET reason = 'x' WHERE id = 2", VERIFY_REMOVED, 1},
        {"UPDATE audit_checkpoints SET kind = 'head' WHERE id = 2", VERIFY_REMOVED, 1},
        {"UPDATE audit_checkpoints SET seq = 4 WHERE id = 6", VERIFY_CHANGED, 3},
        {"UPDATE audit_checkpoints SET created_at = 4 WHERE id = 1", VERIFY_CHANGED, 1},
        {"INSERT INTO audit_checkpoints SELECT 7, kind, segment, seq, genesis, head, min_timestamp, max_timestamp, reason,"
         " created_at, before, signature FROM audit_checkpoints WHERE id = 6",
         VERIFY_CHANGED, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct log log;
        struct verify_result result;
        log_open(&log);
        tamper(log.database, cases[i].sql);
        verify(&log, (struct verify_options){.threads = 1}, &result);
        if (result.ok || result.first_bad.reason != cases[i].reason || result.first_bad.segment != cases[i].segment)
            fail_msg("%s: %s at %lld: %s", cases[i].sql, result.ok ? "all well" : verify_reason_name(result.first_bad.reason),
                     (long long)result.first_bad.segment, result.first_bad.detail);
        verify_result_release(&result);
        segment_kit_close(&log.kit);
    }
}

static void retention_leaves_tombstones(void **state) /* RET-05 */
{
    (void)state;
    struct log log;
    struct segment_meta cut;
    log_open(&log);
    set_aside(&log, "000001.db", ".old", false);
    vouch(&log, CHECKPOINT_PURGED, &log.metas[1]);
    assert_int_equal(segment_remove(log.kit.folder, 1, NULL), OK);
    expect_good(&log, 2 * EVENTS);
    set_aside(&log, "000001.db", ".old", true);
    expect(&log, "a dropped segment is back", VERIFY_INSERTED, 1, 1, &log.ids[1][1]);
    assert_int_equal(segment_remove(log.kit.folder, 1, NULL), OK);
    expect_good(&log, 2 * EVENTS);
    assert_int_equal(segment_remove(log.kit.folder, 2, NULL), OK);
    expect(&log, "dropped by somebody else", VERIFY_REMOVED, 2, 1, NULL);
    cut = log.metas[2];
    cut.count = 4; /* cut off, and then dropped by a server that did not look */
    vouch(&log, CHECKPOINT_PURGED, &cut);
    expect(&log, "dropped after it was cut", VERIFY_TRUNCATED, 2, 5, NULL);
    tamper(log.database, "DELETE FROM audit_checkpoints WHERE kind = 'purged' AND segment = 1");
    expect(&log, "the tombstone was removed", VERIFY_REMOVED, 1, 1, NULL);
    segment_kit_close(&log.kit);
}

static void another_segment_of_the_same_number_is_found(void **state)
{
    (void)state;
    struct log log;
    log_open(&log);
    assert_int_equal(segment_remove(log.kit.folder, 2, NULL), OK);
    struct segment_options options = segment_kit_options(&log.kit, 2);
    struct segment *segment;
    options.now_ms++;
    options.heads = NULL;
    options.before = &log.metas[1].genesis;
    assert_int_equal(segment_create(&options, &segment, NULL), OK); /* even by the key */
    segment_kit_append(&log.kit, segment, 3);
    segment_close(segment);
    expect(&log, "another segment", VERIFY_REMOVED, 2, 1, NULL);
    segment_kit_close(&log.kit);
}

static void missing_events_that_a_start_found_stay_found(void **state)
{
    (void)state;
    struct log log;
    struct segment_meta meta;
    log_open(&log);
    meta = log.metas[3];
    vouch(&log, CHECKPOINT_RECOVERED, &meta);
    expect(&log, "recovered", VERIFY_TRUNCATED, 3, 11, NULL);
    segment_kit_close(&log.kit);
}

static void a_time_is_asked_for(void **state)
{
    (void)state;
    struct log log;
    struct verify_result result;
    log_open(&log);
    /* events 1 … 30 at KIT_NOW + 1 … 30 */
    verify(&log, (struct verify_options){.from_ms = KIT_NOW + 12, .to_ms = KIT_NOW + 14}, &result);
    assert_true(result.ok);
    assert_int_equal(result.checked, 3);
    verify_result_release(&result);
    tamper_segment(&log, 2, "UPDATE audit_events SET action = 'read' WHERE seq = 7");
    verify(&log, (struct verify_options){.from_ms = KIT_NOW + 12, .to_ms = KIT_NOW + 14}, &result);
    assert_true(result.ok);
    verify_result_release(&result);
    verify(&log, (struct verify_options){.from_ms = KIT_NOW + 21, .to_ms = KIT_NOW + 30}, &result);
    assert_true(result.ok);
    assert_int_equal(result.checked, 10);
    verify_result_release(&result);
    verify(&log, (struct verify_options){.from_ms = KIT_NOW + 16, .to_ms = KIT_NOW + 17}, &result);
    assert_false(result.ok);
    assert_int_equal(result.first_bad.seq, 7);
    verify_result_release(&result);
    segment_kit_close(&log.kit);
}

static void checkpoints_of_another_key_are_refused(void **state)
{
    (void)state;
    struct log log;
    struct segment_kit other;
    struct verify_result result;
    log_open(&log);
    segment_kit_open(&other);
    checkpoint_sign(&log.checkpoints[0], &other.key);
    const struct verify_options options = {.folder = log.kit.folder,
                                           .database = log.database,
                                           .public_key = log.kit.key.public_key,
                                           .outside = log.checkpoints,
                                           .outside_count = 1};
    assert_int_equal(verify_store(&options, &result, NULL), ERR_INVALID);
    segment_kit_close(&other);
    segment_kit_close(&log.kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_used_log_is_in_order),
        cmocka_unit_test(rows_that_were_tampered_with_are_named),
        cmocka_unit_test(events_with_a_right_hash_are_found),
        cmocka_unit_test(missing_files_are_found),
        cmocka_unit_test(damaged_pages_are_found),
        cmocka_unit_test(any_flipped_byte_of_an_event_is_found),
        cmocka_unit_test(older_copies_are_found),
        cmocka_unit_test(a_cut_tail_with_all_witnesses_on_this_machine_is_found_by_checkpoints),
        cmocka_unit_test(checkpoints_prove_each_other),
        cmocka_unit_test(retention_leaves_tombstones),
        cmocka_unit_test(another_segment_of_the_same_number_is_found),
        cmocka_unit_test(missing_events_that_a_start_found_stay_found),
        cmocka_unit_test(a_time_is_asked_for),
        cmocka_unit_test(checkpoints_of_another_key_are_refused),
    };
    return cmocka_run_group_tests(tests, make_template, remove_template);
}
