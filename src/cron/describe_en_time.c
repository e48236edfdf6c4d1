/* SPDX-License-Identifier: Apache-2.0 */
/* The times of English descriptions: clock times, cadences and seconds, in lower case and without days (section 7). */
#include "cron/describe.h"

void describe_en_ordinal(struct text *t, int n)
{
    const int tail = n % 100 >= 11 && n % 100 <= 13 ? 0 : n % 10;
    text_putf(t, "%d%s", n, tail == 1 ? "st" : tail == 2 ? "nd" : tail == 3 ? "rd" : "th");
}

static void put_numbers(struct text *t, uint64_t bits)
{
    struct joiner j = {t, ", ", " and ", describe_count_runs(bits), 0};
    while (bits != 0) {
        int low, high;
        describe_take_run(&bits, &low, &high);
        join(&j);
        text_putf(t, high > low ? "%d to %d" : "%d", low, high);
    }
}

static void put_clock(struct text *t, int32_t time, bool seconds)
{
    text_putf(t, "%02d:%02d", time / 3600, time / 60 % 60);
    if (seconds)
        text_putf(t, ":%02d", time % 60);
}

static void put_times(struct text *t, const struct cron_schedule *s, bool seconds)
{
    const int total = describe_time_count(s, seconds);
    struct joiner j = {t, ", ", " and ", total, 0};
    for (int i = 0; i < total; i++) {
        join(&j);
        put_clock(t, describe_time(s, i, seconds), seconds);
    }
}

void describe_en_every(struct text *t, int step, const char *unit)
{
    if (step <= 1)
        text_putf(t, "every %s", unit);
    else
        text_putf(t, "every %d %ss", step, unit);
}

static void put_span(struct text *t, const struct describe_facts *f)
{
    text_putf(t, " from %02d:%02d to %02d:%02d", f->hour.is_run ? f->hour.run_from : f->hour.first, f->minute.first,
              f->hour.is_run ? f->hour.run_to : f->hour.last, f->minute.last);
}

/* Behind "minutes past" or "in". */
static void put_hours(struct text *t, const struct describe_facts *f)
{
    if (describe_hours(f) == HOURS_RUN) {
        text_putf(t, "every hour from %02d:00 to %02d:00", f->hour.run_from, f->hour.run_to);
        return;
    }
    if (describe_hours(f) == HOURS_STEP) {
        text_put(t, "every ");
        describe_en_ordinal(t, f->hour.step);
        text_putf(t, " hour from %02d:00 to %02d:00", f->hour.first, f->hour.last);
        return;
    }
    struct joiner j = {t, ", ", " and ", f->hour.count, 0};
    for (uint64_t bits = f->hour.bits; bits != 0; bits &= bits - 1) {
        join(&j);
        text_putf(t, "%02d:00", __builtin_ctzll(bits));
    }
}

static void put_uneven_minutes(struct text *t, const struct describe_facts *f)
{
    if (f->minute.step > 1 && f->minute.to_end && !f->minute.even && f->minute.count > 2)
        text_putf(t, " (uneven: %d minute%s across the hour)", f->minute.across, f->minute.across == 1 ? "" : "s");
}

/* The minutes and hours. */
void describe_en_cadence(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    switch (f->time) {
    case TIME_LIST:
        text_put(t, "at ");
        put_times(t, s, f->seconds == SECOND_IN_TIMES);
        break;
    case TIME_EVERY_MINUTES: describe_en_every(t, f->minute.step, "minute"); break;
    case TIME_EVERY_MINUTES_IN_RUN:
        describe_en_every(t, f->minute.step, "minute");
        put_span(t, f);
        break;
    case TIME_EVERY_MINUTES_IN_HOURS:
        describe_en_every(t, f->minute.step, "minute");
        text_put(t, describe_hours(f) == HOURS_LISTED ? " in the hours from " : " in ");
        put_hours(t, f);
        break;
    case TIME_PAST_HOUR:
    case TIME_PAST_HOURS:
        text_put(t, "at ");
        put_numbers(t, f->minute.bits);
        text_put(t, " minutes past ");
        if (f->time == TIME_PAST_HOUR)
            text_put(t, "every hour");
        else
            put_hours(t, f);
        put_uneven_minutes(t, f);
        break;
    case TIME_HOURLY:
        if (f->minute.first == 0)
            text_put(t, "every hour, on the hour");
        else
            text_putf(t, "every hour at %d minute%s past", f->minute.first, f->minute.first == 1 ? "" : "s");
        break;
    case TIME_HOUR_STEP:
        describe_en_every(t, f->hour.step, "hour");
        if (f->hour.count > DESCRIBE_TIMES_MAX) {
            put_span(t, f);
        } else {
            text_put(t, ", at ");
            put_times(t, s, false);
        }
        break;
    case TIME_HOUR_STEP_UNEVEN:
        text_put(t, "at ");
        put_times(t, s, false);
        break;
    case TIME_HOUR_RUN:
        describe_en_every(t, f->hour.step, "hour");
        put_span(t, f);
        break;
    }
}

void describe_en_seconds(struct text *t, const struct describe_facts *f)
{
    const bool whole_day = f->time == TIME_EVERY_MINUTES && f->minute.full;
    if (f->seconds == SECOND_EVERY) {
        describe_en_every(t, f->second.step, "second");
        if (!whole_day)
            text_put(t, f->minute.full ? ", " : ", for one minute ");
    } else if (f->seconds == SECOND_AT) {
        text_put(t, "at ");
        put_numbers(t, f->second.bits);
        text_putf(t, " second%s past the minute, ", f->second.bits == 2 ? "" : "s");
    }
}
