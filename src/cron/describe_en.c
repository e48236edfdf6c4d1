/* SPDX-License-Identifier: Apache-2.0 */
/* English descriptions (section 7). A schedule of few clock times reads "<days> at <times>", any other reads
 * "<cadence>, <days>"; notes in brackets and the zone come last. The OR of the day rule is spelt out. */
#include "cron/describe.h"

#include "cron/years.h"

static const char *const month_words[13] = {"",     "January", "February",  "March",   "April",    "May",     "June",
                                            "July", "August",  "September", "October", "November", "December"};
static const char *const weekday_words[7] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const nth_words[5] = {"first", "second", "third", "fourth", "fifth"};

/* --- days --- */

static void put_months(struct text *t, const struct describe_facts *f)
{
    if (f->month.is_run && f->month.count > 2) {
        text_putf(t, "%s to %s", month_words[f->month.run_from], month_words[f->month.run_to]);
        return;
    }
    struct joiner j = {t, ", ", " and ", f->month.count, 0};
    for (uint64_t bits = f->month.bits; bits != 0; bits &= bits - 1) {
        join(&j);
        text_put(t, month_words[__builtin_ctzll(bits)]);
    }
}

/* Weekdays from Monday on; a run of three or more as a range. `last_word` joins a list. */
static void put_weekdays(struct text *t, unsigned mask, const char *last_word)
{
    const uint64_t from_monday = ((mask >> 1) | (mask << 6)) & 0x7f;
    const struct series days = series_of(from_monday, 0, 6);
    if (days.is_run && days.count > 2) {
        text_putf(t, "%s to %s", weekday_words[(days.run_from + 1) % 7], weekday_words[(days.run_to + 1) % 7]);
        return;
    }
    struct joiner j = {t, ", ", last_word, days.count, 0};
    for (uint64_t bits = from_monday; bits != 0; bits &= bits - 1) {
        join(&j);
        text_put(t, weekday_words[(__builtin_ctzll(bits) + 1) % 7]);
    }
}

static bool is_weekday_range(unsigned mask)
{
    const struct series days = series_of(((mask >> 1) | (mask << 6)) & 0x7f, 0, 6);
    return days.is_run && days.count > 2;
}

static int count_nth(const struct cron_schedule *s)
{
    int count = __builtin_popcount(s->weekday_last);
    for (int k = 0; k < 5; k++)
        count += __builtin_popcount(s->weekday_nth[k]);
    return count;
}

/* "the first Monday and the last Friday" */
static void put_nth(struct text *t, const struct cron_schedule *s, const char *last_word)
{
    struct joiner j = {t, ", ", last_word, count_nth(s), 0};
    for (int k = 0; k < 6; k++) {
        for (unsigned bits = k < 5 ? s->weekday_nth[k] : s->weekday_last; bits != 0; bits &= bits - 1) {
            join(&j);
            text_putf(t, "the %s %s", k < 5 ? nth_words[k] : "last", weekday_words[__builtin_ctz(bits)]);
        }
    }
}

/* Plain days: "1st and 15th", "1st to 7th", "every 2nd day from the 1st to the 31st". */
static void put_plain_days(struct text *t, uint32_t mask)
{
    const struct series days = series_of(mask, 1, 31);
    if (days.step > 1 && days.count > DESCRIBE_TIMES_MAX) {
        text_put(t, "every ");
        describe_en_ordinal(t, days.step);
        text_put(t, " day from the ");
        describe_en_ordinal(t, days.first);
        text_put(t, " to the ");
        describe_en_ordinal(t, days.last);
        return;
    }
    text_put(t, "the ");
    if (days.is_run && days.count > 2) {
        describe_en_ordinal(t, days.run_from);
        text_put(t, " to ");
        describe_en_ordinal(t, days.run_to);
        return;
    }
    uint64_t left = mask;
    struct joiner j = {t, ", ", " and ", describe_count_runs(mask), 0};
    while (left != 0) {
        int low, high;
        describe_take_run(&left, &low, &high);
        join(&j);
        describe_en_ordinal(t, low);
        if (high > low) {
            text_put(t, " to ");
            describe_en_ordinal(t, high);
        }
    }
}

static void put_before_last(struct text *t, int before)
{
    text_putf(t, "%d day%s before the last day", before, before == 1 ? "" : "s");
}

