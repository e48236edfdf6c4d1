/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/crontab_parse.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

struct parser {
    struct crontab *crontab;
    bool system;
    crontab_report_fn report;
    void *arg;
    int line;
    struct crontab_variable env[CRONTAB_ENV_MAX];
    size_t env_count;
};

static void complain(struct parser *p, bool is_error, const char *message)
{
    p->report(p->arg, p->line, is_error, message);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct str skip_blanks(struct str s)
{
    while (s.n && is_blank(*s.p)) {
        s.p++;
        s.n--;
    }
    return s;
}

/* The next word; `rest` follows it. */
static struct str take_word(struct str *rest)
{
    *rest = skip_blanks(*rest);
    struct str word = {rest->p, 0};
    while (word.n < rest->n && !is_blank(rest->p[word.n]))
        word.n++;
    rest->p += word.n;
    rest->n -= word.n;
    return word;
}

/* ---- environment lines: name = value, either side may be quoted ---- */

static bool take_quoted(struct str *rest, struct str *ret)
{
    char quote = *rest->p;
    const char *end = memchr(rest->p + 1, quote, rest->n - 1);
    if (!end)
        return false;
    *ret = (struct str){rest->p + 1, (size_t)(end - rest->p) - 1};
    rest->n -= (size_t)(end - rest->p) + 1;
    rest->p = end + 1;
    return true;
}

static bool take_name(struct str *rest, struct str *ret)
{
    if (!rest->n)
        return false;
    if (*rest->p == '"' || *rest->p == '\'')
        return take_quoted(rest, ret);
    size_t n = 0;
    while (n < rest->n && !is_blank(rest->p[n]) && rest->p[n] != '=')
        n++;
    *ret = (struct str){rest->p, n};
    rest->p += n;
    rest->n -= n;
    return n > 0;
}

/* A line that is none in cron's eyes, such as one with text behind a closing quote, is an entry. An empty value without
 * quotes is taken as cronie does. */
static bool split_variable(struct str line, struct str *name, struct str *value)
{
    struct str rest = line;
    if (!take_name(&rest, name))
        return false;
    rest = skip_blanks(rest);
    if (!rest.n || *rest.p != '=')
        return false;
    rest.p++;
    rest.n--;
    *value = rest = str_trim(rest);
    if (!rest.n || (*rest.p != '"' && *rest.p != '\''))
        return true;
    return take_quoted(&rest, value) && !rest.n;
}

static void set_variable(struct parser *p, struct str name, struct str value)
{
    if (!name.n || memchr(name.p, '=', name.n)) {
        complain(p, true, "the name of a variable must not be empty or hold \"=\"");
        return;
    }
    for (size_t i = 0; i < p->env_count; i++)
        if (str_equal(name, p->env[i].name)) {
            free(p->env[i].value);
            p->env[i].value = xstrndup(value.p, value.n);
            return;
        }
    if (p->env_count == CRONTAB_ENV_MAX) {
        complain(p, true, "more than 100 environment lines");
        return;
    }
    if (str_equal(name, "MAILTO") && value.n)
        complain(p, false, "MAILTO is not used: output is kept with each execution");
    p->env[p->env_count++] = (struct crontab_variable){xstrndup(name.p, name.n), xstrndup(value.p, value.n)};
}

/* ---- entries ---- */

/* Five fields, or a nickname; what is left is the rest of the line. */
static bool take_schedule(struct parser *p, struct str *rest, char *out, size_t capacity)
{
    size_t n = 0;
    *rest = skip_blanks(*rest);
    int words = rest->n && *rest->p == '@' ? 1 : 5;
    for (int i = 0; i < words; i++) {
        struct str word = take_word(rest);
        if (!word.n || n + word.n + 2 > capacity) {
            complain(p, true, "a schedule has five fields, followed by the command");
            return false;
        }
        n += (size_t)snprintf(out + n, capacity - n, "%s%.*s", i ? " " : "", (int)word.n, word.p);
    }
    return true;
}

/* The first `%` without a backslash ends the command; \% is a percent sign. Returns the length of that part. */
static size_t take_command(struct str text, char *out)
{
    size_t n = 0, i = 0;
    bool escaped = false;
    for (; i < text.n; i++) {
        char c = text.p[i];
        if (escaped && c == '%')
            n--; /* in place of its backslash */
        else if (!escaped && c == '%')
            break;
        out[n++] = c;
        escaped = !escaped && c == '\\';
    }
    out[n] = '\0';
    return i;
}

/* Behind it further ones are line ends of the standard input, which then ends with one; here a backslash counts for the
 * character behind it, whatever stands before. */
static void take_input(struct str text, char *out)
{
    size_t n = 0;
    bool escaped = false;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (escaped && c == '%')
            n--;
        else if (c == '%')
            c = '\n';
        out[n++] = c;
        escaped = c == '\\';
    }
    if (n && out[n - 1] != '\n')
        out[n++] = '\n';
    out[n] = '\0';
}

