/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cron_query.h"

#include "base/clock.h"

#include <string.h>

static int64_t floor_second(int64_t us)
{
    return us / US_PER_S - (us % US_PER_S < 0);
}

/* Digits behind the microseconds count too: the instant lies between two seconds. */
static bool has_fraction(const char *text, size_t length)
{
    const char *point = memchr(text, '.', length);
    for (const char *at = point ? point + 1 : text + length; at < text + length && *at >= '0' && *at <= '9'; at++)
        if (*at != '0')
            return true;
    return false;
}

/* "…-04:56:02": the seconds of the offset, signed. False: it has none. */
static bool offset_seconds(const char *text, size_t length, int64_t *ret)
{
    const char *end = text + length;
    if (length < sizeof "1883-01-01T00:00:00-04:56:02" - 1 || end[-3] != ':' || end[-6] != ':' ||
        (end[-9] != '+' && end[-9] != '-') || end[-2] < '0' || end[-2] > '5' || end[-1] < '0' || end[-1] > '9')
        return false;
    *ret = ((end[-2] - '0') * 10 + (end[-1] - '0')) * (end[-9] == '-' ? -1 : 1);
    return true;
}

bool cron_query_time(const char *text, size_t length, struct cron_instant *ret)
{
    int64_t us, offset_s = 0;
    const size_t used = offset_seconds(text, length, &offset_s) ? length - 3 : length;
    const bool year_zero =
        length > 4 && memcmp(text, "0000-", 5) == 0; /* RFC 3339 has one, the engine's calendar begins behind it */
    if (year_zero || !time_parse(text, used, &us))
        return false;
    const int64_t s = floor_second(us) - offset_s;
    *ret = (struct cron_instant){s, s + (us % US_PER_S != 0 || has_fraction(text, length))};
    return true;
}

bool cron_query_ms(int64_t unix_ms, struct cron_instant *ret)
{
    if (unix_ms < -62135596800000 || unix_ms > 253402300799999)
        return false;
    const int64_t s = floor_second(unix_ms * US_PER_MS);
    *ret = (struct cron_instant){s, s + (unix_ms % 1000 != 0)};
    return true;
}

struct cron_instant cron_query_now(void)
{
    const int64_t us = clock_wall(clock_real()).us;
    return (struct cron_instant){us / US_PER_S, us / US_PER_S + (us % US_PER_S != 0)};
}
