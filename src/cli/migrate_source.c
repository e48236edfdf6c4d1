/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/migrate_source.h"

#include "base/json.h"
#include "base/mem.h"

#include "cli/sql_dump.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines ---- */

/* False at the end; a line that is too long has its buffer failed. */
static bool read_line(FILE *in, struct buf *line)
{
    int c;
    buf_clear(line);
    line->failed = false;
    while ((c = getc_unlocked(in)) != EOF && c != '\n')
        buf_add_char(line, (char)c);
    return c != EOF || line->len > 0;
}

static void set_member(struct old_row *row, struct str name, const struct json *value)
{
    int column = old_column_of(row->table, name);
    if (column < 0 || json_is_null(value))
        return;
    if (json_is_text(value)) {
        old_row_set(row, column, json_get_text(value));
        return;
    }
    char *text = json_print(value);
    old_row_set(row, column, str_of(text));
    free(text);
}

static enum err_code read_object(const struct buf *line, struct old_row *row, enum old_table table, struct err *err)
{
    struct json_doc *doc;
    struct json_walk walk = {0};
    struct err inner;
    struct str name;
    const struct json *value;
    old_row_clear(row, table);
    row->number++;
    if (line->failed)
        return err_set(err, ERR_INVALID, NULL, "line %" PRId64 ": more than 32 MiB", row->number);
    if (json_parse_exact(line->data, line->len, &doc, &inner) != OK)
        return err_set(err, ERR_INVALID, NULL, "line %" PRId64 ": %s", row->number, inner.message);
    bool is_object = json_is_object(json_root(doc));
    while (is_object && json_walk_object(json_root(doc), &walk, &name, &value))
        set_member(row, name, value);
    json_doc_free(doc);
    return is_object ? OK : err_set(err, ERR_INVALID, NULL, "line %" PRId64 ": it must be a JSON object", row->number);
}

static bool is_blank(const struct buf *line)
{
    return str_trim((struct str){line->len ? line->data : "",
                                 line->len && line->data[line->len - 1] == '\r' ? line->len - 1 : line->len})
               .n == 0;
}

static enum err_code each_line(struct old_source *source, old_row_fn fn, void *arg, struct err *err)
{
    struct buf line;
    struct old_row row;
    enum err_code code = OK;
    buf_init(&line, OLD_ROW_MAX);
    old_row_init(&row);
    while (code == OK && read_line(source->file, &line)) {
        if (is_blank(&line)) {
            row.number++;
            continue;
        }
        code = read_object(&line, &row, source->table, err);
        if (code == OK)
            code = fn(arg, &row, err);
    }
    old_row_release(&row);
    buf_release(&line);
    return code;
}

/* ---- all ---- */

static enum err_code each_table(struct old_source *source, old_row_fn fn, void *arg, struct err *err)
{
    enum err_code code = OK;
    for (int t = 0; code == OK && t < OLD_TABLE_COUNT; t++) {
        enum old_table table = (enum old_table)t;
        bool there = old_database_has(source->database, table);
        if (there || old_database_has_backup(source->database, table))
            code = old_database_each(source->database, table, !there, fn, arg, err);
    }
    return code;
}

enum err_code old_source_each(struct old_source *source, old_row_fn fn, void *arg, struct err *err)
{
    if (source->database)
        return each_table(source, fn, arg, err);
    return source->lines ? each_line(source, fn, arg, err) : sql_dump_each(source->file, fn, arg, err);
}

static enum err_code check_tables(struct old_source *source, const char *path, struct err *err)
{
    for (int t = 0; t < OLD_TABLE_COUNT; t++)
        if (old_database_has(source->database, (enum old_table)t) || old_database_has_backup(source->database, (enum old_table)t))
            return OK;
    old_source_close(source);
    return err_set(err, ERR_NOT_FOUND, NULL, "%s has none of the tables audit_logs, minio_audit_logs and db_audit_logs", path);
}

static enum err_code open_database(const char *path, bool exclusive, struct old_source *ret, struct err *err)
{
    enum err_code code = old_database_open(path, exclusive, &ret->database, err);
    return code == OK ? check_tables(ret, path, err) : code;
}

/* Databases are told by their head; of the rest, lines begin with an object. */
static bool is_database(const char *path)
{
    char head[16] = "";
    FILE *file = fopen(path, "re");
    bool yes = file && fread(head, 1, sizeof head, file) == sizeof head && memcmp(head, "SQLite format 3", 16) == 0;
    if (file)
        (void)fclose(file);
    return yes;
}

static bool begins_with_object(FILE *file)
{
    int c;
    while ((c = getc(file)) != EOF && isspace(c))
        ;
    if (c != EOF)
        (void)ungetc(c, file);
    return c == '{';
}

static enum err_code open_file(const char *path, struct old_source *ret, struct err *err)
{
    bool is_input = strcmp(path, "-") == 0;
    ret->file = is_input ? stdin : fopen(path, "re");
    if (!ret->file)
        return err_set(err, ERR_NOT_FOUND, NULL, "cannot read %s: %s", path, strerror(errno));
    ret->lines = begins_with_object(ret->file);
    return OK;
}

enum err_code old_source_open(const char *from, bool exclusive, enum old_table table, struct old_source *ret, struct err *err)
{
    *ret = (struct old_source){.table = table};
    if (strncmp(from, "sqlite:", 7) == 0)
        return open_database(from + 7, exclusive, ret, err);
    const char *colon = strstr(from, "://");
    if (colon)
        return err_set(
            err, ERR_INVALID, NULL,
            "--from %.*s://… is not allowed; it must be sqlite:PATH or a file: this version does not read database servers,"
            " dump the table into a file (mysqldump, pg_dump --inserts)",
            (int)(colon - from), from);
    return is_database(from) ? open_database(from, exclusive, ret, err) : open_file(from, ret, err);
}

void old_source_close(struct old_source *source)
{
    old_database_close(source->database);
    if (source->file && source->file != stdin)
        (void)fclose(source->file);
    *source = (struct old_source){.table = OLD_TABLE_COUNT};
}
