/* SPDX-License-Identifier: Apache-2.0 */
/* The POSIX TZ string that ends a TZif file ("EST5EDT,M3.2.0,M11.1.0"): parsing, and when a rule changes the clock in
 * a given year. Extensions of RFC 8536: hours from -167 to 167, names in angle brackets. */
#include "cron/zone.h"

#include "cron/calendar.h"

struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_number(struct cursor *c, int max, int *ret)
{
    int value = 0;
    const char *begin = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - begin < 4)
        value = value * 10 + (*c->at++ - '0');
    if (c->at == begin || value > max)
        return false;
    *ret = value;
    return true;
}

static bool is_name_byte(char byte, bool quoted)
{
    const char lower = (char)(byte | 0x20);
    return (lower >= 'a' && lower <= 'z') || (quoted && ((byte >= '0' && byte <= '9') || byte == '+' || byte == '-'));
}

static bool take_name(struct cursor *c)
{
    const bool quoted = take(c, '<');
    const char *begin = c->at;
    while (c->at < c->end && is_name_byte(*c->at, quoted))
        c->at++;
    if (c->at - begin < 3 && !quoted)
        return false;
    return !quoted || take(c, '>');
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct cursor *c, int max_hours, int32_t *ret_s)
{
    int hours = 0, minutes = 0, seconds = 0;
    const bool negative = take(c, '-');
    if (!negative)
        (void)take(c, '+');
    if (!take_number(c, max_hours, &hours))
        return false;
    if (take(c, ':')) {
        if (!take_number(c, 59, &minutes))
            return false;
        if (take(c, ':') && !take_number(c, 59, &seconds))
            return false;
    }
    const int32_t total = hours * 3600 + minutes * 60 + seconds;
    *ret_s = negative ? -total : total;
    return true;
}

static bool take_rule(struct cursor *c, struct posix_rule *rule)
{
    *rule = (struct posix_rule){.form = 'n', .time_s = 2 * 3600};
    if (take(c, 'M')) {
        rule->form = 'M';
        if (!take_number(c, 12, &rule->month) || !take(c, '.') || !take_number(c, 5, &rule->week) || !take(c, '.') ||
            !take_number(c, 6, &rule->weekday) || rule->month < 1 || rule->week < 1)
            return false;
    } else {
        if (take(c, 'J'))
            rule->form = 'J';
        if (!take_number(c, 365, &rule->day) || (rule->form == 'J' && rule->day < 1))
            return false;
    }
    return !take(c, '/') || take_time(c, 167, &rule->time_s);
}

bool posix_zone_parse(const char *text, size_t len, struct posix_zone *ret)
{
    struct cursor c = {text, text + len};
    struct posix_zone zone = {0};
    int32_t west_s = 0;
    if (!take_name(&c) || !take_time(&c, 24, &west_s))
        return false;
    zone.standard_s = -west_s;
    if (c.at < c.end) {
        if (!take_name(&c))
            return false;
        zone.has_summer = true;
        zone.summer_s = zone.standard_s + 3600;
        if (c.at < c.end && *c.at != ',') {
            if (!take_time(&c, 24, &west_s))
                return false;
            zone.summer_s = -west_s;
        }
        if (!take(&c, ',') || !take_rule(&c, &zone.start) || !take(&c, ',') || !take_rule(&c, &zone.end))
            return false;
    }
    if (c.at != c.end)
        return false;
    *ret = zone;
    return true;
}

int64_t posix_rule_local(const struct posix_rule *rule, int32_t year)
{
    int64_t day = 0;
    if (rule->form == 'M') {
        const int64_t first = calendar_days(year, rule->month, 1);
        const uint32_t skip = (uint32_t)(rule->weekday + 7 - (int)calendar_weekday(first)) % 7;
        day = first + skip + 7 * (rule->week - 1);
        if (day >= first + calendar_month_length(year, rule->month))
            day -= 7; /* week 5 means the last one */
    } else if (rule->form == 'J') {
        /* Jn never counts 29 February */
        day = calendar_days(year, 1, 1) + rule->day - 1 + (calendar_is_leap(year) && rule->day >= 60);
    } else {
        day = calendar_days(year, 1, 1) + rule->day;
    }
    return day * DAY_S + rule->time_s;
}
