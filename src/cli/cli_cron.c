/* SPDX-License-Identifier: Apache-2.0 */
/* horae cron: the engine from the command line (contract section 4). No server is needed. */
#include "base/clock.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/cli_cron_batch.h"
#include "cli/cron_query.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

enum { N_MAX = 1000000, DESCRIPTION_MAX = 16384 };

static const struct option_spec specs[] = {
    {"--zone", 0, "Z", "time zone (UTC)"},
    {"--from", 0, "T", "start, RFC 3339 (now)"},
    {"--to", 0, "T", "end of count"},
    {"--count", 'n', "N", "how many times (1; next 5)"},
    {"--seed", 0, "S", "seed of H values"},
    {"--dialect", 0, "D", "horae, vixie, quartz, aws, spring, jenkins, k8s, croniter, pg_cron"},
    {"--syntax", 0, "S", "cron or oncalendar"},
    {"--gap", 0, "P", "auto, skip, run_at_edge or shift_forward"},
    {"--fold", 0, "P", "auto, first, last or both"},
    {"--lang", 0, "L", "en or zh, for explain"},
    {NULL, 0, NULL, NULL}};

static int usage(FILE *out)
{
    (void)fprintf(out,
                  "Usage:\n"
                  "  horae cron next EXPR       coming times\n"
                  "  horae cron prev EXPR       past times, newest first\n"
                  "  horae cron count EXPR      times in [--from, --to)\n"
                  "  horae cron check EXPR      is it valid? prints the canonical text and remarks\n"
                  "  horae cron explain EXPR    in words\n"
                  "  horae cron batch           one JSON query per line on standard input, one answer per line\n\nOptions:\n");
    if (out == stdout)
        options_print(specs);
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static bool refuse(const char *option, const char *value, const char *allowed)
{
    (void)fprintf(stderr, "horae cron: %s \"%s\" is not allowed; it must be %s\n", option, value, allowed);
    return false;
}

static bool read_time(const struct options *o, const char *name, int64_t absent, int64_t *ret, bool *ret_fraction)
{
    const char *text = options_value(o, name);
    *ret = absent;
    *ret_fraction = false;
    return !text || cron_query_time(text, strlen(text), ret, ret_fraction) ||
           refuse(name, text, "a time such as 2026-03-08T00:00:00Z");
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
    const char *n = options_value(o, "--count"), *op = o->positional[0];
    bool fraction;
    int64_t now = clock_wall(clock_real()).us / US_PER_S;
    q->expr = o->positional[1];
    q->expr_length = strlen(q->expr);
    q->options.zone = options_value(o, "--zone");
    q->options.seed = options_value(o, "--seed");
    q->n = strcmp(op, "next") == 0 ? 5 : 1;
    if (!read_time(o, "--from", now, &q->from_s, &q->from_has_fraction) || !read_names(o, &q->options))
        return false;
    q->options.anchor_s = q->from_s;
    if (n && !str_to_int(str_of(n), 1, N_MAX, &q->n))
        return refuse("-n", n, "a whole number between 1 and 1000000");
    if (strcmp(op, "count") == 0 && !options_value(o, "--to"))
        return refuse("--to", "", "given for count");
    return read_time(o, "--to", 0, &q->to_s, &fraction);
}

static int print_error(const struct cron_query *q, const struct cron_error *error)
{
    char text[4096];
    (void)cron_format_error(q->expr, error, text, sizeof text);
    (void)fprintf(stderr, "%s%s", text, text[0] && text[strlen(text) - 1] == '\n' ? "" : "\n");
    return CLI_FAILED;
}

static void print_time(const struct cron_schedule *s, int64_t at_s)
{
    char text[64];
    (void)cron_format_time(s, at_s, text, sizeof text);
    (void)puts(text);
}

static void print_next(const struct cron_query *q, const struct cron_schedule *s)
{
    int64_t at = q->from_s;
    for (int64_t i = 0; i < q->n && (at = cron_next(s, at)) != CRON_NEVER; i++)
        print_time(s, at);
}

static void print_prev(const struct cron_query *q, const struct cron_schedule *s)
{
    int64_t at = q->from_s + (q->from_has_fraction ? 1 : 0);
    for (int64_t i = 0; i < q->n && (at = cron_prev(s, at)) != CRON_NEVER; i++)
        print_time(s, at);
}

static int check(const struct cron_query *q, const struct cron_schedule *s)
{
    static char canonical[CRON_CANONICAL_MAX];
    struct cron_warning warnings[CRON_WARNINGS_MAX];
    struct cron_error error;
    if (cron_is_impossible(s)) {
        cron_never_error(q->expr, q->expr_length, &q->options, s, &error);
        return print_error(q, &error);
    }
    (void)cron_canonical(s, canonical, sizeof canonical);
    (void)puts(canonical);
    size_t count = cron_lint(s, q->from_s, warnings, CRON_WARNINGS_MAX);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stderr, "warning %s: %s\n", warnings[i].code, warnings[i].message);
    return CLI_DONE;
}

static int explain(const struct cron_query *q, const struct cron_schedule *s, const char *lang)
{
    static char text[DESCRIPTION_MAX];
    if (lang && strcmp(lang, "en") != 0 && strcmp(lang, "zh") != 0) {
        (void)refuse("--lang", lang, "en or zh");
        return CLI_USAGE;
    }
    (void)cron_describe(s, lang ? lang : "en", text, sizeof text);
    (void)puts(text);
    if (cron_clock_remarks(s, q->from_s, lang ? lang : "en", text, sizeof text) > 0)
        (void)puts(text);
    return CLI_DONE;
}

static int answer(const struct options *o, const struct cron_query *q, const struct cron_schedule *s)
{
    const char *op = o->positional[0];
    if (strcmp(op, "check") == 0)
        return check(q, s);
    if (strcmp(op, "explain") == 0)
        return explain(q, s, options_value(o, "--lang"));
    if (strcmp(op, "next") == 0)
        print_next(q, s);
    else if (strcmp(op, "prev") == 0)
        print_prev(q, s);
    else
        (void)printf("%lld\n", (long long)cron_count(s, q->from_s + (q->from_has_fraction ? 1 : 0), q->to_s));
    return CLI_DONE;
}

int cli_cron(int argc, char **argv)
{
    static const char *const ops[] = {"next", "prev", "count", "check", "explain"};
    struct options o;
    struct cron_query q = {.op = CRON_OP_NEXT};
    struct cron_schedule schedule;
    struct cron_error error;
    if (!options_parse(&o, specs, argc, argv, "cron"))
        return CLI_USAGE;
    if (o.help)
        return usage(stdout);
    if (o.positional_count == 1 && strcmp(o.positional[0], "batch") == 0)
        return cli_cron_batch(stdin, stdout);
    bool known = false;
    for (size_t i = 0; o.positional_count == 2 && i < ARRAY_LEN(ops); i++)
        known |= strcmp(o.positional[0], ops[i]) == 0;
    if (!known)
        return usage(stderr);
    if (!read_query(&o, &q))
        return CLI_USAGE;
    if (!cron_parse(q.expr, q.expr_length, &q.options, &schedule, &error))
        return print_error(&q, &error);
    return answer(&o, &q, &schedule);
}
