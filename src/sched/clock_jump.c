/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/clock_jump.h"

#define SECOND ((int64_t)1000000)

static const struct {
    const char *name;
    bool downtime;
} jumps[] = {
    [CLOCK_NORMAL] = {"normal", false},
    [CLOCK_BACKWARD] = {"backward", false},
    [CLOCK_FORWARD] = {"forward", true},
    [CLOCK_HUGE] = {"huge", true},
};

enum clock_jump clock_jump_classify(int64_t mono_step_us, int64_t wall_step_us)
{
    int64_t jump = wall_step_us - mono_step_us;
    if (jump < -5 * SECOND)
        return CLOCK_BACKWARD;
    if (jump <= 5 * SECOND)
        return CLOCK_NORMAL;
    return jump <= 3 * 3600 * SECOND ? CLOCK_FORWARD : CLOCK_HUGE;
}

bool clock_jump_is_downtime(enum clock_jump jump)
{
    return jumps[jump].downtime;
}

const char *clock_jump_name(enum clock_jump jump)
{
    return jumps[jump].name;
}
