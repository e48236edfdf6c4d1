/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cron_walk.h"

#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    MINUTE_S = 60,
    DAY_MINUTES = 1440,
    SMALL_JUMP = 5,     /* minutes: cron catches up as if it had been busy */
    CLOCK_CHANGE = 180, /* up to there a jump counts as a change of daylight saving time */
    PROBE_S = 6 * 3600, /* no zone changes its offset and back within so short a time */
};

/* ---- reading ---- */

static const struct {
    int low, high;
    const char *wrong, *words;
} fields[WALK_FIELDS] = {{0, 59, "bad minute", ""},
                         {0, 23, "bad hour", ""},
                         {1, 31, "bad day-of-month", ""},
                         {1, 12, "bad month", "jan feb mar apr may jun jul aug sep oct nov dec "},
                         {0, 7, "bad day-of-week", "sun mon tue wed thu fri sat "}};

static const char *nickname(const char *text)
{
    static const struct {
        const char *name, *fields;
    } names[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
                 {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i].name) == 0)
            return names[i].fields;
    return NULL;
}

/* A number, or a name of the field where those are allowed; −1: neither. */
static int read_number(const char **p, int field, bool names)
{
    char word[8];
    size_t n = 0;
    while (isalnum((unsigned char)(*p)[n]))
        n++;
    if (n == 0 || n >= sizeof word)
        return -1;
    (void)snprintf(word, sizeof word, "%.*s", (int)n, *p);
    *p += n;
    for (int i = 0; names && n == 3 && fields[field].words[4 * i]; i++)
        if (strncasecmp(word, fields[field].words + 4 * i, 3) == 0)
            return fields[field].low + i;
    return strspn(word, "0123456789") == n ? atoi(word) : -1;
}

static bool read_item(const char **p, int field, struct walk_schedule *s)
{
    int low = fields[field].low, high = fields[field].high, step = 1;
    bool single = false;
    if (**p == '*') {
        (*p)++;
    } else {
        low = high = read_number(p, field, true);
        single = **p != '-';
        if (!single) {
            (*p)++;
            high = read_number(p, field, true);
        }
    }
    if (**p == '/') {
        (*p)++;
        step = single ? -1 : read_number(p, field, false);
    }
    if (low < fields[field].low || low > fields[field].high || high < 0 || high > fields[field].high || step < 1)
        return false;
    s->backwards |= high < low;
    for (int i = low; i <= high; i += step)
        s->sets[field] |= UINT64_C(1) << i;
    return true;
}

static bool read_field(const char **p, int field, struct walk_schedule *s)
{
    *p += strspn(*p, " \t");
    s->star[field] = **p == '*';
    for (;;) {
        if (!read_item(p, field, s))
            return false;
        if (**p != ',')
            return !**p || **p == ' ' || **p == '\t';
        (*p)++;
    }
}

const char *walk_read(const char *text, struct walk_schedule *ret)
{
    const char *p = text[0] == '@' ? nickname(text) : text;
    memset(ret, 0, sizeof *ret);
    if (!p)
        return "bad time specifier";
    for (int field = 0; field < WALK_FIELDS; field++)
        if (!read_field(&p, field, ret))
            return fields[field].wrong;
    if (ret->sets[4] & 0x81) /* 0 and 7 are Sunday */
        ret->sets[4] |= 0x81;
    return NULL;
}

bool walk_follows_clock(const struct walk_schedule *s)
{
    return s->star[0] || s->star[1];
}

/* ---- local time ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t offset_at(int64_t at_s)
{
    time_t t = (time_t)at_s;
    struct tm parts = {0};
    (void)localtime_r(&t, &parts);
    return parts.tm_gmtoff;
}

/* Keeps the offset and how long it holds: changes are found by probing and halving. */
static void look_up_offset(struct walk *w, int64_t at_s)
{
    if (at_s < w->until_s)
        return;
    w->offset_s = offset_at(at_s);
    int64_t low = at_s, high = at_s + PROBE_S;
    if (offset_at(high) == w->offset_s) {
        w->until_s = high + 1;
        return;
    }
    while (high - low > 1) { /* equal at low, different at high */
        int64_t middle = low + (high - low) / 2;
        *(offset_at(middle) == w->offset_s ? &low : &high) = middle;
    }
    w->until_s = high;
}

