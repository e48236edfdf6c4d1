/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of the store, written against its interface: an engine that passes may stand behind it. */
#include "db/store.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "db/store_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "db/store_test_kit.h"

enum { OPS = 500 };

static const struct db_sql sql_put = {"INSERT INTO settings (key, value, updated_at, updated_by) VALUES (?1, '', ?2, '')"};
static const struct db_sql sql_count = {"SELECT COUNT(*) FROM settings"};

static void open_store(struct store_kit *kit, const struct store_fault *fault)
{
    struct err err;
    struct store_options options = {.url = kit->url, .readers = 2, .fault = fault};
    assert_int_equal(store_open(&options, &kit->store, &err), OK);
}

static int set_up(void **state)
{
    struct store_kit *kit = xcalloc(1, sizeof *kit);
    store_kit_place(kit);
    *state = kit;
    return 0;
}

static int tear_down(void **state)
{
    store_kit_close(*state);
    free(*state);
    return 0;
}

static enum err_code put(struct db *tx, int64_t number, struct err *err)
{
    struct db_stmt *st;
    char key[32];
    enum err_code code = db_prepare(tx, &sql_put, &st, err);
    if (code != OK)
        return code;
    int n = snprintf(key, sizeof key, "%lld", (long long)number);
    db_bind_text(st, 1, key, (size_t)n);
    db_bind_int(st, 2, number);
    return db_run(st, NULL, err);
}

static enum err_code put_number(struct db *tx, void *arg, struct err *err)
{
    return put(tx, *(const int64_t *)arg, err);
}

static enum err_code count_rows(struct db *db, void *arg, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_count, &st, err);
    if (code == OK)
        code = db_step(st, &row, err);
    if (code == OK && row)
        *(int64_t *)arg = db_int(st, 0);
    if (code == OK)
        db_reset(st);
    return code;
}

static int64_t rows(struct store_kit *kit)
{
    int64_t count = -1;
    struct err err;
    assert_int_equal(store_read(kit->store, count_rows, &count, &err), OK);
    return count;
}

static void what_was_acknowledged_is_there_after_reopening(void **state)
{
    struct store_kit *kit = *state;
    int64_t one = 1;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_write(kit->store, put_number, &one, &err), OK);
    store_close(kit->store);
    open_store(kit, NULL);
    assert_int_equal(rows(kit), 1);
}

struct item {
    struct store_op op;
    int64_t number;
    _Atomic int *done, *failed;
};

static enum err_code put_item(struct db *tx, void *arg, struct err *err)
{
    const struct item *item = arg;
    return put(tx, item->number, err);
}

static void item_done(void *arg, enum err_code code, const struct err *err)
{
    (void)err;
    const struct item *item = arg;
    if (code != OK)
        atomic_fetch_add(item->failed, 1);
    atomic_fetch_add(item->done, 1);
}

static void a_bad_operation_does_not_harm_its_neighbours(void **state)
{
    struct store_kit *kit = *state;
    static struct item items[OPS];
    _Atomic int done = 0, failed = 0;
    open_store(kit, NULL);
    for (int i = 0; i < OPS; i++) {
        items[i] = (struct item){.number = i % 10 == 9 ? 0 : i, .done = &done, .failed = &failed}; /* number 0 again and again */
        items[i].op = (struct store_op){.run = put_item, .done = item_done, .arg = &items[i]};
        assert_true(store_submit(kit->store, &items[i].op));
    }
    while (atomic_load(&done) < OPS)
        (void)usleep(1000);
    assert_int_equal(atomic_load(&failed), OPS / 10);
    assert_int_equal(rows(kit), OPS - OPS / 10);
}

static enum err_code put_then_fail(struct db *tx, void *arg, struct err *err)
{
    enum err_code code = put(tx, *(const int64_t *)arg, err);
    return code == OK ? err_set(err, ERR_CONFLICT, "MINE", "on purpose") : code;
}

