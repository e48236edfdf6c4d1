/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/crontab_parse.h"

#include "base/mem.h"
#include "base/str.h"
#include "cron/cron.h"

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
    *rest = skip_blanks(*rest);
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
    rest = str_trim(rest);
    if (rest.n >= 2 && (*rest.p == '"' || *rest.p == '\'') && rest.p[rest.n - 1] == *rest.p)
        rest = (struct str){rest.p + 1, rest.n - 2};
    *value = rest;
    return true;
}

static void set_variable(struct parser *p, struct str name, struct str value)
{
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
    int words = *rest->p == '@' ? 1 : 5;
    for (int i = 0; i < words; i++) {
        struct str word = take_word(rest);
        if (!word.n || n + word.n + 2 > capacity) {
            complain(p, true, "a schedule has five fields, followed by the command");
            return false;
        }
        n += (size_t)snprintf(out + n, capacity - n, "%s%.*s", i ? " " : "", (int)word.n, word.p);
    }
    struct cron_options options = {.dialect = CRON_DIALECT_VIXIE};
    struct cron_schedule schedule;
    struct cron_error error;
    char message[400];
    if (cron_parse(out, n, &options, &schedule, &error))
        return true;
    (void)snprintf(message, sizeof message, "%s (%s, at \"%.40s\")", error.message, error.code, out);
    complain(p, true, message);
    return false;
}

/* The first plain % ends the command; later ones are line ends of its standard input; \% is a percent sign. */
static void split_percent(struct str text, char **ret_command, char **ret_stdin)
{
    char *command = xmalloc(text.n + 1), *input = NULL;
    size_t n = 0, m = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool escaped = c == '\\' && i + 1 < text.n && text.p[i + 1] == '%';
        if (escaped)
            c = text.p[++i];
        if (c == '%' && !escaped && !input) {
            input = xmalloc(text.n + 2);
            continue;
        }
        if (input)
            input[m++] = c == '%' && !escaped ? '\n' : c;
        else
            command[n++] = c;
    }
    command[n] = '\0';
    if (input) {
        input[m++] = '\n';
        input[m] = '\0';
    }
    *ret_command = command;
    *ret_stdin = input;
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
        equal += same(other->user, entry->user) && same(other->schedule, entry->schedule) &&
                 same(other->command, entry->command) && same(other->timezone, entry->timezone);
    }
    return equal;
}

static void copy_environment(const struct parser *p, struct crontab_entry *entry)
{
    for (size_t i = 0; i < p->env_count; i++) {
        const struct crontab_variable *v = &p->env[i];
        if (strcmp(v->name, "CRON_TZ") == 0)
            entry->timezone = v->value[0] ? xstrdup(v->value) : NULL;
        else if (strcmp(v->name, "MAILTO") != 0 && strcmp(v->name, "MAILFROM") != 0)
            entry->env[entry->env_count++] = (struct crontab_variable){xstrdup(v->name), xstrdup(v->value)};
    }
}

static void take_entry(struct parser *p, struct str line)
{
    char schedule[CRONTAB_LINE_MAX + 2];
    struct str rest = line, user = {NULL, 0};
    if (!take_schedule(p, &rest, schedule, sizeof schedule))
        return;
    if (p->system)
        user = take_word(&rest);
    rest = str_trim(rest);
    if ((p->system && !user.n) || !rest.n) {
        complain(p, true,
                 p->system && !user.n ? "the user is missing (system form: five fields, user, command)"
                                      : "the command is missing");
        return;
    }
    if (p->crontab->count == CRONTAB_ENTRIES_MAX) {
        complain(p, true, "more than 10000 entries");
        return;
    }
    struct crontab_entry entry = {
        .line = p->line, .schedule = xstrdup(schedule), .user = user.n ? xstrndup(user.p, user.n) : NULL};
    split_percent(rest, &entry.command, &entry.stdin_text);
    copy_environment(p, &entry);
    entry.ordinal = count_equal(p->crontab, &entry);
    p->crontab->entries = xrealloc(p->crontab->entries, (p->crontab->count + 1) * sizeof entry);
    p->crontab->entries[p->crontab->count++] = entry;
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
        complain(p, true, "the line is longer than 998 bytes");
    else if (memchr(line.p, 0, line.n) || !str_is_utf8(line.p, line.n))
        complain(p, true, "the line holds bytes that are not UTF-8 text");
    else if (split_variable(line, &name, &value))
        set_variable(p, name, value);
    else
        take_entry(p, line);
}

void crontab_parse(const char *text, size_t length, bool system, crontab_report_fn report, void *arg, struct crontab *ret)
{
    struct parser p = {.crontab = ret, .system = system, .report = report, .arg = arg};
    struct str rest = {text, length}, line;
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
