/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sql_dump.h"

#include "cli/sql_tokens.h"

#include <inttypes.h>
#include <string.h>

enum { COLUMNS_MAX = 256, CALLS_MAX = 8 /* replace() within replace() */ };

/* Where the columns of a table go: the index in our table, -1 = nowhere. */
struct layout {
    int to[COLUMNS_MAX];
    int count; /* 0 = not known */
};

struct dump {
    struct sql_reader r;
    struct layout created[OLD_TABLE_COUNT]; /* by CREATE TABLE */
    struct old_row row;
    struct buf value;
    old_row_fn fn;
    void *arg;
    struct err *err;
};

static enum err_code fail(struct dump *d, const char *what)
{
    const char *why = d->r.token == SQL_BROKEN ? d->r.broken : what;
    return err_set(d->err, ERR_INVALID, NULL, "line %" PRId64 ": %s", d->r.line, why);
}

/* To the end of the statement. */
static enum err_code pass_over(struct dump *d)
{
    while (d->r.token != SQL_END && d->r.token != SQL_BROKEN && !sql_is_sign(&d->r, ';'))
        (void)sql_next(&d->r);
    return d->r.token == SQL_BROKEN ? fail(d, "") : OK;
}

static bool is_name(const struct dump *d)
{
    return d->r.token == SQL_WORD || d->r.token == SQL_NAME;
}

/* [schema.]name; the token behind it is read. OLD_TABLE_COUNT: another one. */
static enum old_table read_table(struct dump *d)
{
    enum old_table table = OLD_TABLE_COUNT;
    while (is_name(d)) {
        table = old_table_from(sql_text(&d->r));
        (void)sql_next(&d->r);
        if (!sql_is_sign(&d->r, '.'))
            break;
        (void)sql_next(&d->r);
    }
    return table;
}

/* ---- columns ---- */