static void a_failed_operation_leaves_nothing_behind(void **state)
{
    struct store_kit *kit = *state;
    int64_t one = 1;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_write(kit->store, put_then_fail, &one, &err), ERR_CONFLICT);
    assert_string_equal(err.api_code, "MINE");
    assert_int_equal(rows(kit), 0);
    assert_int_equal(store_write(kit->store, put_number, &one, &err), OK);
}

static enum err_code take_numbers(struct db *tx, void *arg, struct err *err)
{
    return db_counter_take(tx, "fence", 3, arg, err);
}

static enum err_code take_and_fail(struct db *tx, void *arg, struct err *err)
{
    enum err_code code = db_counter_take(tx, "fence", 5, arg, err);
    return code == OK ? err_set(err, ERR_CONFLICT, NULL, "on purpose") : code;
}

static void fences_only_grow(void **state)
{
    struct store_kit *kit = *state;
    int64_t first = 0, lost = 0, second = 0;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_write(kit->store, take_numbers, &first, &err), OK);
    assert_int_equal(store_write(kit->store, take_and_fail, &lost, &err), ERR_CONFLICT);
    assert_int_equal(store_write(kit->store, take_numbers, &second, &err), OK);
    assert_true(second >= first + 3);
    store_close(kit->store);
    open_store(kit, NULL);
    int64_t third = 0;
    assert_int_equal(store_write(kit->store, take_numbers, &third, &err), OK);
    assert_int_equal(third, second + 3);
}

static void a_second_store_on_the_same_file_is_refused(void **state)
{
    struct store_kit *kit = *state;
    struct store *second;
    struct err err;
    struct store_options options = {.url = kit->url, .readers = 1};
    if (store_kit_engine != KIT_SQLITE)
        return; /* a server's database is for many */
    open_store(kit, NULL);
    assert_int_equal(store_open(&options, &second, &err), ERR_BUSY);
    char pid[16];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_non_null(strstr(err.message, pid));
}

static void a_backup_is_taken_while_the_store_is_in_use(void **state)
{
    struct store_kit *kit = *state;
    char copy[160], url[176];
    int64_t one = 1;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_write(kit->store, put_number, &one, &err), OK);
    if (store_kit_engine != KIT_SQLITE) { /* it has tools of its own, which the refusal names */
        assert_int_equal(store_backup(kit->url, "/nowhere", NULL, NULL, &err), ERR_INVALID);
        assert_non_null(strstr(err.message, "pg_dump"));
        assert_int_equal(store_check(kit->url, NULL, &err), OK);
        return;
    }
    (void)snprintf(copy, sizeof copy, "%s/copy.db", kit->folder);
    (void)snprintf(url, sizeof url, "sqlite:%s", copy);
    assert_int_equal(store_backup(kit->url, copy, NULL, NULL, &err), OK);
    assert_int_equal(store_check(url, NULL, &err), OK);
}

struct broken_disk {
    struct store_fault fault;
    _Atomic int failing; /* commits that fail from now on */
};

static enum err_code fail_commits(void *arg, const char *what, struct err *err)
{
    struct broken_disk *disk = arg;
    if (strncmp(what, "COMMIT", 6) != 0 || atomic_load(&disk->failing) <= 0)
        return OK;
    atomic_fetch_sub(&disk->failing, 1);
    return err_set(err, ERR_UNAVAILABLE, NULL, "no space left on the device (test)");
}

static void commits_that_fail_are_errors_and_later_ones_work(void **state)
{
    struct store_kit *kit = *state;
    struct broken_disk disk = {.failing = 0};
    disk.fault = (struct store_fault){.before = fail_commits, .arg = &disk};
    int64_t one = 1, two = 2;
    struct err err;
    open_store(kit, &disk.fault);
    atomic_store(&disk.failing, 2); /* of the batch, and of the operation alone */
    assert_int_equal(store_write(kit->store, put_number, &one, &err), ERR_UNAVAILABLE);
    assert_int_equal(rows(kit), 0);
    atomic_store(&disk.failing, 1); /* a single failure is made good by the second try */
    assert_int_equal(store_write(kit->store, put_number, &two, &err), OK);
    assert_int_equal(rows(kit), 1);
}

