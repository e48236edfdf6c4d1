/* SPDX-License-Identifier: Apache-2.0 */
/* One table drives flags, variables, the file and the help. Every source hands (setting, text) to `assign`, which
 * checks and stores; a later source overwrites. */
#include "app/config.h"

#include "app/config_check.h"
#include "app/config_file.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/str.h"
#include "cli/nearest.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 200 }; /* bytes of a value in an error */
enum kind { KIND_TEXT, KIND_CHOICE, KIND_SECRET, KIND_INT, KIND_BOOL, KIND_LIST };

struct setting {
    enum kind kind;
    size_t offset;
    const char *key, *flag, *argument, *variables, *value;
    int64_t min, max;
    const char *help;
};

static const struct setting settings[] = {
#define SETTING(member, kind, key, flag, argument, variable, value, min, max, help) \
    {KIND_##kind, offsetof(struct config, member), key, flag, argument, variable, value, min, max, help},
#include "app/settings.def"
#undef SETTING
};

/* Where values come from; a later one beats an earlier one. */
enum rank { RANK_DEFAULT, RANK_FILE, RANK_ENVIRONMENT, RANK_FLAG };

struct loader {
    const struct config_sources *sources;
    struct config *config;
    struct buf *errors;
    enum rank rank;
    const char *path;                     /* of the file */
    enum rank ranks[ARRAY_LEN(settings)]; /* where the present value of each setting comes from */
    bool seen[ARRAY_LEN(settings)];       /* by the present source */
};

static void *member_of(struct config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

/* Of the error that begins there: what it quotes must not begin another line. */
static void end_line(struct buf *errors, size_t begin)
{
    for (size_t i = begin; i < errors->len; i++)
        if ((unsigned char)errors->data[i] < 32 || errors->data[i] == 127)
            errors->data[i] = '?';
    buf_add_char(errors, '\n');
}

/* ---- one value ---- */

static void complain(struct loader *loader, const struct setting *setting, const char *source, struct str value,
                     const char *allowed)
{
    size_t begin = loader->errors->len, n = str_utf8_cut(value.p, value.n, SHOWN_MAX);
    bool secret = setting->kind == KIND_SECRET ||
                  (memmem(value.p, value.n, "://", 3) && memchr(value.p, '@', value.n)); /* a password, maybe */
    struct str shown = secret ? str_of("***") : (struct str){value.p, n};
    buf_printf(loader->errors, "%s (%s): \"%.*s%s\" is not allowed; %s", setting->key, source, (int)shown.n, shown.p,
               shown.n < value.n && !secret ? "…" : "", allowed);
    end_line(loader->errors, begin);
}

static void set_text(char **member, struct str value)
{
    free(*member);
    *member = xstrndup(value.p ? value.p : "", value.n);
}

static bool has_control(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if ((unsigned char)value.p[i] < 32 || value.p[i] == 127)
            return true;
    return false;
}

static void assign_text(struct loader *loader, const struct setting *setting, const char *source, struct str value)
{
    char allowed[100];
    if (has_control(value)) {
        complain(loader, setting, source, (struct str){"…", 3}, "it must not hold control characters");
    } else if (value.n && (value.n < (size_t)setting->min || value.n > (size_t)setting->max)) {
        (void)snprintf(allowed, sizeof allowed, "it must have %lld to %lld bytes", (long long)setting->min,
                       (long long)setting->max);
        complain(loader, setting, source, value, allowed);
    } else {
        set_text(member_of(loader->config, setting), value.n ? value : str_of(setting->value)); /* empty: as if it were absent */
    }
}

/* "it must be a, b or c" from "a|b|c". */
static void list_choices(const char *choices, char *out, size_t capacity)
{
    struct str rest = str_of(choices), word;
    size_t n = (size_t)snprintf(out, capacity, "it must be ");
    for (int i = 0; str_split(&rest, '|', &word) && n < capacity; i++)
        n += (size_t)snprintf(out + n, capacity - n, "%s%.*s", !i ? "" : rest.p ? ", " : " or ", (int)word.n, word.p);
}

static void assign_choice(struct loader *loader, const struct setting *setting, const char *source, struct str value)
{
    struct str rest = str_of(setting->argument), word;
    char allowed[200];
    while (str_split(&rest, '|', &word))
        if (word.n == value.n && memcmp(word.p, value.p, word.n) == 0) {
            set_text(member_of(loader->config, setting), value);
            return;
        }
    list_choices(setting->argument, allowed, sizeof allowed);
    complain(loader, setting, source, value, allowed);
}

static void assign_int(struct loader *loader, const struct setting *setting, const char *source, struct str value)
{
    int64_t number;
    char allowed[80];
    if (str_to_int(value, setting->min, setting->max, &number)) {
        *(int64_t *)member_of(loader->config, setting) = number;
        return;
    }
    (void)snprintf(allowed, sizeof allowed, "it must be a number from %lld to %lld", (long long)setting->min,
                   (long long)setting->max);
    complain(loader, setting, source, value, allowed);
}

static void list_clear(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    list->count = 0;
}

static void list_add(struct loader *loader, const struct setting *setting, const char *source, struct str value)
{
    struct config_list *list = member_of(loader->config, setting);
    struct str part;
    while (str_split(&value, ',', &part)) {
        part = str_trim(part);
        if (!part.n)
            continue;
        if (has_control(part)) {
            complain(loader, setting, source, (struct str){"…", 3}, "it must not hold control characters");
        } else if (list->count == CONFIG_LIST_MAX) {
            complain(loader, setting, source, part, "there are more than 64 items");
            return;
        } else {
            list->items[list->count++] = xstrndup(part.p, part.n);
        }
    }
}

static void assign(struct loader *loader, const struct setting *setting, const char *source, struct str value)
{
    size_t index = (size_t)(setting - settings);
    bool flag;
    loader->ranks[index] = loader->rank;
    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_SECRET: assign_text(loader, setting, source, value); break;
    case KIND_CHOICE: assign_choice(loader, setting, source, value); break;
    case KIND_INT: assign_int(loader, setting, source, value); break;
    case KIND_BOOL:
        if (str_to_bool(value, &flag))
            *(bool *)member_of(loader->config, setting) = flag;
        else
            complain(loader, setting, source, value, "it must be true or false");
        break;
    case KIND_LIST: /* what a source says replaces what an earlier source said */
        if (!loader->seen[index])
            list_clear(member_of(loader->config, setting));
        list_add(loader, setting, source, value);
        break;
    }
    loader->seen[index] = true;
}

/* ---- sources ---- */

static void begin_source(struct loader *loader, enum rank rank)
{
    loader->rank = rank;
    memset(loader->seen, 0, sizeof loader->seen);
}

static void assign_defaults(struct loader *loader)
{
    size_t before = loader->errors->len;
    begin_source(loader, RANK_DEFAULT);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        assign(loader, &settings[i], "default", str_of(settings[i].value));
    must(loader->errors->len == before);
}

static void add_guess(struct buf *errors, size_t begin, const struct nearest *near)
{
    if (near->name)
        buf_printf(errors, "; did you mean \"%s\"?", near->name);
    else
        buf_add_text(errors, "; \"horae serve --help\" lists the known ones");
    end_line(errors, begin);
}

static void file_entry(void *arg, const char *key, struct str value, size_t line)
{
    struct loader *loader = arg;
    struct nearest near = {.name = NULL};
    char source[4200];
    size_t begin = loader->errors->len;
    (void)snprintf(source, sizeof source, "%s line %zu", loader->path, line);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (strcmp(settings[i].key, key) != 0) {
            nearest_offer(&near, key, settings[i].key);
        } else if (loader->seen[i] && settings[i].kind != KIND_LIST) {
            buf_printf(loader->errors, "%s (%s): it is given twice", key, source);
            end_line(loader->errors, begin);
            return;
        } else {
            assign(loader, &settings[i], source, value);
            return;
        }
    }
    buf_printf(loader->errors, "%s: unknown key \"%s\"", source, key);
    add_guess(loader->errors, begin, &near);
}

