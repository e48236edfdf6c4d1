/* SPDX-License-Identifier: Apache-2.0 */
/* Nanoseconds of one cron_next in process: 50 mixed expressions, half of them in zones with clock changes, each from instants
 * spread over ten years and from its own last firing; then schedules that have to look far. Prints JSON. */
#include "base/clock.h"
#include "cron/cron.h"

#include <stdio.h>
#include <string.h>

enum { INSTANTS = 4096, CALLS = 100000, FIRINGS = 20000, BARE = 2000000 };
static const int64_t begin_s = 1767225600, span_s = 10LL * 366 * 86400;

struct bench_case {
    const char *expression, *zone;
};

static const struct bench_case mixed[] = {
    {"* * * * *", "UTC"},
    {"*/5 * * * *", "America/New_York"},
    {"*/15 * * * *", "UTC"},
    {"0 * * * *", "Europe/Paris"},
    {"30 * * * *", "UTC"},
    {"7,37 * * * *", "America/Los_Angeles"},
    {"0 */2 * * *", "UTC"},
    {"0 */6 * * *", "Australia/Sydney"},
    {"*/10 9-17 * * 1-5", "America/New_York"},
    {"0 9-17 * * MON-FRI", "UTC"},
    {"30 2 * * *", "Europe/Paris"},
    {"30 1 * * *", "America/New_York"},
    {"0 0 * * *", "UTC"},
    {"0 0 * * *", "America/Sao_Paulo"},
    {"15 3 * * *", "Asia/Shanghai"},
    {"0 9 * * MON-FRI", "Asia/Tokyo"},
    {"0 9,13,17 * * 1-5", "Europe/Berlin"},
    {"0 0 * * 0", "UTC"},
    {"0 4 * * 6", "Australia/Lord_Howe"},
    {"0 0 1 * *", "UTC"},
    {"0 0 1,15 * *", "Europe/London"},
    {"0 6 1-7 * *", "UTC"},
    {"0 0 L * *", "UTC"},
    {"0 23 L * *", "America/Chicago"},
    {"0 12 15W * *", "Europe/Madrid"},
    {"0 12 1W * *", "UTC"},
    {"0 18 LW * *", "America/Toronto"},
    {"0 10 * * 5#2", "Europe/Rome"},
    {"0 10 * * 1#1", "UTC"},
    {"0 10 * * 5L", "America/Denver"},
    {"0 22 * * 7L", "UTC"},
    {"0 0 13 * 5", "UTC"},
    {"0 0 13 * +5", "Europe/Vienna"},
    {"0 0 1 1 *", "UTC"},
    {"0 0 1 1 *", "Pacific/Auckland"},
    {"0 12 25 12 *", "Europe/Dublin"},
    {"0 0 29 2 *", "UTC"},
    {"30 2 29 2 *", "America/New_York"},
    {"0 0 1 */3 *", "UTC"},
    {"0 0 1 1,4,7,10 *", "Africa/Casablanca"},
    {"0 8 * 6-8 1-5", "Europe/Athens"},
    {"0 0 31 * *", "UTC"},
    {"* * * * * *", "UTC"},
    {"*/10 * * * * *", "America/New_York"},
    {"0,30 */5 * * * *", "UTC"},
    {"15 30 4 * * *", "Europe/Paris"},
    {"0 0 12 1 1 * 2030", "UTC"},
    {"0 0 12 * * 1 2026-2035", "America/Havana"},
    {"0 30 2 * 3 *", "Europe/Lisbon"},
    {"59 59 23 31 12 *", "Asia/Kathmandu"},
};

static const struct bench_case far[] = {
    {"0 0 29 2 +MON", "America/New_York"},    {"0 0 0 29 2 * 2000/400", "UTC"},
    {"0 0 0 1 1 * 9999", "America/New_York"}, {"0 0 L-30W 2,3 *", "UTC"},
    {"30 2 29 2 *", "Europe/Paris"},          {"0 0 31 12 +FRI#5", "Antarctica/Troll"},
};

static int64_t instants[INSTANTS];

static void spread_instants(void)
{
    uint64_t state = 88172645463325252u; /* xorshift: the same instants in every run */
    for (size_t i = 0; i < INSTANTS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        instants[i] = begin_s + (int64_t)(state % (uint64_t)span_s);
    }
}

static volatile int64_t sink;

static double from_instants(const struct cron_schedule *s)
{
    const int64_t begun = clock_mono(clock_real()).us;
    for (int i = 0; i < CALLS; i++)
        sink = cron_next(s, instants[i % INSTANTS]);
    return (double)(clock_mono(clock_real()).us - begun) * 1000 / CALLS;
}

static double in_a_row(const struct cron_schedule *s)
{
    const int64_t begun = clock_mono(clock_real()).us;
    int64_t at = begin_s;
    for (int i = 0; i < FIRINGS; i++) {
        at = cron_next(s, at);
        if (at == CRON_NEVER)
            at = begin_s;
    }
    return (double)(clock_mono(clock_real()).us - begun) * 1000 / FIRINGS;
}

static bool measure(const char *name, const struct bench_case *cases, size_t count)
{
    (void)printf("\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        struct cron_options options = {.zone = cases[i].zone};
        struct cron_schedule s;
        struct cron_error error;
        if (!cron_parse(cases[i].expression, strlen(cases[i].expression), &options, &s, &error)) {
            (void)fprintf(stderr, "cron_next: %s: %s\n", cases[i].expression, error.message);
            return false;
        }
        (void)from_instants(&s); /* warm */
        (void)printf("%s{\"expr\":\"%s\",\"zone\":\"%s\",\"ns\":%.1f,\"row_ns\":%.1f}", i ? "," : "", cases[i].expression,
                     cases[i].zone, from_instants(&s), in_a_row(&s));
    }
    (void)printf("],");
    return true;
}

/* The floor: splitting an instant into its second, minute and hour. */
static double bare(void)
{
    const int64_t begun = clock_mono(clock_real()).us;
    for (int i = 0; i < BARE; i++) {
        const int64_t at = instants[i % INSTANTS];
        sink = at % 60 + at / 60 % 60 + at / 3600 % 24;
    }
    return (double)(clock_mono(clock_real()).us - begun) * 1000 / BARE;
}

int main(void)
{
    spread_instants();
    (void)printf("{");
    if (!measure("mixed", mixed, sizeof mixed / sizeof mixed[0]) || !measure("far", far, sizeof far / sizeof far[0]))
        return 1;
    (void)printf("\"bare_ns\":%.1f}\n", bare());
    return 0;
}
