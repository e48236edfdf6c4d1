/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/task_body.h"

#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/read_file.h"

#include <stdio.h>
#include <string.h>

/* How the value of an option becomes a member. */
enum kind {
    TEXT,
    NUMBER,
    PAIRS,   /* NAME=NUMBER,… → object of numbers */
    LABELS,  /* repeated NAME=VALUE → object of texts */
    FLAG_NO, /* false */
    DATA,    /* a member of `data` of a command, see command_members */
    URL,     /* data of the type http */
    RAW_DATA /* `data` itself */
};

/* Option, member, kind, argument, help: rows of the help and of the body. A member may have several options. */
#define TASK_MEMBERS(X) \
    X("--name", "name", TEXT, "NAME", "unique name") \
    X("--type", "type", TEXT, "TYPE", "see \"horae task types\"") \
    X("--command", "command", DATA, "TEXT", "shell text: short for --type command with this data") \
    X("--env", "env", DATA, "K=V", "variable of the command; repeatable") \
    X("--cwd", "cwd", DATA, "DIR", "folder that the command starts in") \
    X("--user", "user", DATA, "NAME", "who the command runs as, when the server is root") \
    X("--shell", "shell", DATA, "FILE", "shell of the command (/bin/sh)") \
    X("--stdin", "stdin", DATA, "TEXT", "standard input of the command") \
    X("--url", "data", URL, "URL", "short for --type http with a GET of this address") \
    X("--data", "data", RAW_DATA, "JSON", "data of the type; @FILE reads it from a file") \
    X("--cron", "cron_expr", TEXT, "EXPR", "cron expression") \
    X("--calendar", "calendar", TEXT, "TEXT", "OnCalendar expression") \
    X("--interval", "interval", NUMBER, "S", "every S seconds") \
    X("--once", "next_run", TEXT, "TIME", "once, at this time (RFC 3339)") \
    X("--zone", "timezone", TEXT, "ZONE", "time zone of the schedule (UTC)") \
    X("--gap", "gap", TEXT, "POLICY", "times that a clock change skips: auto, skip, shift_forward or run_at_edge") \
    X("--fold", "fold", TEXT, "POLICY", "times that come twice: auto, first, last or both") \
    X("--jitter", "jitter_seconds", NUMBER, "S", "spread starts over S seconds, the same for each slot") \
    X("--anchor", "anchor", TEXT, "TIME", "start of the phase of @every") \
    X("--seed", "seed", TEXT, "TEXT", "seed of H values (the name)") \
    X("--misfire", "misfire_policy", TEXT, "POLICY", "slots missed while down: run_once, run_all or skip") \
    X("--start-deadline", "start_deadline_seconds", NUMBER, "S", "a slot that could not start for S seconds is skipped") \
    X("--overlap", "overlap", TEXT, "POLICY", "a slot while one runs: skip, queue_one, queue_all, cancel_running or allow") \
    X("--max-concurrent", "max_concurrent", NUMBER, "N", "runs at once (1)") \
    X("--priority", "priority", NUMBER, "N", "larger runs first (0)") \
    X("--timeout", "max_duration_seconds", NUMBER, "S", "seconds that an attempt may take (3600)") \
    X("--grace", "timeout_grace_period", NUMBER, "S", "seconds between the stop signal and the kill (30)") \
    X("--retries", "max_retries", NUMBER, "N", "further attempts after a failure (3)") \
    X("--backoff", "retry_backoff", PAIRS, "K=N,…", "base_ms, cap_ms and jitter_percent between attempts") \
    X("--limits", "limits", PAIRS, "K=N,…", "memory_bytes, cpu_percent and pids of a command") \
    X("--label", "labels", LABELS, "K=V", "runs only on instances with this label; repeatable") \
    X("--group", "group_id", TEXT, "TEXT", "group that the task belongs to") \
    X("--description", "description", TEXT, "TEXT", "for people") \
    X("--secret", "secret", TEXT, "TEXT", "signs http requests; it is never shown again")

#define SPEC(option, member, kind, argument, help) {option, 0, argument, help},
#define FILE_SPEC {"--file", 0, "FILE", "the task as JSON (\"-\": standard input); other options override it"},
const struct option_spec task_create_specs[] = {FILE_SPEC TASK_MEMBERS(SPEC){"--disabled", 0, NULL, "create it disabled"},
                                                CLIENT_OPTIONS, OPTIONS_END};
const struct option_spec task_update_specs[] = {
    FILE_SPEC TASK_MEMBERS(SPEC){"--unset", 0, "MEMBER", "back to the default, such as labels or limits; repeatable"},
    {"--if-version", 0, "N", "only when the task still has this version"},
    CLIENT_OPTIONS,
    OPTIONS_END};

static const struct row {
    const char *option, *member;
    enum kind kind;
} rows[] = {
#define ROW(option, member, kind, argument, help) {option, member, kind},
    TASK_MEMBERS(ROW)
#undef ROW
        {"--disabled", "enabled", FLAG_NO},
    {"--if-version", "version", NUMBER},
};