static void split_percent(struct str text, struct crontab_entry *entry)
{
    entry->command = xmalloc(text.n + 1);
    size_t used = take_command(text, entry->command);
    if (used + 1 >= text.n)
        return;
    struct str input = {text.p + used + 1, text.n - used - 1};
    entry->stdin_text = xmalloc(input.n + 2);
    take_input(input, entry->stdin_text);
}

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static int count_equal(const struct crontab *crontab, const struct crontab_entry *entry)
{
    int equal = 0;
    for (size_t i = 0; i < crontab->count; i++) {
        const struct crontab_entry *other = &crontab->entries[i];
        equal += same(other->user, entry->user) && same(other->schedule, entry->schedule) && same(other->text, entry->text);
    }
    return equal;
}

static void copy_environment(const struct parser *p, struct crontab_entry *entry)
{
    for (size_t i = 0; i < p->env_count; i++) {
        const struct crontab_variable *v = &p->env[i];
        if (strcmp(v->name, "CRON_TZ") == 0)
            entry->timezone = v->value[0] ? xstrdup(v->value) : NULL;
        else
            entry->env[entry->env_count++] = (struct crontab_variable){xstrdup(v->name), xstrdup(v->value)};
    }
}

static void add_entry(struct parser *p, const struct crontab_entry *entry)
{
    struct crontab *crontab = p->crontab;
    if ((crontab->count & (crontab->count + 1)) == 0) /* 0, 1, 3, 7 …: full */
        crontab->entries = xrealloc(crontab->entries, (2 * crontab->count + 1) * sizeof *entry);
    crontab->entries[crontab->count++] = *entry;
}

static void take_entry(struct parser *p, struct str line)
{
    char schedule[CRONTAB_LINE_MAX + 2];
    struct str rest = line, user = {NULL, 0};
    if (rest.n && *rest.p == '-') { /* no line in the system's log */
        rest.p++;
        rest.n--;
    }
    if (!take_schedule(p, &rest, schedule, sizeof schedule))
        return;
    if (p->system)
        user = take_word(&rest);
    rest = skip_blanks(rest);
    if (p->system && !user.n) {
        complain(p, true, "the user is missing (system form: five fields, user, command)");
        return;
    }
    if (!str_trim(rest).n) {
        complain(p, true, "the command is missing");
        return;
    }
    if (p->crontab->count == CRONTAB_ENTRIES_MAX) {
        complain(p, true, "more than 10000 entries");
        return;
    }
    struct crontab_entry entry = {.line = p->line,
                                  .schedule = xstrdup(schedule),
                                  .text = xstrndup(rest.p, rest.n),
                                  .user = user.n ? xstrndup(user.p, user.n) : NULL};
    split_percent(rest, &entry);
    copy_environment(p, &entry);
    entry.ordinal = count_equal(p->crontab, &entry);
    add_entry(p, &entry);
}

static void take_line(struct parser *p, struct str line)
{
    struct str name, value;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    line = skip_blanks(line);
    if (!line.n || *line.p == '#')
        return;
    if (line.n > CRONTAB_LINE_MAX)
        complain(p, true, "the line is longer than 16384 bytes");
    else if (memchr(line.p, 0, line.n) || !str_is_utf8(line.p, line.n))
        complain(p, true, "the line holds bytes that are not UTF-8 text");
    else if (split_variable(line, &name, &value))
        set_variable(p, name, value);
    else
        take_entry(p, line);
}

void crontab_parse(const char *text, size_t length, bool system, crontab_report_fn report, void *arg, struct crontab *ret)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors put it in front */
    struct parser p = {.crontab = ret, .system = system, .report = report, .arg = arg};
    struct str rest = {text, length}, line;
    if (length >= 3 && memcmp(text, mark, 3) == 0)
        rest = (struct str){text + 3, length - 3};
    *ret = (struct crontab){NULL, 0};
    while (str_split(&rest, '\n', &line)) {
        p.line++;
        take_line(&p, line);
    }
    for (size_t i = 0; i < p.env_count; i++) {
        free(p.env[i].name);
        free(p.env[i].value);
    }
}

void crontab_release(struct crontab *crontab)
{
    for (size_t i = 0; i < crontab->count; i++) {
        struct crontab_entry *e = &crontab->entries[i];
        free(e->schedule);
        free(e->text);
        free(e->command);
        free(e->stdin_text);
        free(e->user);
        free(e->timezone);
        for (size_t k = 0; k < e->env_count; k++) {
            free(e->env[k].name);
            free(e->env[k].value);
        }
    }
    free(crontab->entries);
}
