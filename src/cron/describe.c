/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes of schedules, found in the masks: a list of times, a step, a run of hours (section 7). */
#include "cron/describe.h"

#include "cron/calendar.h"
#include "cron/years.h"

#include <string.h>

#define ALL_DAYS_MASK 0xfffffffeu

static uint64_t bits_between(int low, int high)
{
    return ((UINT64_C(2) << high) - 1) & ~((UINT64_C(1) << low) - 1);
}

static int progression_step(uint64_t bits, int first, int last)
{
    const uint64_t rest = bits & (bits - 1);
    if (rest == 0)
        return 0;
    const int step = __builtin_ctzll(rest) - first;
    uint64_t built = 0;
    for (int value = first; value <= last; value += step)
        built |= UINT64_C(1) << value;
    return built == bits ? step : 0;
}

/* One run of consecutive values, possibly around the end of the field. */
static void find_run(struct series *r, int low, int high)
{
    const uint64_t missing = bits_between(low, high) & ~r->bits;
    r->run_from = r->first;
    r->run_to = r->last;
    r->is_run = r->bits == bits_between(r->first, r->last);
    if (r->is_run || missing == 0 || !(r->bits >> low & 1) || !(r->bits >> high & 1))
        return;
    const int hole = __builtin_ctzll(missing), hole_end = 63 - __builtin_clzll(missing);
    r->is_run = missing == bits_between(hole, hole_end);
    r->run_from = hole_end + 1;
    r->run_to = hole - 1;
}

struct series series_of(uint64_t bits, int low, int high)
{
    struct series r = {.bits = bits};
    if (bits == 0)
        return r;
    r.count = __builtin_popcountll(bits);
    r.first = __builtin_ctzll(bits);
    r.last = 63 - __builtin_clzll(bits);
    r.step = progression_step(bits, r.first, r.last);
    r.full = bits == bits_between(low, high);
    r.across = r.first + (high - low + 1) - r.last;
    r.to_end = r.step > 0 && r.last + r.step > high;
    r.even = r.step > 0 && r.across == r.step;
    find_run(&r, low, high);
    return r;
}

static enum time_shape shape_of_hours(const struct cron_schedule *s, const struct describe_facts *f)
{
    const struct series *h = &f->hour;
    if (h->full)
        return TIME_HOURLY;
    if (!(s->flags & CRON_FLAG_INTERVAL) || h->count == 1)
        return TIME_LIST;
    if (h->even && h->step > 1)
        return TIME_HOUR_STEP;
    if (h->is_run && h->count > 2)
        return TIME_HOUR_RUN;
    if (h->step > 1 && h->count > 2)
        return h->to_end && h->first < h->step ? TIME_HOUR_STEP_UNEVEN : TIME_HOUR_RUN;
    return TIME_LIST;
}

static enum time_shape shape_of(const struct cron_schedule *s, const struct describe_facts *f)
{
    const struct series *m = &f->minute, *h = &f->hour;
    const bool cadence = m->full || (m->even && m->step > 1 && (s->flags & CRON_FLAG_INTERVAL) && m->first == 0);
    if (m->count == 1)
        return shape_of_hours(s, f);
    if (h->full)
        return cadence ? TIME_EVERY_MINUTES : TIME_PAST_HOUR;
    if (cadence && h->is_run)
        return TIME_EVERY_MINUTES_IN_RUN;
    if (cadence)
        return TIME_EVERY_MINUTES_IN_HOURS;
    return m->count * h->count <= DESCRIBE_TIMES_MAX ? TIME_LIST : TIME_PAST_HOURS;
}

static enum second_shape shape_of_seconds(const struct describe_facts *f)
{
    if (f->second.bits == 1)
        return SECOND_ZERO;
    if (f->second.full || (f->second.even && f->second.first == 0 && f->second.count > 2))
        return SECOND_EVERY;
    const bool few = f->second.count * f->minute.count * f->hour.count <= DESCRIBE_TIMES_MAX;
    return f->time == TIME_LIST && (few || f->second.count == 1) ? SECOND_IN_TIMES : SECOND_AT;
}

void describe_collect(const struct cron_schedule *s, struct describe_facts *ret)
{
    struct describe_facts f;
    memset(&f, 0, sizeof(f));
    f.second = series_of(s->second, 0, 59);
    f.minute = series_of(s->minute, 0, 59);
    f.hour = series_of(s->hour, 0, 23);
    f.month = series_of(s->month, 1, 12);
    f.time = shape_of(s, &f);
    f.seconds = shape_of_seconds(&f);
    f.all_months = f.month.full;
    f.is_or = s->flags & CRON_FLAG_OR;
    f.every_day = s->flags & CRON_FLAG_ALL_DAYS;
    f.day_restricted = !f.every_day && s->day != ALL_DAYS_MASK;
    f.weekday_restricted = !f.every_day && s->weekday != 0x7f;
    const bool plain = s->last == 0 && s->last_near == 0 && s->day_near == 0;
    if (plain && f.day_restricted && __builtin_popcount(s->day) == 1)
        f.single_day = __builtin_ctz(s->day);
    if ((s->flags & CRON_FLAG_YEARS) && s->year_from == s->year_to)
        f.single_year = s->year_from;
    *ret = f;
}

