/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CELL_MAX = 80 };

/* Blocks that terminals draw two columns wide (Unicode TR 11, in short). */
static bool is_wide(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
           (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
}

static uint32_t decode(const char *text, size_t length, size_t *ret_used)
{
    unsigned char c = (unsigned char)text[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t value = n == 1 ? c : n == 2 ? c & 0x1fu : n == 3 ? c & 0xfu : c & 0x7u;
    n = n < length ? n : length;
    for (size_t i = 1; i < n; i++)
        value = value << 6 | ((unsigned char)text[i] & 0x3fu);
    *ret_used = n;
    return value;
}

size_t table_width(const char *text, size_t length)
{
    size_t width = 0, used = 0;
    for (size_t i = 0; i < length; i += used)
        width += is_wide(decode(text + i, length - i, &used)) ? 2 : 1;
    return width;
}

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

/* A value as one line of text; owned by the caller. */
static char *cell_text(const struct json *value, size_t max)
{
    if (!value || json_is_null(value))
        return xstrdup("-");
    struct str text = json_get_text(value);
    char *line = json_is_text(value) ? xstrndup(text.p, text.n) : json_print(value);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 32)
            *p = ' ';
    size_t n = strlen(line);
    if (n > max)
        line[str_utf8_cut(line, n, max)] = '\0';
    return line;
}

static bool has_colours(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(no && no[0]);
}

static const char *colour_of(const char *text)
{
    static const struct {
        const char *text, *colour;
    } colours[] = {{"success", "\033[32m"},  {"healthy", "\033[32m"}, {"failure", "\033[31m"}, {"timeout", "\033[31m"},
                   {"critical", "\033[31m"}, {"running", "\033[36m"}, {"warning", "\033[33m"}, {"interrupted", "\033[33m"}};
    for (size_t i = 0; i < ARRAY_LEN(colours); i++)
        if (strcmp(text, colours[i].text) == 0)
            return colours[i].colour;
    return NULL;
}

static void print_cell(const char *text, size_t width, bool last, bool colours)
{
    const char *colour = colours ? colour_of(text) : NULL;
    (void)printf("%s%s%s", colour ? colour : "", text, colour ? "\033[0m" : "");
    for (size_t w = table_width(text, strlen(text)); !last && w < width + 2; w++)
        (void)putchar(' ');
}

void table_print(const struct json *array, const struct column *columns, size_t count)
{
    size_t rows = array ? json_count(array) : 0, widths[TABLE_COLUMNS_MAX], r = 0;
    if (!rows) {
        (void)printf("(none)\n");
        return;
    }
    char **cells = xcalloc(rows * count, sizeof *cells);
    struct json_walk walk = {0};
    const struct json *item;
    for (size_t c = 0; c < count; c++)
        widths[c] = strlen(columns[c].title);
    for (; json_walk_array(array, &walk, &item); r++)
        for (size_t c = 0; c < count; c++) {
            char *text = cells[r * count + c] = cell_text(look_up(item, columns[c].member), CELL_MAX);
            size_t width = table_width(text, strlen(text));
            widths[c] = width > widths[c] ? width : widths[c];
        }
    bool colours = has_colours();
    for (size_t c = 0; c < count; c++)
        print_cell(columns[c].title, widths[c], c + 1 == count, false);
    (void)putchar('\n');
    for (size_t i = 0; i < rows * count; i++) {
        print_cell(cells[i], widths[i % count], (i + 1) % count == 0, colours);
        if ((i + 1) % count == 0)
            (void)putchar('\n');
        free(cells[i]);
    }
    free(cells);
}

void table_print_object(const struct json *object)
{
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    while (json_walk_object(object, &walk, &name, &value)) {
        char *text = cell_text(value, 1 << 20);
        (void)printf("%-24.*s %s\n", (int)name.n, name.p, text);
        free(text);
    }
}
