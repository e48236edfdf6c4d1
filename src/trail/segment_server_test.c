/* SPDX-License-Identifier: Apache-2.0 */
/* Segments in the database of a server (decision 18): their life, a second writer, the way in and out, hands at the tables. */
#include "base/compiler.h"
#include "trail/segment_copy.h"
#include "trail/segment_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "db/store_test_kit.h"
#include "trail/chain_test_kit.h"
#include "trail/checkpoint_store.h"
#include "trail/verify.h"

enum { EVENTS = 10 };

struct fixture {
    struct store_kit store;
    struct segment_kit kit;
    struct segment_place *files; /* those of the kit's folder */
    struct uuid ids[EVENTS + 1];
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    store_kit_engine = KIT_POSTGRES;
    store_kit_open(&f->store);
    segment_kit_open(&f->kit);
    f->files = f->kit.place;
    f->kit.place =
        segment_place_new(&(struct segment_place_options){.url = f->store.url, .folder = f->kit.folder, .relaxed = true});
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    segment_place_free(f->files);
    segment_kit_close(&f->kit);
    store_kit_close(&f->store);
    free(f);
    return 0;
}

/* Runs SQL by hand, with a superuser's means when `free_hand`; the error, OK = it was carried out. */
static enum err_code by_hand(const struct fixture *f, const char *sql, bool free_hand)
{
    struct db *db;
    struct err err;
    const struct db_open_options options = {.place = f->store.url, .readonly = true}; /* not the server's session */
    assert_int_equal(db_open(&db_postgres_engine, &options, &db, &err), OK);
    if (free_hand)
        assert_int_equal(db_exec(db, "SET session_replication_role = replica", &err), OK);
    enum err_code code = db_exec(db, sql, &err);
    db_close(db);
    return code;
}

/* The whole chain as a reader finds it; returns the number of events. */
static int64_t walk(const struct fixture *f, struct segment_place *place, int64_t number, struct segment_meta *ret_meta)
{
    struct db *reader;
    struct segment_scan scan;
    struct segment_row row;
    bool found = true;
    int64_t count = 0;
    assert_int_equal(segment_open_reader(place, number, &reader, NULL), OK);
    assert_int_equal(segment_read_meta(reader, ret_meta, NULL), OK);
    assert_true(segment_is_signed(ret_meta, f->kit.key.public_key));
    struct audit_hash head = ret_meta->genesis, next;
    segment_store_scan(reader, INT64_MIN, &scan);
    while (segment_store_next(&scan, &row, &found, NULL) == OK && found) {
        assert_int_equal(row.seq, ++count);
        assert_false(row.damaged);
        audit_record_hash(&head, row.seq, &row.record, &next);
        assert_memory_equal(&next, &row.hash, sizeof next);
        head = next;
    }
    segment_store_scan_end(&scan);
    assert_memory_equal(&head, &ret_meta->head, sizeof head);
    assert_int_equal(ret_meta->count, count);
    segment_close_reader(place, reader);
    return count;
}

/* ---- life ---- */

