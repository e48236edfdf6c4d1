/* SPDX-License-Identifier: Apache-2.0 */
/* What a difference between the two clocks means, in the four cases of Vixie cron, as data. */
#ifndef HORAE_SCHED_CLOCK_JUMP_H
#define HORAE_SCHED_CLOCK_JUMP_H

#include <stdbool.h>
#include <stdint.h>

enum clock_jump {
    CLOCK_NORMAL,   /* within 5 s: drift and slewing */
    CLOCK_BACKWARD, /* settled slots are not fired again */
    CLOCK_FORWARD,  /* up to 3 h ahead, the size of a daylight-saving change: passed slots are due late, as after down time */
    CLOCK_HUGE,     /* more than 3 h ahead: down time as well */
};

/* Both steps in microseconds since the last look. */
enum clock_jump clock_jump_classify(int64_t mono_step_us, int64_t wall_step_us);
bool clock_jump_is_downtime(enum clock_jump jump);
const char *clock_jump_name(enum clock_jump jump);

#endif
