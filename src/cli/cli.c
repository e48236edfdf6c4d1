/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/compiler.h"
#include "cli/nearest.h"
#include "cron/cron.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct cli_command commands[] = {
#define COMMAND(name, function, summary) {name, summary, function},
#include "cli/cli_commands.def"
#undef COMMAND
};

static void print_help(FILE *out, const struct cli_command *serve)
{
    (void)fprintf(out, "horae decides when work runs, runs it, and proves that it ran.\n\nUsage: horae COMMAND [ARGUMENT…]\n\n");
    (void)fprintf(out, "  %-10s %s\n", serve->name, serve->summary);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void)fprintf(out, "  %-10s %s\n  %-10s %s\n", "version", "print the version", "help",
                  "print this, or the help of a command");
    (void)fprintf(out,
                  "\nEvery command has --help. Exit status: 0 done, 1 failed, 2 usage, 3 server unreachable, 4 not allowed.\n");
}

static const struct cli_command *find(const char *name, const struct cli_command *serve)
{
    if (strcmp(name, serve->name) == 0)
        return serve;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown(const char *name, const struct cli_command *serve)
{
    struct nearest near = {.name = NULL};
    nearest_offer(&near, name, serve->name);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        nearest_offer(&near, name, commands[i].name);
    (void)fprintf(stderr, "horae: unknown command \"%s\"", name);
    if (near.name)
        (void)fprintf(stderr, "; did you mean \"%s\"?", near.name);
    (void)fprintf(stderr, "\n\"horae help\" lists the commands.\n");
    return CLI_USAGE;
}

static int help(int argc, char **argv, const struct cli_command *serve)
{
    if (argc < 3) {
        print_help(stdout, serve);
        return CLI_DONE;
    }
    const struct cli_command *command = find(argv[2], serve);
    char flag[] = "--help";
    char *arguments[] = {argv[2], flag, NULL};
    return command ? command->main(2, arguments) : unknown(argv[2], serve);
}

/* With the rules that schedules follow (cron semantics, section 5). */
static void print_version(void)
{
    char tzdata[CRON_TZDATA_VERSION_MAX];
    const bool built_in = cron_tzdata_version(tzdata);
    (void)printf("horae %s\ntzdata %s%s\n", HORAE_VERSION, tzdata, built_in ? " (built in: this machine has no zone files)" : "");
}

int cli_run(int argc, char **argv, const struct cli_command *serve)
{
    if (argc < 2) {
        print_help(stderr, serve);
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0)
        return help(argc, argv, serve);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout, serve);
        return CLI_DONE;
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        print_version();
        return CLI_DONE;
    }
    const struct cli_command *command = find(name, serve);
    return command ? command->main(argc - 1, argv + 1) : unknown(name, serve);
}