static void a_segment_lives(void **state)
{
    struct fixture *f = *state;
    struct segment_options options = segment_kit_options(&f->kit, 1);
    struct segment_meta meta;
    struct segment *segment;
    struct db *reader;
    int64_t *numbers;
    size_t count;
    assert_int_equal(segment_list(f->kit.place, &numbers, &count, NULL), OK); /* without tables */
    assert_int_equal(count, 0);
    assert_int_equal(segment_open_reader(f->kit.place, 1, &reader, NULL), ERR_NOT_FOUND);
    segment = segment_kit_create(&f->kit, 1, NULL);
    assert_int_equal(walk(f, f->kit.place, 1, &meta), 0);
    segment_kit_append(&f->kit, segment, 3000); /* more than one question of a scan */
    assert_int_equal(walk(f, f->kit.place, 1, &meta), 3000);
    segment_close(segment);
    assert_int_equal(segment_create(&options, &segment, NULL), ERR_CONFLICT); /* it is used */
    assert_int_equal(segment_resume(&options, &segment, NULL), OK);
    segment_kit_append(&f->kit, segment, 2);
    assert_int_equal(segment_seal(segment, KIT_NOW + 1, NULL), OK);
    segment_close(segment);
    assert_int_equal(walk(f, f->kit.place, 1, &meta), 3002);
    assert_int_equal(meta.state, SEGMENT_SEALED);
    assert_int_equal(segment_open_reader(f->kit.place, 1, &reader, NULL), OK);
    for (size_t i = 0; i < segment_index_count; i++) {
        int64_t rows = 0;
        assert_int_equal(segment_store_count_index(reader, &segment_indexes[i], &rows, NULL), OK);
        assert_int_equal(rows, 3002);
    }
    segment_close_reader(f->kit.place, reader);
    segment_close(segment_kit_create(&f->kit, 2, &meta.genesis));
    assert_int_equal(segment_list(f->kit.place, &numbers, &count, NULL), OK);
    assert_true(count == 2 && numbers[0] == 1 && numbers[1] == 2);
    free(numbers);
    assert_int_equal(segment_remove(f->kit.place, 1, NULL), OK);
    assert_int_equal(segment_remove(f->kit.place, 1, NULL), OK);
    assert_int_equal(segment_open_reader(f->kit.place, 1, &reader, NULL), ERR_NOT_FOUND);
    assert_false(segment_is_there(f->kit.place, 1));
    assert_true(segment_is_there(f->kit.place, 2));
}

/* A server that was deposed and has not noticed: it adds nothing, and learns what there is. */
static void two_writers_do_not_mix(void **state)
{
    struct fixture *f = *state;
    struct segment_options options = segment_kit_options(&f->kit, 1);
    struct segment_meta meta;
    struct segment *one = segment_kit_create(&f->kit, 1, NULL), *other;
    struct audit_record *records = segment_kit_records(&f->kit, 2);
    assert_int_equal(segment_resume(&options, &other, NULL), OK);
    segment_kit_append(&f->kit, other, 3);
    assert_int_not_equal(segment_append(one, records, 2, 0, NULL), OK);
    assert_int_equal(segment_meta(one)->count, 3);
    assert_int_equal(walk(f, f->kit.place, 1, &meta), 3);
    assert_int_equal(segment_append(one, records, 2, 0, NULL), OK);
    assert_int_equal(walk(f, f->kit.place, 1, &meta), 5);
    segment_kit_free(records, 2);
    segment_close(one);
    segment_close(other);
}

/* As when the answer to the first try was lost. */
static void an_empty_segment_of_ours_is_taken_as_made(void **state)
{
    struct fixture *f = *state;
    struct segment_options options = segment_kit_options(&f->kit, 1);
    struct segment *segment, *again;
    struct segment_meta meta;
    struct audit_hash other = {{1}};
    segment = segment_kit_create(&f->kit, 1, NULL);
    options.before = &other;
    assert_int_equal(segment_create(&options, &again, NULL), ERR_CONFLICT); /* of another chain */
    options.before = NULL;
    options.now_ms++;
    assert_int_equal(segment_create(&options, &again, NULL), OK);
    segment_kit_append(&f->kit, again, 2);
    assert_int_equal(walk(f, f->kit.place, 1, &meta), 2);
    segment_close(again);
    segment_close(segment);
}

static void a_reader_sees_one_moment(void **state)
{
    struct fixture *f = *state;
    struct segment *segment = segment_kit_create(&f->kit, 1, NULL);
    struct segment_meta before, after;
    struct db *reader;
    segment_kit_append(&f->kit, segment, 1);
    assert_int_equal(segment_open_reader(f->kit.place, 1, &reader, NULL), OK);
    assert_int_equal(segment_read_meta(reader, &before, NULL), OK);
    segment_kit_append(&f->kit, segment, 1);
    assert_int_equal(segment_read_meta(reader, &after, NULL), OK);
    assert_int_equal(after.count, before.count);
    segment_close_reader(f->kit.place, reader);
    segment_close(segment);
}

/* ---- in and out ---- */

