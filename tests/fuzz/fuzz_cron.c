/* SPDX-License-Identifier: Apache-2.0 */
/* Cron expressions: any text either gives an error that points into it, or a schedule whose four views agree.
 * Input: dialect, gap, fold, zone, four bytes of time, then the expression. */
#include "fuzz.h"

#include "cron/cron.h"

static const char *const zones[] = {
    "UTC",           "America/New_York",  "Australia/Lord_Howe",  "Antarctica/Troll", "Pacific/Apia",
    "Europe/Dublin", "Africa/Casablanca", "America/Scoresbysund", "Asia/Pyongyang",   "Africa/Cairo"};

enum { DIALECTS = CRON_DIALECT_PG_CRON + 1, STEPS = 5, CANONICAL_MAX = CRON_CANONICAL_MAX };

static void check_error(const char *text, size_t len, const struct cron_error *e)
{
    char *copy = malloc(len + 1), shown[4096];
    CHECK(copy != NULL, "no memory");
    memcpy(copy, text, len);
    copy[len] = '\0';
    CHECK(e->code[0] != '\0' && e->message[0] != '\0', "an error without code or message");
    CHECK(e->pos <= len && e->len >= 1, "%s at %zu of %zu, %zu long", e->code, e->pos, len, e->len);
    (void)cron_format_error(copy, e, shown, sizeof shown);
    free(copy);
}

/* Section 9: what is printed back means the same, and is a fixed point. */
static void check_canonical(const struct cron_schedule *s, const struct cron_options *given)
{
    static char first[CANONICAL_MAX], second[CANONICAL_MAX];
    struct cron_years years;
    struct cron_options options = *given;
    struct cron_schedule again;
    struct cron_error e;
    options.dialect = CRON_DIALECT_HORAE;
    options.syntax = CRON_SYNTAX_CRON;
    options.seed = NULL;
    options.years = &years;
    const size_t len = cron_canonical(s, first, sizeof first);
    CHECK(len < sizeof first, "canonical text of %zu bytes", len);
    CHECK(cron_parse(first, len, &options, &again, &e), "canonical \"%s\": %s", first, e.message);
    CHECK(cron_equal(s, &again), "canonical \"%s\" means something else", first);
    (void)cron_canonical(&again, second, sizeof second);
    CHECK(strcmp(first, second) == 0, "\"%s\" became \"%s\"", first, second);
}

static void check_words(const struct cron_schedule *s, int64_t at)
{
    static char text[16384];
    struct cron_warning warnings[CRON_WARNINGS_MAX];
    CHECK(cron_describe(s, "en", text, sizeof text) > 0, "no description");
    CHECK(cron_describe(s, "zh", text, sizeof text) > 0, "no Chinese description");
    (void)cron_clock_remarks(s, at, "en", text, sizeof text);
    CHECK(cron_lint(s, at, warnings, CRON_WARNINGS_MAX) <= CRON_WARNINGS_MAX, "too many warnings");
}

/* Section 4: next, prev, count and matches are views of one set. */
static void check_views(const struct cron_schedule *s, int64_t from)
{
    int64_t at = from, fires = 0;
    for (int i = 0; i < STEPS; i++) {
        const int64_t next = cron_next(s, at);
        if (next == CRON_NEVER) {
            const int64_t last = cron_prev(s, INT64_MAX);
            CHECK(last == CRON_NEVER || last <= at, "none after %lld, but the last is %lld", (long long)at, (long long)last);
            return;
        }
        CHECK(next > at, "next %lld is not after %lld", (long long)next, (long long)at);
        CHECK(cron_matches(s, next), "next %lld is no fire", (long long)next);
        CHECK(cron_count(s, at + 1, next) == 0, "fires between %lld and its next %lld", (long long)at, (long long)next);
        CHECK(cron_count(s, next, next + 1) == 1, "a fire is not counted");
        CHECK(cron_prev(s, next + 1) == next && cron_next(s, next - 1) == next, "neighbours of %lld disagree", (long long)next);
        const int64_t before = cron_prev(s, next);
        CHECK(before < next && (i == 0 || before == at), "prev of %lld is %lld, not %lld", (long long)next, (long long)before,
              (long long)at);
        CHECK(before == CRON_NEVER || cron_next(s, before) == next, "next(prev(x)) is not x");
        at = next;
        fires++;
        CHECK(cron_count(s, from + 1, at + 1) == fires, "count from %lld", (long long)from);
    }
    const int64_t middle = from + (at - from) / 3;
    CHECK(cron_count(s, from, at) == cron_count(s, from, middle) + cron_count(s, middle, at), "count does not add up");
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
    uint32_t time = 0;
    for (int i = 0; i < 4; i++)
        time = time * 256 + fuzz_choice(&input, 256);
    const int64_t from = (int64_t)(int32_t)time * 8; /* years 1425 to 2514 */
    options.anchor_s = from - 1000;
    char *text = fuzz_rest(&input);
    if (cron_parse(text, input.left, &options, &s, &e)) {
        check_canonical(&s, &options);
        check_words(&s, from);
        check_views(&s, from);
    } else {
        check_error(text, input.left, &e);
    }
    free(text);
    return 0;
}