static bool is_constraint(const struct dump *d)
{
    static const char *const words[] = {"PRIMARY", "KEY",     "UNIQUE",   "CONSTRAINT", "INDEX",
                                        "CHECK",   "FOREIGN", "FULLTEXT", "EXCLUDE"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (sql_is_word(&d->r, words[i]))
            return true;
    return false;
}

static bool add_column(struct dump *d, enum old_table table, struct layout *layout)
{
    if (layout->count == COLUMNS_MAX)
        return false;
    layout->to[layout->count++] = old_column_of(table, sql_text(&d->r));
    return true;
}

/* Behind CREATE [TEMP] TABLE [IF NOT EXISTS] name (: the first name of each item that is no constraint. */
static enum err_code read_created(struct dump *d, enum old_table table)
{
    struct layout *layout = &d->created[table];
    layout->count = 0;
    bool item_begins = true;
    for (int depth = 1; depth > 0;) {
        (void)sql_next(&d->r);
        if (d->r.token == SQL_END || d->r.token == SQL_BROKEN)
            return fail(d, "CREATE TABLE has no end");
        if (item_begins && is_name(d) && !is_constraint(d) && !add_column(d, table, layout))
            return fail(d, "a table of more than 256 columns");
        item_begins = depth == 1 && sql_is_sign(&d->r, ',');
        depth += sql_is_sign(&d->r, '(') - sql_is_sign(&d->r, ')');
    }
    return pass_over(d);
}

static enum err_code read_create(struct dump *d)
{
    while (sql_next(&d->r) == SQL_WORD && !sql_is_word(&d->r, "TABLE"))
        ;
    if (!sql_is_word(&d->r, "TABLE"))
        return pass_over(d);
    (void)sql_next(&d->r);
    while (sql_is_word(&d->r, "IF") || sql_is_word(&d->r, "NOT") || sql_is_word(&d->r, "EXISTS"))
        (void)sql_next(&d->r);
    enum old_table table = read_table(d);
    return table < OLD_TABLE_COUNT && sql_is_sign(&d->r, '(') ? read_created(d, table) : pass_over(d);
}

/* (a, b, c) of an INSERT */
static enum err_code read_named(struct dump *d, enum old_table table, struct layout *layout)
{
    layout->count = 0;
    do {
        (void)sql_next(&d->r);
        if (!is_name(d) || !add_column(d, table, layout))
            return fail(d, "a list of columns was expected");
        (void)sql_next(&d->r);
    } while (sql_is_sign(&d->r, ','));
    if (!sql_is_sign(&d->r, ')'))
        return fail(d, "the list of columns has no end");
    (void)sql_next(&d->r);
    return OK;
}

/* ---- values ---- */

static enum err_code read_value(struct dump *d, int depth, struct buf *out, bool *ret_null);

static void replace(struct buf *text, struct str from, struct str to)
{
    struct buf out;
    buf_init(&out, text->max);
    for (size_t i = 0; i < text->len;) {
        bool found = from.n && text->len - i >= from.n && memcmp(text->data + i, from.p, from.n) == 0;
        if (found)
            buf_add(&out, to.p, to.n);
        else
            buf_add_char(&out, text->data[i]);
        i += found ? from.n : 1;
    }
    buf_release(text);
    *text = out;
}

/* replace(text, from, to), as sqlite3 writes texts with line ends */
static enum err_code read_replace(struct dump *d, int depth, struct buf *out)
{
    struct buf parts[2];
    bool null = false;
    enum err_code code = read_value(d, depth + 1, out, &null);
    for (int i = 0; i < 2; i++)
        buf_init(&parts[i], 64);
    for (int i = 0; code == OK && i < 2; i++) {
        if (!sql_is_sign(&d->r, ','))
            code = fail(d, "replace() takes three texts");
        else
            code = read_value(d, depth + 1, &parts[i], &null);
    }
    if (code == OK)
        replace(out, (struct str){parts[0].data, parts[0].len}, (struct str){parts[1].data, parts[1].len});
    for (int i = 0; i < 2; i++)
        buf_release(&parts[i]);
    return code;
}

/* char(10) */
static enum err_code read_char(struct dump *d, struct buf *out)
{
    int64_t number = 0;
    if (sql_next(&d->r) != SQL_NUMBER || !str_to_int(sql_text(&d->r), 1, 127, &number))
        return fail(d, "char() takes a number from 1 to 127");
    buf_add_char(out, (char)number);
    (void)sql_next(&d->r);
    return OK;
}

/* A word where a value stands. The token behind it is read. */
static enum err_code read_word_value(struct dump *d, int depth, struct buf *out, bool *ret_null)
{
    bool is_true = sql_is_word(&d->r, "TRUE"), is_false = sql_is_word(&d->r, "FALSE"), is_replace = sql_is_word(&d->r, "replace"),
         is_char = sql_is_word(&d->r, "char");
    *ret_null = sql_is_word(&d->r, "NULL");
    (void)sql_next(&d->r);
    if (*ret_null || is_true || is_false) {
        buf_add_text(out, is_true ? "true" : is_false ? "false" : "");
        return OK;
    }
    if (!is_replace && !is_char && d->r.token == SQL_TEXT) /* _binary '…', TIMESTAMP '…' */
        return read_value(d, -1, out, ret_null);
    if (!sql_is_sign(&d->r, '(') || (!is_replace && !is_char) || depth >= CALLS_MAX)
        return fail(d, "a text, a number, NULL, TRUE, FALSE, replace() or char() was expected");
    enum err_code code = is_replace ? read_replace(d, depth, out) : read_char(d, out);
    if (code == OK && !sql_is_sign(&d->r, ')'))
        code = fail(d, "a call has no end");
    if (code == OK)
        (void)sql_next(&d->r);
    return code;
}

/* ::jsonb and the like */
static void pass_over_casts(struct dump *d)
{
    while (sql_is_sign(&d->r, ':'))
        while (sql_is_sign(&d->r, ':') || d->r.token == SQL_WORD)
            (void)sql_next(&d->r);
}

/* The token before it is a sign, or with depth -1 the value's own; the token behind it is read. */
static enum err_code read_value(struct dump *d, int depth, struct buf *out, bool *ret_null)
{
    enum err_code code = OK;
    *ret_null = false;
    if (depth >= 0)
        (void)sql_next(&d->r);
    if (d->r.token == SQL_TEXT || d->r.token == SQL_NUMBER) {
        buf_add(out, d->r.text.data, d->r.text.len);
        (void)sql_next(&d->r);
    } else if (d->r.token == SQL_WORD) {
        code = read_word_value(d, depth < 0 ? 0 : depth, out, ret_null);
    } else {
        code = fail(d, "a value was expected");
    }
    if (code == OK && out->failed)
        code = fail(d, "a value of more than 16 MiB");
    if (code == OK)
        pass_over_casts(d);
    return code;
}

/* ---- rows ---- */

/* Behind "(" */
static enum err_code read_row(struct dump *d, enum old_table table, const struct layout *layout)
{
    old_row_clear(&d->row, table);
    d->row.number++;
    for (int i = 0;; i++) {
        bool null;
        buf_clear(&d->value);
        enum err_code code = read_value(d, 0, &d->value, &null);
        if (code != OK)
            return code;
        if (i >= layout->count)
            return fail(d, "a row has more values than columns");
        if (!null && layout->to[i] >= 0)
            old_row_set(&d->row, layout->to[i], (struct str){d->value.data ? d->value.data : "", d->value.len});
        if (sql_is_sign(&d->r, ','))
            continue;
        if (!sql_is_sign(&d->r, ')'))
            return fail(d, "a row has no end");
        (void)sql_next(&d->r);
        return i + 1 == layout->count ? OK : fail(d, "a row has fewer values than columns");
    }
}

static enum err_code read_rows(struct dump *d, enum old_table table, const struct layout *layout)
{
    (void)sql_next(&d->r);
    while (sql_is_sign(&d->r, '(')) {
        enum err_code code = read_row(d, table, layout);
        if (code == OK)
            code = d->fn(d->arg, &d->row, d->err);
        if (code != OK)
            return code;
        if (sql_is_sign(&d->r, ','))
            (void)sql_next(&d->r);
    }
    return pass_over(d);
}

static enum err_code read_insert(struct dump *d)
{
    while (sql_next(&d->r) == SQL_WORD && !sql_is_word(&d->r, "INTO"))
        ;
    if (!sql_is_word(&d->r, "INTO"))
        return pass_over(d);
    (void)sql_next(&d->r);
    enum old_table table = read_table(d);
    if (table == OLD_TABLE_COUNT)
        return pass_over(d);
    struct layout named = d->created[table];
    enum err_code code = sql_is_sign(&d->r, '(') ? read_named(d, table, &named) : OK;
    if (code != OK)
        return code;
    if (!named.count)
        return fail(d, "the columns are not known: the dump needs CREATE TABLE, or their names in INSERT INTO");
    return sql_is_word(&d->r, "VALUES") ? read_rows(d, table, &named) : fail(d, "VALUES was expected");
}

/* pg_dump without --inserts: what follows a COPY of one of these tables is no SQL. */
static enum err_code read_copy(struct dump *d)
{
    (void)sql_next(&d->r);
    if (read_table(d) < OLD_TABLE_COUNT)
        return fail(d, "rows behind COPY are not read: dump them with pg_dump --inserts");
    enum err_code code = pass_over(d);
    if (code == OK)
        sql_skip_copied(&d->r);
    return code;
}

static enum err_code read_statements(struct dump *d)
{
    enum err_code code = OK;
    while (code == OK && sql_next(&d->r) != SQL_END) {
        if (sql_is_word(&d->r, "INSERT"))
            code = read_insert(d);
        else if (sql_is_word(&d->r, "CREATE"))
            code = read_create(d);
        else if (sql_is_word(&d->r, "COPY"))
            code = read_copy(d);
        else
            code = pass_over(d);
    }
    return code;
}

enum err_code sql_dump_each(FILE *in, old_row_fn fn, void *arg, struct err *err)
{
    struct dump d = {.fn = fn, .arg = arg, .err = err};
    sql_reader_init(&d.r, in);
    old_row_init(&d.row);
    buf_init(&d.value, OLD_VALUE_MAX);
    enum err_code code = read_statements(&d);
    buf_release(&d.value);
    old_row_release(&d.row);
    sql_reader_release(&d.r);
    return code;
}
