/* SPDX-License-Identifier: Apache-2.0 */
/* One table drives flags, variables, the file and the help. Every source hands (setting, text) to `assign`, which
 * checks and stores; a later source overwrites. */
#include "app/config.h"

#include "app/config_file.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/str.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_CHOICE, KIND_SECRET, KIND_INT, KIND_BOOL, KIND_LIST };

struct setting {
    enum kind kind;
    size_t offset;
    const char *key, *flag, *variables, *value;
    int64_t min, max;
    const char *help;
};

static const struct setting settings[] = {
#define SETTING(member, kind, key, flag, variable, value, min, max, help) \
    {KIND_##kind, offsetof(struct config, member), key, flag, variable, value, min, max, help},
#include "app/settings.def"
#undef SETTING
};

static void *member_of(struct config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

static void complain(struct buf *errors, const struct setting *setting, const char *source, struct str value, const char *allowed)
{
    bool secret = setting->kind == KIND_SECRET;
    buf_printf(errors, "%s (%s): \"%.*s\" is not allowed; %s\n", setting->key, source, secret ? 3 : (int)value.n,
               secret ? "***" : value.p, allowed);
}

static void set_text(char **member, struct str value)
{
    free(*member);
    *member = xstrndup(value.p ? value.p : "", value.n);
}

static void complain_length(struct buf *errors, const struct setting *setting, const char *source, struct str value)
{
    char allowed[80];
    (void)snprintf(allowed, sizeof allowed, "it must have %lld to %lld bytes", (long long)setting->min, (long long)setting->max);
    complain(errors, setting, source, value, allowed);
}

static bool choice_is_known(const struct setting *setting, struct str value)
{
    struct str rest = str_of(strrchr(setting->help, ':') + 2), word;
    while (str_split(&rest, ' ', &word))
        if (word.n == value.n && memcmp(word.p, value.p, word.n) == 0)
            return true;
    return false;
}

static void assign_int(struct config *config, const struct setting *setting, const char *source, struct str value,
                       struct buf *errors)
{
    int64_t number;
    if (str_to_int(value, setting->min, setting->max, &number)) {
        *(int64_t *)member_of(config, setting) = number;
        return;
    }
    char allowed[80];
    (void)snprintf(allowed, sizeof allowed, "it must be a number from %lld to %lld", (long long)setting->min,
                   (long long)setting->max);
    complain(errors, setting, source, value, allowed);
}

static void list_clear(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    list->count = 0;
}

static void list_add(struct config *config, const struct setting *setting, const char *source, struct str value,
                     struct buf *errors)
{
    struct config_list *list = member_of(config, setting);
    struct str part;
    while (str_split(&value, ',', &part)) {
        part = str_trim(part);
        if (!part.n)
            continue;
        if (list->count == CONFIG_LIST_MAX) {
            complain(errors, setting, source, part, "there are more than 64 items");
            return;
        }
        list->items[list->count++] = xstrndup(part.p, part.n);
    }
}

static void assign(struct config *config, const struct setting *setting, const char *source, struct str value, struct buf *errors)
{
    bool flag;
    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_SECRET:
        if (value.n && (value.n < (size_t)setting->min || value.n > (size_t)setting->max))
            complain_length(errors, setting, source, value);
        else
            set_text(member_of(config, setting), value);
        break;
    case KIND_CHOICE:
        if (choice_is_known(setting, value))
            set_text(member_of(config, setting), value);
        else
            complain(errors, setting, source, value, strrchr(setting->help, ':') + 2);
        break;
    case KIND_INT: assign_int(config, setting, source, value, errors); break;
    case KIND_BOOL:
        if (str_to_bool(value, &flag))
            *(bool *)member_of(config, setting) = flag;
        else
            complain(errors, setting, source, value, "it must be true or false");
        break;
    case KIND_LIST: list_add(config, setting, source, value, errors); break;
    }
}

static void assign_defaults(struct config *config, struct buf *errors)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        size_t before = errors->len;
        assign(config, &settings[i], "default", str_of(settings[i].value), errors);
        must(errors->len == before);
    }
}

struct file_context {
    struct config *config;
    struct buf *errors;
    const char *path;
    bool list_seen[ARRAY_LEN(settings)];
};

