/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of stores from engine to engine: everything arrives, whatever happens on the way, and nothing of somebody else is touched. */
#include "db/store_copy.h"

#include "base/mem.h"
#include "db/copy_store.h"
#include "db/store_alone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "db/store_test_kit.h"

enum { ROWS = 600, TABLES_MAX = 64, BIG = 100000 };

/* ---- stores ---- */

struct kit {
    struct store_kit from, to;
    struct store_copy_table tables[TABLES_MAX];
    int64_t statements, failing; /* of the target: so many were begun; the one that fails, 0 = none */
};

static void make_store(struct store_kit *kit, enum store_kit_engine engine)
{
    const enum store_kit_engine before = store_kit_engine;
    store_kit_engine = engine;
    store_kit_place(kit);
    store_kit_engine = before;
}

static int set_up(void **state)
{
    struct kit *kit = calloc(1, sizeof *kit);
    make_store(&kit->from, KIT_SQLITE);
    make_store(&kit->to, store_kit_engine);
    *state = kit;
    return 0;
}

static int tear_down(void **state)
{
    struct kit *kit = *state;
    store_kit_close(&kit->from);
    store_kit_close(&kit->to);
    free(kit);
    return 0;
}

static struct store_alone open_alone(const char *url)
{
    struct store_alone store;
    struct err err;
    if (store_alone_open(url, false, NULL, &store, &err) != OK)
        fail_msg("%s", err.message);
    return store;
}

static void run_sql(const char *url, const char *sql)
{
    struct store_alone store = open_alone(url);
    struct err err;
    if (db_exec(store.db, sql, &err) != OK)
        fail_msg("%s: %s", sql, err.message);
    store_alone_close(&store);
}

/* What a server does at its start. */
static enum err_code start_server(const struct store_kit *kit, struct err *err)
{
    struct store *store;
    const struct store_options options = {.url = kit->url, .readers = 1};
    const enum err_code code = store_open(&options, &store, err);
    if (code == OK)
        store_close(store);
    return code;
}

/* ---- rows of every kind ---- */

static void bind_something(struct db_stmt *st, int index, const char *type, bool may_be_null, int row)
{
    static char texts[COPY_COLUMNS_MAX][BIG]; /* borrowed until the row is in */
    char *const text = texts[index - 1];
    static const unsigned char bytes[] = {0, 255, 1, 0, 39, 92, 10};
    if (may_be_null && row % 3 == 0)
        db_bind_null(st, index);
    else if (strcmp(type, "INTEGER") == 0)
        db_bind_int(st, index,
                    index == 1 ? row
                               : (row % 5 == 4 ? -1 : 1) * ((int64_t)row * 100 + index) * (row % 7 == 6 ? INT64_C(1) << 40 : 1));
    else if (strcmp(type, "BLOB") == 0) {
        memset(text, row, sizeof bytes);
        memcpy(text + sizeof bytes, bytes, sizeof bytes);
        (void)snprintf(text + 2 * sizeof bytes, 40, "%d.%d", row, index);
        db_bind_blob(st, index, text, 2 * sizeof bytes + 12);
    } else {
        const int n = snprintf(text, BIG, "%d.%d '\"\\ \xc3\xa9\xe4\xb8\xad\n", row, index);
        size_t length = (size_t)n;
        if (may_be_null && row % 3 == 1)
            length = 0;
        else if (row == 7) {
            memset(text + n, 'x', BIG - (size_t)n);
            length = BIG;
        }
        db_bind_text(st, index, text, length);
    }
}

/* Its columns, as the embedded store declares them. */
static size_t read_types(struct db *db, const char *table, char types[COPY_COLUMNS_MAX][8], bool may_be_null[COPY_COLUMNS_MAX])
{
    static const struct db_sql sql = {"SELECT type, \"notnull\" + pk FROM pragma_table_info(?1)"};
    struct db_stmt *st;
    struct err err;
    bool row;
    size_t count = 0;
    assert_int_equal(db_prepare(db, &sql, &st, &err), OK);
    db_bind_text(st, 1, table, strlen(table));
    while (db_step(st, &row, &err) == OK && row) {
        (void)snprintf(types[count], 8, "%s", db_text(st, 0, NULL));
        may_be_null[count++] = !db_int(st, 1);
    }
    return count;
}

static void fill_table(struct db *db, const struct copy_table *table, int from, int to)
{
    char types[COPY_COLUMNS_MAX][8];
    bool may_be_null[COPY_COLUMNS_MAX];
    struct db_stmt *st;
    struct err err;
    const size_t count = read_types(db, table->name, types, may_be_null);
    assert_int_equal(count, table->column_count);
    for (int row = from; row < to; row++) {
        assert_int_equal(db_prepare(db, &table->insert, &st, &err), OK);
        for (size_t i = 0; i < count; i++)
            bind_something(st, (int)i + 1, types[i], may_be_null[i],
                           i == 0 || strcmp(table->name, "task_locks") != 0 ? row : row * 35 + 3);
        if (db_run(st, NULL, &err) != OK)
            fail_msg("%s %d: %s", table->name, row, err.message);
    }
}