bool check_number(const char *option, const char *text)
{
    int64_t number;
    if (str_to_int(str_of(text), INT64_MIN + 1, INT64_MAX, &number))
        return true;
    (void)fprintf(stderr, "horae: %s \"%s\" is not allowed; it must be a whole number\n", option, text);
    return false;
}

/* ---- data ---- */

/* NAME=VALUE; false: the error is on standard error. */
static bool split_pair(const char *option, const char *text, struct str *name, const char **value)
{
    *name = (struct str){text, strcspn(text, "=")};
    *value = text[name->n] ? text + name->n + 1 : "";
    if (name->n && text[name->n])
        return true;
    (void)fprintf(stderr, "horae: %s \"%s\" is not allowed; it must be NAME=VALUE\n", option, text);
    return false;
}

static bool write_pairs_of(struct json_writer *w, const struct options *o, const char *option, const char *member)
{
    const char *text, *value;
    struct str name;
    if (!options_nth(o, option, 0))
        return true;
    json_key(w, member);
    json_begin_object(w);
    for (size_t i = 0; (text = options_nth(o, option, i)); i++) {
        if (!split_pair(option, text, &name, &value))
            return false;
        json_key_any(w, name.p, name.n);
        json_text(w, value);
    }
    json_end_object(w);
    return true;
}

/* Which form of data is given? At most one. */
static bool find_data(const struct options *o, const struct row **ret)
{
    *ret = NULL;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        if ((row->kind != DATA && row->kind != URL && row->kind != RAW_DATA) || !options_value(o, row->option))
            continue;
        if (*ret && ((*ret)->kind != DATA || row->kind != DATA)) {
            (void)fprintf(stderr, "horae: %s and %s do not go together\n", (*ret)->option, row->option);
            return false;
        }
        *ret = *ret ? *ret : row;
    }
    if (*ret && (*ret)->kind == DATA && !options_value(o, "--command")) {
        (void)fprintf(stderr, "horae: %s goes with --command TEXT\n", (*ret)->option);
        return false;
    }
    return true;
}

static bool write_command(struct json_writer *w, const struct options *o)
{
    struct buf data;
    struct json_writer inner;
    buf_init(&data, TASK_FILE_MAX);
    json_writer_init(&inner, &data);
    json_begin_object(&inner);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].kind == DATA && strcmp(rows[i].option, "--env") != 0 && options_value(o, rows[i].option))
            json_put_text(&inner, rows[i].member, options_value(o, rows[i].option));
    bool fine = write_pairs_of(&inner, o, "--env", "env");
    json_end_object(&inner);
    if (fine)
        json_put_text(w, "data", data.data);
    buf_release(&data);
    return fine;
}

static void write_url(struct json_writer *w, const char *url)
{
    struct buf data;
    struct json_writer inner;
    buf_init(&data, TASK_FILE_MAX);
    json_writer_init(&inner, &data);
    json_begin_object(&inner);
    json_put_text(&inner, "method", "GET");
    json_put_text(&inner, "url", url);
    json_end_object(&inner);
    json_put_text(w, "data", data.data);
    buf_release(&data);
}

static bool write_raw_data(struct json_writer *w, const char *data)
{
    struct buf text;
    buf_init(&text, TASK_FILE_MAX);
    bool fine = data[0] != '@' || read_whole_file(data + 1, &text);
    if (fine)
        json_put_text(w, "data", data[0] != '@' ? data : text.data ? text.data : "");
    buf_release(&text);
    return fine;
}

static bool write_data(struct json_writer *w, const struct options *o)
{
    const struct row *row;
    if (!find_data(o, &row))
        return false;
    if (!row)
        return true;
    if (row->kind == RAW_DATA)
        return write_raw_data(w, options_value(o, row->option));
    if (!options_value(o, "--type"))
        json_put_text(w, "type", row->kind == URL ? "http" : "command");
    if (row->kind == DATA)
        return write_command(w, o);
    write_url(w, options_value(o, row->option));
    return true;
}

/* ---- the other members ---- */

static bool write_numbers(struct json_writer *w, const struct row *row, const char *text)
{
    struct str rest = str_of(text), part;
    json_key(w, row->member);
    json_begin_object(w);
    while (str_split(&rest, ',', &part)) {
        size_t n = 0;
        int64_t number;
        while (n < part.n && part.p[n] != '=')
            n++;
        if (!n || n == part.n || !str_to_int((struct str){part.p + n + 1, part.n - n - 1}, 0, INT64_MAX, &number)) {
            (void)fprintf(stderr, "horae: %s \"%.*s\" is not allowed; it must be NAME=NUMBER,…\n", row->option, (int)part.n,
                          part.p);
            return false;
        }
        json_key_any(w, part.p, n);
        json_int(w, number);
    }
    json_end_object(w);
    return true;
}

