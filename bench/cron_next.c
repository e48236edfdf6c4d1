/* SPDX-License-Identifier: Apache-2.0 */
/* Nanoseconds per firing of cron_next over typical expressions, and per line of a bare loop that only adds a minute, as
 * the limit of the clock arithmetic. usage: cron_next; prints "name ns". */
#include "base/clock.h"
#include "cron/cron.h"

#include <stdio.h>
#include <string.h>

enum { FIRINGS = 200000, BARE = 2000000 };

static double measure(const char *expression, const char *zone)
{
    struct cron_options options = {.zone = zone};
    struct cron_schedule schedule;
    struct cron_error error;
    if (!cron_parse(expression, strlen(expression), &options, &schedule, &error))
        return -1;
    int64_t at = 1767225600, begun = clock_mono(clock_real()).us, fired = 0;
    for (; fired < FIRINGS && at != CRON_NEVER; fired++)
        at = cron_next(&schedule, at);
    return (double)(clock_mono(clock_real()).us - begun) * 1000 / (double)fired;
}

int main(void)
{
    static const struct {
        const char *expression, *zone;
    } cases[] = {{"* * * * *", "UTC"},
                 {"*/5 * * * *", "America/New_York"},
                 {"30 2 * * *", "Europe/Paris"},
                 {"0 9 * * MON-FRI", "Asia/Shanghai"},
                 {"0 0 L * *", "UTC"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        (void)printf("%s|%s|%.1f\n", cases[i].expression, cases[i].zone, measure(cases[i].expression, cases[i].zone));
    volatile int64_t sink = 0;
    int64_t begun = clock_mono(clock_real()).us;
    for (int64_t i = 0; i < BARE; i++)
        sink = (sink / 60 + 1) * 60;
    (void)printf("bare arithmetic|-|%.1f\n", (double)(clock_mono(clock_real()).us - begun) * 1000 / BARE);
    return 0;
}