int describe_time_count(const struct cron_schedule *s, bool with_seconds)
{
    const int seconds = with_seconds ? __builtin_popcountll(s->second) : 1;
    return seconds * __builtin_popcountll(s->minute) * __builtin_popcount(s->hour);
}

int32_t describe_time(const struct cron_schedule *s, int n, bool with_seconds)
{
    const int seconds = with_seconds ? __builtin_popcountll(s->second) : 1, minutes = __builtin_popcountll(s->minute);
    if (n >= describe_time_count(s, with_seconds))
        return -1;
    uint64_t second = s->second, minute = s->minute, hour = s->hour;
    for (int i = n % seconds; i > 0; i--)
        second &= second - 1;
    for (int i = n / seconds % minutes; i > 0; i--)
        minute &= minute - 1;
    for (int i = n / seconds / minutes; i > 0; i--)
        hour &= hour - 1;
    return __builtin_ctzll(hour) * 3600 + __builtin_ctzll(minute) * 60 + (with_seconds ? __builtin_ctzll(second) : 0);
}

void describe_take_run(uint64_t *bits, int *ret_low, int *ret_high)
{
    const int low = __builtin_ctzll(*bits);
    int high = low;
    while (high < 63 && (*bits >> (high + 1) & 1))
        high++;
    if (high - low < 3)
        high = low;
    *bits &= ~bits_between(low, high);
    *ret_low = low;
    *ret_high = high;
}

int describe_count_runs(uint64_t bits)
{
    int count = 0, low, high;
    for (; bits != 0; count++)
        describe_take_run(&bits, &low, &high);
    return count;
}

bool describe_take_years(const struct cron_schedule *s, int32_t *year, int32_t *ret_low, int32_t *ret_high)
{
    const int32_t low = *year < 0 ? -1 : years_next(s, *year);
    if (low <= 0)
        return false;
    int32_t high = low;
    while (high < YEAR_HIGH && years_allow(s, high + 1))
        high++;
    if (high - low < 2)
        high = low;
    *ret_low = low;
    *ret_high = high;
    *year = high < YEAR_HIGH ? high + 1 : -1;
    return true;
}

int describe_count_years(const struct cron_schedule *s)
{
    int32_t year = s->year_from, low, high;
    int count = 0;
    if (s->year_step > 1 && s->year_from + 4 * s->year_step <= s->year_to)
        return 0;
    while (count <= DESCRIBE_YEARS_MAX && describe_take_years(s, &year, &low, &high))
        count++;
    return count <= DESCRIBE_YEARS_MAX ? count : 0;
}

enum hour_set describe_hours(const struct describe_facts *f)
{
    if (f->hour.is_run && f->hour.count > 3)
        return HOURS_RUN;
    return f->hour.step > 1 && f->hour.count > DESCRIBE_TIMES_MAX ? HOURS_STEP : HOURS_LISTED;
}

void describe_never(const struct cron_schedule *s, struct never_facts *ret)
{
    *ret = (struct never_facts){.reason = NEVER_BOTH, .months = s->month};
    const bool plain = s->day != 0 && s->last == 0 && s->last_near == 0 && s->day_near == 0;
    if (plain)
        ret->day = __builtin_ctz(s->day);
    else if (s->day == 0 && s->day_near != 0 && s->last == 0 && s->last_near == 0)
        ret->day = __builtin_ctz(s->day_near);
    else
        return;
    for (int month = 1; month <= 12; month++)
        if ((s->month >> month & 1) && ret->day <= calendar_month_length(2000, month))
            ret->reason = NEVER_YEARS;
    if (ret->reason == NEVER_BOTH)
        ret->reason = NEVER_DATES;
    else if (!(s->flags & CRON_FLAG_YEARS) || s->weekday != 0x7f)
        ret->reason = NEVER_BOTH;
}

void describe_anchor(int64_t at_s, char out[32])
{
    const int64_t day = calendar_floor_div(at_s, DAY_S);
    const struct civil_date date = calendar_civil(day);
    const int time = (int)(at_s - day * DAY_S);
    struct text t = text_over(out, 32);
    text_putf(&t, "%04d-%02d-%02d %02d:%02d", date.year, date.month, date.day, time / 3600, time / 60 % 60);
    if (time % 60 != 0)
        text_putf(&t, ":%02d", time % 60);
    (void)text_end(&t);
}

size_t cron_describe(const struct cron_schedule *s, const char *lang, char *out, size_t cap)
{
    struct text t = text_over(out, cap);
    if (strncmp(lang, "zh", 2) == 0)
        describe_zh(s, &t);
    else
        describe_en(s, &t);
    return text_end(&t);
}
