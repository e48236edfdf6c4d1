/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/migrate_query.h"

#include "base/mem.h"
#include "base/panic.h"
#include "db/db_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SQL_MAX = 2048 };

/* Statements name the columns that the table has: they are made when it is opened, from names of ours alone. */
struct table_state {
    bool there, backup;
    char each_text[2][SQL_MAX], count_text[2][128];
    struct db_sql each[2], count[2]; /* of the table, of its backup */
};

struct old_database {
    char *path;
    struct db *db;
    bool exclusive;
    struct table_state tables[OLD_TABLE_COUNT];
};

static const struct db_sql sql_columns = {"SELECT name FROM pragma_table_info(?1)"};

static void name_of(enum old_table table, bool backup, char out[80])
{
    (void)snprintf(out, 80, "%s%s", old_table_name(table), backup ? "_backup" : "");
}

static enum err_code explain(const struct old_database *database, enum err_code code, struct err *err)
{
    struct err inner = *err;
    return code == OK ? OK : err_set(err, code, NULL, "%s: %s", database->path, inner.message);
}

/* Which columns of ours the table has; *ret_any: it is there. */
static enum err_code read_columns(struct old_database *database, enum old_table table, bool backup, bool has[OLD_COLUMNS_MAX],
                                  bool *ret_any, struct err *err)
{
    struct db_stmt *st;
    char name[80];
    bool row = false;
    *ret_any = false;
    name_of(table, backup, name);
    enum err_code code = db_prepare(database->db, &sql_columns, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, name);
    while ((code = db_step(st, &row, err)) == OK && row) {
        int column = old_column_of(table, str_of(db_text(st, 0, NULL)));
        *ret_any = true;
        if (column >= 0)
            has[column] = true;
    }
    return code;
}

static void make_statements(struct old_database *database, enum old_table table, bool backup, const bool has[OLD_COLUMNS_MAX])
{
    struct table_state *state = &database->tables[table];
    char name[80], *text = state->each_text[backup];
    const struct old_column *column;
    size_t n = (size_t)snprintf(text, SQL_MAX, "SELECT");
    name_of(table, backup, name);
    for (int i = 0; (column = old_column(table, i)); i++)
        n += (size_t)snprintf(text + n, SQL_MAX - n, has[i] ? "%s \"%s\"" : "%s NULL", i ? "," : "", column->name);
    n += (size_t)snprintf(text + n, SQL_MAX - n, " FROM \"%s\"", name);
    must(n < SQL_MAX);
    (void)snprintf(state->count_text[backup], sizeof state->count_text[backup], "SELECT COUNT(*) FROM \"%s\"", name);
    state->each[backup] = (struct db_sql){text};
    state->count[backup] = (struct db_sql){state->count_text[backup]};
}

static enum err_code look_at_tables(struct old_database *database, struct err *err)
{
    enum err_code code = OK;
    for (int table = 0; code == OK && table < OLD_TABLE_COUNT; table++)
        for (int backup = 0; code == OK && backup < 2; backup++) {
            bool has[OLD_COLUMNS_MAX] = {false};
            bool *there = backup ? &database->tables[table].backup : &database->tables[table].there;
            code = read_columns(database, (enum old_table)table, backup, has, there, err);
            if (code == OK && *there)
                make_statements(database, (enum old_table)table, backup, has);
        }
    return code;
}

/* With a write-ahead log this is refused while any other connection is open; without one, while any reads or writes. */
static enum err_code begin(struct old_database *database, struct err *err)
{
    if (!database->exclusive)
        return db_exec(database->db, "BEGIN", err);
    enum err_code code = db_exec(database->db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE", err);
    return code == ERR_BUSY
               ? err_set(err, ERR_BUSY, NULL,
                         "somebody else uses it: stop the application that writes it, or leave the old table as it is"
                         " with --keep")
               : code;
}

enum err_code old_database_open(const char *path, bool exclusive, struct old_database **ret, struct err *err)
{
    if (access(path, R_OK) != 0)
        return err_set(err, ERR_NOT_FOUND, NULL, "cannot read %s: %s", path, strerror(errno));
    struct old_database *database = xcalloc(1, sizeof *database);
    *database = (struct old_database){.path = xstrdup(path), .exclusive = exclusive};
    const struct db_file_options options = {.path = path, .foreign = true, .readonly = !exclusive};
    enum err_code code = db_file_open(&options, &database->db, err);
    if (code == OK)
        code = begin(database, err);
    if (code == OK)
        code = look_at_tables(database, err);
    if (code != OK) {
        (void)explain(database, code, err);
        old_database_close(database);
        return code;
    }
    *ret = database;
    return OK;
}

bool old_database_has(const struct old_database *database, enum old_table table)
{
    return database->tables[table].there;
}

bool old_database_has_backup(const struct old_database *database, enum old_table table)
{
    return database->tables[table].backup;
}

enum err_code old_database_count(struct old_database *database, enum old_table table, bool backup, int64_t *ret, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(database->db, &database->tables[table].count[backup], &st, err);
    if (code == OK && (code = db_step(st, &row, err)) == OK) {
        *ret = db_int(st, 0);
        db_reset(st);
    }
    return explain(database, code, err);
}

static void read_row(struct db_stmt *st, enum old_table table, struct old_row *row)
{
    old_row_clear(row, table);
    row->number++;
    for (int i = 0; old_column(table, i); i++) {
        size_t length;
        const char *text = db_is_null(st, i) ? NULL : db_text(st, i, &length);
        if (text)
            old_row_set(row, i, (struct str){text, length});
    }
}

enum err_code old_database_each(struct old_database *database, enum old_table table, bool backup, old_row_fn fn, void *arg,
                                struct err *err)
{
    struct db_stmt *st;
    struct old_row row;
    bool more = false;
    enum err_code code = db_prepare(database->db, &database->tables[table].each[backup], &st, err);
    if (code != OK)
        return explain(database, code, err);
    old_row_init(&row);
    while ((code = explain(database, db_step(st, &more, err), err)) == OK && more) {
        read_row(st, table, &row);
        if ((code = fn(arg, &row, err)) != OK)
            break;
    }
    db_reset(st);
    old_row_release(&row);
    return code;
}

enum err_code old_database_rename(struct old_database *database, struct err *err)
{
    enum err_code code = OK;
    must(database->exclusive);
    for (int table = 0; code == OK && table < OLD_TABLE_COUNT; table++) {
        char sql[200], name[80];
        if (!database->tables[table].there)
            continue;
        name_of((enum old_table)table, true, name);
        (void)snprintf(sql, sizeof sql, "ALTER TABLE \"%s\" RENAME TO \"%s\"", old_table_name((enum old_table)table), name);
        code = db_exec(database->db, sql, err);
    }
    if (code == OK)
        code = db_exec(database->db, "COMMIT", err);
    return explain(database, code, err);
}

enum err_code old_database_refresh(struct old_database *database, struct err *err)
{
    must(!database->exclusive);
    return explain(database, db_exec(database->db, "COMMIT; BEGIN", err), err);
}

void old_database_close(struct old_database *database)
{
    if (!database)
        return;
    db_file_close(database->db);
    free(database->path);
    free(database);
}
