/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/subcommand.h"

#include "cli/nearest.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

enum { GUESS_PAGES = 10 }; /* of 100 names: a suggestion is not worth more */

const struct option_spec client_only_specs[] = {CLIENT_OPTIONS, OPTIONS_END};

/* ---- help and dispatch ---- */

static void print_help(FILE *out, const char *command, const struct subcommand *rows, size_t count)
{
    (void)fprintf(out, "Usage:\n");
    for (size_t i = 0; i < count; i++) {
        char left[100];
        (void)snprintf(left, sizeof left, "horae %s %s%s%s", command, rows[i].name, rows[i].arguments[0] ? " " : "",
                       rows[i].arguments);
        (void)fprintf(out, "  %-40s %s\n", left, rows[i].summary);
    }
    (void)fprintf(out, "\n\"horae %s SUBCOMMAND --help\" shows the options of one.\n", command);
}

static int print_row_help(const char *command, const struct subcommand *row)
{
    (void)printf("Usage: horae %s %s%s%s [OPTION…]\n\n%s\n\nOptions:\n", command, row->name, row->arguments[0] ? " " : "",
                 row->arguments, row->summary);
    options_print(row->specs);
    return CLI_DONE;
}

static bool is_help(const char *text)
{
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0 || strcmp(text, "help") == 0;
}

static int refuse_unknown(const char *command, const struct subcommand *rows, size_t count, const char *given)
{
    struct nearest near = {.name = NULL};
    for (size_t i = 0; i < count; i++)
        nearest_offer(&near, given, rows[i].name);
    (void)fprintf(stderr, "horae %s: unknown subcommand \"%s\"", command, given);
    nearest_print(&near, stderr);
    (void)fprintf(stderr, "\n\"horae %s --help\" lists the subcommands.\n", command);
    return CLI_USAGE;
}

static bool check_arguments(const char *command, const struct subcommand *row, const struct options *o)
{
    if (o->positional_count < row->least)
        (void)fprintf(stderr, "horae %s %s: %s is missing\n", command, row->name, row->arguments);
    else if (o->positional_count > row->most)
        (void)fprintf(stderr, "horae %s %s: unexpected argument \"%s\"\n", command, row->name, o->positional[row->most]);
    else if (row->least && !o->positional[0][0])
        (void)fprintf(stderr, "horae %s %s: %s must not be empty\n", command, row->name, row->arguments);
    else
        return true;
    (void)fprintf(stderr, "Usage: horae %s %s%s%s [OPTION…]\n", command, row->name, row->arguments[0] ? " " : "", row->arguments);
    return false;
}

int subcommand_run(const char *command, const struct subcommand *rows, size_t count, int argc, char **argv)
{
    const struct subcommand *row = NULL;
    struct options options;
    struct client client;
    char full[64];
    if (argc < 2 || is_help(argv[1])) {
        print_help(argc < 2 ? stderr : stdout, command, rows, count);
        return argc < 2 ? CLI_USAGE : CLI_DONE;
    }
    for (size_t i = 0; i < count && !row; i++)
        row = strcmp(rows[i].name, argv[1]) == 0 ? &rows[i] : NULL;
    if (!row)
        return refuse_unknown(command, rows, count, argv[1]);
    (void)snprintf(full, sizeof full, "%s %s", command, row->name);
    if (!options_parse(&options, row->specs, argc - 1, argv + 1, full))
        return CLI_USAGE;
    if (options.help)
        return print_row_help(command, row);
    if (!check_arguments(command, row, &options))
        return CLI_USAGE;
    return client_init(&client, &options) ? row->run(&client, &options) : CLI_USAGE;
}

/* ---- calls ---- */

static void print_answer(const struct client *client, const struct answer *answer, void (*print)(const struct answer *answer))
{
    if (client->json) {
        answer_print(answer);
    } else if (print) {
        print(answer);
    } else if (answer->doc) {
        struct str text = json_get_text(json_member(json_root(answer->doc), "message"));
        if (text.n)
            (void)printf("%.*s\n", (int)text.n, text.p);
    }
}

