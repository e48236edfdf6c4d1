/* SPDX-License-Identifier: Apache-2.0 */
/* Files, pages, bytes and checkpoints that were tampered with, older copies, retention, and times that are asked for. */
#include "db/db_file.h"
#include "trail/segment_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "trail/verify_test_kit.h"

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
        assert_int_equal(segment_remove(log.kit.place, number, NULL), OK);
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
    int found = 0;
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
        if (result.ok)
            fail_msg("page %d", page + 1);
        assert_int_equal(result.first_bad.segment, 2);
        found++;
        verify_result_release(&result);
        segment_kit_close(&log.kit);
    }
    assert_true(found >= 4 + (int)segment_index_count);
}

/* A segment whose index was made anew with less in it, as a hand can that knows SQLite. */
static void lessen_index(const struct log *log, int64_t number, const char *index)
{
    char sql[400];
    (void)snprintf(
        sql, sizeof sql,
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = sql || CASE WHEN sql LIKE '%% WHERE %%' THEN ' AND seq <> 4'"
        " ELSE ' WHERE seq <> 4' END WHERE name = '%s'",
        index);
    tamper_segment(log, number, sql);
    (void)snprintf(sql, sizeof sql, "REINDEX %s", index);
    tamper_segment(log, number, sql);
    (void)snprintf(
        sql, sizeof sql,
        "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = replace(replace(sql, ' WHERE seq <> 4', ''), ' AND seq <> 4', '')"
        " WHERE name = '%s'",
        index);
    tamper_segment(log, number, sql);
}

static void an_index_that_misses_events_is_found(void **state)
{
    (void)state;
    struct log log;
    for (size_t i = 0; i < segment_index_count; i++) {
        struct verify_result result;
        char sql[80];
        log_open(&log);
        lessen_index(&log, 2, segment_indexes[i].name);
        verify(&log, (struct verify_options){.threads = 1}, &result);
        assert_false(result.ok);
        assert_int_equal(result.first_bad.reason, VERIFY_CHANGED);
        assert_int_equal(result.first_bad.segment, 2);
        assert_int_equal(result.first_bad.seq, 0);
        assert_non_null(strstr(result.first_bad.detail, segment_indexes[i].name));
        verify_result_release(&result);
        (void)snprintf(sql, sizeof sql, "DROP INDEX %s", segment_indexes[i].name);
        tamper_segment(&log, 2, sql);
        expect(&log, "no index", VERIFY_CHANGED, 2, 0, NULL);
        segment_kit_close(&log.kit);
    }
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
        {"UPDATE audit_checkpoints SET reason = 'x' WHERE id = 2", VERIFY_CHANGED, 1},
        {"UPDATE audit_checkpoints SET kind = 'head' WHERE id = 2", VERIFY_CHANGED, 1},
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
    assert_int_equal(segment_remove(log.kit.place, 1, NULL), OK);
    expect_good(&log, 2 * EVENTS);
    set_aside(&log, "000001.db", ".old", true);
    expect(&log, "a dropped segment is back", VERIFY_INSERTED, 1, 1, &log.ids[1][1]);
    assert_int_equal(segment_remove(log.kit.place, 1, NULL), OK);
    expect_good(&log, 2 * EVENTS);
    assert_int_equal(segment_remove(log.kit.place, 2, NULL), OK);
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
    assert_int_equal(segment_remove(log.kit.place, 2, NULL), OK);
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
    char url[80];
    log_open(&log);
    (void)snprintf(url, sizeof url, "sqlite:%s", log.database);
    segment_kit_open(&other);
    checkpoint_sign(&log.checkpoints[0], &other.key);
    const struct verify_options options = {.place = log.kit.place,
                                           .folder = log.kit.folder,
                                           .store = url,
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
        cmocka_unit_test(missing_files_are_found),
        cmocka_unit_test(damaged_pages_are_found),
        cmocka_unit_test(an_index_that_misses_events_is_found),
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
