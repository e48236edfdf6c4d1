/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the server from a file, variables and flags (contract section 2): refused with whole lines, or within the
 * limits of the table, and the same again from each source. Input, by lines: `$NAME=VALUE` is a variable, `>TEXT` a flag,
 * everything else is the settings file. */
#include "app/config.h"
#include "base/mem.h"
#include "refusal.h"

#include <inttypes.h>

enum { ITEMS_MAX = 64, ERRORS_MAX = 1 << 20, SECRET_LEAST = 8 };

static struct sources {
    char *variables[ITEMS_MAX], *arguments[ITEMS_MAX + 1];
    size_t variable_count, argument_count;
    struct buf file;
} * current;

/* ---- sources ---- */

static const char *find_variable(const char *name)
{
    size_t n = strlen(name);
    if (strcmp(name, "HORAE_CONFIG") == 0)
        return "settings.yaml";
    for (size_t i = 0; i < current->variable_count; i++)
        if (strncmp(current->variables[i], name, n) == 0 && current->variables[i][n] == '=')
            return current->variables[i] + n + 1;
    return NULL;
}

static enum err_code read_current_file(const char *path, config_file_fn fn, void *arg, struct err *err)
{
    return config_file_parse(current->file.len ? current->file.data : "", current->file.len, path, fn, arg, err);
}

static void sources_init(struct sources *s)
{
    *s = (struct sources){.argument_count = 1};
    s->arguments[0] = xstrdup("serve");
    buf_init(&s->file, 1 << 20);
}

static void sources_release(struct sources *s)
{
    for (size_t i = 0; i < s->variable_count; i++)
        free(s->variables[i]);
    for (size_t i = 0; i < s->argument_count; i++)
        free(s->arguments[i]);
    buf_release(&s->file);
}

static void add_text(char **texts, size_t *count, struct str text)
{
    if (*count < ITEMS_MAX)
        texts[(*count)++] = xstrndup(text.p, strnlen(text.p, text.n));
}

static void sources_split(struct sources *s, const char *text, size_t length)
{
    struct str rest = {text, length}, line;
    while (str_split(&rest, '\n', &line)) {
        struct str behind = {line.p + 1, line.n ? line.n - 1 : 0};
        if (line.n && *line.p == '$' && memchr(line.p, '=', strnlen(line.p, line.n)))
            add_text(s->variables, &s->variable_count, behind);
        else if (line.n && *line.p == '>')
            add_text(s->arguments, &s->argument_count, behind);
        else {
            buf_add(&s->file, line.p, line.n);
            buf_add_char(&s->file, '\n');
        }
    }
}

static bool load(struct sources *s, struct config *ret, struct buf *errors)
{
    const struct config_sources sources = {(int)s->argument_count, s->arguments, find_variable, read_current_file};
    current = s;
    buf_init(errors, ERRORS_MAX);
    return config_load_from(ret, &sources, errors);
}

/* ---- a loaded one ---- */

static void put_list(struct buf *out, const struct config_list *list, const char *between)
{
    for (size_t i = 0; i < list->count; i++)
        buf_printf(out, "%s%s", i ? between : "", list->items[i]);
}

#define PUT_TEXT(value) buf_add_text(&out, value)
#define PUT_CHOICE(value) buf_add_text(&out, value)
#define PUT_SECRET(value) buf_add_text(&out, value)
#define PUT_INT(value) buf_add_int(&out, value)
#define PUT_BOOL(value) buf_add_text(&out, (value) ? "true" : "false")
#define PUT_LIST(value) put_list(&out, &(value), ",")

/* Every setting in one text. */
static char *write_all(const struct config *config)
{
    struct buf out;
    buf_init(&out, 1 << 20);
#define SETTING(member, kind, key, flag, argument, variable, value, min, max, help) \
    buf_add_text(&out, key "="); \
    PUT_##kind(config->member); \
    buf_add_char(&out, '\n');
#include "app/settings.def"
#undef SETTING
    return buf_take(&out);
}