static void read_file(struct loader *loader, const char *path)
{
    struct err err;
    loader->path = path;
    begin_source(loader, RANK_FILE);
    if (loader->sources->read_file(path, file_entry, loader, &err) != OK)
        buf_printf(loader->errors, "%s\n", err.message);
}

static void read_environment(struct loader *loader)
{
    begin_source(loader, RANK_ENVIRONMENT);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct str rest = str_of(settings[i].variables), name;
        while (str_split(&rest, ' ', &name)) {
            auto_free char *variable = xstrndup(name.p, name.n);
            const char *value = loader->sources->variable(variable);
            if (!value || !value[0]) /* set to nothing is how platforms say absent */
                continue;
            assign(loader, &settings[i], variable, str_of(value));
            break; /* the first variable that is set wins */
        }
    }
}

static const struct setting *find_flag(const char *argument, const char **ret_value)
{
    size_t n = strcspn(argument, "=");
    *ret_value = argument[n] ? argument + n + 1 : NULL;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (settings[i].flag && strlen(settings[i].flag) == n && memcmp(settings[i].flag, argument, n) == 0)
            return &settings[i];
    return NULL;
}

static void complain_unknown(struct loader *loader, const char *argument)
{
    struct nearest near = {.name = NULL};
    char given[NEAREST_NAME_MAX + 1];
    size_t begin = loader->errors->len;
    (void)snprintf(given, sizeof given, "%.*s", (int)strcspn(argument, "="), argument);
    nearest_offer(&near, given, "--config");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (settings[i].flag)
            nearest_offer(&near, given, settings[i].flag);
    buf_printf(loader->errors, argument[0] == '-' ? "unknown option \"%s\"" : "unexpected argument \"%s\"", argument);
    add_guess(loader->errors, begin, &near);
}

