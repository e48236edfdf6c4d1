/* SPDX-License-Identifier: Apache-2.0 */
/* horae cron: the engine from the command line (contract section 4). No server is needed. */
#include "base/str.h"
#include "cli/cli.h"
#include "cli/cli_cron_batch.h"
#include "cli/cron_query.h"
#include "cli/nearest.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DESCRIPTION_MAX = 16384 };

static const struct option_spec specs[] = {
    {"--zone", 0, "Z", "time zone (UTC)"},
    {"--from", 0, "T", "start, RFC 3339 (now)"},
    {"--to", 0, "T", "end, of count and of the times that next and prev list"},
    {"--count", 'n', "N", "how many times (1; with --to all)"},
    {"--seed", 0, "S", "seed of H values"},
    {"--dialect", 0, "D", "horae, vixie, quartz, aws, spring, jenkins, k8s, croniter, pg_cron"},
    {"--syntax", 0, "S", "cron or oncalendar"},
    {"--gap", 0, "P", "auto, skip, run_at_edge or shift_forward"},
    {"--fold", 0, "P", "auto, first, last or both"},
    {"--lang", 0, "L", "en or zh, for explain"},
    {NULL, 0, NULL, NULL}};

static const char batch_help[] =
    "Usage:\n"
    "  horae cron batch           one JSON query per line on standard input, one answer per line, in order\n\n"
    "Keys of a query (all but expr may be left out):\n"
    "  expr                       the expression\n"
    "  op                         next (default), prev, count or parse\n"
    "  from, to                   times, RFC 3339 or Unix milliseconds; from is now; count needs to, its end\n"
    "  n                          how many times of next and prev (1)\n"
    "  tz, seed, anchor           time zone (UTC), seed of H values, start of @every (from)\n"
    "  dialect, syntax, gap, fold as the options of the other commands\n\n"
    "Answers: {\"next\":[TIME,…]} {\"prev\":[TIME,…]} {\"count\":N} {\"ok\":true,\"cron\":TEXT} {\"error\":{\"code\",\"pos\",\"message\"}}\n"
    "Fewer than n times: there are no more.\n";