static void files_are_moved_in_once_and_out_again(void **state)
{
    struct fixture *f = *state;
    struct segment_place *server = f->kit.place;
    struct segment_meta metas[3], there;
    char path[SEGMENT_PATH_SIZE], name[SEGMENT_PATH_SIZE + 8];
    size_t count;
    f->kit.place = f->files; /* as an earlier version left them */
    for (int i = 1; i <= 2; i++) {
        struct segment *segment = segment_kit_create(&f->kit, i, i > 1 ? &metas[1].genesis : NULL);
        segment_kit_append(&f->kit, segment, i == 1 ? 600 : 5);
        assert_int_equal(i == 1 ? segment_seal(segment, KIT_NOW, NULL) : OK, OK);
        metas[i] = *segment_meta(segment);
        segment_close(segment);
    }
    f->kit.place = server;
    assert_int_equal(segment_copy(f->files, server, 1, NULL), OK); /* killed before the file was renamed */
    assert_int_equal(segment_move_in(f->kit.folder, server, &count, NULL), OK);
    assert_int_equal(count, 2);
    assert_int_equal(segment_move_in(f->kit.folder, server, &count, NULL), OK);
    assert_int_equal(count, 0);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(walk(f, server, i, &there), metas[i].count);
        assert_memory_equal(&there.signature, &metas[i].signature, sizeof there.signature);
        segment_path(f->kit.folder, i, path, sizeof path);
        assert_int_not_equal(access(path, F_OK), 0);
        (void)snprintf(name, sizeof name, "%s.moved", path);
        assert_int_equal(access(name, F_OK), 0);
        assert_int_equal(segment_copy(server, f->files, i, NULL), OK);
        assert_int_equal(walk(f, f->files, i, &there), metas[i].count);
    }
}

static void another_segment_of_the_same_number_is_not_overwritten(void **state)
{
    struct fixture *f = *state;
    struct segment_place *server = f->kit.place;
    struct segment *segment = segment_kit_create(&f->kit, 1, NULL);
    struct segment_meta meta;
    size_t count;
    segment_kit_append(&f->kit, segment, 1);
    segment_close(segment);
    f->kit.place = f->files;
    segment_close(segment_kit_create(&f->kit, 1, NULL));
    f->kit.place = server;
    assert_int_equal(segment_move_in(f->kit.folder, server, &count, NULL), ERR_CONFLICT);
    assert_int_equal(walk(f, server, 1, &meta), 1);
}

/* ---- hands at the tables ---- */

struct adding {
    const struct audit_key *key;
    struct checkpoint c;
};

static enum err_code run_add(struct db *tx, void *arg, struct err *err)
{
    struct adding *adding = arg;
    return checkpoint_store_add(tx, adding->key, &adding->c, err);
}

static void vouch(struct fixture *f, enum checkpoint_kind kind, const struct segment_meta *meta)
{
    struct adding adding = {&f->kit.key,
                            {.kind = kind,
                             .segment = meta->number,
                             .seq = meta->count,
                             .genesis = meta->genesis,
                             .head = meta->head,
                             .min_ms = meta->min_ms,
                             .max_ms = meta->max_ms,
                             .created_ms = KIT_NOW,
                             .reason = "why"}};
    assert_int_equal(store_write(f->store.store, run_add, &adding, NULL), OK);
    heads_note_checkpoint(f->kit.heads, &adding.c);
}

/* One sealed segment and one open one. */
static void make_log(struct fixture *f)
{
    struct segment_meta first;
    for (int i = 1; i <= 2; i++) {
        struct segment *segment = segment_kit_create(&f->kit, i, i > 1 ? &first.genesis : NULL);
        vouch(f, CHECKPOINT_HEAD, segment_meta(segment));
        struct audit_record *records = segment_kit_records(&f->kit, EVENTS);
        for (int k = 0; k < EVENTS && i == 1; k++)
            f->ids[k + 1] = records[k].id;
        assert_int_equal(segment_append(segment, records, EVENTS, 0, NULL), OK);
        segment_kit_free(records, EVENTS);
        if (i == 1) {
            assert_int_equal(segment_seal(segment, KIT_NOW, NULL), OK);
            vouch(f, CHECKPOINT_SEALED, segment_meta(segment));
            heads_drop(f->kit.heads, 1);
        }
        first = *segment_meta(segment);
        segment_close(segment);
    }
}