/* Every form of the day-of-month field, joined. */
static void put_days(struct text *t, const struct cron_schedule *s)
{
    const int others = __builtin_popcount(s->day_near) + __builtin_popcount(s->last) + __builtin_popcount(s->last_near);
    struct joiner j = {t, ", ", " and ", others + (s->day != 0), 0};
    if (s->day != 0) {
        join(&j);
        put_plain_days(t, s->day);
    }
    for (uint32_t bits = s->day_near; bits != 0; bits &= bits - 1) {
        join(&j);
        text_put(t, "the working day nearest the ");
        describe_en_ordinal(t, __builtin_ctz(bits));
    }
    for (uint32_t bits = s->last; bits != 0; bits &= bits - 1) {
        join(&j);
        if (__builtin_ctz(bits) == 0)
            text_put(t, "the last day");
        else
            put_before_last(t, __builtin_ctz(bits));
    }
    for (uint32_t bits = s->last_near; bits != 0; bits &= bits - 1) {
        join(&j);
        if (__builtin_ctz(bits) == 0) {
            text_put(t, "the last working day (Monday to Friday)");
        } else {
            text_put(t, "the working day nearest ");
            put_before_last(t, __builtin_ctz(bits));
        }
    }
}

/* "Never in the 31st": a day that some months lack, alone, in every month. */
static bool is_short_month_day(const struct describe_facts *f)
{
    return f->single_day > 28 && f->all_months && !f->weekday_restricted;
}

static void put_day_part(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    const bool only_before = s->day == 0 && s->day_near == 0 && s->last_near == 0 && !(s->last & 1);
    if (f->single_day != 0 && f->month.count == 1 && !f->weekday_restricted) {
        text_putf(t, "on %d %s", f->single_day, month_words[f->month.first]);
        if (f->single_year != 0)
            text_putf(t, " %d", f->single_year);
        return;
    }
    if (!only_before)
        text_put(t, "on ");
    put_days(t, s);
    if (is_short_month_day(f))
        return;
    text_put(t, " of ");
    if (!f->all_months)
        put_months(t, f);
    else
        text_put(t, f->weekday_restricted && !f->is_or ? "the month" : "every month");
}

/* "every Monday", "Monday to Friday", "on the second Friday of every month" */
static void put_weekday_part(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    const int nth = count_nth(s);
    if (nth > 0) {
        text_put(t, "on ");
        put_nth(t, s, " and ");
        text_put(t, " of ");
        if (f->all_months)
            text_put(t, "every month");
        else
            put_months(t, f);
    }
    if (s->weekday == 0)
        return;
    if (nth > 0)
        text_put(t, " and ");
    if (nth > 0 || __builtin_popcount(s->weekday) == 1)
        text_put(t, "every ");
    put_weekdays(t, s->weekday, " and ");
    if (!f->all_months) {
        text_put(t, " in ");
        put_months(t, f);
    }
}

static void put_or_weekdays(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    text_put(t, " or on ");
    if (count_nth(s) > 0) {
        put_nth(t, s, " or ");
        if (s->weekday != 0)
            text_put(t, " or on ");
    }
    if (s->weekday != 0) {
        text_put(t, is_weekday_range(s->weekday) ? "any day from " : "any ");
        put_weekdays(t, s->weekday, " or ");
    }
    if (!f->all_months) {
        text_put(t, " in ");
        put_months(t, f);
    }
}

static void put_when(struct text *t, const struct cron_schedule *s)
{
    text_put(t, " when it is ");
    if (count_nth(s) > 0) {
        put_nth(t, s, " or ");
        if (s->weekday != 0)
            text_put(t, " or ");
    }
    if (s->weekday != 0) {
        if (!is_weekday_range(s->weekday))
            text_put(t, "a ");
        put_weekdays(t, s->weekday, " or ");
    }
}

/* Lower-case phrase for the days. */
static void put_days_phrase(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    if (!f->day_restricted && !f->weekday_restricted) {
        text_put(t, "every day");
        if (!f->all_months) {
            text_put(t, " in ");
            put_months(t, f);
        }
    } else if (!f->day_restricted) {
        put_weekday_part(t, s, f);
    } else {
        put_day_part(t, s, f);
        if (f->weekday_restricted && f->is_or)
            put_or_weekdays(t, s, f);
        else if (f->weekday_restricted)
            put_when(t, s);
    }
}

static void put_years(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    if (!(s->flags & CRON_FLAG_YEARS))
        return;
    if (f->single_year != 0) {
        if (!(f->single_day != 0 && f->month.count == 1 && !f->weekday_restricted))
            text_putf(t, ", in %d", f->single_year);
        return;
    }
    int32_t year = s->year_from, low, high;
    struct joiner j = {t, ", ", " and ", describe_count_years(s), 0};
    if (j.total > 0) {
        text_put(t, ", in ");
        while (describe_take_years(s, &year, &low, &high)) {
            join(&j);
            text_putf(t, high > low ? "%d to %d" : "%d", low, high);
        }
    } else if (s->year_step > 1) {
        text_put(t, ", in every ");
        describe_en_ordinal(t, s->year_step);
        text_putf(t, " year from %d to %d", s->year_from, s->year_to);
    } else {
        text_putf(t, ", in some years from %d to %d", s->year_from, s->year_to);
    }
}