/* Queries with many filters are one statement per combination; a caller that asks for all of them meets a limit of the
 * cache, not of the process. */
static enum err_code run_many_statements(struct db *db, void *arg, struct err *err)
{
    static struct db_sql statements[1000];
    static char texts[1000][48];
    size_t *sum = arg;
    for (size_t i = 0; i < 2 * ARRAY_LEN(statements); i++) {
        size_t n = i % ARRAY_LEN(statements);
        struct db_stmt *st;
        bool row = false;
        (void)snprintf(texts[n], sizeof texts[n], "SELECT %zu", n);
        statements[n].text = texts[n];
        enum err_code code = db_prepare(db, &statements[n], &st, err);
        if (code != OK || (code = db_step(st, &row, err)) != OK)
            return code;
        assert_int_equal(db_int(st, 0), n);
        *sum += row;
        db_reset(st);
    }
    return OK;
}

static void any_number_of_different_statements_can_be_run(void **state)
{
    struct store_kit *kit = *state;
    struct err err;
    size_t sum = 0;
    open_store(kit, NULL);
    assert_int_equal(store_read(kit->store, run_many_statements, &sum, &err), OK);
    assert_int_equal(sum, 2000);
}

/* ---- values ---- */

static const char text_value[] = "Größe \xf0\x9f\x95\xb0 '\"\\ ?1 $1";
static const unsigned char blob_value[] = {0, 1, 255, '\\', 0};

static void bind_values(struct db_stmt *st, int64_t number, const char *text, const void *blob, size_t blob_length)
{
    db_bind_int(st, 1, number);
    db_bind_text(st, 2, text, strlen(text));
    db_bind_blob(st, 3, blob, blob_length);
    db_bind_null(st, 4);
}

static const struct db_sql sql_make_values = {
    "CREATE TABLE value_test (number INTEGER, words TEXT, bytes BLOB, absent TEXT)",
    .pg = "CREATE TABLE value_test (number bigint, words text, bytes bytea, absent text)"};
static const struct db_sql sql_put_values = {"INSERT INTO value_test (number, words, bytes, absent) VALUES (?1, ?2, ?3, ?4)"};
static const struct db_sql sql_get_values = {"SELECT number, words, bytes, absent FROM value_test WHERE number = ?1"};
static const struct db_sql sql_sum_values = {
    "SELECT SUM(number), COUNT(*), MAX(number), SUM(number) IS NULL FROM value_test WHERE number > ?1 AND number < 8000000000000000000"};

static enum err_code put_values(struct db *tx, int64_t number, const char *text, const void *blob, size_t blob_length,
                                struct err *err)
{
    struct db_stmt *st;
    int64_t changes = 0;
    enum err_code code = db_prepare(tx, &sql_put_values, &st, err);
    if (code != OK)
        return code;
    bind_values(st, number, text, blob, blob_length);
    code = db_run(st, &changes, err);
    assert_int_equal(changes, 1);
    return code;
}

static enum err_code write_values(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    enum err_code code = db_exec(tx, tx->engine->text(&sql_make_values), err);
    if (code == OK)
        code = put_values(tx, INT64_MIN, "", "", 0, err);
    if (code == OK)
        code = put_values(tx, INT64_MAX, text_value, blob_value, sizeof blob_value, err);
    for (int64_t i = 1; i <= 3 && code == OK; i++)
        code = put_values(tx, i * 3000000000000000000 - 1, "x", "y", 1, err);
    return code;
}

