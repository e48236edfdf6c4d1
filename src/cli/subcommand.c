/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/subcommand.h"

#include "cli/nearest.h"

#include <stdio.h>
#include <string.h>

const struct option_spec client_only_specs[] = {CLIENT_OPTIONS, OPTIONS_END};

static void print_help(FILE *out, const char *command, const struct subcommand *rows, size_t count)
{
    (void)fprintf(out, "Usage:\n");
    for (size_t i = 0; i < count; i++) {
        char left[100];
        (void)snprintf(left, sizeof left, "horae %s %s%s%s", command, rows[i].name, rows[i].arguments[0] ? " " : "",
                       rows[i].arguments);
        (void)fprintf(out, "  %-48s %s\n", left, rows[i].summary);
    }
    (void)fprintf(out, "\nhorae %s SUBCOMMAND --help shows its options.\n", command);
}

static int print_row_help(const char *command, const struct subcommand *row)
{
    (void)printf("Usage: horae %s %s%s%s\n\n%s\n\nOptions:\n", command, row->name, row->arguments[0] ? " " : "", row->arguments,
                 row->summary);
    options_print(row->specs);
    return CLI_DONE;
}

int subcommand_run(const char *command, const struct subcommand *rows, size_t count, int argc, char **argv)
{
    const struct subcommand *row = NULL;
    struct options options;
    struct client client;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(argc < 2 ? stderr : stdout, command, rows, count);
        return argc < 2 ? CLI_USAGE : CLI_DONE;
    }
    for (size_t i = 0; i < count && !row; i++)
        row = strcmp(rows[i].name, argv[1]) == 0 ? &rows[i] : NULL;
    if (!row) {
        struct nearest near = {.name = NULL};
        for (size_t i = 0; i < count; i++)
            nearest_offer(&near, argv[1], rows[i].name);
        (void)fprintf(stderr, "horae %s: unknown subcommand \"%s\"%s%s%s\n", command, argv[1],
                      near.name ? "; did you mean \"" : "", near.name ? near.name : "", near.name ? "\"?" : "");
        print_help(stderr, command, rows, count);
        return CLI_USAGE;
    }
    if (!options_parse(&options, row->specs, argc - 1, argv + 1, command))
        return CLI_USAGE;
    if (options.help)
        return print_row_help(command, row);
    if (options.positional_count < row->least || options.positional_count > row->most) {
        (void)fprintf(stderr, "Usage: horae %s %s %s\n", command, row->name, row->arguments);
        return CLI_USAGE;
    }
    return client_init(&client, &options) ? row->run(&client, &options) : CLI_USAGE;
}

int subcommand_call(const struct client *client, const char *method, const char *path, const char *body,
                    void (*print)(const struct answer *answer))
{
    struct answer answer;
    int code = client_call(client, method, path, body, &answer);
    if (code == CLI_DONE && client->json) {
        answer_print(&answer);
    } else if (code == CLI_DONE && print) {
        print(&answer);
    } else if (code == CLI_DONE && answer.doc) {
        struct str text = json_get_text(json_member(json_root(answer.doc), "message"));
        if (text.n)
            (void)printf("%.*s\n", (int)text.n, text.p);
    }
    answer_release(&answer);
    return code;
}

char *subcommand_path(const char *prefix, const char *id, const char *suffix)
{
    struct buf path;
    buf_init(&path, 8192);
    buf_add_text(&path, prefix);
    client_escape(&path, id);
    buf_add_text(&path, suffix);
    return buf_take(&path);
}