/* Where several may have a store open, an instance that was heard of just now keeps it. */
static void end_instances(struct db *db)
{
    struct err err;
    assert_int_equal(db_exec(db, "UPDATE instances SET stopped_at = last_seen_at WHERE stopped_at IS NULL", &err), OK);
}

static void fill(struct kit *kit, int from, int to)
{
    struct err err;
    assert_int_equal(start_server(&kit->from, &err), OK);
    struct store_alone store = open_alone(kit->from.url);
    struct copy_table *tables = copy_tables_new();
    assert_int_equal(db_exec(store.db, "BEGIN", &err), OK);
    for (size_t i = 0; i < copy_table_count; i++)
        fill_table(store.db, &tables[i], from, tables[i].clear == COPY_DELETES ? from + (to - from) / 20 : to);
    end_instances(store.db);
    assert_int_equal(db_exec(store.db, "COMMIT", &err), OK);
    store_alone_close(&store);
    copy_tables_free(tables);
}

/* ---- copying ---- */

static enum err_code fail_one(void *arg, const char *what, struct err *err)
{
    struct kit *kit = arg;
    (void)what;
    if (++kit->statements != kit->failing)
        return OK;
    return err_set(err, ERR_UNAVAILABLE, NULL, "the connection is gone (test)");
}

static enum err_code copy(struct kit *kit, struct err *err)
{
    const struct store_fault fault = {fail_one, kit};
    const struct store_copy_options options = {.from = kit->from.url, .to = kit->to.url, .fault = &fault};
    struct store_copy *made = NULL;
    kit->statements = 0;
    enum err_code code = store_copy_begin(&options, &made, err);
    if (code == OK)
        code = store_copy_run(made, kit->tables, err);
    if (code == OK)
        code = store_copy_finish(made, err);
    store_copy_end(made);
    return code;
}

static void copy_well(struct kit *kit)
{
    struct err err;
    kit->failing = 0;
    if (copy(kit, &err) != OK)
        fail_msg("%s", err.message);
}

static const struct store_copy_table *find(const struct kit *kit, const char *name)
{
    for (size_t i = 0; i < store_copy_tables(); i++)
        if (strcmp(kit->tables[i].name, name) == 0)
            return &kit->tables[i];
    fail_msg("no table %s", name);
    return NULL;
}

static int64_t copied(const struct kit *kit)
{
    int64_t sum = 0;
    for (size_t i = 0; i < store_copy_tables(); i++)
        sum += kit->tables[i].copied;
    return sum;
}

/* By the database's own comparison: every table of one file against that of the other. */
static void assert_same_files(const char *one, const char *other)
{
    struct store_alone store = open_alone(one);
    struct copy_table *tables = copy_tables_new();
    struct err err;
    char sql[512];
    (void)snprintf(sql, sizeof sql, "ATTACH '%s' AS other", other + strlen("sqlite:"));
    assert_int_equal(db_exec(store.db, sql, &err), OK);
    for (size_t i = 0; i < copy_table_count; i++) {
        const char *t = tables[i].name;
        int64_t differing = -1;
        (void)snprintf(sql, sizeof sql,
                       "SELECT (SELECT count(*) FROM (SELECT * FROM main.%s EXCEPT SELECT * FROM other.%s)) + "
                       "abs((SELECT count(*) FROM main.%s) - (SELECT count(*) FROM other.%s))",
                       t, t, t, t);
        const struct db_sql text = {sql};
        struct db_stmt *st;
        assert_int_equal(db_prepare(store.db, &text, &st, &err), OK);
        bool row;
        assert_int_equal(db_step(st, &row, &err), OK);
        differing = db_int(st, 0);
        db_reset(st);
        if (differing)
            fail_msg("%s: %d rows differ", t, (int)differing);
        int_map_remove(&store.db->cache, (int64_t)(uintptr_t)&text);
        store.db->engine->drop(st);
    }
    copy_tables_free(tables);
    store_alone_close(&store);
}

/* What the target holds, brought back to a file. */
static void assert_arrived(struct kit *kit)
{
    struct kit back = {.failing = 0};
    struct err err;
    char url[64];
    (void)snprintf(url, sizeof url, "sqlite:%s/copy.db", kit->from.folder);
    back.from = kit->to;
    (void)snprintf(back.to.url, sizeof back.to.url, "%s", url);
    copy_well(&back);
    assert_same_files(kit->from.url, url);
    for (size_t i = 0; i < store_copy_tables(); i++) {
        assert_int_equal(back.tables[i].rows, kit->tables[i].rows);
        assert_int_equal(back.tables[i].checksum, kit->tables[i].checksum);
    }
    assert_int_equal(unlink(url + strlen("sqlite:")), 0);
    (void)snprintf(url, sizeof url, "%s/copy.db.lock", kit->from.folder);
    (void)unlink(url);
    (void)err;
}