static void assert_values(struct db *db, int64_t number, const char *text, const void *blob, size_t blob_length)
{
    struct db_stmt *st;
    bool row = false;
    size_t length = 9;
    assert_int_equal(db_prepare(db, &sql_get_values, &st, NULL), OK);
    db_bind_int(st, 1, number);
    assert_int_equal(db_step(st, &row, NULL), OK);
    assert_true(row);
    assert_true(db_int(st, 0) == number);
    assert_int_equal(db_kind_of(st, 0), DB_INT);
    assert_string_equal(db_text(st, 1, &length), text);
    assert_int_equal(length, strlen(text));
    assert_int_equal(db_kind_of(st, 1), DB_TEXT);
    assert_int_equal(db_kind_of(st, 2), DB_BLOB);
    const void *bytes = db_blob(st, 2, &length);
    assert_int_equal(length, blob_length);
    if (blob_length)
        assert_memory_equal(bytes, blob, blob_length);
    assert_true(db_is_null(st, 3));
    assert_null(db_text(st, 3, NULL));
    assert_int_equal(db_step(st, &row, NULL), OK);
    assert_false(row);
}

static enum err_code read_values(struct db *db, void *arg, struct err *err)
{
    (void)arg;
    struct db_stmt *st;
    bool row = false;
    assert_values(db, INT64_MIN, "", "", 0);
    assert_values(db, INT64_MAX, text_value, blob_value, sizeof blob_value);
    assert_int_equal(db_prepare(db, &sql_sum_values, &st, err), OK);
    db_bind_int(st, 1, 0);
    assert_int_equal(db_step(st, &row, err), OK);
    assert_true(db_int(st, 0) == 8999999999999999998); /* of two rows */
    assert_int_equal(db_int(st, 1), 2);
    assert_true(db_int(st, 2) == 5999999999999999999);
    assert_int_equal(db_int(st, 3), 0);
    db_reset(st);
    return OK;
}

static void values_come_back_as_they_were(void **state)
{
    struct store_kit *kit = *state;
    struct err err;
    open_store(kit, NULL);
    if (store_write(kit->store, write_values, NULL, &err) != OK)
        fail_msg("%s", err.message);
    if (store_read(kit->store, read_values, NULL, &err) != OK)
        fail_msg("%s", err.message);
}

/* ---- many rows ---- */

enum { ROWS = 1000 };

static const struct db_sql sql_put_new = {
    "INSERT INTO settings (key, value, updated_at, updated_by) VALUES (?1, ?2, ?3, '') ON CONFLICT DO NOTHING"};

struct many {
    int64_t changes[ROWS];
    size_t bound, done;
    const struct db_sql *sql;
};

/* Every tenth has the key of the first, which is there once. */
static void bind_number(struct db_stmt *st, void *arg, size_t i)
{
    struct many *many = arg;
    static char keys[ROWS][32]; /* borrowed until the reset */
    assert_int_equal(many->bound++, i);
    (void)snprintf(keys[i], sizeof keys[i], "%zu", i % 10 == 9 ? 0 : i);
    if (many->sql == &sql_put_new)
        db_bind_string(st, 2, i % 2 ? "" : "even");
    db_bind_int(st, many->sql == &sql_put_new ? 3 : 2, (int64_t)i);
    db_bind_string(st, 1, keys[i]);
}

static void note_changes(void *arg, size_t i, int64_t changes)
{
    struct many *many = arg;
    assert_int_equal(many->done++, i);
    assert_true(many->bound > i);
    many->changes[i] = changes;
}

static enum err_code put_many(struct db *tx, void *arg, struct err *err)
{
    struct many *many = arg;
    many->bound = many->done = 0;
    const struct db_rows rows = {ROWS, bind_number, note_changes, many};
    enum err_code code = db_run_rows(tx, many->sql, &rows, err);
    int64_t one = -1; /* the connection is usable on, when there was no error */
    return code == OK ? put(tx, one, err) : code;
}

static void many_rows_are_written_in_their_order_and_each_is_told_of(void **state)
{
    struct store_kit *kit = *state;
    static struct many many = {.sql = &sql_put_new};
    struct err err;
    open_store(kit, NULL);
    if (store_write(kit->store, put_many, &many, &err) != OK)
        fail_msg("%s", err.message);
    assert_int_equal(many.done, ROWS);
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(many.changes[i], i % 10 != 9);
    assert_int_equal(rows(kit), ROWS - ROWS / 10 + 1);
}

