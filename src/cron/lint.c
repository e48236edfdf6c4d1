/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings about schedules that are valid and probably not meant (section 10). */
#include "cron/calendar.h"
#include "cron/describe.h"

#include <stdio.h>
#include <string.h>

struct list {
    struct cron_warning *out;
    size_t cap, count;
};

PRINTF_LIKE(3, 4) static void warn(struct list *list, const char *code, const char *format, ...)
{
    if (list->count == list->cap)
        return;
    struct cron_warning *warning = &list->out[list->count++];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(warning->message, sizeof(warning->message), format, arguments);
    va_end(arguments);
    (void)snprintf(warning->code, sizeof(warning->code), "%s", code);
}

static bool is_uneven(const struct series *r)
{
    return r->step > 1 && r->count > 2 && r->to_end && !r->even;
}

static void check_steps(struct list *list, const struct describe_facts *f)
{
    if (is_uneven(&f->minute))
        warn(list, "uneven-minutes",
             "every %d minutes does not divide the hour: the last interval has %d minutes; @every keeps it even", f->minute.step,
             f->minute.across);
    if (is_uneven(&f->hour))
        warn(list, "uneven-hours", "every %d hours does not divide the day: the last interval has %d hours; @every keeps it even",
             f->hour.step, f->hour.across);
    if (is_uneven(&f->second))
        warn(list, "uneven-seconds", "every %d seconds does not divide the minute: the last interval has %d seconds",
             f->second.step, f->second.across);
}

/* The known trap of 2.3, and texts that name every day without a star. */
static void check_day_rule(struct list *list, const struct cron_schedule *s)
{
    static const char *const fields[2] = {"day-of-month", "weekday"};
    const int step = s->notes & CRON_NOTE_STAR_STEP_DAY ? 0 : s->notes & CRON_NOTE_STAR_STEP_WEEKDAY ? 1 : -1;
    const int full = s->notes & CRON_NOTE_FULL_DAY ? 0 : s->notes & CRON_NOTE_FULL_WEEKDAY ? 1 : -1;
    if (full >= 0)
        warn(list, "day-rule",
             "the %s field names every day without a *: the %s field is ORed with it and changes nothing; write * or, for AND, +",
             fields[full], fields[1 - full]);
    else if (step >= 0)
        warn(
            list, "day-rule",
            "a step over the %s field and a restricted %s field: Vixie cron would AND these two; horae ORs them; write + for AND",
            fields[step], fields[1 - step]);
    else
        warn(list, "day-or", "both day fields are restricted: a day matches when either does; a + before the weekday means both");
}

/* Days 29 to 31 that stand alone, not at the end of a longer run, and that some chosen month lacks. */
static int skipped_day(const struct cron_schedule *s)
{
    uint64_t left = s->day;
    while (left != 0 && s->day != 0xfffffffeu) {
        int low, high;
        describe_take_run(&left, &low, &high);
        for (int month = 1; low > 28 && month <= 12; month++)
            if ((s->month >> month & 1) && high > calendar_month_length(2001, month))
                return high;
    }
    return 0;
}

static void check_days(struct list *list, const struct cron_schedule *s, const struct describe_facts *f)
{
    const bool steps = s->notes & (CRON_NOTE_STAR_STEP_DAY | CRON_NOTE_FULL_DAY);
    if (s->flags & CRON_FLAG_OR)
        check_day_rule(list, s);
    const int day = steps || f->weekday_restricted ? 0 : skipped_day(s);
    if (day > 0)
        warn(list, "short-months", "months without a day %d are skipped; L is the last day of every month", day);
}

static void check_dialect(struct list *list, const struct cron_schedule *s)
{
    if (s->notes & CRON_NOTE_LIKE_AWS)
        warn(list, "like-aws",
             "six fields put seconds first; this looks like AWS, which puts a year last: import it as dialect aws");
    if (s->notes & CRON_NOTE_LIKE_CRONITER)
        warn(list, "like-croniter",
             "six fields put seconds first; this looks like croniter, which puts seconds last: import it as dialect croniter");
}

static void check_frequency(struct list *list, const struct cron_schedule *s, const struct describe_facts *f)
{
    if (f->second.full && (s->notes & CRON_NOTE_SIX_FIELDS))
        warn(list, "every-second", "this runs every second of the matching minutes; a 0 in the first field means once a minute");
    else if (f->second.count > 1)
        warn(list, "seconds", "runs that take longer than the %d-second period overlap",
             f->second.across < 60 ? f->second.across : 60);
    if (f->minute.full && f->hour.count == 1 && f->second.bits == 1)
        warn(list, "every-minute", "this runs every minute from %02d:00 to %02d:59; \"0 %d * * *\" runs once", f->hour.first,
             f->hour.first, f->hour.first);
    if (s->notes & CRON_NOTE_BIG_STEP)
        warn(list, "big-step", "a step is larger than its field: only the first value counts");
}

static void check_elapsed(struct list *list, const struct cron_schedule *s)
{
    if (s->every_s == 86400)
        warn(list, "every-day", "@every 24h counts elapsed time from its anchor; @daily runs at midnight");
    else if (s->every_s == 604800)
        warn(list, "every-week", "this counts elapsed time from its anchor; @weekly runs on Sunday at midnight");
    else if (s->every_s == 3600)
        warn(list, "every-hour", "@every 1h counts elapsed time from its anchor; @hourly runs on the hour");
}

/* A time inside the next gap or overlap; what runs around the clock follows the clock anyway. */
static void check_clock(struct list *list, const struct cron_schedule *s, int64_t now_s)
{
    char remarks[1024];
    if (cron_is_interval_like(s) && s->hour == 0xffffff)
        return;
    if (cron_clock_remarks(s, now_s, "en", remarks, sizeof(remarks)) > 0) {
        remarks[strcspn(remarks, "\n")] = '\0'; /* the next one only */
        warn(list, "clock-change", "%.240s", remarks);
    }
    if (cron_repeated_hour_remark(s, now_s, remarks, sizeof(remarks)) > 0)
        warn(list, "clock-change", "%.240s", remarks);
}

size_t cron_lint(const struct cron_schedule *s, int64_t now_s, struct cron_warning *out, size_t cap)
{
    struct list list = {out, cap, 0};
    struct describe_facts f;
    if (s->kind == CRON_KIND_EVERY)
        check_elapsed(&list, s);
    if (s->kind != CRON_KIND_CALENDAR || cron_is_impossible(s))
        return list.count;
    describe_collect(s, &f);
    check_steps(&list, &f);
    check_days(&list, s, &f);
    check_frequency(&list, s, &f);
    check_dialect(&list, s);
    check_clock(&list, s, now_s);
    return list.count;
}