/* ---- tests ---- */

/* A table of a new migration is copied, or it is said here why not. */
static void the_list_has_every_table_with_all_its_columns(void **state)
{
    struct kit *kit = *state;
    static const struct db_sql sql = {
        "SELECT m.name, (SELECT group_concat(name, ', ') FROM pragma_table_info(m.name)),"
        " (SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_info(m.name) WHERE pk ORDER BY pk))"
        " FROM sqlite_master m WHERE m.type = 'table' AND m.name NOT IN ('schema_migrations', 'sqlite_sequence', 'store_leader') ORDER BY m.name",
        .pg =
            "SELECT c.relname::text, (SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND"
            " attnum > 0 AND NOT attisdropped), (SELECT string_agg(a.attname, ', ' ORDER BY array_position(i.indkey::int[],"
            " a.attnum::int)) FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) WHERE i.indrelid ="
            " c.oid AND i.indisprimary) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')"
            " AND c.relname NOT IN ('schema_migrations', 'store_commits', 'store_leader') ORDER BY 1"};
    struct copy_table *tables = copy_tables_new();
    struct err err;
    size_t found = 0;
    bool row;
    assert_int_equal(start_server(&kit->to, &err), OK);
    struct store_alone store = open_alone(kit->to.url);
    struct db_stmt *st;
    if (db_prepare(store.db, &sql, &st, &err) != OK)
        fail_msg("%s", err.message);
    while (db_step(st, &row, &err) == OK && row) {
        const char *name = db_text(st, 0, NULL), *keys = db_text(st, 2, NULL);
        const struct copy_table *table = NULL;
        for (size_t i = 0; i < copy_table_count; i++)
            if (strcmp(tables[i].name, name) == 0)
                table = &tables[i];
        if (!table)
            fail_msg("%s is not in copy_tables.def", name);
        assert_string_equal(table->columns, db_text(st, 1, NULL));
        assert_memory_equal(table->columns, keys, strlen(keys));
        int count = 1;
        for (const char *p = keys; *p; p++)
            count += *p == ',';
        assert_int_equal(table->keys, count);
        found++;
    }
    assert_int_equal(found, copy_table_count);
    store_alone_close(&store);
    copy_tables_free(tables);
}

static void everything_arrives_and_goes_back(void **state)
{
    struct kit *kit = *state;
    fill(kit, 0, ROWS);
    copy_well(kit);
    assert_int_equal(find(kit, "task_executions")->rows, ROWS);
    assert_int_equal(find(kit, "task_executions")->copied, ROWS);
    assert_int_equal(find(kit, "users")->rows, ROWS);
    assert_arrived(kit);
}

static void an_empty_store_is_copied_too(void **state)
{
    struct kit *kit = *state;
    struct err err;
    assert_int_equal(start_server(&kit->from, &err), OK);
    copy_well(kit);
    assert_int_equal(copied(kit), 0);
    assert_int_equal(start_server(&kit->to, &err), OK);
}

static void a_repeated_copy_takes_what_has_changed(void **state)
{
    struct kit *kit = *state;
    fill(kit, 0, ROWS);
    copy_well(kit);
    copy_well(kit);
    assert_int_equal(copied(kit), 0);
    fill(kit, ROWS, ROWS + 10); /* a beginning that stays is not copied again */
    run_sql(kit->from.url, "UPDATE users SET role = 'other' WHERE id = (SELECT id FROM users LIMIT 1 OFFSET 300)");
    run_sql(kit->from.url, "DELETE FROM alerts WHERE id = (SELECT max(id) FROM alerts)");
    run_sql(kit->from.url, "DELETE FROM task_epochs");
    copy_well(kit);
    assert_int_equal(find(kit, "users")->copied, ROWS + 10);
    assert_int_equal(find(kit, "task_epochs")->rows, 0);
    assert_int_equal(find(kit, "task_snapshots")->rows, ROWS + 10);
    assert_true(find(kit, "task_snapshots")->copied < ROWS);
    assert_arrived(kit);
}

/* As when the program is killed: at any statement, also in a copy that goes on with what an earlier one has left. */
static void it_may_be_broken_off_at_any_moment(void **state)
{
    struct kit *kit = *state;
    struct err err;
    int broken = 0;
    fill(kit, 0, 40);
    for (int64_t at = 1;; at += 1 + at / 40) {
        kit->failing = at;
        const enum err_code code = copy(kit, &err);
        if (code == OK && kit->statements < at)
            break;
        broken += code != OK;
        if (code == OK) /* what failed was a ROLLBACK, say, or a look that may fail */
            continue;
        assert_int_equal(code, ERR_UNAVAILABLE);
        assert_non_null(strstr(err.message, "(test)"));
    }
    assert_true(broken > 30);
    copy_well(kit);
    assert_arrived(kit);
}

