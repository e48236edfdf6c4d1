/* SPDX-License-Identifier: Apache-2.0 */
/* cron's rules as Debian's cron documents them: fields are sets, the day matches when both day fields do if one of
 * them begins with a star, otherwise when either does. Clock changes: jobs with a star in minute or hour follow the
 * clock; a job at a fixed time that a change jumped over runs once right after it, and one that comes twice runs the
 * first time only. The walk uses the C library's local time, the engine its own reader of zone files. */
#include "cli/import_prove.h"

#include "base/str.h"
#include "cron/cron.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { FIELDS = 5, MINUTE_S = 60, GAP_MAX_S = 3 * 3600 };

struct walk_schedule {
    uint64_t sets[FIELDS]; /* minute hour day month weekday */
    bool star[FIELDS];
};

static const struct {
    int low, high;
} ranges[FIELDS] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};

static const char *nickname(const char *text)
{
    static const struct {
        const char *name, *fields;
    } names[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
                 {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(text, names[i].name) == 0)
            return names[i].fields;
    return text;
}

static int read_number(const char **p, int field)
{
    static const char *const words[2] = {"jan feb mar apr may jun jul aug sep oct nov dec", "sun mon tue wed thu fri sat"};
    if (isdigit((unsigned char)**p))
        return (int)strtol(*p, (char **)(uintptr_t)p, 10);
    for (int i = 0; field >= 3 && words[field - 3][4 * i]; i++)
        if (strncasecmp(*p, words[field - 3] + 4 * i, 3) == 0) {
            *p += 3;
            return field == 3 ? i + 1 : i;
        }
    return -1;
}

static bool read_item(const char **p, int field, uint64_t *set)
{
    int low = ranges[field].low, high = ranges[field].high, step = 1;
    if (**p == '*') {
        (*p)++;
    } else {
        low = high = read_number(p, field);
        if (**p == '-') {
            (*p)++;
            high = read_number(p, field);
        }
    }
    if (**p == '/') {
        (*p)++;
        step = read_number(p, field);
    }
    if (low < 0 || high < low || high > ranges[field].high || step < 1)
        return false;
    for (int i = low; i <= high; i += step)
        *set |= UINT64_C(1) << i;
    return true;
}

static bool read_schedule(const char *text, struct walk_schedule *ret)
{
    const char *p = nickname(text);
    memset(ret, 0, sizeof *ret);
    for (int field = 0; field < FIELDS; field++) {
        p += strspn(p, " \t");
        ret->star[field] = *p == '*';
        do {
            if (*p == ',')
                p++;
            if (!read_item(&p, field, &ret->sets[field]))
                return false;
        } while (*p == ',');
        if (*p && *p != ' ' && *p != '\t')
            return false;
    }
    if (ret->sets[4] & 0x81) /* 0 and 7 are Sunday */
        ret->sets[4] |= 0x81;
    return !p[strspn(p, " \t")];
}

static bool has(uint64_t set, int value)
{
    return set >> value & 1;
}

static bool fits(const struct walk_schedule *s, const struct tm *at)
{
    bool day = has(s->sets[2], at->tm_mday), weekday = has(s->sets[4], at->tm_wday);
    bool date = s->star[2] || s->star[4] ? day && weekday : day || weekday;
    return date && has(s->sets[3], at->tm_mon + 1) && has(s->sets[1], at->tm_hour) && has(s->sets[0], at->tm_min);
}

static bool is_wild(const struct walk_schedule *s)
{
    return s->star[0] || s->star[1];
}

/* Fixed-time jobs in the local minutes that a clock change jumped over. */
static bool fits_in_gap(const struct walk_schedule *s, int64_t at_s, long jump_s)
{
    for (int64_t local = at_s - jump_s; local < at_s; local += MINUTE_S) {
        time_t t = (time_t)local;
        struct tm parts;
        (void)gmtime_r(&t, &parts); /* `local` counts local time as if it were UTC */
        if (fits(s, &parts))
            return true;
    }
    return false;
}

/* Times of `s` after from, by walking real minutes. */
static size_t walk(const struct walk_schedule *s, int64_t from_s, int64_t *out, size_t most)
{
    size_t count = 0;
    long offset_before = 0;
    int64_t repeated_until = INT64_MIN; /* local time that has been there already */
    int64_t first = from_s / MINUTE_S * MINUTE_S + MINUTE_S;
    for (int64_t at = first - MINUTE_S; count < most && at < from_s + (int64_t)PROVE_DAYS * 86400; at += MINUTE_S) {
        time_t t = (time_t)at;
        struct tm parts;
        (void)localtime_r(&t, &parts);
        long jump = at >= first ? parts.tm_gmtoff - offset_before : 0;
        int64_t local = at + parts.tm_gmtoff;
        offset_before = parts.tm_gmtoff;
        if (at < first)
            continue;
        bool fire = fits(s, &parts);
        if (jump < 0 && -jump <= GAP_MAX_S)
            repeated_until = local - jump;
        if (!is_wild(s)) {
            if (jump > 0 && jump <= GAP_MAX_S)
                fire |= fits_in_gap(s, local, jump);
            if (local < repeated_until)
                fire = false;
        }
        if (fire)
            out[count++] = at;
    }
    return count;
}

bool import_follows_clock(const char *schedule)
{
    struct walk_schedule walked;
    return read_schedule(schedule, &walked) && is_wild(&walked);
}

static size_t ask_engine(const char *schedule, const char *zone, int64_t from_s, int64_t *out, size_t most,
                         struct cron_schedule *ret)
{
    struct cron_options options = {
        .dialect = CRON_DIALECT_VIXIE, .zone = zone, .gap = import_follows_clock(schedule) ? CRON_GAP_SKIP : CRON_GAP_AUTO};
    struct cron_error error;
    size_t count = 0;
    int64_t at = from_s;
    if (!cron_parse(schedule, strlen(schedule), &options, ret, &error))
        return 0;
    while (count < most && (at = cron_next(ret, at)) != CRON_NEVER && at < from_s + (int64_t)PROVE_DAYS * 86400)
        out[count++] = at;
    return count;
}

static void put_time(FILE *out, const struct cron_schedule *s, int64_t at)
{
    char text[64];
    (void)cron_format_time(s, at, text, sizeof text);
    (void)fprintf(out, "  %s", text);
}

bool import_prove(FILE *out, const char *schedule, const char *zone, int64_t from_s)
{
    enum { COMPARED = 1000 };
    static int64_t theirs[COMPARED], ours[COMPARED];
    struct walk_schedule walked;
    struct cron_schedule engine;
    if (strcasecmp(schedule, "@reboot") == 0) {
        (void)fprintf(out, "    cron and horae: once, when the machine has started\n");
        return true;
    }
    if (!read_schedule(schedule, &walked)) {
        (void)fprintf(out, "    not compared: the schedule uses what cron does not know\n");
        return true;
    }
    (void)setenv("TZ", zone, 1);
    tzset();
    size_t n = walk(&walked, from_s, theirs, COMPARED), m = ask_engine(schedule, zone, from_s, ours, COMPARED, &engine);
    size_t shorter = n < m ? n : m, differences = n == m || shorter == COMPARED ? 0 : 1;
    (void)fprintf(out, "    cron: ");
    for (size_t i = 0; i < n && i < PROVE_TIMES; i++)
        put_time(out, &engine, theirs[i]);
    (void)fprintf(out, "\n    horae:");
    for (size_t i = 0; i < m && i < PROVE_TIMES; i++)
        put_time(out, &engine, ours[i]);
    (void)fprintf(out, "\n");
    for (size_t i = 0; i < shorter; i++)
        if (theirs[i] != ours[i] && differences++ < PROVE_TIMES) {
            (void)fprintf(out, "    DIFFERENT: cron");
            put_time(out, &engine, theirs[i]);
            (void)fprintf(out, ", horae");
            put_time(out, &engine, ours[i]);
            (void)fprintf(out, "\n");
        }
    (void)fprintf(out, "    %zu coming times compared, %s\n", shorter, differences ? "THEY DIFFER" : "all equal");
    return !differences;
}