static bool is_config(const char *argument)
{
    return strcmp(argument, "--config") == 0 || strncmp(argument, "--config=", 9) == 0;
}

static void read_flags(struct loader *loader)
{
    int argc = loader->sources->argc;
    char **argv = loader->sources->argv;
    begin_source(loader, RANK_FLAG);
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i], *value;
        const struct setting *setting = find_flag(argument, &value);
        if (!setting && !is_config(argument)) {
            complain_unknown(loader, argument);
            continue;
        }
        if (!value && setting && setting->kind == KIND_BOOL)
            value = "true";
        else if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value) /* an option that is known: nothing in it needs care */
            buf_printf(loader->errors, "%s needs a value: %s %s\n", argument, argument, setting ? setting->argument : "FILE");
        else if (setting)
            assign(loader, setting, setting->flag, str_of(value));
    }
}

static const char *find_file(const struct config_sources *sources)
{
    char **argv = sources->argv;
    for (int i = 1; i < sources->argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < sources->argc)
            return argv[i + 1];
    }
    const char *variable = sources->variable("HORAE_CONFIG");
    return variable && variable[0] ? variable : NULL;
}

/* PORT alone sets the port (contract section 2): `listen` of the same or a higher rank is not touched. */
static void apply_port(struct loader *loader)
{
    enum rank port = RANK_DEFAULT, listen = RANK_DEFAULT;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (settings[i].offset == offsetof(struct config, port))
            port = loader->ranks[i];
        if (settings[i].offset == offsetof(struct config, listen))
            listen = loader->ranks[i];
    }
    const char *colon = strrchr(loader->config->listen, ':');
    if (port <= listen || !colon)
        return;
    char text[300];
    int n = snprintf(text, sizeof text, "%.*s:%lld", (int)(colon - loader->config->listen), loader->config->listen,
                     (long long)loader->config->port);
    set_text(&loader->config->listen, (struct str){text, (size_t)n});
}

bool config_load_from(struct config *config, const struct config_sources *sources, struct buf *errors)
{
    struct loader loader = {.sources = sources, .config = config, .errors = errors};
    *config = (struct config){0};
    for (int i = 1; i < sources->argc; i++)
        config->help |= strcmp(sources->argv[i], "--help") == 0 || strcmp(sources->argv[i], "-h") == 0;
    assign_defaults(&loader);
    if (config->help)
        return true;
    const char *path = find_file(sources);
    if (path)
        read_file(&loader, path);
    read_environment(&loader);
    read_flags(&loader);
    apply_port(&loader);
    config_check(config, errors);
    return errors->len == 0 && !errors->failed;
}

static const char *variable_of_process(const char *name)
{
    return getenv(name);
}

bool config_load(struct config *config, int argc, char **argv, struct buf *errors)
{
    const struct config_sources sources = {argc, argv, variable_of_process, config_file_read};
    return config_load_from(config, &sources, errors);
}

void config_release(struct config *config)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        void *member = member_of(config, &settings[i]);
        if (settings[i].kind == KIND_LIST)
            list_clear(member);
        else if (settings[i].kind == KIND_TEXT || settings[i].kind == KIND_CHOICE || settings[i].kind == KIND_SECRET)
            free(*(char **)member);
    }
}

/* ---- help ---- */

static void write_row(struct buf *out, const struct setting *s)
{
    char left[100];
    (void)snprintf(left, sizeof left, "%s%s%s", s->flag ? s->flag : "", s->argument && s->flag ? " " : "",
                   s->argument && s->flag ? s->argument : "");
    buf_printf(out, "  %-36s %s\n  %-36s key %s", left, s->help, "", s->key);
    struct str rest = str_of(s->variables), name;
    for (int i = 0; s->variables && str_split(&rest, ' ', &name); i++)
        buf_printf(out, "%s%.*s", i ? " or " : ", variable ", (int)name.n, name.p);
    if (s->kind == KIND_LIST)
        buf_add_text(out, ", repeatable (in the variable separated by commas)");
    if (s->value[0])
        buf_printf(out, ", default %s", s->value);
    buf_add_char(out, '\n');
}

void config_write_help(struct buf *out)
{
    buf_add_text(out, "Usage: horae serve [OPTION…]\n\n"
                      "Runs the server. A flag beats a variable, a variable beats the file, the file beats the default.\n\n"
                      "Options:\n  --config FILE                        settings as YAML, with the keys below; dots are levels\n"
                      "                                       variable HORAE_CONFIG\n");
    for (int flags = 1; flags >= 0; flags--) {
        if (!flags)
            buf_add_text(out, "\nWithout a flag:\n");
        for (size_t i = 0; i < ARRAY_LEN(settings); i++)
            if ((settings[i].flag != NULL) == flags)
                write_row(out, &settings[i]);
    }
}
