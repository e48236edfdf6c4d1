/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/sql_tokens.h"

#include "cli/migrate_row.h"

#include <ctype.h>
#include <string.h>

void sql_reader_init(struct sql_reader *reader, FILE *in)
{
    *reader = (struct sql_reader){.in = in, .line = 1};
    buf_init(&reader->text, OLD_VALUE_MAX);
}

void sql_reader_release(struct sql_reader *reader)
{
    buf_release(&reader->text);
}

struct str sql_text(const struct sql_reader *reader)
{
    return (struct str){reader->text.data ? reader->text.data : "", reader->text.len};
}

bool sql_is_word(const struct sql_reader *reader, const char *word)
{
    return reader->token == SQL_WORD && str_equal_ignoring_case(sql_text(reader), word);
}

bool sql_is_sign(const struct sql_reader *reader, char sign)
{
    return reader->token == SQL_SIGN && reader->text.data[0] == sign;
}

static int get(struct sql_reader *r)
{
    int c = getc_unlocked(r->in);
    r->line += c == '\n';
    return c;
}

static void unget(struct sql_reader *r, int c)
{
    if (c == EOF)
        return;
    r->line -= c == '\n';
    (void)ungetc(c, r->in);
}

static int peek(struct sql_reader *r)
{
    int c = getc_unlocked(r->in);
    if (c != EOF)
        (void)ungetc(c, r->in);
    return c;
}

static enum sql_token broken(struct sql_reader *r, const char *why)
{
    r->broken = why;
    return r->token = SQL_BROKEN;
}

static void skip_line(struct sql_reader *r)
{
    int c;
    while ((c = get(r)) != EOF && c != '\n')
        ;
}

void sql_skip_copied(struct sql_reader *r)
{
    skip_line(r); /* what is left of the line of COPY */
    for (int c = get(r); c != EOF; c = get(r)) {
        bool ends = c == '\\' && peek(r) == '.';
        if (c != '\n')
            skip_line(r);
        if (ends)
            return;
    }
}

static bool skip_block(struct sql_reader *r)
{
    int c = get(r), before = 0;
    if (c == '!') /* MySQL's own, as at the head of its dumps */
        r->backslashes = true;
    for (; c != EOF; before = c, c = get(r))
        if (before == '*' && c == '/')
            return true;
    return false;
}

/* The first character that is neither blank nor comment; EOF. False: a comment has no end. */
static bool skip_blank(struct sql_reader *r, int *ret)
{
    for (;;) {
        int c = get(r);
        if (c == '-' && peek(r) == '-') {
            skip_line(r);
        } else if (c == '/' && peek(r) == '*') {
            (void)get(r);
            if (!skip_block(r))
                return false;
        } else if (c == EOF || !isspace(c)) {
            *ret = c;
            return true;
        }
    }
}

static char unescape(int c)
{
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case '0': return '\0';
    case 'Z': return 26;
    default: return (char)c;
    }
}

/* Behind the opening quote; a doubled quote stands for one. */
static enum sql_token read_quoted(struct sql_reader *r, int quote, bool backslashes, enum sql_token token)
{
    for (;;) {
        int c = get(r);
        if (c == EOF)
            return broken(r, "a text has no end");
        if (c == '\\' && backslashes) {
            c = get(r);
            if (c == EOF)
                return broken(r, "a text has no end");
            buf_add_char(&r->text, unescape(c));
            continue;
        }
        if (c == quote && peek(r) != quote)
            break;
        if (c == quote)
            (void)get(r);
        buf_add_char(&r->text, (char)c);
    }
    return r->text.failed ? broken(r, "a text of more than 16 MiB") : (r->token = token);
}

static int hex_value(int c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* X'4142' */
static enum sql_token read_hex(struct sql_reader *r)
{
    int c, high = -1;
    for (; (c = get(r)) != '\''; high = high < 0 ? hex_value(c) : -1) {
        if (hex_value(c) < 0)
            return broken(r, "a text of hexadecimal digits has others");
        if (high >= 0)
            buf_add_char(&r->text, (char)(high * 16 + hex_value(c)));
    }
    if (high >= 0)
        return broken(r, "a text of hexadecimal digits has an odd number of them");
    return r->text.failed ? broken(r, "a text of more than 16 MiB") : (r->token = SQL_TEXT);
}

static bool is_word_char(int c)
{
    return isalnum(c) || c == '_' || c == '$' || c >= 0x80;
}

static enum sql_token read_word(struct sql_reader *r, int c)
{
    enum { WORD_MAX = 256 };
    for (; c != EOF && is_word_char(c); c = get(r)) {
        if (r->text.len == WORD_MAX)
            return broken(r, "a word of more than 256 characters");
        buf_add_char(&r->text, (char)c);
    }
    char first = r->text.data[0];
    if (c == '\'' && r->text.len == 1 && strchr("eEnNxXbB", first)) { /* E'…', N'…', X'…' */
        buf_clear(&r->text);
        return first == 'x' || first == 'X' ? read_hex(r)
                                            : read_quoted(r, c, first == 'e' || first == 'E' || r->backslashes, SQL_TEXT);
    }
    unget(r, c);
    return r->token = SQL_WORD;
}

static enum sql_token read_number(struct sql_reader *r, int c)
{
    enum { NUMBER_MAX = 64 };
    for (int before = 0; c != EOF && (isalnum(c) || c == '.' || ((c == '+' || c == '-') && (!before || tolower(before) == 'e')));
         before = c, c = get(r)) {
        if (r->text.len == NUMBER_MAX)
            return broken(r, "a number of more than 64 characters");
        buf_add_char(&r->text, (char)c);
    }
    unget(r, c);
    return r->token = SQL_NUMBER;
}

enum sql_token sql_next(struct sql_reader *r)
{
    int c;
    if (r->token == SQL_BROKEN)
        return SQL_BROKEN;
    buf_clear(&r->text);
    if (!skip_blank(r, &c))
        return broken(r, "a comment has no end");
    if (c == EOF)
        return r->token = SQL_END;
    if (c == '`')
        r->backslashes = true;
    if (c == '\'')
        return read_quoted(r, c, r->backslashes, SQL_TEXT);
    if (c == '"' || c == '`')
        return read_quoted(r, c, false, SQL_NAME);
    if (isdigit(c) || ((c == '-' || c == '+') && isdigit(peek(r))))
        return read_number(r, c);
    if (is_word_char(c))
        return read_word(r, c);
    buf_add_char(&r->text, (char)c);
    return r->token = SQL_SIGN;
}