static bool has(uint64_t set, int64_t value)
{
    return set >> value & 1;
}

/* The day matches when both day fields do if one of them begins with a star, otherwise when either does. */
static bool day_fits(struct walk *w, int64_t day)
{
    const struct walk_schedule *s = w->schedule;
    if (day == w->day)
        return w->day_fits;
    time_t t = (time_t)(day * 86400); /* a date without a zone */
    struct tm parts = {0};
    (void)gmtime_r(&t, &parts);
    bool date = has(s->sets[2], parts.tm_mday), weekday = has(s->sets[4], parts.tm_wday);
    w->day = day;
    w->day_fits = has(s->sets[3], parts.tm_mon + 1) && (s->star[2] || s->star[4] ? date && weekday : date || weekday);
    return w->day_fits;
}

static bool fits(struct walk *w, int64_t minute)
{
    int64_t day = floor_div(minute, DAY_MINUTES), of_day = minute - day * DAY_MINUTES;
    const struct walk_schedule *s = w->schedule;
    return has(s->sets[0], of_day % 60) && has(s->sets[1], of_day / 60) && day_fits(w, day);
}

/* ---- the loop ---- */

static int count_missed(struct walk *w, int64_t to_minute)
{
    int times = 0;
    for (int64_t minute = w->virtual_minute + 1; minute <= to_minute; minute++)
        times += fits(w, minute);
    return times;
}

/* One wake-up of cron: how often the job is started, and which local minute is done. */
static int wake_up(struct walk *w, int64_t minute)
{
    int64_t jump = minute - w->virtual_minute;
    bool wild = walk_follows_clock(w->schedule);
    int times;
    if (jump > -CLOCK_CHANGE && jump <= 0) /* set back: fixed times have been already */
        return wild && fits(w, minute);
    if (jump > CLOCK_CHANGE || jump < 0) /* the clock was corrected */
        times = fits(w, minute);
    else if (jump <= SMALL_JUMP)
        times = count_missed(w, minute);
    else /* set ahead: what follows the clock goes on, what was skipped is made up, one start for each time */
        times = wild ? fits(w, minute) : count_missed(w, minute);
    w->virtual_minute = minute;
    return times;
}

void walk_begin(struct walk *w, const struct walk_schedule *schedule, const char *zone, int64_t from_s)
{
    const char *former = getenv("TZ");
    *w = (struct walk){
        .schedule = schedule, .at_s = floor_div(from_s, MINUTE_S) * MINUTE_S, .until_s = INT64_MIN, .day = INT64_MIN};
    w->has_zone = former != NULL;
    (void)snprintf(w->former_zone, sizeof w->former_zone, "%s", former ? former : "");
    (void)setenv("TZ", zone, 1);
    tzset();
    look_up_offset(w, w->at_s);
    w->virtual_minute = floor_div(w->at_s + w->offset_s, MINUTE_S);
}

bool walk_next(struct walk *w, int64_t to_s, int64_t *ret_at_s, int *ret_times)
{
    while (w->at_s + MINUTE_S <= to_s) {
        w->at_s += MINUTE_S;
        look_up_offset(w, w->at_s);
        *ret_times = wake_up(w, floor_div(w->at_s + w->offset_s, MINUTE_S));
        *ret_at_s = w->at_s;
        if (*ret_times)
            return true;
    }
    return false;
}

void walk_end(struct walk *w)
{
    if (w->has_zone)
        (void)setenv("TZ", w->former_zone, 1);
    else
        (void)unsetenv("TZ");
    tzset();
}
