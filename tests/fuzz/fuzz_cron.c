/* SPDX-License-Identifier: Apache-2.0 */
/* Cron expressions: any text either gives an error that points into it, or a schedule whose four views agree.
 * Input: dialect, gap, fold, zone, four bytes of time, then the expression. */
#include "cron_checks.h"

static const char *const zones[] = {
    "UTC",           "America/New_York",  "Australia/Lord_Howe",  "Antarctica/Troll", "Pacific/Apia",
    "Europe/Dublin", "Africa/Casablanca", "America/Scoresbysund", "Asia/Pyongyang",   "Africa/Cairo"};

enum { DIALECTS = CRON_DIALECT_PG_CRON + 1 };

/* Plain words: an expression that parses, or an error that points into them. */
static void check_phrase(const char *text, size_t len)
{
    char expression[CRON_CANONICAL_MAX];
    struct cron_schedule s;
    struct cron_error e = {0};
    if (cron_from_phrase(text, len, expression, sizeof expression, &e) > 0)
        CHECK(cron_parse(expression, strlen(expression), NULL, &s, &e), "\"%s\": %s", expression, e.message);
    else
        check_error(text, len, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct cron_years years;
    struct cron_options options = {.seed = "fuzz", .years = &years};
    struct cron_schedule s;
    struct cron_error e = {0};
    options.dialect = (enum cron_dialect)fuzz_choice(&input, DIALECTS);
    options.gap = (enum cron_gap)fuzz_choice(&input, CRON_GAP_RUN_AT_EDGE + 1);
    options.fold = (enum cron_fold)fuzz_choice(&input, CRON_FOLD_BOTH + 1);
    options.zone = zones[fuzz_choice(&input, ARRAY_LEN(zones))];
    const int64_t from = fuzz_time(&input);
    options.anchor_s = from - 1000;
    char *text = fuzz_rest(&input);
    if (cron_parse(text, input.left, &options, &s, &e)) {
        check_canonical(&s, &options);
        check_words(&s, from);
        check_views(&s, from);
    } else {
        check_error(text, input.left, &e);
    }
    check_phrase(text, input.left);
    free(text);
    return 0;
}
