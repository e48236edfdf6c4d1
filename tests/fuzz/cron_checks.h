/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of every schedule, for the fuzzers of its inputs: errors point into the text, the canonical text means the same,
 * and next, prev, count and matches are views of one set. */
#ifndef HORAE_TESTS_FUZZ_CRON_CHECKS_H
#define HORAE_TESTS_FUZZ_CRON_CHECKS_H

#include "fuzz.h"

#include "cron/cron.h"

enum { CHECKED_STEPS = 5 };

static inline void check_error(const char *text, size_t len, const struct cron_error *e)
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
static inline void check_canonical(const struct cron_schedule *s, const struct cron_options *given)
{
    static char first[CRON_CANONICAL_MAX], second[CRON_CANONICAL_MAX];
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

static inline void check_words(const struct cron_schedule *s, int64_t at)
{
    static char text[16384];
    struct cron_warning warnings[CRON_WARNINGS_MAX];
    CHECK(cron_describe(s, "en", text, sizeof text) > 0, "no description");
    CHECK(cron_describe(s, "zh", text, sizeof text) > 0, "no Chinese description");
    (void)cron_clock_remarks(s, at, "en", text, sizeof text);
    CHECK(cron_lint(s, at, warnings, CRON_WARNINGS_MAX) <= CRON_WARNINGS_MAX, "too many warnings");
}

/* Section 4: next, prev, count and matches are views of one set. */
static inline void check_views(const struct cron_schedule *s, int64_t from)
{
    int64_t at = from, fires = 0;
    for (int i = 0; i < CHECKED_STEPS; i++) {
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

#endif