static void verify(const struct fixture *f, const char *folder, struct verify_result *ret)
{
    struct err err;
    const struct verify_options options = {.place = f->kit.place,
                                           .folder = folder,
                                           .store = f->store.url,
                                           .public_key = f->kit.key.public_key,
                                           .from_ms = INT64_MIN,
                                           .to_ms = INT64_MAX};
    if (verify_store(&options, ret, &err) != OK)
        fail_msg("%s", err.message);
}

static void a_log_is_in_order_also_from_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct verify_result result;
    make_log(f);
    const char *const folders[] = {f->kit.folder, "/nowhere/at/all"};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        verify(f, folders[i], &result);
        if (!result.ok)
            fail_msg("%s: %s", folders[i], result.first_bad.detail);
        assert_int_equal(result.checked, 2 * EVENTS);
        verify_result_release(&result);
    }
}

#define INSERTED(table) \
    ("INSERT INTO " table \
     " SELECT segment, 11, sha256('x'), timestamp, action, resource_type, resource_id, user_uid, client_ip," \
     " request_id, status, subsystem, space_path, event, hash FROM audit_log WHERE segment = 1 AND seq = 3")

static void hands_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const statements[] = {
        "UPDATE audit_events_000001 SET action = 'x'",
        "DELETE FROM audit_events_000001",
        "TRUNCATE audit_events_000001",
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        INSERTED("audit_log"),
        "UPDATE audit_segments SET count = 1",
        "DELETE FROM audit_segments",
        "TRUNCATE audit_segments",
    };
    make_log(f);
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        if (by_hand(f, statements[i], false) != ERR_CONFLICT)
            fail_msg("%s", statements[i]);
}

static void what_got_through_is_named(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *sql;
        enum verify_reason reason;
        int64_t seq;
    } cases[] = {
        {"UPDATE audit_events_000001 SET user_uid = 'somebody' WHERE seq = 4", VERIFY_CHANGED, 4},
        {"DELETE FROM audit_events_000001 WHERE seq = 4", VERIFY_REMOVED, 4},
        {"DELETE FROM audit_events_000001 WHERE seq > 7", VERIFY_TRUNCATED, 8},
        {"UPDATE audit_events_000001 SET seq = -1 WHERE seq = 4; UPDATE audit_events_000001 SET seq = 4 WHERE seq = 7;"
         " UPDATE audit_events_000001 SET seq = 7 WHERE seq = -1",
         VERIFY_REORDERED, 4},
        {INSERTED("audit_events_000001"), VERIFY_INSERTED, 11},
        {"DROP INDEX audit_events_000001_user", VERIFY_CHANGED, 0},
        {"UPDATE audit_segments SET count = 9 WHERE number = 1", VERIFY_CHANGED, 10},
        {"DELETE FROM audit_segments WHERE number = 1", VERIFY_CHANGED, 0},
        {"DROP TABLE audit_events_000001", VERIFY_REMOVED, 1},
        {"DROP TABLE audit_events_000001; DELETE FROM audit_segments WHERE number = 1", VERIFY_REMOVED, 1},
        {"DROP TABLE audit_log; DROP TABLE audit_segments", VERIFY_REMOVED, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct verify_result result;
        void *again = f;
        make_log(f);
        assert_int_equal(by_hand(f, cases[i].sql, true), OK);
        verify(f, f->kit.folder, &result);
        const struct verify_bad *bad = &result.first_bad;
        if (result.ok || bad->reason != cases[i].reason || bad->segment != 1 || bad->seq != cases[i].seq)
            fail_msg("%s: %s at %lld.%lld: %s", cases[i].sql, result.ok ? "all well" : verify_reason_name(bad->reason),
                     (long long)bad->segment, (long long)bad->seq, bad->detail);
        verify_result_release(&result);
        (void)tear_down(&again);
        (void)set_up(&again);
        *state = f = again;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_segment_lives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_writers_do_not_mix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_segment_of_ours_is_taken_as_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_sees_one_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_moved_in_once_and_out_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_segment_of_the_same_number_is_not_overwritten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_is_in_order_also_from_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hands_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_got_through_is_named, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("trail: segments in a server's database", tests, NULL, NULL);
}
