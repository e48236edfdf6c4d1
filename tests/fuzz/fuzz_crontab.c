/* SPDX-License-Identifier: Apache-2.0 */
/* Crontabs: every line becomes an entry, a variable, or one complaint with its number; what was read, written as a
 * crontab again, is read the same. Input: 1 for the system form, then the file. */
#include "base/buf.h"
#include "cli/crontab_parse.h"
#include "refusal.h"

struct heard {
    int lines, last_line, errors;
};

static void hear(void *arg, int line, bool is_error, const char *message)
{
    struct heard *heard = arg;
    CHECK(line >= heard->last_line && line <= heard->lines, "line %d of %d, after line %d", line, heard->lines, heard->last_line);
    CHECK(!is_error || line > heard->last_line || heard->errors == 0, "two complaints about line %d", line);
    CHECK(message[0], "no message");
    check_line(message);
    heard->last_line = line;
    heard->errors += is_error;
}

static struct str line_of(const char *text, size_t size, int number)
{
    struct str rest = {text, size}, line = {NULL, 0};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        rest = (struct str){text + 3, size - 3};
    for (int i = 0; i < number; i++)
        CHECK(str_split(&rest, '\n', &line), "there is no line %d", number);
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static void check_words(const struct crontab_entry *e)
{
    int words = 1;
    for (const char *p = e->schedule; *p; p++) {
        CHECK(*p != '\t' && (*p != ' ' || (p[1] && p[1] != ' ' && p > e->schedule)), "the schedule is \"%s\"", e->schedule);
        words += *p == ' ';
    }
    CHECK(words == (e->schedule[0] == '@' ? 1 : 5), "the schedule is \"%s\"", e->schedule);
}

static void check_one_line(const char *text)
{
    CHECK(str_is_utf8(text, strlen(text)) && !strchr(text, '\n'), "\"%s\" is not UTF-8 text in one line", text);
}

/* What Debian's cron does, said another way: a percent sign behind an odd number of backslashes is one in the command,
 * any other ends it; behind that one, a backslash right before it makes it a percent sign, else it is a line end. */
static void check_percent(const struct crontab_entry *e)
{
    const char *text = e->text, *command = e->command, *input = e->stdin_text;
    size_t backslashes = 0;
    for (; *text && (*text != '%' || backslashes % 2); text++) {
        backslashes = *text == '\\' ? backslashes + 1 : 0;
        if (*text == '\\' && backslashes % 2 && text[1] == '%')
            continue;
        CHECK(*command == *text, "%s makes the command %s", e->text, e->command);
        command++;
    }
    CHECK(!*command, "%s makes the command %s", e->text, e->command);
    if (!*text || !text[1]) {
        CHECK(!input, "%s makes the input %s", e->text, input);
        return;
    }
    for (text++; *text; text++) {
        if (*text == '\\' && text[1] == '%')
            continue;
        CHECK(*input == (*text == '%' && text[-1] != '\\' ? '\n' : *text), "%s makes the input %s", e->text, e->stdin_text);
        input++;
    }
    CHECK(strcmp(input, input[-1] == '\n' ? "" : "\n") == 0, "%s makes the input %s", e->text, e->stdin_text);
}

static void check_entry(const struct crontab_entry *e, struct str line, bool system)
{
    size_t n = strlen(e->text);
    check_words(e);
    CHECK(n && n <= line.n && memcmp(line.p + line.n - n, e->text, n) == 0, "\"%s\" is not the end of line %d", e->text, e->line);
    CHECK(e->text[0] != ' ' && e->text[0] != '\t', "the command begins with a blank");
    CHECK(system == (e->user != NULL), "%s user", e->user ? "a" : "no");
    check_one_line(e->text);
    check_one_line(e->command);
    CHECK(strlen(e->command) <= n, "the command grew");
    CHECK(strchr(e->text, '%') || (strcmp(e->text, e->command) == 0 && !e->stdin_text), "without %% it is \"%s\"", e->command);
    CHECK(!e->stdin_text || e->stdin_text[strlen(e->stdin_text) - 1] == '\n', "the input does not end with a line end");
    check_percent(e);
    CHECK(e->env_count <= CRONTAB_ENV_MAX && e->ordinal >= 0, "%zu variables, ordinal %d", e->env_count, e->ordinal);
    for (size_t i = 0; i < e->env_count; i++) {
        CHECK(e->env[i].name[0] && !strchr(e->env[i].name, '=') && strcmp(e->env[i].name, "CRON_TZ") != 0, "a variable %s",
              e->env[i].name);
        check_one_line(e->env[i].name);
        check_one_line(e->env[i].value);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(e->env[k].name, e->env[i].name) != 0, "%s is there twice", e->env[i].name);
    }
}

