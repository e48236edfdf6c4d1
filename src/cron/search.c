/* SPDX-License-Identifier: Apache-2.0 */
/* Calendar search by masks and count-trailing-zeros: never a loop over minutes or days. A search looks at the time of
 * day, then at the day mask of a month, then at the next month or year that can match. Years are skipped by their
 * kind (leap or not, weekday of 1 January), so the worst wait costs 40 cheap steps (4.1). */
#include "cron/search.h"

#include "cron/calendar.h"
#include "cron/years.h"

#define ALL_DAYS_MASK 0xfffffffeu
#define LOCAL_MIN (-719162LL * DAY_S)     /* 0001-01-01 */
#define LOCAL_MAX (2932897LL * DAY_S - 1) /* 9999-12-31T23:59:59 */

static inline unsigned lowest64(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

static inline unsigned highest64(uint64_t bits)
{
    return 63u - (unsigned)__builtin_clzll(bits);
}

/* --- time of day --- */

/* Smallest matching second of the day >= from, or -1. */
static int32_t time_next(const struct cron_schedule *s, int32_t from)
{
    const uint32_t hour = (uint32_t)from / 3600, minute = (uint32_t)from / 60 % 60, second = (uint32_t)from % 60;
    const uint32_t first_second = lowest64(s->second);
    if (s->hour >> hour & 1) {
        if (s->minute >> minute & 1) {
            const uint64_t seconds = s->second >> second;
            if (seconds != 0)
                return from + (int32_t)lowest64(seconds);
        }
        const uint64_t minutes = s->minute >> minute >> 1;
        if (minutes != 0)
            return (int32_t)(hour * 3600 + (minute + 1 + lowest64(minutes)) * 60 + first_second);
    }
    const uint32_t hours = s->hour >> hour >> 1;
    if (hours == 0)
        return -1;
    return (int32_t)((hour + 1 + lowest64(hours)) * 3600 + lowest64(s->minute) * 60 + first_second);
}

/* Largest matching second of the day <= from, or -1. */
static int32_t time_prev(const struct cron_schedule *s, int32_t from)
{
    const uint32_t hour = (uint32_t)from / 3600, minute = (uint32_t)from / 60 % 60, second = (uint32_t)from % 60;
    const uint32_t last_second = highest64(s->second);
    if (s->hour >> hour & 1) {
        if (s->minute >> minute & 1) {
            const uint64_t seconds = s->second << (63 - second);
            if (seconds != 0)
                return from - (int32_t)__builtin_clzll(seconds);
        }
        const uint64_t minutes = s->minute & ((UINT64_C(1) << minute) - 1);
        if (minutes != 0)
            return (int32_t)(hour * 3600 + highest64(minutes) * 60 + last_second);
    }
    const uint32_t hours = s->hour & ((1u << hour) - 1);
    if (hours == 0)
        return -1;
    return (int32_t)(highest64(hours) * 3600 + highest64(s->minute) * 60 + last_second);
}

static int64_t per_day(const struct cron_schedule *s)
{
    return (int64_t)__builtin_popcount(s->hour) * __builtin_popcountll(s->minute) * __builtin_popcountll(s->second);
}

/* Matching seconds of the day before `end` (0 to 86400). */
static int64_t time_count(const struct cron_schedule *s, int32_t end)
{
    if (end >= DAY_S)
        return per_day(s);
    const uint32_t hour = (uint32_t)end / 3600, minute = (uint32_t)end / 60 % 60, second = (uint32_t)end % 60;
    const int64_t seconds = __builtin_popcountll(s->second), minutes = __builtin_popcountll(s->minute);
    int64_t count = __builtin_popcount(s->hour & ((1u << hour) - 1)) * minutes * seconds;
    if (s->hour >> hour & 1) {
        count += __builtin_popcountll(s->minute & ((UINT64_C(1) << minute) - 1)) * seconds;
        if (s->minute >> minute & 1)
            count += __builtin_popcountll(s->second & ((UINT64_C(1) << second) - 1));
    }
    return count;
}

/* --- days --- */

/* Bit k of the result is the weekday mask's bit for day 1 + k of a week that starts on weekday `first`. */
static inline uint32_t turn(uint32_t weekdays, unsigned first)
{
    return ((weekdays | weekdays << 7) >> first) & 0x7f;
}

static uint32_t weekday_days(const struct cron_schedule *s, int length, unsigned first_weekday)
{
    const uint64_t week = turn(s->weekday, first_weekday);
    uint64_t days = week | week << 7 | week << 14 | week << 21 | week << 28;
    if (s->flags & CRON_FLAG_NTH) {
        for (unsigned k = 0; k < 5; k++)
            days |= (uint64_t)turn(s->weekday_nth[k], first_weekday) << (7 * k);
        const unsigned tail = (unsigned)length - 7; /* the last seven days hold each weekday once */
        days |= (uint64_t)turn(s->weekday_last, (first_weekday + tail) % 7) << tail;
    }
    return (uint32_t)(days << 1);
}

/* The Monday-to-Friday day nearest to `day` inside the month (2.2). */
static unsigned nearest_workday(unsigned day, unsigned length, unsigned first_weekday)
{
    const unsigned weekday = (first_weekday + day - 1) % 7;
    if (weekday == 6)
        return day == 1 ? 3 : day - 1;
    if (weekday == 0)
        return day == length ? day - 2 : day + 1;
    return day;
}

/* LW (L-0W) is the last working day, which is the same rule: back from the weekend at the end of the month. */
static uint32_t near_days(const struct cron_schedule *s, unsigned length, unsigned first_weekday)
{
    uint32_t wanted = s->day_near & (uint32_t)((UINT64_C(2) << length) - 1);
    for (uint32_t rest = s->last_near; rest != 0; rest &= rest - 1) {
        const unsigned before = lowest64(rest);
        if (before < length)
            wanted |= 1u << (length - before);
    }
    uint32_t days = 0;
    for (; wanted != 0; wanted &= wanted - 1)
        days |= 1u << nearest_workday(lowest64(wanted), length, first_weekday);
    return days;
}

uint32_t search_month_days(const struct cron_schedule *s, int length, unsigned first_weekday)
{
    const uint32_t all = (uint32_t)((UINT64_C(2) << length) - 2);
    if (s->flags & CRON_FLAG_ALL_DAYS)
        return all;
    uint32_t days = s->day;
    for (uint32_t rest = s->last; rest != 0; rest &= rest - 1) {
        const unsigned before = lowest64(rest);
        if (before < (unsigned)length)
            days |= 1u << ((unsigned)length - before);
    }
    if (s->day_near != 0 || s->last_near != 0)
        days |= near_days(s, (unsigned)length, first_weekday);
    const uint32_t weekdays = weekday_days(s, length, first_weekday);
    return (s->flags & CRON_FLAG_OR ? days | weekdays : days & weekdays) & all;
}

/* One year's month under the cursor, with its day mask. */
struct month_cursor {
    int32_t year, month;
    int64_t first_day; /* day number of the 1st */
};

static uint32_t cursor_days(const struct cron_schedule *s, const struct month_cursor *c)
{
    return search_month_days(s, calendar_month_length(c->year, c->month), calendar_weekday(c->first_day));
}

static bool year_fits(const struct cron_schedule *s, int32_t year)
{
    const unsigned kind = (calendar_is_leap(year) ? 7u : 0u) + calendar_weekday(calendar_days(year, 1, 1));
    return s->year_kinds >> kind & 1;
}

/* First month after the cursor's that the month and year fields allow. */
static bool cursor_forward(const struct cron_schedule *s, struct month_cursor *c)
{
    const uint32_t later = (uint32_t)s->month >> c->month >> 1;
    if (later != 0) {
        const int32_t skip = (int32_t)lowest64(later);
        c->first_day += calendar_month_length(c->year, c->month);
        c->month += 1 + skip;
        if (skip > 0)
            c->first_day = calendar_days(c->year, c->month, 1);
        return true;
    }
    do {
        c->year = years_next(s, c->year + 1);
        if (c->year < 0)
            return false;
    } while (!year_fits(s, c->year));
    c->month = (int32_t)lowest64(s->month);
    c->first_day = calendar_days(c->year, c->month, 1);
    return true;
}

static bool cursor_backward(const struct cron_schedule *s, struct month_cursor *c)
{
    const uint32_t earlier = s->month & ((1u << c->month) - 1);
    if (earlier != 0) {
        c->month = (int32_t)highest64(earlier);
    } else {
        do {
            c->year = years_prev(s, c->year - 1);
            if (c->year < 0)
                return false;
        } while (!year_fits(s, c->year));
        c->month = (int32_t)highest64(s->month);
    }
    c->first_day = calendar_days(c->year, c->month, 1);
    return true;
}

static int64_t day_next(const struct cron_schedule *s, int64_t day)
{
    if (s->flags & CRON_FLAG_WEEKLY)
        return day + (int64_t)lowest64(turn(s->weekday, calendar_weekday(day)));
    const struct civil_date date = calendar_civil(day);
    struct month_cursor c = {date.year, date.month, day - date.day + 1};
    uint32_t days = 0;
    if ((s->month >> date.month & 1) && years_allow(s, date.year))
        days = cursor_days(s, &c) & (~0u << date.day);
    else if (!years_allow(s, date.year))
        c.month = 12; /* nothing more this year */
    while (days == 0) {
        if (!cursor_forward(s, &c))
            return CRON_NEVER;
        days = cursor_days(s, &c);
    }
    return c.first_day + (int64_t)lowest64(days) - 1;
}

static int64_t day_prev(const struct cron_schedule *s, int64_t day)
{
    if (s->flags & CRON_FLAG_WEEKLY)
        return day - 6 + (int64_t)highest64(turn(s->weekday, calendar_weekday(day - 6)));
    const struct civil_date date = calendar_civil(day);
    struct month_cursor c = {date.year, date.month, day - date.day + 1};
    uint32_t days = 0;
    if ((s->month >> date.month & 1) && years_allow(s, date.year))
        days = cursor_days(s, &c) & (uint32_t)((UINT64_C(2) << date.day) - 1);
    else if (!years_allow(s, date.year))
        c.month = 1;
    while (days == 0) {
        if (!cursor_backward(s, &c))
            return CRON_NEVER;
        days = cursor_days(s, &c);
    }
    return c.first_day + (int64_t)highest64(days) - 1;
}

static bool day_has(const struct cron_schedule *s, int64_t day)
{
    if (s->flags & CRON_FLAG_WEEKLY)
        return s->weekday >> calendar_weekday(day) & 1;
    const struct civil_date date = calendar_civil(day);
    if (!(s->month >> date.month & 1) || !years_allow(s, date.year))
        return false;
    const struct month_cursor c = {date.year, date.month, day - date.day + 1};
    return cursor_days(s, &c) >> date.day & 1;
}

/* --- L --- */

int64_t search_next(const struct cron_schedule *s, int64_t local_s)
{
    if (local_s < LOCAL_MIN)
        local_s = LOCAL_MIN;
    if (local_s > LOCAL_MAX)
        return CRON_NEVER;
    int64_t day = calendar_floor_div(local_s, DAY_S);
    if (day_has(s, day)) {
        const int32_t time = time_next(s, (int32_t)(local_s - day * DAY_S));
        if (time >= 0)
            return day * DAY_S + time;
    }
    day = day_next(s, day + 1);
    if (day == CRON_NEVER || day * DAY_S > LOCAL_MAX)
        return CRON_NEVER;
    return day * DAY_S + time_next(s, 0);
}

int64_t search_prev(const struct cron_schedule *s, int64_t local_s)
{
    if (local_s > LOCAL_MAX)
        local_s = LOCAL_MAX;
    if (local_s < LOCAL_MIN)
        return CRON_NEVER;
    int64_t day = calendar_floor_div(local_s, DAY_S);
    if (day_has(s, day)) {
        const int32_t time = time_prev(s, (int32_t)(local_s - day * DAY_S));
        if (time >= 0)
            return day * DAY_S + time;
    }
    day = day_prev(s, day - 1);
    if (day == CRON_NEVER || day * DAY_S < LOCAL_MIN)
        return CRON_NEVER;
    return day * DAY_S + time_prev(s, DAY_S - 1);
}

bool search_has(const struct cron_schedule *s, int64_t local_s)
{
    if (local_s < LOCAL_MIN || local_s > LOCAL_MAX)
        return false;
    const int64_t day = calendar_floor_div(local_s, DAY_S);
    const uint32_t time = (uint32_t)(local_s - day * DAY_S);
    return (s->hour >> (time / 3600) & 1) && (s->minute >> (time / 60 % 60) & 1) && (s->second >> (time % 60) & 1) &&
           day_has(s, day);
}

/* Matching days in [from, to): by month mask, or by weeks when only weekdays decide. */
static int64_t count_days(const struct cron_schedule *s, int64_t from, int64_t to)
{
    if (from >= to)
        return 0;
    if (s->flags & CRON_FLAG_WEEKLY) {
        const int64_t weeks = (to - from) / 7;
        const uint32_t rest = turn(s->weekday, calendar_weekday(from)) & ((1u << ((to - from) % 7)) - 1);
        return weeks * __builtin_popcount(s->weekday) + __builtin_popcount(rest);
    }
    int64_t day = day_next(s, from), count = 0;
    while (day != CRON_NEVER && day < to) {
        const struct civil_date date = calendar_civil(day);
        struct month_cursor c = {date.year, date.month, day - date.day + 1};
        uint32_t days = cursor_days(s, &c) & (~0u << date.day);
        if (to - c.first_day < 31)
            days &= (uint32_t)((UINT64_C(2) << (to - c.first_day)) - 1);
        count += __builtin_popcount(days);
        if (!cursor_forward(s, &c))
            break;
        day = day_next(s, c.first_day);
    }
    return count;
}

int64_t search_count(const struct cron_schedule *s, int64_t from_s, int64_t to_s)
{
    if (from_s < LOCAL_MIN)
        from_s = LOCAL_MIN;
    if (to_s > LOCAL_MAX + 1)
        to_s = LOCAL_MAX + 1;
    if (from_s >= to_s)
        return 0;
    const int64_t first = calendar_floor_div(from_s, DAY_S), last = calendar_floor_div(to_s, DAY_S);
    const int32_t begin = (int32_t)(from_s - first * DAY_S), end = (int32_t)(to_s - last * DAY_S);
    if (first == last)
        return day_has(s, first) ? time_count(s, end) - time_count(s, begin) : 0;
    int64_t count = day_has(s, first) ? per_day(s) - time_count(s, begin) : 0;
    if (end > 0 && day_has(s, last))
        count += time_count(s, end);
    return count + per_day(s) * count_days(s, first + 1, last);
}

/* --- derived members --- */

/* Does a year of this kind (first_weekday of 1 January) have a matching day? */
static bool kind_matches(const struct cron_schedule *s, bool leap, unsigned first_weekday)
{
    for (int month = 1; month <= 12; month++) {
        const int length = calendar_month_length(leap ? 2000 : 2001, month);
        if ((s->month >> month & 1) && search_month_days(s, length, first_weekday) != 0)
            return true;
        first_weekday = (first_weekday + (unsigned)length) % 7;
    }
    return false;
}

void search_derive(struct cron_schedule *s)
{
    const bool every_day = s->day == ALL_DAYS_MASK, every_weekday = s->weekday == 0x7f;
    const bool has_or = s->flags & CRON_FLAG_OR;
    const uint32_t nth =
        s->weekday_nth[0] | s->weekday_nth[1] | s->weekday_nth[2] | s->weekday_nth[3] | s->weekday_nth[4] | s->weekday_last;
    s->flags &= (uint16_t) ~(CRON_FLAG_ALL_DAYS | CRON_FLAG_WEEKLY | CRON_FLAG_NTH);
    if (nth != 0)
        s->flags |= CRON_FLAG_NTH;
    if (has_or ? every_day || every_weekday : every_day && every_weekday)
        s->flags |= CRON_FLAG_ALL_DAYS;
    const bool any_month = s->month == 0x1ffe && !(s->flags & CRON_FLAG_YEARS);
    if (any_month && every_day && !has_or && nth == 0)
        s->flags |= CRON_FLAG_WEEKLY;
    s->year_kinds = 0;
    for (unsigned kind = 0; kind < 14; kind++)
        if (kind_matches(s, kind >= 7, kind % 7))
            s->year_kinds |= (uint16_t)(1u << kind);
    if (!(s->flags & CRON_FLAG_YEARS))
        return;
    int32_t year = years_next(s, YEAR_LOW);
    while (year >= 0 && !year_fits(s, year))
        year = years_next(s, year + 1);
    if (year < 0)
        s->year_kinds = 0; /* no listed year has a matching day */
}