static void check_text(const char *text, const char *value, size_t min, size_t max)
{
    size_t n = strlen(text);
    CHECK(strcmp(text, value) == 0 || (n >= min && n <= max), "a text of %zu bytes", n);
    for (size_t i = 0; i < n; i++)
        CHECK((unsigned char)text[i] >= 32 && text[i] != 127, "a control character");
}

static void check_list(const struct config_list *list, size_t max)
{
    CHECK(list->count <= max && max <= CONFIG_LIST_MAX, "%zu items", list->count);
    for (size_t i = 0; i < list->count; i++)
        CHECK(list->items[i][0] && !strchr(list->items[i], ','), "the item \"%s\"", list->items[i]);
}

static void check_choice(const char *text, const char *choices)
{
    struct str rest = str_of(choices), word;
    bool found = false;
    while (str_split(&rest, '|', &word))
        found |= str_equal(word, text);
    CHECK(found, "\"%s\" is none of %s", text, choices);
}

#define CHECK_TEXT(member, argument, value, min, max) check_text(member, value, min, max)
#define CHECK_SECRET(member, argument, value, min, max) check_text(member, value, min, max)
#define CHECK_CHOICE(member, argument, value, min, max) check_choice(member, argument)
#define CHECK_INT(member, argument, value, min, max) CHECK((member) >= (min) && (member) <= (max), "%" PRId64, member)
#define CHECK_BOOL(member, argument, value, min, max) (void)0
#define CHECK_LIST(member, argument, value, min, max) check_list(&(member), max)

static void check_limits(const struct config *config)
{
#define SETTING(member, kind, key, flag, argument, variable, value, min, max, help) \
    CHECK_##kind(config->member, argument, value, min, max);
#include "app/settings.def"
#undef SETTING
}

/* ---- the same from one source ---- */

enum form { FLAGS, VARIABLES, FORM_FILE };

static void put_file_value(struct buf *file, const char *value)
{
    buf_add_char(file, '"');
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            buf_add_char(file, '\\');
        buf_add_char(file, *value);
    }
    buf_add_char(file, '"');
}

/* One setting in the wanted form, or in the next one that it has. */
static void put_setting(struct sources *s, enum form form, const char *key, const char *flag, const char *variables,
                        const char *value)
{
    char text[8192];
    if (form == FLAGS && flag) {
        (void)snprintf(text, sizeof text, "%s=%s", flag, value);
        add_text(s->arguments, &s->argument_count, str_of(text));
    } else if (form != FORM_FILE && variables) {
        (void)snprintf(text, sizeof text, "%.*s=%s", (int)strcspn(variables, " "), variables, value);
        add_text(s->variables, &s->variable_count, str_of(text));
    } else {
        buf_printf(&s->file, "%s: ", key);
        put_file_value(&s->file, value);
        buf_add_char(&s->file, '\n');
    }
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 127)
            return false;
    return true;
}

/* From "key=value" lines; a variable without text would count as absent, a list of nothing is ",". */
static void put_settings(struct sources *s, enum form form, const char *all)
{
    struct str rest = str_of(all), line;
#define SETTING(member, kind, key, flag, argument, variable, value, min, max, help) \
    { \
        CHECK(str_split(&rest, '\n', &line), "a line is missing"); \
        char *text = xstrndup(line.p + sizeof key, line.n - sizeof key); \
        put_setting(s, form, key, flag, variable, !text[0] && value[0] ? "," : text); \
        free(text); \
    }
#include "app/settings.def"
#undef SETTING
}

static void check_form(const char *all, enum form form)
{
    struct sources s;
    struct config config;
    struct buf errors;
    sources_init(&s);
    put_settings(&s, form, all);
    bool good = load(&s, &config, &errors);
    CHECK(good, "%sof\n%s", errors.data, all);
    char *again = write_all(&config);
    CHECK(strcmp(again, all) == 0, "form %d of\n%sis\n%s", (int)form, all, again);
    free(again);
    config_release(&config);
    buf_release(&errors);
    sources_release(&s);
}

/* ---- properties ---- */