static void file_entry(void *arg, const char *key, struct str value, size_t line)
{
    struct file_context *context = arg;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (strcmp(settings[i].key, key) == 0) {
            char source[4200];
            (void)snprintf(source, sizeof source, "%s line %zu", context->path, line);
            assign(context->config, &settings[i], source, value, context->errors);
            return;
        }
    buf_printf(context->errors, "%s line %zu: unknown key \"%s\"; `horae serve --help` lists the known ones\n", context->path,
               line, key);
}

static void read_environment(struct config *config, struct buf *errors)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct str rest = str_of(settings[i].variables), name;
        while (str_split(&rest, ' ', &name)) {
            auto_free char *variable = xstrndup(name.p, name.n);
            const char *value = getenv(variable);
            if (!value)
                continue;
            if (settings[i].kind == KIND_LIST)
                list_clear(member_of(config, &settings[i]));
            assign(config, &settings[i], variable, str_of(value), errors);
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

static void read_flags(struct config *config, int argc, char **argv, struct buf *errors)
{
    bool cleared[ARRAY_LEN(settings)] = {false};
    for (int i = 1; i < argc; i++) {
        const char *value;
        const struct setting *setting = find_flag(argv[i], &value);
        bool is_file = strcmp(argv[i], "--config") == 0 || strncmp(argv[i], "--config=", 9) == 0;
        if (!setting && !is_file) {
            buf_printf(errors, "unknown option \"%s\"; `horae serve --help` lists the known ones\n", argv[i]);
            continue;
        }
        if (!value && !(setting && setting->kind == KIND_BOOL))
            value = i + 1 < argc ? argv[++i] : NULL;
        else if (!value)
            value = "true";
        if (!value) {
            buf_printf(errors, "%s needs a value\n", argv[i]);
            continue;
        }
        if (is_file)
            continue;
        size_t index = (size_t)(setting - settings);
        if (setting->kind == KIND_LIST && !cleared[index]) {
            list_clear(member_of(config, setting));
            cleared[index] = true;
        }
        assign(config, setting, setting->flag, str_of(value), errors);
    }
}

static const char *find_file(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    return getenv("HORAE_CONFIG");
}

static void check_together(struct config *config, struct buf *errors)
{
    if (!config->tls_cert[0] != !config->tls_key[0])
        buf_add_text(errors, "tls_cert and tls_key go together: one of them is missing\n");
    if (strcmp(config->lock, "auto") != 0 && strcmp(config->lock, "local") != 0)
        buf_printf(errors, "lock: \"%s\" is not allowed; with SQLite it must be auto or local\n", config->lock);
    if (config->store[0] && strncmp(config->store, "sqlite:", 7) != 0)
        buf_printf(errors, "store: \"%s\" is not allowed; it must be sqlite:PATH\n", config->store);
    for (size_t i = 0; i < config->labels.count; i++) {
        const char *equals = strchr(config->labels.items[i], '=');
        if (!equals || equals == config->labels.items[i])
            buf_printf(errors, "labels: \"%s\" is not allowed; a label is NAME=VALUE\n", config->labels.items[i]);
    }
}

bool config_load(struct config *config, int argc, char **argv, struct buf *errors)
{
    *config = (struct config){0};
    for (int i = 1; i < argc; i++)
        config->help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    assign_defaults(config, errors);
    if (config->help)
        return true;
    const char *path = find_file(argc, argv);
    if (path) {
        struct file_context context = {.config = config, .errors = errors, .path = path};
        struct err err;
        if (config_file_read(path, file_entry, &context, &err) != OK)
            buf_printf(errors, "%s\n", err.message);
    }
    read_environment(config, errors);
    read_flags(config, argc, argv, errors);
    check_together(config, errors);
    return errors->len == 0;
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

void config_write_help(struct buf *out)
{
    buf_add_text(out,
                 "usage: horae serve [options]\n\nRuns the server. Flag beats variable beats --config file beats default.\n\n"
                 "  --config FILE                 settings as YAML: the keys below (HORAE_CONFIG)\n");
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct setting *s = &settings[i];
        buf_printf(out, "  %-28s  %s\n", s->flag ? s->flag : s->key, s->help);
        buf_printf(out, "  %-28s  key %s%s%s%s%s%s\n", "", s->key, s->variables ? ", variable " : "",
                   s->variables ? s->variables : "", s->value[0] ? ", default " : "", s->value, "");
    }
}
