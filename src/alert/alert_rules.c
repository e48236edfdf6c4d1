/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert_rules.h"

/* The end of what nobody heard of is not told either. */
static bool end_condition(struct alert_memory *memory, int64_t *ret_repeats)
{
    bool tell = memory->firing;
    *ret_repeats = memory->repeats;
    if (tell)
        memory->repeats = 0;
    memory->firing = false;
    return tell;
}

bool alert_decide(struct alert_memory *memory, enum alert_kind kind, bool resolved, int64_t count, int64_t now_us,
                  int64_t *ret_repeats)
{
    *ret_repeats = 0;
    if (resolved)
        return end_condition(memory, ret_repeats);
    bool quiet = memory->told_us && now_us >= memory->told_us && now_us - memory->told_us < ALERT_QUIET_US;
    if (memory->firing || quiet) {
        memory->repeats += count;
        return false;
    }
    *ret_repeats = memory->repeats + count - 1;
    *memory = (struct alert_memory){.told_us = now_us, .firing = alert_is_condition(kind)};
    return true;
}
