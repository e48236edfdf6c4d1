/* SPDX-License-Identifier: Apache-2.0 */
/* A command with subcommands, each a row of a table: parsing, help and the connection are the same for all. */
#ifndef HORAE_CLI_SUBCOMMAND_H
#define HORAE_CLI_SUBCOMMAND_H

#include "cli/client.h"

struct subcommand {
    const char *name, *arguments, *summary; /* arguments: as the help shows them, "" = none */
    size_t least, most;                     /* positional arguments behind the name */
    const struct option_spec *specs;
    int (*run)(const struct client *client, const struct options *options); /* positional[0] is the first argument */
};

/* argv[0] is the command, argv[1] the subcommand. */
int subcommand_run(const char *command, const struct subcommand *rows, size_t count, int argc, char **argv);

extern const struct option_spec client_only_specs[];

/* A call whose answer is printed: as JSON, or by `print` (NULL: its message). */
int subcommand_call(const struct client *client, const char *method, const char *path, const char *body,
                    void (*print)(const struct answer *answer));

/* Things that are addressed by a name. */
struct resource {
    const char *path, *name; /* "/scheduler/tasks/", and the member that holds the name; NULL: nobody mistypes it */
};
/* As client_call for one thing; one that is not found gets a "did you mean". `suffix` follows the name in the path. */
int subcommand_ask_one(const struct client *client, const struct resource *resource, const char *method, const char *name,
                       const char *suffix, const char *body, struct answer *ret);
/* The same, and its answer is printed as by subcommand_call. */
int subcommand_call_one(const struct client *client, const struct resource *resource, const char *method, const char *name,
                        const char *suffix, const char *body, void (*print)(const struct answer *answer));
/* prefix + escaped id + suffix; the caller frees. */
char *subcommand_path(const char *prefix, const char *id, const char *suffix);

/* Printers that several commands share. */
void subcommand_print_data(const struct answer *answer); /* the object `data` */
/* "N of TOTAL" on standard error when the answer is one page of several. */
void subcommand_print_page(const struct answer *answer);

#endif
