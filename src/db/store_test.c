/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of the store, written against its interface: an engine that passes may stand behind it. */
#include "db/store.h"

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

enum { OPS = 500 };

struct kit {
    char folder[64], url[128], path[112];
    struct store *store;
};

static const struct db_sql sql_put = {"INSERT INTO settings (key, value, updated_at, updated_by) VALUES (?1, '', ?2, '')"};
static const struct db_sql sql_count = {"SELECT COUNT(*) FROM settings"};

static void open_store(struct kit *kit, const struct store_fault *fault)
{
    struct err err;
    struct store_options options = {.url = kit->url, .readers = 2, .fault = fault};
    assert_int_equal(store_open(&options, &kit->store, &err), OK);
}

static int set_up(void **state)
{
    struct kit *kit = xcalloc(1, sizeof *kit);
    (void)snprintf(kit->folder, sizeof kit->folder, "/tmp/horae-store-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    (void)snprintf(kit->path, sizeof kit->path, "%s/test.db", kit->folder);
    (void)snprintf(kit->url, sizeof kit->url, "sqlite:%s", kit->path);
    *state = kit;
    return 0;
}

static int tear_down(void **state)
{
    struct kit *kit = *state;
    static const char *const names[] = {"test.db", "test.db-wal", "test.db-shm", "test.db.lock", "copy.db"};
    char path[160];
    if (kit->store)
        store_close(kit->store);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", kit->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(kit->folder);
    free(kit);
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

static int64_t rows(struct kit *kit)
{
    int64_t count = -1;
    struct err err;
    assert_int_equal(store_read(kit->store, count_rows, &count, &err), OK);
    return count;
}

static void what_was_acknowledged_is_there_after_reopening(void **state)
{
    struct kit *kit = *state;
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
    struct kit *kit = *state;
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
    struct kit *kit = *state;
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
    struct kit *kit = *state;
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
    struct kit *kit = *state;
    struct store *second;
    struct err err;
    struct store_options options = {.url = kit->url, .readers = 1};
    open_store(kit, NULL);
    assert_int_equal(store_open(&options, &second, &err), ERR_BUSY);
    char pid[16];
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_non_null(strstr(err.message, pid));
}

static void a_backup_is_taken_while_the_store_is_in_use(void **state)
{
    struct kit *kit = *state;
    char copy[160], url[176];
    int64_t one = 1;
    struct err err;
    open_store(kit, NULL);
    assert_int_equal(store_write(kit->store, put_number, &one, &err), OK);
    (void)snprintf(copy, sizeof copy, "%s/copy.db", kit->folder);
    (void)snprintf(url, sizeof url, "sqlite:%s", copy);
    assert_int_equal(store_backup(kit->url, copy, NULL, NULL, &err), OK);
    assert_int_equal(store_check(url, &err), OK);
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
    struct kit *kit = *state;
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
    struct kit *kit = *state;
    struct err err;
    size_t sum = 0;
    open_store(kit, NULL);
    assert_int_equal(store_read(kit->store, run_many_statements, &sum, &err), OK);
    assert_int_equal(sum, 2000);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
