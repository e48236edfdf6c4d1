/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cron_query.h"

#include "base/clock.h"

bool cron_query_time(const char *text, size_t length, int64_t *ret_s, bool *ret_fraction)
{
    int64_t us;
    if (!time_parse(text, length, &us))
        return false;
    int64_t s = us / US_PER_S;
    if (us % US_PER_S < 0)
        s--;
    *ret_s = s;
    *ret_fraction = us != s * US_PER_S;
    return true;
}
