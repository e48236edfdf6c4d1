/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/text_width.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { GAP = 2, NARROWEST = 8, NAME_WIDTH = 24, ELLIPSIS_BYTES = 3 };

static const struct json *look_up(const struct json *object, const char *member)
{
    char name[64];
    const char *dot = strchr(member, '.');
    if (!dot)
        return json_member(object, member);
    (void)snprintf(name, sizeof name, "%.*s", (int)(dot - member), member);
    const struct json *inner = json_member(object, name);
    return inner ? look_up(inner, dot + 1) : NULL;
}

/* ---- cells ---- */

/* YYYY-MM-DDTHH:MM:SS… */
static bool looks_like_time(const char *text, size_t length)
{
    static const char pattern[] = "dddd-dd-ddTdd:dd:dd";
    if (length <= strlen(pattern) || length > 40)
        return false;
    for (size_t i = 0; pattern[i]; i++)
        if (pattern[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != pattern[i])
            return false;
    return true;
}

char *table_time(const char *text, size_t length, bool in_list)
{
    int64_t us;
    struct tm parts;
    char out[64], offset[16], fraction[16] = "";
    if (!looks_like_time(text, length) || !time_parse(text, length, &us))
        return xstrndup(text, length);
    int64_t part = ((us % US_PER_S) + US_PER_S) % US_PER_S;
    time_t s = (time_t)((us - part) / US_PER_S);
    if (!localtime_r(&s, &parts))
        return xstrndup(text, length);
    if (part % US_PER_MS && !in_list)
        (void)snprintf(fraction, sizeof fraction, ".%06d", (int)part);
    else if (part / US_PER_MS)
        (void)snprintf(fraction, sizeof fraction, ".%03d", (int)(part / US_PER_MS));
    long minutes = labs(parts.tm_gmtoff) / 60;
    (void)snprintf(offset, sizeof offset, "%c%02ld:%02ld", parts.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
    size_t n = strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(out + n, sizeof out - n, "%s%s", fraction, parts.tm_gmtoff ? offset : "Z");
    return xstrdup(out);
}

/* A value as text without control characters but those in `keep`; owned by the caller. */
static char *value_text(const struct json *value, const char *keep, bool in_list)
{
    if (!value || json_is_null(value))
        return xstrdup("-");
    struct str text = json_get_text(value);
    char *line = json_is_text(value) ? table_time(text.p, text.n, in_list) : json_print(value);
    text_tame(line, keep);
    return line;
}

/* Cuts a cell to its column. */
static char *fit(char *text, size_t columns)
{
    size_t length = strlen(text);
    if (text_width(text, length) <= columns)
        return text;
    size_t n = text_fitting(text, length, columns - 1);
    char *cut = xmalloc(n + ELLIPSIS_BYTES + 1);
    memcpy(cut, text, n);
    memcpy(cut + n, "…", ELLIPSIS_BYTES + 1);
    free(text);
    return cut;
}

/* ---- the terminal ---- */

static bool has_colours(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

/* 0: no limit. */
static size_t terminal_columns(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static const char *colour_of(const char *text)
{
    static const struct {
        const char *text, *colour;
    } colours[] = {{"success", "\033[32m"}, {"healthy", "\033[32m"},  {"fired", "\033[32m"},      {"failure", "\033[31m"},
                   {"timeout", "\033[31m"}, {"critical", "\033[31m"}, {"missed", "\033[31m"},     {"running", "\033[36m"},
                   {"warning", "\033[33m"}, {"skipped", "\033[33m"},  {"interrupted", "\033[33m"}};
    for (size_t i = 0; i < ARRAY_LEN(colours); i++)
        if (strcmp(text, colours[i].text) == 0)
            return colours[i].colour;
    return NULL;
}

/* ---- tables ---- */

struct table {
    const struct column *columns;
    size_t count, rows;
    char **cells; /* owned, rows × count */
    size_t widths[TABLE_COLUMNS_MAX];
    bool right[TABLE_COLUMNS_MAX]; /* numbers */
};

/* Addresses of four numbers are none. */
static bool is_number(const char *text)
{
    const char *point = strchr(text, '.');
    return text[strspn(text, "-0123456789.")] == '\0' && !(point && strchr(point + 1, '.'));
}

static char *cell_of(const struct json *item, const struct column *column)
{
    char *text = column->text ? column->text(item) : value_text(look_up(item, column->member), "", true);
    text_tame(text, "");
    return fit(text, TABLE_CELL_MAX);
}

static void fill(struct table *t, const struct json *array)
{
    struct json_walk walk = {0};
    const struct json *item;
    for (size_t c = 0; c < t->count; c++) {
        t->widths[c] = strlen(t->columns[c].title);
        t->right[c] = true;
    }
    for (size_t r = 0; json_walk_array(array, &walk, &item); r++)
        for (size_t c = 0; c < t->count; c++) {
            char *text = t->cells[r * t->count + c] = cell_of(item, &t->columns[c]);
            size_t width = text_width(text, strlen(text));
            t->widths[c] = width > t->widths[c] ? width : t->widths[c];
            t->right[c] = t->right[c] && is_number(text);
        }
}

/* The widest column gives way until the line fits. */
static void narrow(struct table *t, size_t columns)
{
    for (;;) {
        size_t total = GAP * (t->count - 1), widest = 0;
        for (size_t c = 0; c < t->count; c++) {
            total += t->widths[c];
            widest = t->widths[c] > t->widths[widest] ? c : widest;
        }
        size_t over = total > columns ? total - columns : 0, room = t->widths[widest] - NARROWEST;
        if (!over || t->widths[widest] <= NARROWEST)
            return;
        size_t second = NARROWEST; /* narrowing stops at the next widest one */
        for (size_t c = 0; c < t->count; c++)
            if (c != widest && t->widths[c] > second)
                second = t->widths[c];
        size_t step = t->widths[widest] > second ? t->widths[widest] - second : 1;
        step = step < over ? step : over;
        t->widths[widest] -= step < room ? step : room;
    }
}

static void print_cell(const struct table *t, size_t c, const char *text, bool colours)
{
    const char *colour = colours ? colour_of(text) : NULL;
    size_t width = text_width(text, strlen(text)), pad = t->widths[c] > width ? t->widths[c] - width : 0;
    bool last = c + 1 == t->count;
    (void)printf("%*s%s%s%s", t->right[c] ? (int)pad : 0, "", colour ? colour : "", text, colour ? "\033[0m" : "");
    if (!last)
        (void)printf("%*s", (int)(GAP + (t->right[c] ? 0 : pad)), "");
}

static void print_rows(struct table *t)
{
    bool colours = has_colours();
    for (size_t c = 0; c < t->count; c++)
        print_cell(t, c, t->columns[c].title, false);
    (void)putchar('\n');
    for (size_t i = 0; i < t->rows * t->count; i++) {
        size_t c = i % t->count;
        t->cells[i] = fit(t->cells[i], t->widths[c]);
        print_cell(t, c, t->cells[i], colours);
        if (c + 1 == t->count)
            (void)putchar('\n');
        free(t->cells[i]);
    }
}

void table_print(const struct json *array, const struct column *columns, size_t count)
{
    struct table t = {.columns = columns, .count = count, .rows = array ? json_count(array) : 0};
    if (!t.rows) {
        (void)fprintf(stderr, "(none)\n");
        return;
    }
    t.cells = xcalloc(t.rows * count, sizeof *t.cells);
    fill(&t, array);
    if (terminal_columns())
        narrow(&t, terminal_columns());
    print_rows(&t);
    free(t.cells);
}

void table_print_object(const struct json *object)
{
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    while (json_walk_object(object, &walk, &name, &value)) {
        char *text = value_text(value, "\n", false);
        size_t n = strlen(text);
        while (n && text[n - 1] == '\n')
            text[--n] = '\0';
        struct str rest = {text, n}, line;
        (void)printf("%-*.*s", NAME_WIDTH, (int)name.n, name.p);
        for (int i = 0; str_split(&rest, '\n', &line); i++)
            (void)printf("%*s %.*s\n", i ? NAME_WIDTH : 0, "", (int)line.n, line.p);
        free(text);
    }
}