static void no_server_starts_on_a_copy_that_was_not_finished(void **state)
{
    struct kit *kit = *state;
    struct err err;
    fill(kit, 0, 40);
    kit->failing = 60;
    assert_int_equal(copy(kit, &err), ERR_UNAVAILABLE);
    assert_int_equal(start_server(&kit->to, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.message, "was not finished: repeat `horae store copy`"));
    assert_int_equal(store_check(kit->to.url, NULL, &err), ERR_CONFLICT);
    copy_well(kit);
    assert_int_equal(store_check(kit->to.url, NULL, &err), OK);
    assert_int_equal(start_server(&kit->to, &err), OK);
    assert_int_equal(copy(kit, &err), ERR_CONFLICT); /* what the server did is not taken back */
    assert_non_null(strstr(err.message, "it holds data already"));
}

static void a_target_of_somebody_else_is_left_alone(void **state)
{
    struct kit *kit = *state;
    struct kit other = {.failing = 0};
    struct err err;
    fill(kit, 0, 40);
    assert_int_equal(start_server(&kit->to, &err), OK); /* migrated, and empty: that is a target */
    copy_well(kit);
    make_store(&other.from, KIT_SQLITE);
    other.to = kit->to;
    fill(&other, 0, 3);
    assert_int_equal(copy(&other, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.message, "it is a copy of another store"));
    assert_non_null(strstr(err.message, kit->from.path));
    store_kit_close(&other.from);
    copy_well(kit);
    assert_int_equal(copied(kit), 0);
}

static void a_log_that_went_another_way_is_refused(void **state)
{
    struct kit *kit = *state;
    struct err err;
    fill(kit, 0, 40);
    copy_well(kit);
    run_sql(
        kit->from.url,
        "DROP TRIGGER audit_checkpoints_delete; DELETE FROM audit_checkpoints WHERE id = (SELECT max(id) FROM audit_checkpoints)");
    assert_int_equal(copy(kit, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.message, "table audit_checkpoints: what the target has is not the beginning"));
    assert_int_equal(start_server(&kit->to, &err), ERR_CONFLICT);
}

static void mistakes_are_named(void **state)
{
    struct kit *kit = *state;
    struct err err;
    assert_int_equal(copy(kit, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, kit->from.path));
    fill(kit, 0, 3);
    struct kit same = {.from = kit->from, .to = kit->from};
    assert_int_equal(copy(&same, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "cannot be copied into itself"));
    run_sql(kit->to.url, "CREATE TABLE theirs (a bigint)");
    assert_int_equal(copy(kit, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "no database of horae"));
    run_sql(kit->from.url, "DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations)");
    assert_int_equal(copy(kit, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.message, "older version: run `horae store migrate`"));
}

static enum err_code forget_instances(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(tx, "DELETE FROM instances", err);
}

static void a_server_on_the_source_keeps_it(void **state)
{
    struct kit *kit = *state;
    struct store *store;
    struct err err;
    fill(kit, 0, 3);
    assert_int_equal(store_open(&(struct store_options){.url = kit->from.url, .readers = 1}, &store, &err), OK);
    /* Where several may have a store open, each says that it lives. */
    bool shared = strncmp(kit->from.url, "postgres:", 9) == 0;
    if (shared)
        run_sql(kit->from.url, "INSERT INTO instances (id, host, version, labels, started_at, last_seen_at, capacity)"
                               " VALUES ('one', 'host', '1', '{}', 1, 9000000000000000, 1)");
    assert_int_equal(copy(kit, &err), ERR_BUSY);
    assert_non_null(strstr(err.message, "another server uses"));
    assert_non_null(strstr(err.message, "stop it first"));
    if (shared)
        assert_int_equal(store_write(store, forget_instances, NULL, &err), OK);
    store_close(store);
    copy_well(kit);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_list_has_every_table_with_all_its_columns),
        TEST(everything_arrives_and_goes_back),
        TEST(an_empty_store_is_copied_too),
        TEST(a_repeated_copy_takes_what_has_changed),
        TEST(it_may_be_broken_off_at_any_moment),
        TEST(no_server_starts_on_a_copy_that_was_not_finished),
        TEST(a_target_of_somebody_else_is_left_alone),
        TEST(a_log_that_went_another_way_is_refused),
        TEST(mistakes_are_named),
        TEST(a_server_on_the_source_keeps_it),
    };
    return STORE_KIT_RUN(tests);
}
