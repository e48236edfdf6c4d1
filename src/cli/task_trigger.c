/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/task_trigger.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "cli/execution_logs.h"
#include "cli/read_file.h"
#include "cli/task_body.h"

#include <stdio.h>
#include <string.h>

enum { BULK_MAX = 64 << 20, BULK_ITEMS_MAX = 10000, UID_TEXT = 64 };

const struct option_spec task_trigger_specs[] = {
    {"--data", 0, "JSON", "data for this run only"},
    {"--at", 0, "TIME", "run at a time"},
    {"--priority", 0, "N", "of this run"},
    {"--unique-key", 0, "KEY", "at most one unfinished run with this key"},
    {"--force", 0, NULL, "also when the task is disabled"},
    {"--follow", 'f', NULL, "show the output until the run ends; exit 1 when it does not succeed"},
    {"--bulk", 0, "FILE",
     "many runs, all or none: one JSON object per line, or an array, with override_data, run_at, priority, "
     "unique_key (\"-\": standard input)"},
    CLIENT_OPTIONS,
    OPTIONS_END};

/* ---- one run ---- */

static void print_uid(const struct answer *answer)
{
    struct str uid = json_get_text(json_member(json_root(answer->doc), "execution_uid"));
    (void)printf("%.*s\n", (int)uid.n, uid.p);
}

static void build_one(const struct options *o, struct buf *body)
{
    struct json_writer w;
    const char *priority = options_value(o, "--priority");
    json_writer_init(&w, body);
    json_begin_object(&w);
    if (options_value(o, "--data"))
        json_put_text(&w, "override_data", options_value(o, "--data"));
    json_put_text_unless_empty(&w, "run_at", options_value(o, "--at"));
    json_put_text_unless_empty(&w, "unique_key", options_value(o, "--unique-key"));
    if (priority) {
        json_key(&w, "priority");
        json_raw(&w, priority, strlen(priority));
    }
    if (options_flag(o, "--force"))
        json_put_bool(&w, "force", true);
    json_end_object(&w);
}

static int trigger_and_follow(const struct client *client, const struct options *o, const char *body)
{
    struct answer answer;
    char uid[UID_TEXT] = "";
    int code = subcommand_ask_one(client, &task_resource, "POST", o->positional[0], "/trigger", body, &answer);
    if (code == CLI_DONE) {
        struct str text = json_get_text(json_member(json_root(answer.doc), "execution_uid"));
        (void)str_copy(uid, sizeof uid, text.p, text.n);
        (void)fprintf(stderr, "execution %s\n", uid);
    }
    answer_release(&answer);
    return code == CLI_DONE ? execution_follow(client, uid, NULL, NULL) : code;
}

static int trigger_one(const struct client *client, const struct options *o)
{
    struct buf body;
    buf_init(&body, TASK_FILE_MAX);
    build_one(o, &body);
    int code = options_flag(o, "--follow")
                   ? trigger_and_follow(client, o, body.data)
                   : subcommand_call_one(client, &task_resource, "POST", o->positional[0], "/trigger", body.data, print_uid);
    buf_release(&body);
    return code;
}

/* ---- many ---- */

static bool add_item(struct json_writer *w, struct str text, size_t line, const char *file)
{
    struct json_doc *doc;
    struct err err;
    bool fine = json_parse(text.p, text.n, &doc, &err) == OK;
    if (!fine) {
        (void)fprintf(stderr, "horae: %s line %zu: %s\n", file, line, err.message);
        return false;
    }
    fine = json_is_object(json_root(doc));
    if (fine)
        json_raw(w, text.p, text.n);
    else
        (void)fprintf(stderr, "horae: %s line %zu: a run is a JSON object, such as {} or {\"unique_key\":\"a\"}\n", file, line);
    json_doc_free(doc);
    return fine;
}

/* `text` is an array, or an object per line. Returns the number of items, 0 after an error. */
static size_t add_items(struct json_writer *w, struct str text, const char *file)
{
    size_t count = 0, number = 0;
    struct str rest = text, line;
    while (str_split(&rest, '\n', &line)) {
        number++;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        line = str_trim(line);
        if (!line.n)
            continue;
        if (!add_item(w, line, number, file))
            return 0;
        count++;
    }
    if (!count)
        (void)fprintf(stderr, "horae: %s lists no runs\n", file);
    return count;
}

static bool build_bulk(const struct options *o, struct buf *body)
{
    const char *file = options_value(o, "--bulk");
    struct buf text;
    struct json_writer w;
    buf_init(&text, BULK_MAX);
    if (!read_whole_file(file, &text)) {
        buf_release(&text);
        return false;
    }
    struct str content = {text.data ? text.data : "", text.len};
    size_t blanks = strspn(content.p, " \t\r\n");
    bool array = content.p[blanks] == '[';
    json_writer_init(&w, body);
    json_begin_object(&w);
    json_put_text(&w, "task_uid", o->positional[0]);
    if (options_flag(o, "--force"))
        json_put_bool(&w, "force", true);
    json_key(&w, "items");
    size_t count = 1;
    if (array) {
        json_raw(&w, content.p, content.n); /* the server checks it */
    } else {
        json_begin_array(&w);
        count = add_items(&w, content, file);
        json_end_array(&w);
    }
    json_end_object(&w);
    buf_release(&text);
    if (count > BULK_ITEMS_MAX)
        (void)fprintf(stderr, "horae: %s lists %zu runs; at most %d are queued together\n", file, count, BULK_ITEMS_MAX);
    return count > 0 && count <= BULK_ITEMS_MAX;
}

static void print_bulk(const struct answer *answer)
{
    struct json_walk walk = {0};
    const struct json *uid, *uids = json_member(json_root(answer->doc), "execution_uids");
    while (uids && json_walk_array(uids, &walk, &uid))
        (void)printf("%.*s\n", (int)json_get_text(uid).n, json_get_text(uid).p);
    (void)fprintf(stderr, "%zu queued\n", uids ? json_count(uids) : 0);
}

static int trigger_bulk(const struct client *client, const struct options *o)
{
    static const char *const single[] = {"--data", "--at", "--priority", "--unique-key", "--follow"};
    for (size_t i = 0; i < ARRAY_LEN(single); i++)
        if (options_value(o, single[i])) {
            (void)fprintf(stderr, "horae task trigger: %s and --bulk do not go together; the file says it for each run\n",
                          single[i]);
            return CLI_USAGE;
        }
    struct buf body;
    buf_init(&body, BULK_MAX + TASK_FILE_MAX);
    int code = build_bulk(o, &body) ? subcommand_call(client, "POST", "/scheduler/executions", body.data, print_bulk) : CLI_USAGE;
    buf_release(&body);
    return code;
}

int task_trigger(const struct client *client, const struct options *o)
{
    const char *priority = options_value(o, "--priority");
    if (priority && !check_number("--priority", priority))
        return CLI_USAGE;
    return options_value(o, "--bulk") ? trigger_bulk(client, o) : trigger_one(client, o);
}
