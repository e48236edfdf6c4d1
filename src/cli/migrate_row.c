/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/migrate_row.h"

#include "base/clock.h"
#include "base/panic.h"

#include <string.h>

/* All columns in one array, each with its table; those of a table stand together. */
static const struct {
    enum old_table table;
    struct old_column column;
} all[] = {
#define OLD_COLUMN(table, name, role, member) {OLD_##table, {name, member, OLD_ROLE_##role}},
#include "cli/migrate_tables.def"
};

static const struct {
    const char *name, *type, *subsystem;
} tables[OLD_TABLE_COUNT] = {
#define OLD_TABLE(id, name, type, subsystem) [OLD_##id] = {name, type, subsystem},
#include "cli/migrate_tables.def"
};

const char *old_table_name(enum old_table table)
{
    return tables[table].name;
}

const char *old_table_type(enum old_table table)
{
    return tables[table].type;
}

const char *old_table_subsystem(enum old_table table)
{
    return tables[table].subsystem;
}

enum old_table old_table_from(struct str name)
{
    int i = 0;
    while (i < OLD_TABLE_COUNT && !str_equal_ignoring_case(name, tables[i].name))
        i++;
    return (enum old_table)i;
}

const struct old_column *old_column(enum old_table table, int index)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i].table == table && index-- == 0)
            return &all[i].column;
    return NULL;
}

int old_column_of(enum old_table table, struct str name)
{
    const struct old_column *column;
    for (int i = 0; (column = old_column(table, i)); i++)
        if (str_equal_ignoring_case(name, column->name))
            return i;
    return -1;
}

/* ---- rows ---- */

void old_row_init(struct old_row *row)
{
    *row = (struct old_row){.number = 0};
    buf_init(&row->text, OLD_ROW_MAX);
}

void old_row_clear(struct old_row *row, enum old_table table)
{
    row->table = table;
    buf_clear(&row->text);
    memset(row->present, 0, sizeof row->present);
}

void old_row_set(struct old_row *row, int column, struct str value)
{
    must(column >= 0 && column < OLD_COLUMNS_MAX);
    row->present[column] = true;
    row->begin[column] = row->text.len;
    row->length[column] = value.n;
    buf_add(&row->text, value.p, value.n);
}

struct str old_row_column(const struct old_row *row, int column)
{
    if (!row->present[column] || !row->length[column])
        return (struct str){"", 0};
    return (struct str){row->text.data + row->begin[column], row->length[column]};
}

struct str old_row_get(const struct old_row *row, enum old_role role)
{
    const struct old_column *column;
    for (int i = 0; (column = old_column(row->table, i)); i++)
        if (column->role == role)
            return old_row_column(row, i);
    return (struct str){"", 0};
}

void old_row_release(struct old_row *row)
{
    buf_release(&row->text);
}

/* ---- times ---- */

/* Reads 1 to `digits` digits. */
static bool take_number(struct str *text, size_t digits, int64_t *ret)
{
    size_t n = 0;
    for (*ret = 0; n < digits && n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++)
        *ret = *ret * 10 + (text->p[n] - '0');
    *text = (struct str){text->p + n, text->n - n};
    return n > 0;
}

static bool take_char(struct str *text, const char *any)
{
    if (!text->n || !strchr(any, text->p[0]))
        return false;
    *text = (struct str){text->p + 1, text->n - 1};
    return true;
}

static int64_t take_fraction_ms(struct str *text)
{
    int64_t ms = 0;
    if (!take_char(text, ".,"))
        return 0;
    for (int64_t unit = 100; text->n && text->p[0] >= '0' && text->p[0] <= '9'; unit /= 10) {
        ms += unit * (text->p[0] - '0');
        *text = (struct str){text->p + 1, text->n - 1};
    }
    return ms;
}

/* What follows a zone's offset (its name, a monotonic reading) says nothing more. */
static bool take_zone(struct str *text, int64_t *ret_s)
{
    int64_t hours, minutes = 0;
    *ret_s = 0;
    *text = str_trim(*text);
    if (!text->n || str_equal_ignoring_case(*text, "z") || str_starts_with(*text, "Z ") || str_starts_with(*text, "UTC"))
        return true;
    bool west = text->p[0] == '-';
    if (!take_char(text, "+-") || !take_number(text, 2, &hours) || hours > 23)
        return false;
    (void)take_char(text, ":");
    (void)take_number(text, 2, &minutes);
    *ret_s = (hours * 60 + minutes) * (west ? -60 : 60);
    return minutes < 60 && (!text->n || text->p[0] == ' ');
}

/* By its size: seconds until the year 5138, and so on. */
static bool parse_unix(struct str text, int64_t *ret_ms)
{
    int64_t number;
    if (!str_to_int(text, 0, INT64_MAX, &number))
        return false;
    *ret_ms = number < INT64_C(100000000000)         ? number * 1000
              : number < INT64_C(100000000000000)    ? number
              : number < INT64_C(100000000000000000) ? number / 1000
                                                     : number / 1000000;
    return true;
}

bool old_time_parse(struct str text, int64_t *ret_ms)
{
    static const int8_t days_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day, hour = 0, minute = 0, second = 0, ms = 0, offset_s = 0;
    text = str_trim(text);
    if (parse_unix(text, ret_ms))
        return true;
    if (!take_number(&text, 4, &year) || !take_char(&text, "-") || !take_number(&text, 2, &month) || !take_char(&text, "-") ||
        !take_number(&text, 2, &day) || year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > days_of[month - 1] + (month == 2 && leap))
        return false;
    if (text.n) {
        if (!take_char(&text, " Tt") || !take_number(&text, 2, &hour) || !take_char(&text, ":") ||
            !take_number(&text, 2, &minute))
            return false;
        if (take_char(&text, ":") && !take_number(&text, 2, &second))
            return false;
        ms = take_fraction_ms(&text);
        if (!take_zone(&text, &offset_s) || hour > 23 || minute > 59 || second > 60)
            return false;
    }
    int64_t days = time_days_from_civil(year, (int)month, (int)day);
    *ret_ms = (days * 86400 + hour * 3600 + minute * 60 + second - offset_s) * 1000 + ms;
    return true;
}
