/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/segment.h"

#include "db/store_fault.h"
#include "trail/segment_store.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "trail/chain_test_kit.h"

static bool holds(const struct segment_kit *kit, int64_t number, const struct uuid *id)
{
    struct db *reader;
    bool found;
    assert_int_equal(segment_open_reader(kit->place, number, &reader, NULL), OK);
    assert_int_equal(segment_store_find(reader, id, &found, NULL), OK);
    segment_close_reader(kit->place, reader);
    return found;
}

/* The whole chain as a reader finds it; returns the number of events. */
static int64_t walk(const struct segment_kit *kit, int64_t number, struct segment_meta *ret_meta)
{
    struct db *reader;
    struct segment_scan scan;
    struct segment_row row;
    bool found = true;
    int64_t count = 0;
    assert_int_equal(segment_open_reader(kit->place, number, &reader, NULL), OK);
    assert_int_equal(segment_read_meta(reader, ret_meta, NULL), OK);
    assert_true(segment_is_signed(ret_meta, kit->key.public_key));
    segment_store_scan(reader, 1, &scan);
    struct audit_hash head = ret_meta->genesis, next;
    while (found) {
        assert_int_equal(segment_store_next(&scan, &row, &found, NULL), OK);
        if (!found)
            break;
        count++;
        assert_int_equal(row.seq, count);
        assert_false(row.damaged);
        audit_record_hash(&head, row.seq, &row.record, &next);
        assert_memory_equal(&next, &row.hash, sizeof next);
        head = next;
    }
    assert_memory_equal(&head, &ret_meta->head, sizeof head);
    assert_int_equal(ret_meta->count, count);
    segment_close_reader(kit->place, reader);
    return count;
}