int subcommand_call(const struct client *client, const char *method, const char *path, const char *body,
                    void (*print)(const struct answer *answer))
{
    struct answer answer;
    int code = client_call(client, method, path, body, &answer);
    if (code == CLI_DONE)
        print_answer(client, &answer, print);
    answer_release(&answer);
    return code;
}

char *subcommand_path(const char *prefix, const char *id, const char *suffix)
{
    struct buf path;
    buf_init(&path, CLIENT_PATH_MAX);
    buf_add_text(&path, prefix);
    client_escape(&path, id);
    buf_add_text(&path, suffix);
    return buf_take(&path);
}

static void offer_names(const struct answer *answer, const char *member, const char *given, struct nearest *near,
                        char kept[NEAREST_NAME_MAX + 1])
{
    struct json_walk walk = {0};
    const struct json *item;
    while (json_walk_array(answer_data(answer), &walk, &item)) {
        char name[NEAREST_NAME_MAX + 1];
        struct str text = json_get_text(json_member(item, member));
        if (text.n > NEAREST_NAME_MAX)
            continue;
        (void)str_copy(name, sizeof name, text.p, text.n);
        const char *before = near->name;
        nearest_offer(near, given, name);
        if (near->name != before) {
            (void)snprintf(kept, NEAREST_NAME_MAX + 1, "%s", name);
            near->name = kept;
        }
    }
}

/* The name that was probably meant, from the first pages of the list. */
static void suggest(const struct client *client, const struct resource *resource, const char *given)
{
    struct nearest near = {.name = NULL};
    char kept[NEAREST_NAME_MAX + 1], path[128];
    for (int page = 1; page <= GUESS_PAGES; page++) {
        struct answer answer;
        (void)snprintf(path, sizeof path, "%.*s?page_size=100&page=%d", (int)strlen(resource->path) - 1, resource->path, page);
        int code = client_ask(client, "GET", path, NULL, &answer);
        size_t count = code == CLI_DONE && answer_data(&answer) ? json_count(answer_data(&answer)) : 0;
        if (count)
            offer_names(&answer, resource->name, given, &near, kept);
        answer_release(&answer);
        if (count < 100)
            break;
    }
    if (near.name)
        (void)fprintf(stderr, "horae: there is no \"%s\"; did you mean \"%s\"?\n", given, near.name);
}

int subcommand_ask_one(const struct client *client, const struct resource *resource, const char *method, const char *name,
                       const char *suffix, const char *body, struct answer *ret)
{
    char *path = subcommand_path(resource->path, name, suffix);
    int code = client_call(client, method, path, body, ret);
    free(path);
    if (ret->status == 404 && resource->name)
        suggest(client, resource, name);
    return code;
}

int subcommand_call_one(const struct client *client, const struct resource *resource, const char *method, const char *name,
                        const char *suffix, const char *body, void (*print)(const struct answer *answer))
{
    struct answer answer;
    int code = subcommand_ask_one(client, resource, method, name, suffix, body, &answer);
    if (code == CLI_DONE)
        print_answer(client, &answer, print);
    answer_release(&answer);
    return code;
}

/* ---- printers ---- */

void subcommand_print_data(const struct answer *answer)
{
    const struct json *data = answer_data(answer);
    if (data)
        table_print_object(data);
}

void subcommand_print_page(const struct answer *answer)
{
    int64_t total = 0, page = 1;
    const struct json *data = answer_data(answer), *pagination = json_member(json_root(answer->doc), "pagination");
    if (!data || !pagination || !json_get_int(json_member(pagination, "total"), &total))
        return;
    (void)json_get_int(json_member(pagination, "page"), &page);
    if (total > (int64_t)json_count(data))
        (void)fprintf(stderr, "page %lld: %zu of %lld; --page N shows others\n", (long long)page, json_count(data),
                      (long long)total);
}