static void of_many_rows_one_that_is_refused_ends_them_all(void **state)
{
    struct store_kit *kit = *state;
    static struct many many = {.sql = &sql_put};
    int64_t one = 1;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_write(kit->store, put_many, &many, &err), ERR_CONFLICT);
    assert_int_equal(many.done, 9);
    assert_int_equal(rows(kit), 0);
    assert_int_equal(store_write(kit->store, put_number, &one, &err), OK);
    assert_int_equal(rows(kit), 1);
}

/* ---- errors ---- */

static const struct db_sql sql_same_key = {"INSERT INTO settings (key, value, updated_at, updated_by) VALUES ('1', '', 1, '')"};
static const struct db_sql sql_no_key = {"INSERT INTO settings (key, value, updated_at, updated_by) VALUES (NULL, '', 1, '')"};
#define LOCK(state, ends, released) \
    "INSERT INTO task_locks (lock_key, holder_id, token, fencing_token, state, acquired_at, expires_at, released_at, purpose, created_at," \
    " updated_at) VALUES ('k', 'h', 't', 1, " #state ", 5, " #ends ", " #released ", '', 5, 5)"
static const struct db_sql sql_lock = {LOCK(0, 6, NULL)}, sql_ended_lock = {LOCK(2, 6, 5)}, sql_endless_lock = {LOCK(1, 5, NULL)},
                           sql_early_lock = {LOCK(2, 6, 4)};

static enum err_code run_one(struct db *tx, void *arg, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, arg, &st, err);
    return code == OK ? db_run(st, NULL, err) : code;
}

static void broken_constraints_are_conflicts(void **state)
{
    struct store_kit *kit = *state;
    int64_t one = 1;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_write(kit->store, put_number, &one, &err), OK);
    assert_int_equal(store_write(kit->store, run_one, (void *)(uintptr_t)&sql_lock, &err), OK);
    assert_int_equal(store_write(kit->store, run_one, (void *)(uintptr_t)&sql_ended_lock, &err), OK);
    /* DATA-23: one active lock for a key; DATA-24: it ends after it began, and is released after that. */
    const struct db_sql *const bad[] = {&sql_same_key, &sql_no_key, &sql_lock, &sql_endless_lock, &sql_early_lock};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(store_write(kit->store, run_one, (void *)(uintptr_t)bad[i], &err), ERR_CONFLICT);
    assert_int_equal(rows(kit), 1);
}

static void a_reader_cannot_write(void **state)
{
    struct store_kit *kit = *state;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_read(kit->store, run_one, (void *)(uintptr_t)&sql_same_key, &err), ERR_UNAVAILABLE);
    assert_int_equal(rows(kit), 0);
}

static const struct db_sql sql_endless = {
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) SELECT COUNT(*) FROM n"};

static enum err_code count_for_a_while(struct db *db, void *arg, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    assert_int_equal(db_prepare(db, &sql_endless, &st, err), OK);
    db_limit_time(db, clock_mono(clock_real()).us + 20 * US_PER_MS);
    assert_int_equal(db_step(st, &row, err), ERR_TIMEOUT);
    db_limit_time(db, 0);
    return count_rows(db, arg, err); /* the snapshot is usable still */
}

static void work_that_may_be_given_up_ends_at_its_time(void **state)
{
    struct store_kit *kit = *state;
    int64_t count = -1;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_read(kit->store, count_for_a_while, &count, &err), OK);
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_is_there_after_reopening, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bad_operation_does_not_harm_its_neighbours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_operation_leaves_nothing_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fences_only_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_store_on_the_same_file_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_backup_is_taken_while_the_store_is_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_number_of_different_statements_can_be_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commits_that_fail_are_errors_and_later_ones_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_come_back_as_they_were, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_rows_are_written_in_their_order_and_each_is_told_of, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_many_rows_one_that_is_refused_ends_them_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_constraints_are_conflicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_cannot_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(work_that_may_be_given_up_ends_at_its_time, set_up, tear_down),
    };
    return STORE_KIT_RUN(tests);
}
