/* SPDX-License-Identifier: Apache-2.0 */
/* horae config: what can be changed while the server runs. Settings of the process are those of "horae serve". */
#include "base/json_write.h"
#include "cli/subcommand.h"

#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 65536 };

#define CONFIG "/scheduler/config"

static int get(const struct client *client, const struct options *o)
{
    (void)o;
    return subcommand_call(client, "GET", CONFIG, NULL, subcommand_print_data);
}

/* NAME=NUMBER into the body. */
static bool add(struct json_writer *w, const char *text)
{
    const char *equals = strchr(text, '=');
    int64_t number;
    if (!equals || equals == text || !str_to_int(str_of(equals + 1), INT64_MIN + 1, INT64_MAX, &number)) {
        (void)fprintf(stderr, "horae config set: \"%s\" is not allowed; it must be NAME=NUMBER\n", text);
        return false;
    }
    json_key_any(w, text, (size_t)(equals - text));
    json_int(w, number);
    return true;
}

static int set(const struct client *client, const struct options *o)
{
    struct buf body;
    struct json_writer w;
    bool fine = true;
    buf_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    for (size_t i = 0; i < o->positional_count && fine; i++)
        fine = add(&w, o->positional[i]);
    json_end_object(&w);
    int code = fine ? subcommand_call(client, "PUT", CONFIG, body.data, subcommand_print_data) : CLI_USAGE;
    buf_release(&body);
    return code;
}

int cli_config(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"get", "", "retention of executions, locks and logs", 0, 0, client_only_specs, get},
        {"set", "NAME=N…", "change what is given; takes effect at once", 1, 16, client_only_specs, set},
    };
    return subcommand_run("config", rows, ARRAY_LEN(rows), argc, argv);
}