/* ---- written again ---- */

static void put_quoted(struct buf *out, const char *text)
{
    const char *quote = !strchr(text, '"') ? "\"" : !strchr(text, '\'') ? "'" : "";
    buf_add_text(out, quote);
    buf_add_text(out, text);
    buf_add_text(out, quote);
}

static void put_variable(struct buf *out, const char *name, const char *value)
{
    put_quoted(out, name);
    buf_add_text(out, "\t= ");
    put_quoted(out, value);
    buf_add_text(out, " \n");
}

/* The last line end needs no sign; behind a backslash it must not have one. */
static void put_command(struct buf *out, const char *command, const char *input)
{
    for (const char *p = command; *p; p++)
        buf_add_text(out, *p == '%' ? "\\%" : (char[2]){*p, '\0'});
    if (!command[0] && !input)
        buf_add_char(out, '%');
    for (const char *p = input ? input : ""; *p; p++) {
        if (p == input)
            buf_add_char(out, '%');
        if (*p == '\n' && !p[1] && p > input && p[-1] == '\\')
            break;
        buf_add_text(out, *p == '%' ? "\\%" : *p == '\n' ? "%" : (char[2]){*p, '\0'});
    }
}

static void write_crontab(const struct crontab *crontab, struct buf *out)
{
    bool zone = false;
    for (size_t i = 0; i < crontab->count; i++) {
        const struct crontab_entry *e = &crontab->entries[i];
        for (size_t k = 0; k < e->env_count; k++)
            put_variable(out, e->env[k].name, e->env[k].value);
        if (e->timezone || zone)
            put_variable(out, "CRON_TZ", e->timezone ? e->timezone : "");
        zone |= e->timezone != NULL;
        buf_printf(out, "%s%s \t", e->schedule[0] == '=' ? "" : "- ", e->schedule);
        if (e->user)
            buf_printf(out, "%s ", e->user);
        put_command(out, e->command, e->stdin_text);
        buf_add_text(out, "\r\n");
    }
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_same(const struct crontab_entry *a, const struct crontab_entry *b)
{
    CHECK(same(a->schedule, b->schedule), "the schedule %s becomes %s", a->schedule, b->schedule);
    CHECK(same(a->command, b->command), "the command %s becomes %s", a->command, b->command);
    CHECK(same(a->stdin_text, b->stdin_text), "the input %s becomes %s", a->stdin_text ? a->stdin_text : "(none)",
          b->stdin_text ? b->stdin_text : "(none)");
    CHECK(same(a->user, b->user) && same(a->timezone, b->timezone), "another user or zone");
    CHECK(a->env_count == b->env_count, "%zu variables become %zu", a->env_count, b->env_count);
    for (size_t i = 0; i < a->env_count; i++)
        CHECK(same(a->env[i].name, b->env[i].name) && same(a->env[i].value, b->env[i].value), "%s=%s becomes %s=%s",
              a->env[i].name, a->env[i].value, b->env[i].name, b->env[i].value);
}

static void check_again(const struct crontab *crontab, bool system)
{
    struct buf out;
    struct crontab again;
    struct heard heard = {.lines = 1};
    buf_init(&out, 64 << 20);
    buf_add_text(&out, "# written again\n");
    write_crontab(crontab, &out);
    for (size_t i = 0; i < out.len; i++)
        heard.lines += out.data[i] == '\n';
    crontab_parse(out.data, out.len, system, hear, &heard, &again);
    CHECK(heard.errors == 0 && again.count == crontab->count, "%d errors, %zu of %zu entries in:\n%s", heard.errors, again.count,
          crontab->count, out.data);
    for (size_t i = 0; i < again.count; i++)
        check_same(&crontab->entries[i], &again.entries[i]);
    crontab_release(&again);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    const bool system = fuzz_choice(&input, 2);
    char *text = fuzz_rest(&input);
    struct crontab crontab;
    struct heard heard = {.lines = 1};
    for (size_t i = 0; i < input.left; i++)
        heard.lines += text[i] == '\n';
    crontab_parse(text, input.left, system, hear, &heard, &crontab);
    CHECK(crontab.count + (size_t)heard.errors <= (size_t)heard.lines, "more entries and errors than lines");
    int line = 0;
    for (size_t i = 0; i < crontab.count; i++) {
        const struct crontab_entry *e = &crontab.entries[i];
        CHECK(e->line > line, "line %d after line %d", e->line, line);
        line = e->line;
        check_entry(e, line_of(text, input.left, line), system);
    }
    if (crontab.count <= 200)
        check_again(&crontab, system);
    crontab_release(&crontab);
    free(text);
    return 0;
}