static void a_segment_lives(void **state)
{
    (void)state;
    struct segment_kit kit;
    struct segment_meta meta;
    struct segment *segment;
    struct stat st;
    char path[SEGMENT_PATH_SIZE];
    segment_kit_open(&kit);
    segment = segment_kit_create(&kit, 1, NULL);
    assert_int_equal(walk(&kit, 1, &meta), 0);
    segment_kit_append(&kit, segment, 3);
    struct audit_record *records = segment_kit_records(&kit, 2);
    records[1].failure = true;
    assert_int_equal(segment_append(segment, records, 2, 77, NULL), OK);
    assert_true(holds(&kit, 1, &records[1].id));
    records[1].id.b[0] ^= 1;
    assert_false(holds(&kit, 1, &records[1].id));
    segment_kit_free(records, 2);
    segment_close(segment);
    assert_int_equal(walk(&kit, 1, &meta), 5);
    const struct segment_options options = segment_kit_options(&kit, 1);
    assert_int_equal(segment_create(&options, &segment, NULL), ERR_CONFLICT);
    assert_int_equal(segment_resume(&options, &segment, NULL), OK);
    assert_memory_equal(segment_meta(segment), &meta, sizeof meta);
    assert_int_equal(meta.pending_id, 77);
    assert_int_equal(meta.failures, 1);
    assert_int_equal(meta.min_ms, KIT_NOW + 1);
    assert_int_equal(meta.max_ms, KIT_NOW + 5);
    segment_kit_append(&kit, segment, 1);
    assert_int_equal(segment_set_full(segment, NULL), OK);
    assert_int_equal(segment_seal(segment, KIT_NOW + 9, NULL), OK);
    segment_close(segment);
    assert_int_equal(walk(&kit, 1, &meta), 6);
    assert_int_equal(meta.state, SEGMENT_SEALED);
    segment_path(kit.folder, 1, path, sizeof path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    strcat(path, "-wal");
    assert_int_equal(access(path, F_OK), -1);
    segment_kit_close(&kit);
}

static void segments_are_listed_and_removed(void **state)
{
    (void)state;
    struct segment_kit kit;
    int64_t *numbers;
    size_t count;
    struct db *reader;
    char path[SEGMENT_PATH_SIZE + 8];
    segment_kit_open(&kit);
    struct segment_place *nowhere = segment_place_files("/nowhere/at/all");
    assert_int_equal(segment_list(nowhere, &numbers, &count, NULL), OK);
    assert_int_equal(count, 0);
    free(numbers);
    segment_place_free(nowhere);
    segment_close(segment_kit_create(&kit, 2, NULL));
    segment_close(segment_kit_create(&kit, 1000000, NULL));
    segment_close(segment_kit_create(&kit, 1, NULL));
    static const char *const others[] = {"1.db", "0000003.db", "00000x.db", "000004.db.new", "heads"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", kit.folder, others[i]);
        FILE *file = fopen(path, "a");
        assert_non_null(file);
        (void)fclose(file);
    }
    assert_int_equal(segment_list(kit.place, &numbers, &count, NULL), OK);
    assert_int_equal(count, 3);
    assert_true(numbers[0] == 1 && numbers[1] == 2 && numbers[2] == 1000000);
    free(numbers);
    assert_int_equal(segment_remove(kit.place, 2, NULL), OK);
    assert_int_equal(segment_remove(kit.place, 2, NULL), OK);
    assert_int_equal(segment_open_reader(kit.place, 2, &reader, NULL), ERR_NOT_FOUND);
    segment_kit_close(&kit);
}

/* Faults from the n-th statement on. */
struct breaker {
    struct store_fault fault;
    int left;
};

static enum err_code before(void *arg, const char *what, struct err *err)
{
    struct breaker *breaker = arg;
    (void)what;
    return breaker->left-- > 0 ? OK : err_set(err, ERR_UNAVAILABLE, NULL, "broken");
}

static void a_failed_append_changes_nothing(void **state)
{
    (void)state;
    struct segment_kit kit;
    struct segment *segment;
    struct segment_meta meta;
    struct breaker breaker = {{before, &breaker}, 1 << 30};
    segment_kit_open(&kit);
    struct segment_options options = segment_kit_options(&kit, 1);
    options.fault = &breaker.fault;
    assert_int_equal(segment_create(&options, &segment, NULL), OK);
    struct audit_record *records = segment_kit_records(&kit, 4);
    assert_int_equal(segment_append(segment, records, 1, 0, NULL), OK);
    int failed = 0;
    for (int n = 0;; n++) {
        meta = *segment_meta(segment);
        breaker.left = n;
        const enum err_code code = segment_append(segment, records + 1, 3, 5, NULL);
        breaker.left = 1 << 30;
        if (code == OK)
            break;
        failed++;
        assert_int_equal(code, ERR_UNAVAILABLE);
        assert_memory_equal(segment_meta(segment), &meta, sizeof meta);
        assert_int_equal(walk(&kit, 1, &meta), 1);
    }
    assert_int_equal(failed, 6); /* begin, three rows, the segment's row, commit */
    assert_int_equal(walk(&kit, 1, &meta), 4);
    assert_int_equal(segment_append(segment, records + 3, 1, 0, NULL), ERR_CONFLICT); /* the same id */
    assert_int_equal(walk(&kit, 1, &meta), 4);
    segment_kit_free(records, 4);
    segment_close(segment);
    segment_kit_close(&kit);
}

static void hands_are_refused(void **state) /* AUD-39 */
{
    (void)state;
    static const char *const statements[] = {
        ("INSERT INTO audit_events SELECT 9, x'00', timestamp, action, resource_type, resource_id, user_uid, client_ip, request_id,"
         " status, subsystem, space_path, event, hash FROM audit_events LIMIT 1"),
        "UPDATE audit_events SET action = 'read' WHERE seq = 1",
        "REPLACE INTO audit_events SELECT * FROM audit_events LIMIT 1",
        "DELETE FROM audit_events WHERE seq = 1",
        "DELETE FROM audit_events",
        "UPDATE audit_segment SET count = 1",
        "DELETE FROM audit_segment",
        "INSERT INTO audit_segment SELECT * FROM audit_segment",
    };
    struct segment_kit kit;
    struct segment_meta meta;
    sqlite3 *db;
    char path[SEGMENT_PATH_SIZE];
    segment_kit_open(&kit);
    struct segment *segment = segment_kit_create(&kit, 1, NULL);
    segment_kit_append(&kit, segment, 3);
    segment_path(kit.folder, 1, path, sizeof path);
    for (int sealed = 0; sealed < 2; sealed++) {
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        for (size_t i = 0; i < ARRAY_LEN(statements); i++)
            assert_int_not_equal(sqlite3_exec(db, statements[i], NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(walk(&kit, 1, &meta), 3);
        if (!sealed)
            assert_int_equal(segment_seal(segment, KIT_NOW, NULL), OK);
    }
    segment_close(segment);
    segment_kit_close(&kit);
}

static void another_key_goes_on_with_nothing(void **state)
{
    (void)state;
    struct segment_kit kit, other;
    struct segment *segment;
    segment_kit_open(&kit);
    segment_kit_open(&other);
    segment_close(segment_kit_create(&kit, 1, NULL));
    struct segment_options options = segment_kit_options(&kit, 1);
    options.key = &other.key;
    options.heads = NULL;
    assert_int_equal(segment_resume(&options, &segment, NULL), ERR_CORRUPT);
    segment_kit_close(&other);
    segment_kit_close(&kit);
}

static void heads_tell_what_was_signed(void **state)
{
    (void)state;
    struct segment_kit kit;
    struct heads_content content;
    segment_kit_open(&kit);
    struct segment *one = segment_kit_create(&kit, 1, NULL), *two = segment_kit_create(&kit, 2, &segment_meta(one)->genesis);
    segment_kit_append(&kit, one, 3);
    segment_kit_append(&kit, two, 2);
    heads_read(kit.folder, kit.key.public_key, &content);
    assert_true(content.present && content.count == 2 && content.unsigned_count == 0);
    assert_memory_equal(&content.items[0], segment_meta(one), sizeof content.items[0]);
    assert_memory_equal(&content.items[1], segment_meta(two), sizeof content.items[0]);
    struct segment_meta older = *segment_meta(one);
    older.count = 1; /* one that went back */
    segment_sign(&older, &kit.key);
    heads_write(kit.heads, &older);
    assert_int_equal(heads_seq(kit.heads, 1), 3);
    assert_int_equal(heads_last_segment(kit.heads), 2);
    heads_close(kit.heads);
    assert_int_equal(heads_open(kit.folder, &kit.key, &kit.heads, NULL), OK);
    assert_int_equal(heads_seq(kit.heads, 1), 3);
    heads_drop(kit.heads, 1);
    assert_int_equal(heads_seq(kit.heads, 1), 0);
    heads_read(kit.folder, kit.key.public_key, &content);
    assert_int_equal(content.count, 1);
    assert_int_equal(content.items[0].number, 2);
    segment_close(one);
    segment_close(two);
    segment_kit_close(&kit);
}

static void a_key_is_kept(void **state)
{
    (void)state;
    struct segment_kit kit;
    struct audit_key again;
    struct audit_signature signature;
    struct stat st;
    uint8_t public_key[AUDIT_PUBLIC_BYTES];
    segment_kit_open(&kit);
    assert_int_equal(stat(kit.key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(audit_key_load(kit.key_path, &again, NULL), OK);
    assert_memory_equal(&again, &kit.key, sizeof again);
    assert_int_equal(audit_key_read_public(kit.key_path, public_key, NULL), OK);
    audit_key_sign(&kit.key, "abc", 3, &signature);
    assert_true(audit_key_verify(public_key, "abc", 3, &signature));
    assert_false(audit_key_verify(public_key, "abd", 3, &signature));
    assert_int_equal(audit_key_read_public("/nowhere/audit.key", public_key, NULL), ERR_NOT_FOUND);
    FILE *file = fopen(kit.key_path, "r+");
    assert_non_null(file);
    (void)fseek(file, 30, SEEK_SET);
    (void)fputc('x', file);
    (void)fclose(file);
    assert_int_equal(audit_key_load(kit.key_path, &again, NULL), ERR_CORRUPT);
    segment_kit_close(&kit);
}

static void a_state_is_read_from_json(void **state)
{
    (void)state;
    struct segment_kit kit;
    struct buf text;
    struct json_writer w;
    struct json_doc *doc;
    struct segment_meta again;
    segment_kit_open(&kit);
    struct segment *segment = segment_kit_create(&kit, 1, NULL);
    segment_kit_append(&kit, segment, 2);
    buf_init(&text, 4096);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    segment_meta_write(segment_meta(segment), &w);
    json_end_object(&w);
    assert_int_equal(json_parse(text.data, text.len, &doc, NULL), OK);
    assert_int_equal(segment_meta_from_json(json_root(doc), &again, NULL), OK);
    assert_memory_equal(&again, segment_meta(segment), sizeof again);
    json_doc_free(doc);
    buf_release(&text);
    segment_close(segment);
    segment_kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_lives),
        cmocka_unit_test(segments_are_listed_and_removed),
        cmocka_unit_test(a_failed_append_changes_nothing),
        cmocka_unit_test(hands_are_refused),
        cmocka_unit_test(another_key_goes_on_with_nothing),
        cmocka_unit_test(heads_tell_what_was_signed),
        cmocka_unit_test(a_key_is_kept),
        cmocka_unit_test(a_state_is_read_from_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