static void check_errors(const struct buf *errors)
{
    CHECK(errors->len, "refused without a reason");
    CHECK(errors->failed || errors->data[errors->len - 1] == '\n', "the last line has no end");
    for (size_t i = 0; i < errors->len; i++) {
        unsigned char c = (unsigned char)errors->data[i];
        CHECK(c >= 32 ? c != 127 : c == '\n', "a control character in\n%s", errors->data);
        CHECK(c != '\n' || (i && errors->data[i - 1] != '\n'), "an empty line in\n%s", errors->data);
    }
}

/* A secret that nothing else says is not in the errors. */
static void check_secrets(const struct sources *s, const char *input, size_t length, const struct buf *errors)
{
    const char *value = NULL;
    for (size_t i = 0; i < s->variable_count; i++)
        if (strncmp(s->variables[i], "HORAE_ADMIN_", 12) == 0)
            value = strchr(s->variables[i], '=') + 1;
    size_t n = value ? strlen(value) : 0, times = 0;
    if (n < SECRET_LEAST)
        return;
    for (size_t i = 0; i + n <= length; i++)
        times += memcmp(input + i, value, n) == 0;
    CHECK(times != 1 || !strstr(errors->data, value) ||
              strstr("must have 20 to 512 bytes; it must not hold control characters", value),
          "the secret %s in\n%s", value, errors->data);
}

struct file_keys {
    bool unknown;
};

static void note_key(void *arg, const char *key, struct str value, size_t line)
{
    struct file_keys *keys = arg;
    bool known = false;
    (void)value;
    CHECK(line >= 1 && key[0], "a value without a key, or in no line");
#define SETTING(member, kind, name, flag, argument, variable, value_, min, max, help) known |= strcmp(key, name) == 0;
#include "app/settings.def"
#undef SETTING
    keys->unknown |= !known;
}

/* Both texts are the same but for one line, which is `line` in the second. */
static bool differs_in(const char *first, const char *second, const char *line)
{
    struct str a = str_of(first), b = str_of(second), left, right;
    size_t key = strcspn(line, "=");
    bool same = true;
    while (same && str_split(&a, '\n', &left) && str_split(&b, '\n', &right))
        same = right.n > key && strncmp(right.p, line, key + 1) == 0 ? str_equal(right, line)
                                                                     : left.n == right.n && memcmp(left.p, right.p, left.n) == 0;
    return same && !a.p && !b.p;
}

/* The last flag decides, and nothing else changes: PORT leaves `listen` alone then. */
static void check_override(struct sources *s, const char *all, const char *flag)
{
    struct config config;
    struct buf errors;
    size_t count = s->argument_count;
    add_text(s->arguments, &s->argument_count, str_of(flag));
    if (s->argument_count > count && load(s, &config, &errors)) {
        char *again = write_all(&config);
        CHECK(differs_in(all, again, flag + 2), "%s makes of\n%sthis:\n%s", flag, all, again);
        free(again);
    }
    if (s->argument_count > count) {
        config_release(&config);
        buf_release(&errors);
        free(s->arguments[--s->argument_count]);
    }
}

static void check_loaded(struct sources *s, const struct config *config)
{
    char *all = write_all(config);
    check_limits(config);
    if (!config->tls_cert[0] && !config->tls_key[0]) { /* whether files can be read is not decided by the input */
        check_form(all, FLAGS);
        check_form(all, VARIABLES);
        if (is_ascii(all))
            check_form(all, FORM_FILE);
        check_override(s, all, "--capacity=77");
        check_override(s, all, "--listen=h:77");
    }
    free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char *text = fuzz_rest(&input);
    struct sources s;
    struct config config;
    struct buf errors;
    struct err err = {.message = ""};
    struct file_keys keys = {.unknown = false};
    sources_init(&s);
    sources_split(&s, text, size);
    bool good = load(&s, &config, &errors);
    enum err_code code = read_current_file("settings.yaml", note_key, &keys, &err);
    if (good && !config.help) {
        CHECK(code == OK && !keys.unknown, "a file is taken that is wrong: %s", err.message);
        check_loaded(&s, &config);
    } else if (!good) {
        check_errors(&errors);
        check_secrets(&s, text, size, &errors);
    }
    config_release(&config);
    buf_release(&errors);
    sources_release(&s);
    free(text);
    return 0;
}
