/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include "cli/nearest.h"

#include <stdio.h>
#include <string.h>

static const struct option_spec *find(const struct option_spec *specs, const char *text, size_t length)
{
    for (; specs->name; specs++)
        if ((strlen(specs->name) == length && strncmp(specs->name, text, length) == 0) ||
            (length == 2 && specs->letter && text[1] == specs->letter && text[0] == '-'))
            return specs;
    return NULL;
}

static bool take(struct options *o, const struct option_spec *spec, const char *value)
{
    if (o->count == OPTION_VALUES_MAX) {
        (void)fprintf(stderr, "horae: more than %d options\n", OPTION_VALUES_MAX);
        return false;
    }
    o->seen[o->count] = spec;
    o->values[o->count++] = value;
    return true;
}

static bool take_positional(struct options *o, const char *text)
{
    if (o->positional_count == POSITIONAL_MAX) {
        (void)fprintf(stderr, "horae: more than %d arguments\n", POSITIONAL_MAX);
        return false;
    }
    o->positional[o->positional_count++] = text;
    return true;
}

static bool is_option(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && !(text[1] >= '0' && text[1] <= '9');
}

static bool refuse_unknown(const struct option_spec *specs, const char *text, size_t length, const char *command)
{
    char given[NEAREST_NAME_MAX + 1];
    struct nearest near = {.name = NULL};
    (void)snprintf(given, sizeof given, "%.*s", (int)length, text);
    nearest_offer(&near, given, "--help");
    for (const struct option_spec *spec = specs; spec->name; spec++)
        nearest_offer(&near, given, spec->name);
    (void)fprintf(stderr, "horae %s: unknown option \"%.*s\"", command, (int)length, text);
    nearest_print(&near, stderr);
    (void)fprintf(stderr, "\n\"horae %s --help\" lists the options.\n", command);
    return false;
}

bool options_parse(struct options *o, const struct option_spec *specs, int argc, char **argv, const char *command)
{
    bool only_positional = false;
    *o = (struct options){.specs = specs};
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (only_positional || !is_option(text)) {
            if (!take_positional(o, text))
                return false;
            continue;
        }
        if (strcmp(text, "--") == 0) {
            only_positional = true;
            continue;
        }
        if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            o->help = true;
            continue;
        }
        size_t n = strcspn(text, "=");
        const struct option_spec *spec = find(specs, text, n);
        if (!spec)
            return refuse_unknown(specs, text, n, command);
        const char *value = text[n] ? text + n + 1 : NULL;
        if (!spec->argument && value) {
            (void)fprintf(stderr, "horae %s: %s takes no value\n", command, spec->name);
            return false;
        }
        if (spec->argument && !value && (value = ++i < argc ? argv[i] : NULL) == NULL) {
            (void)fprintf(stderr, "horae %s: %s needs a value: %s %s\n", command, spec->name, spec->name, spec->argument);
            return false;
        }
        if (!take(o, spec, value ? value : ""))
            return false;
    }
    return true;
}

const char *options_nth(const struct options *o, const char *name, size_t n)
{
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->seen[i]->name, name) == 0 && n-- == 0)
            return o->values[i];
    return NULL;
}

const char *options_value(const struct options *o, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < o->count; i++)
        if (strcmp(o->seen[i]->name, name) == 0)
            value = o->values[i];
    return value;
}

bool options_flag(const struct options *o, const char *name)
{
    return options_value(o, name) != NULL;
}

void options_print(const struct option_spec *specs)
{
    for (; specs->name; specs++) {
        char left[64];
        (void)snprintf(left, sizeof left, "%s%s%s", specs->name, specs->argument ? " " : "",
                       specs->argument ? specs->argument : "");
        if (specs->letter)
            (void)printf("  -%c, %-26s %s\n", specs->letter, left, specs->help);
        else
            (void)printf("      %-26s %s\n", left, specs->help);
    }
}