/* --- sentences --- */

static void put_leap_note(struct text *t, const struct describe_facts *f)
{
    if (f->single_day == 29 && f->month.bits == 1u << 2 && !f->weekday_restricted && f->single_year == 0)
        text_put(t, " (leap years only)");
}

static void put_uneven_hours(struct text *t, const struct describe_facts *f)
{
    if (f->time == TIME_HOUR_STEP_UNEVEN)
        text_putf(t, " (uneven: %d hour%s across midnight)", f->hour.across, f->hour.across == 1 ? "" : "s");
}

/* "<cadence>, <days>" */
static void put_cadence_sentence(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    describe_en_seconds(t, f);
    const bool whole_day = f->time == TIME_EVERY_MINUTES && f->minute.full;
    if (f->seconds != SECOND_EVERY || !whole_day)
        describe_en_cadence(t, s, f);
    if (!f->every_day || !f->all_months) {
        text_put(t, ", ");
        put_days_phrase(t, s, f);
    } else if (f->time == TIME_HOUR_STEP_UNEVEN || f->time == TIME_LIST) {
        text_put(t, " every day");
    }
    put_uneven_hours(t, f);
    put_leap_note(t, f);
}

/* "<days> at <times>" */
static void put_list_sentence(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    put_days_phrase(t, s, f);
    if (f->day_restricted && f->weekday_restricted)
        text_put(t, ",");
    text_put(t, " ");
    describe_en_cadence(t, s, f);
    if (f->single_day != 0 && is_short_month_day(f))
        text_put(t, ", in months that have one");
    put_leap_note(t, f);
}

static void put_never(struct text *t, const struct cron_schedule *s)
{
    struct never_facts never;
    describe_never(s, &never);
    text_put(t, "never (");
    if (never.reason == NEVER_BOTH) {
        text_put(t, "no date passes the day fields)");
        return;
    }
    text_put(t, never.reason == NEVER_DATES ? "no year has " : "none of the years has ");
    struct joiner j = {t, ", ", " or ", __builtin_popcount(never.months), 0};
    for (unsigned bits = never.months; bits != 0; bits &= bits - 1) {
        join(&j);
        text_putf(t, "%d %s", never.day, month_words[__builtin_ctz(bits)]);
    }
    text_put(t, ")");
}

static void put_elapsed(struct text *t, const struct cron_schedule *s)
{
    static const struct {
        int64_t seconds;
        const char *word;
    } units[] = {{604800, "week"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    char anchor[32];
    size_t i = 0;
    while (s->every_s % units[i].seconds != 0)
        i++;
    const long long count = s->every_s / units[i].seconds;
    text_put(t, "every ");
    if (count > 1)
        text_putf(t, "%lld ", count);
    text_putf(t, "%s%s", units[i].word, count > 1 ? "s" : "");
    describe_anchor(s->anchor_s, anchor);
    text_putf(t, " from %s UTC", anchor);
    if (s->every_s % 86400 == 0)
        text_putf(t, " (elapsed time, %lld seconds: the wall-clock time moves when the clocks change)", (long long)s->every_s);
}

void describe_en(const struct cron_schedule *s, struct text *out)
{
    char buffer[DESCRIBE_TEXT_MAX];
    struct text t = text_over(buffer, sizeof(buffer));
    struct describe_facts f;
    if (s->kind == CRON_KIND_EVERY) {
        put_elapsed(&t, s);
    } else if (s->kind == CRON_KIND_REBOOT) {
        text_put(&t, "once, when the scheduler starts");
    } else if (cron_is_impossible(s)) {
        put_never(&t, s);
    } else {
        describe_collect(s, &f);
        const bool is_list = f.time == TIME_LIST && f.seconds != SECOND_EVERY && f.seconds != SECOND_AT;
        if (is_list)
            put_list_sentence(&t, s, &f);
        else
            put_cadence_sentence(&t, s, &f);
        put_years(&t, s, &f);
        if (s->notes & CRON_NOTE_HASHED)
            text_put(&t, " (hashed from the job name)");
        if (cron_zone_name(s)[0] != 'U' || cron_zone_name(s)[1] != 'T' || cron_zone_name(s)[2] != 'C')
            text_putf(&t, ", %s", cron_zone_name(s));
    }
    (void)text_end(&t);
    if (buffer[0] >= 'a' && buffer[0] <= 'z')
        buffer[0] = (char)(buffer[0] - 32);
    text_put(out, buffer);
}