static int usage(FILE *out)
{
    (void)fprintf(out, "Usage:\n"
                       "  horae cron next EXPR       coming times\n"
                       "  horae cron prev EXPR       past times, newest first\n"
                       "  horae cron count EXPR      times in [--from, --to)\n"
                       "  horae cron check EXPR      is it valid? prints the canonical text, and warnings\n"
                       "  horae cron explain EXPR    in words\n"
                       "  horae cron phrase WORDS    the expression for words such as \"every weekday at 09:00 Europe/Paris\"\n"
                       "  horae cron batch           one JSON query per line on standard input, one answer per line\n");
    if (out == stdout) {
        (void)puts("\nOptions:");
        options_print(specs);
    }
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static bool refuse(const char *option, const char *value, const char *allowed)
{
    (void)fprintf(stderr, "horae cron: %s \"%s\" is not allowed; it must be %s\n", option, value, allowed);
    return false;
}

static bool read_time(const struct options *o, const char *name, struct cron_instant *ret)
{
    const char *text = options_value(o, name);
    return !text || cron_query_time(text, strlen(text), ret) || refuse(name, text, "a time such as 2026-03-08T00:00:00Z");
}

static bool read_names(const struct options *o, struct cron_options *out)
{
    const char *text;
    if ((text = options_value(o, "--dialect")) && !cron_dialect_from_name(text, &out->dialect))
        return refuse("--dialect", text, "horae, vixie, quartz, aws, spring, jenkins, k8s, croniter or pg_cron");
    if ((text = options_value(o, "--syntax")) && !cron_syntax_from_name(text, &out->syntax))
        return refuse("--syntax", text, "cron or oncalendar");
    if ((text = options_value(o, "--gap")) && !cron_gap_from_name(text, &out->gap))
        return refuse("--gap", text, "auto, skip, run_at_edge or shift_forward");
    if ((text = options_value(o, "--fold")) && !cron_fold_from_name(text, &out->fold))
        return refuse("--fold", text, "auto, first, last or both");
    return true;
}

static bool read_query(const struct options *o, struct cron_query *q)
{
    const char *n = options_value(o, "--count"), *lang = options_value(o, "--lang");
    q->expr = o->positional[1];
    q->expr_length = strlen(q->expr);
    q->options.zone = options_value(o, "--zone");
    q->options.seed = options_value(o, "--seed");
    q->from = cron_query_now();
    if (!read_time(o, "--from", &q->from) || !read_time(o, "--to", &q->to) || !read_names(o, &q->options))
        return false;
    q->options.anchor_s = q->from.floor_s;
    if (n && !str_to_int(str_of(n), 1, CRON_QUERY_N_MAX, &q->n))
        return refuse("-n", n, "a whole number between 1 and 1000000");
    if (lang && strcmp(lang, "en") != 0 && strcmp(lang, "zh") != 0)
        return refuse("--lang", lang, "en or zh");
    const char *op = o->positional[0];
    if (strcmp(op, "count") == 0 && !options_value(o, "--to")) {
        (void)fprintf(stderr, "horae cron: count needs --to, the end of the time to count in\n");
        return false;
    }
    if (!options_value(o, "--to"))
        q->to.ceil_s = strcmp(op, "prev") == 0 ? INT64_MIN : INT64_MAX;
    else if (!n)
        q->n = CRON_QUERY_N_MAX;
    return true;
}

/* The zone of --zone is no part of the expression: its error shows the option. */
static bool zone_is_known(const struct cron_query *q)
{
    static char shown[256];
    struct cron_options options = {.zone = q->options.zone};
    struct cron_schedule schedule;
    struct cron_error error;
    if (cron_parse("* * * * *", 9, &options, &schedule, &error))
        return true;
    (void)snprintf(shown, sizeof shown, "--zone %s", q->options.zone);
    error.pos = strlen("--zone ");
    error.len = strlen(shown) - error.pos;
    char text[4096];
    (void)cron_format_error(shown, &error, text, sizeof text);
    (void)fputs(text, stderr);
    return false;
}

static int print_error(const struct cron_query *q, const struct cron_error *error)
{
    char text[4096];
    (void)cron_format_error(q->expr, error, text, sizeof text);
    (void)fputs(text, stderr);
    return CLI_FAILED;
}

static void print_time(const struct cron_schedule *s, int64_t at_s)
{
    char text[64];
    (void)cron_format_time(s, at_s, text, sizeof text);
    (void)puts(text);
}

/* Until there are n of them, or `to` is reached. */
static int print_next(const struct cron_query *q, const struct cron_schedule *s, const char *lang)
{
    (void)lang;
    int64_t at = q->from.floor_s;
    for (int64_t i = 0; i < q->n && (at = cron_next(s, at)) != CRON_NEVER && at < q->to.ceil_s; i++)
        print_time(s, at);
    return CLI_DONE;
}

static int print_prev(const struct cron_query *q, const struct cron_schedule *s, const char *lang)
{
    (void)lang;
    int64_t at = q->from.ceil_s;
    for (int64_t i = 0; i < q->n && (at = cron_prev(s, at)) != CRON_NEVER && at >= q->to.ceil_s; i++)
        print_time(s, at);
    return CLI_DONE;
}

static int print_count(const struct cron_query *q, const struct cron_schedule *s, const char *lang)
{
    (void)lang;
    (void)printf("%lld\n", (long long)cron_count(s, q->from.ceil_s, q->to.ceil_s));
    return CLI_DONE;
}

static int check(const struct cron_query *q, const struct cron_schedule *s, const char *lang)
{
    (void)lang;
    static char canonical[CRON_CANONICAL_MAX];
    struct cron_warning warnings[CRON_WARNINGS_MAX];
    struct cron_error error;
    if (cron_is_impossible(s)) {
        cron_never_error(q->expr, q->expr_length, &q->options, s, &error);
        return print_error(q, &error);
    }
    (void)cron_canonical(s, canonical, sizeof canonical);
    (void)puts(canonical);
    size_t count = cron_lint(s, q->from.floor_s, warnings, CRON_WARNINGS_MAX);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stderr, "warning %s: %s\n", warnings[i].code, warnings[i].message);
    return CLI_DONE;
}

