/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a command, by a table: --name VALUE, --name=VALUE, -n VALUE, flags. Errors name the option and what is
 * allowed. What is left are the positional arguments. */
#ifndef HORAE_CLI_OPTIONS_H
#define HORAE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { OPTION_VALUES_MAX = 256, POSITIONAL_MAX = 1024 };

struct option_spec {
    const char *name;     /* "--zone" */
    char letter;          /* 'n', 0 = none */
    const char *argument; /* "Z" in the help; NULL = a flag */
    const char *help;
};

struct options {
    const struct option_spec *specs;       /* ends with a row without a name */
    const char *values[OPTION_VALUES_MAX]; /* borrowed; in the order of appearance */
    const struct option_spec *seen[OPTION_VALUES_MAX];
    size_t count;
    const char *positional[POSITIONAL_MAX];
    size_t positional_count;
    bool help;
};

/* False: the error is on standard error. */
bool options_parse(struct options *options, const struct option_spec *specs, int argc, char **argv, const char *command);
const char *options_value(const struct options *options, const char *name); /* the last one; NULL = absent */
bool options_flag(const struct options *options, const char *name);
/* The n-th value of a repeated option; NULL at the end. */
const char *options_nth(const struct options *options, const char *name, size_t n);
void options_print(const struct option_spec *specs); /* the table of the help text */

#endif
