/* SPDX-License-Identifier: Apache-2.0 */
/* Proleptic Gregorian arithmetic on day numbers (0 = 1970-01-01) and civil dates. Pure integer functions, valid for
 * years -5000 to 20000, which is wider than anything the engine asks for. */
#ifndef HORAE_CRON_CALENDAR_H
#define HORAE_CRON_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define DAY_S 86400
#define CALENDAR_YEAR_MIN 1
#define CALENDAR_YEAR_MAX 9999
#define CALENDAR_CYCLE_S (146097LL * DAY_S) /* 400 years: the calendar and the weekdays repeat */

struct civil_date {
    int32_t year, month, day; /* month 1-12, day 1-31 */
};

static inline bool calendar_is_leap(int32_t year)
{
    return (year & 3) == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int32_t calendar_month_length(int32_t year, int32_t month)
{
    if (month == 2)
        return calendar_is_leap(year) ? 29 : 28;
    return 30 + ((month + (month >> 3)) & 1);
}

/* Years are counted from March so that the leap day comes last. */
static inline int64_t calendar_days(int32_t year, int32_t month, int32_t day)
{
    const uint32_t shifted = (uint32_t)(year + 8000 - (month <= 2)); /* 8000 = 20 cycles: keeps it positive */
    const uint32_t month_index = (uint32_t)(month <= 2 ? month + 9 : month - 3);
    const uint32_t century = shifted / 100;
    const uint32_t days = shifted * 365 + shifted / 4 - century + century / 4 + (153 * month_index + 2) / 5 + (uint32_t)day;
    return (int64_t)days - 719469 - 20 * 146097;
}

static inline struct civil_date calendar_civil(int64_t day_number)
{
    const uint32_t days = (uint32_t)(day_number + 719468 + 20 * 146097);
    const uint32_t century_part = 4 * days + 3;
    const uint32_t century = century_part / 146097;
    const uint32_t year_part = (century_part % 146097) | 3;
    const uint32_t year_of_century = year_part / 1461;
    const uint32_t day_of_year = year_part % 1461 / 4;
    const uint32_t month_index = (5 * day_of_year + 2) / 153;
    const bool next_year = month_index >= 10;
    return (struct civil_date){
        .year = (int32_t)(century * 100 + year_of_century) - 8000 + next_year,
        .month = (int32_t)(next_year ? month_index - 9 : month_index + 3),
        .day = (int32_t)(day_of_year - (153 * month_index + 2) / 5) + 1,
    };
}

/* 0 = Sunday. 5000 weeks keep the dividend positive for every supported day. */
static inline uint32_t calendar_weekday(int64_t day_number)
{
    return (uint32_t)(day_number + 4 + 7LL * 1000000) % 7;
}

static inline int64_t calendar_floor_div(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

#endif