static int explain(const struct cron_query *q, const struct cron_schedule *s, const char *lang)
{
    static char text[DESCRIPTION_MAX];
    (void)cron_describe(s, lang, text, sizeof text);
    (void)puts(text);
    if (cron_clock_remarks(s, q->from.floor_s, lang, text, sizeof text) > 0)
        (void)puts(text);
    return CLI_DONE;
}

/* Plain words to an expression, which is printed for a person to look at and to use. */
static int phrase(const char *text)
{
    char expression[CRON_CANONICAL_MAX], shown[4096];
    struct cron_error error = {.len = 0};
    if (cron_from_phrase(text, strlen(text), expression, sizeof expression, &error) > 0)
        return puts(expression) < 0 ? CLI_FAILED : CLI_DONE;
    (void)cron_format_error(text, &error, shown, sizeof shown);
    (void)fputs(shown, stderr);
    return CLI_FAILED;
}

static const struct {
    const char *name;
    int (*run)(const struct cron_query *q, const struct cron_schedule *s, const char *lang);
} commands[] = {
    {"next", print_next}, {"prev", print_prev}, {"count", print_count}, {"check", check}, {"explain", explain},
};

/* What is wrong with the arguments before the options matter. */
static int complain(const struct options *o)
{
    const char *name = o->positional_count > 0 ? o->positional[0] : NULL;
    struct nearest near = {.name = NULL};
    bool known = false;
    for (size_t i = 0; name && i < ARRAY_LEN(commands); i++) {
        known |= strcmp(name, commands[i].name) == 0;
        nearest_offer(&near, name, commands[i].name);
    }
    if (name) {
        nearest_offer(&near, name, "batch");
        nearest_offer(&near, name, "phrase");
    }
    if (name && strcmp(name, "phrase") == 0)
        (void)fprintf(stderr,
                      "horae cron phrase: WORDS must be one argument, in quotes, without options: 'every day at 09:00'\n");
    else if (name && strcmp(name, "batch") == 0)
        (void)fprintf(stderr, "horae cron batch: all is asked on standard input; see horae cron batch --help\n");
    else if (known && o->positional_count > 2)
        (void)fprintf(stderr, "horae cron %s: the expression must be one argument, in quotes: '*/5 * * * *'\n", name);
    else if (known)
        (void)fprintf(stderr, "horae cron %s: EXPR is missing\n", name);
    else if (name)
        (void)fprintf(stderr, "horae cron: unknown subcommand \"%s\"%s%s%s\n", name, near.name ? "; did you mean \"" : "",
                      near.name ? near.name : "", near.name ? "\"?" : "");
    return usage(stderr);
}

static int run(const struct options *o, int (*command)(const struct cron_query *, const struct cron_schedule *, const char *))
{
    struct cron_query q = {.n = 1};
    struct cron_schedule schedule;
    struct cron_error error;
    const char *lang = options_value(o, "--lang");
    if (!read_query(o, &q))
        return CLI_USAGE;
    if (!zone_is_known(&q))
        return CLI_FAILED;
    if (!cron_parse(q.expr, q.expr_length, &q.options, &schedule, &error))
        return print_error(&q, &error);
    const int code = command(&q, &schedule, lang ? lang : "en");
    return fflush(stdout) == 0 ? code : CLI_FAILED;
}

int cli_cron(int argc, char **argv)
{
    struct options o;
    if (!options_parse(&o, specs, argc, argv, "cron"))
        return CLI_USAGE;
    const bool batch = o.positional_count > 0 && strcmp(o.positional[0], "batch") == 0;
    if (o.help)
        return batch ? fputs(batch_help, stdout) < 0 : usage(stdout);
    if (batch && o.positional_count == 1 && o.count == 0)
        return cli_cron_batch(STDIN_FILENO, stdout);
    if (o.positional_count == 2 && o.count == 0 && strcmp(o.positional[0], "phrase") == 0)
        return phrase(o.positional[1]);
    for (size_t i = 0; o.positional_count == 2 && i < ARRAY_LEN(commands); i++)
        if (strcmp(o.positional[0], commands[i].name) == 0)
            return run(&o, commands[i].run);
    return complain(&o);
}