static bool write_member(struct json_writer *w, const struct row *row, const char *value)
{
    switch (row->kind) {
    case TEXT: json_put_text(w, row->member, value); return true;
    case NUMBER:
        if (!check_number(row->option, value))
            return false;
        json_key(w, row->member);
        json_raw(w, value, strlen(value));
        return true;
    case PAIRS: return write_numbers(w, row, value);
    case FLAG_NO: json_put_bool(w, row->member, false); return true;
    case LABELS:
    case DATA:
    case URL:
    case RAW_DATA: return true;
    }
    return true;
}

static const char *const schedules[] = {"cron_expr", "calendar", "interval", "next_run"};

static bool is_schedule(struct str member)
{
    for (size_t i = 0; i < ARRAY_LEN(schedules); i++)
        if (str_equal(member, schedules[i]))
            return true;
    return false;
}

/* Is `member` given as an option? NULL: any kind of schedule. */
static bool is_schedule_given(const struct options *o, const char *member)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (is_schedule(str_of(rows[i].member)) && (!member || strcmp(rows[i].member, member) == 0) &&
            options_value(o, rows[i].option))
            return true;
    return false;
}

/* A task has one schedule: whoever changes it means the former one to end. */
static void reset_other_schedules(struct json_writer *w, const struct options *o)
{
    for (size_t k = 0; is_schedule_given(o, NULL) && k < ARRAY_LEN(schedules); k++)
        if (!is_schedule_given(o, schedules[k])) {
            json_key(w, schedules[k]);
            json_null(w);
        }
}

static void write_unset(struct json_writer *w, const struct options *o)
{
    const char *member;
    for (size_t i = 0; (member = options_nth(o, "--unset", i)); i++) {
        json_key_any(w, member, strlen(member));
        json_null(w);
    }
}

/* ---- the file ---- */

/* Is this member of the file given as an option too? */
static bool is_overridden(const struct options *o, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool data = rows[i].kind == DATA || rows[i].kind == URL;
        if (options_value(o, rows[i].option) &&
            (str_equal(name, data ? "data" : rows[i].member) || (data && str_equal(name, "type"))))
            return true;
    }
    return is_schedule(name) && is_schedule_given(o, NULL);
}

static bool copy_members(struct json_writer *w, const struct options *o, const char *name, const struct buf *text)
{
    struct json_doc *doc;
    struct err err;
    if (json_parse(text->data ? text->data : "", text->len, &doc, &err) != OK) {
        (void)fprintf(stderr, "horae: %s: %s\n", name, err.message);
        return false;
    }
    bool fine = json_is_object(json_root(doc));
    if (!fine)
        (void)fprintf(stderr, "horae: %s: a task is a JSON object\n", name);
    struct json_walk walk = {0};
    struct str member;
    const struct json *value;
    while (fine && json_walk_object(json_root(doc), &walk, &member, &value)) {
        if (is_overridden(o, member))
            continue;
        char *printed = json_print(value);
        json_key_any(w, member.p, member.n);
        json_raw(w, printed, strlen(printed));
        free(printed);
    }
    json_doc_free(doc);
    return fine;
}

static bool copy_file(struct json_writer *w, const struct options *o)
{
    const char *name = options_value(o, "--file");
    struct buf text;
    if (!name)
        return true;
    buf_init(&text, TASK_FILE_MAX);
    bool fine = read_whole_file(name, &text) && copy_members(w, o, name, &text);
    buf_release(&text);
    return fine;
}

/* What only the caller can say is asked for here, with the options that say it. */
static bool check_given(const struct options *o, bool update)
{
    bool any = options_value(o, "--file") || (update && options_value(o, "--unset"));
    for (size_t i = 0; i < ARRAY_LEN(rows) && !any && update; i++)
        any = options_value(o, rows[i].option) && strcmp(rows[i].member, "version") != 0;
    if (update && !any)
        (void)fprintf(stderr, "horae task update: nothing to change was given; see \"horae task update --help\"\n");
    if (update || any)
        return any;
    if (!options_value(o, "--name")) {
        (void)fprintf(stderr, "horae task create: --name NAME is missing\n");
        return false;
    }
    if (!options_value(o, "--type") && !options_value(o, "--command") && !options_value(o, "--url")) {
        (void)fprintf(stderr, "horae task create: what is to run? --command TEXT, --url URL, or --type TYPE with --data JSON\n");
        return false;
    }
    return true;
}

bool task_body_build(const struct options *o, bool update, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    if (!copy_file(&w, o))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *value = options_value(o, rows[i].option);
        if (value && !write_member(&w, &rows[i], value))
            return false;
    }
    if (!write_data(&w, o) || !write_pairs_of(&w, o, "--label", "labels") || !check_given(o, update))
        return false;
    if (update) {
        reset_other_schedules(&w, o);
        write_unset(&w, o);
    }
    json_end_object(&w);
    return true;
}
