/* SPDX-License-Identifier: Apache-2.0 */
/* The only reader of clocks. Wall time and monotonic time are different types, so that they cannot be mixed up.
 * A `struct clock` is passed to whoever needs time; tests and the simulation pass a fake one. */
#ifndef HORAE_BASE_CLOCK_H
#define HORAE_BASE_CLOCK_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum { US_PER_MS = 1000, US_PER_S = 1000000 };

/* Years 1 to 9999, in Unix milliseconds: all that is read and written. */
#define TIME_MS_MIN INT64_C(-62135596800000)
#define TIME_MS_MAX INT64_C(253402300799999)

struct wall {
    int64_t us; /* microseconds since 1970-01-01 UTC */
};

struct mono {
    int64_t us; /* microseconds since some start; never goes back */
};

struct clock {
    struct wall (*wall)(const struct clock *clock);
    struct mono (*mono)(const struct clock *clock);
    int64_t offset_us; /* test offset of the real clock's wall time */
};

/* The machine's clocks. For tests of clock jumps and of long waits, the environment variable HORAE_TEST_CLOCK_FILE names a
 * file "WALL" or "WALL MONO": signed seconds added to wall time, and to monotonic time, which must only grow. It is read at
 * most every 50 ms. Sleeps are not shortened by it. */
const struct clock *clock_real(void);

static inline struct wall clock_wall(const struct clock *clock)
{
    return clock->wall(clock);
}

static inline struct mono clock_mono(const struct clock *clock)
{
    return clock->mono(clock);
}

/* A clock that moves only by hand. */
struct fake_clock {
    struct clock base;
    int64_t wall_us, mono_us;
};
void fake_clock_init(struct fake_clock *clock, int64_t wall_us);
void fake_clock_advance(struct fake_clock *clock, int64_t us);
void fake_clock_step_wall(struct fake_clock *clock, int64_t us); /* as an administrator would */

/* RFC 3339 in UTC: 2026-03-08T03:00:00.000Z; `fraction` is 0, 3 or 6 digits. Needs 32 bytes; returns the length. */
size_t time_format_utc(int64_t us, int fraction, char *out, size_t capacity);
/* RFC 3339 with zone, or Unix milliseconds (rulings section 2). False when it is neither, or outside of the years. */
bool time_parse(const char *text, size_t length, int64_t *ret_us);
/* Days since 1970-01-01 of a proleptic Gregorian date (Hinnant's algorithm). */
int64_t time_days_from_civil(int64_t year, int month, int day);

#endif
