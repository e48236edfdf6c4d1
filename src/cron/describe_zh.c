/* SPDX-License-Identifier: Apache-2.0 */
/* Chinese descriptions (section 7): the same facts as in English, in the order that Chinese wants: year, days, times. */
#include "cron/describe.h"

#include <string.h>

static const char *const weekdays[7] = {"周日", "周一", "周二", "周三", "周四", "周五", "周六"};

static void put_numbers(struct text *t, uint64_t bits, const char *unit)
{
    struct joiner j = {t, "、", "、", describe_count_runs(bits), 0};
    while (bits != 0) {
        int low, high;
        describe_take_run(&bits, &low, &high);
        join(&j);
        text_putf(t, high > low ? "%d至%d" : "%d", low, high);
    }
    text_put(t, unit);
}

static void put_months(struct text *t, const struct describe_facts *f)
{
    if (f->month.is_run && f->month.count > 2)
        text_putf(t, "%d月至%d月", f->month.run_from, f->month.run_to);
    else
        put_numbers(t, f->month.bits, "月");
}

static void put_weekdays(struct text *t, unsigned mask, const char *last_word)
{
    const uint64_t from_monday = ((mask >> 1) | (mask << 6)) & 0x7f;
    const struct series days = series_of(from_monday, 0, 6);
    if (days.is_run && days.count > 2) {
        text_putf(t, "%s至%s", weekdays[(days.run_from + 1) % 7], weekdays[(days.run_to + 1) % 7]);
        return;
    }
    struct joiner j = {t, "、", last_word, days.count, 0};
    for (uint64_t bits = from_monday; bits != 0; bits &= bits - 1) {
        join(&j);
        text_put(t, weekdays[(__builtin_ctzll(bits) + 1) % 7]);
    }
}

static int count_nth(const struct cron_schedule *s)
{
    int count = __builtin_popcount(s->weekday_last);
    for (int k = 0; k < 5; k++)
        count += __builtin_popcount(s->weekday_nth[k]);
    return count;
}

/* 第一个周一、最后一个周五 */
static void put_nth(struct text *t, const struct cron_schedule *s, const char *last_word)
{
    static const char *const nth[6] = {"第一个", "第二个", "第三个", "第四个", "第五个", "最后一个"};
    struct joiner j = {t, "、", last_word, count_nth(s), 0};
    for (int k = 0; k < 6; k++)
        for (unsigned bits = k < 5 ? s->weekday_nth[k] : s->weekday_last; bits != 0; bits &= bits - 1) {
            join(&j);
            text_putf(t, "%s%s", nth[k], weekdays[__builtin_ctz(bits)]);
        }
}

static void put_plain_days(struct text *t, uint32_t mask)
{
    const struct series days = series_of(mask, 1, 31);
    if (days.step > 1 && days.count > DESCRIBE_TIMES_MAX)
        text_putf(t, "%d日至%d日每%d天", days.first, days.last, days.step);
    else if (days.is_run && days.count > 2)
        text_putf(t, "%d日至%d日", days.run_from, days.run_to);
    else
        put_numbers(t, mask, "日");
}

static void put_days(struct text *t, const struct cron_schedule *s)
{
    const int others = __builtin_popcount(s->day_near) + __builtin_popcount(s->last) + __builtin_popcount(s->last_near);
    struct joiner j = {t, "、", "和", others + (s->day != 0), 0};
    if (s->day != 0) {
        join(&j);
        put_plain_days(t, s->day);
    }
    for (uint32_t bits = s->day_near; bits != 0; bits &= bits - 1) {
        join(&j);
        text_putf(t, "离%d日最近的工作日", __builtin_ctz(bits));
    }
    for (uint32_t bits = s->last; bits != 0; bits &= bits - 1) {
        join(&j);
        if (__builtin_ctz(bits) == 0)
            text_put(t, "最后一天");
        else
            text_putf(t, "最后一天的前%d天", __builtin_ctz(bits));
    }
    for (uint32_t bits = s->last_near; bits != 0; bits &= bits - 1) {
        join(&j);
        if (__builtin_ctz(bits) == 0)
            text_put(t, "最后一个工作日（周一至周五）");
        else
            text_putf(t, "离最后一天的前%d天最近的工作日", __builtin_ctz(bits));
    }
}

/* Every form of the weekday fields: 第二个周五, 周一至周五. */
static void put_weekday_forms(struct text *t, const struct cron_schedule *s, const char *last_word)
{
    const int nth = count_nth(s);
    if (nth > 0)
        put_nth(t, s, last_word);
    if (nth > 0 && s->weekday != 0)
        text_put(t, last_word);
    if (s->weekday != 0)
        put_weekdays(t, s->weekday, last_word);
}

static void put_month_prefix(struct text *t, const struct cron_schedule *s, const struct describe_facts *f, bool of_month)
{
    if (!f->all_months) {
        text_put(t, s->flags & CRON_FLAG_YEARS ? "" : "每年");
        put_months(t, f);
        text_put(t, of_month ? "的" : "");
    } else if (of_month) {
        text_put(t, "每月");
    }
}

static void put_day_phrase(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    if (!f->day_restricted && !f->weekday_restricted) {
        put_month_prefix(t, s, f, false);
        text_put(t, "每天");
    } else if (!f->day_restricted) {
        const bool nth = count_nth(s) > 0;
        put_month_prefix(t, s, f, nth || !f->all_months);
        if (!nth && f->all_months)
            text_put(t, "每");
        put_weekday_forms(t, s, "和");
    } else {
        const bool plain = s->last == 0 && s->last_near == 0 && s->day_near == 0;
        put_month_prefix(t, s, f, true);
        if (!f->all_months && plain && t->len >= 3)
            t->len -= strlen("的"); /* 2月29日, not 2月的29日 */
        put_days(t, s);
        if (f->weekday_restricted) {
            text_put(t, f->is_or ? "，或者每逢" : "，且当天是");
            if (f->is_or && !f->all_months) {
                put_months(t, f);
                text_put(t, "的");
            }
            put_weekday_forms(t, s, "或");
        }
    }
}

static void put_years(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    if (!(s->flags & CRON_FLAG_YEARS))
        return;
    int32_t year = s->year_from, low, high;
    struct joiner j = {t, "、", "和", describe_count_years(s), 0};
    if (f->single_year != 0)
        text_putf(t, "%d年", f->single_year);
    else if (s->year_step == 1)
        text_putf(t, "%d年至%d年间", s->year_from, s->year_to);
    else if (j.total > 0)
        while (describe_take_years(s, &year, &low, &high)) {
            join(&j);
            text_putf(t, high > low ? "%d年至%d年" : "%d年", low, high);
        }
    else if (s->year_step > 1)
        text_putf(t, "%d年至%d年间每%d年的", s->year_from, s->year_to, s->year_step);
    else
        text_putf(t, "%d年至%d年间的某些年份", s->year_from, s->year_to);
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
    struct joiner j = {t, "、", "和", total, 0};
    for (int i = 0; i < total; i++) {
        join(&j);
        put_clock(t, describe_time(s, i, seconds), seconds);
    }
}

static void put_every(struct text *t, int step, const char *unit)
{
    if (step <= 1)
        text_putf(t, "每%s", strcmp(unit, "小时") == 0 ? "小时" : unit);
    else
        text_putf(t, "每%d%s", step, unit);
}

static void put_span(struct text *t, const struct describe_facts *f)
{
    text_putf(t, "%02d:%02d至%02d:%02d之间", f->hour.is_run ? f->hour.run_from : f->hour.first, f->minute.first,
              f->hour.is_run ? f->hour.run_to : f->hour.last, f->minute.last);
}

static void put_hours(struct text *t, const struct describe_facts *f)
{
    switch (describe_hours(f)) {
    case HOURS_RUN: text_putf(t, "%d点至%d点每小时", f->hour.run_from, f->hour.run_to); break;
    case HOURS_STEP: text_putf(t, "%d点至%d点每%d小时", f->hour.first, f->hour.last, f->hour.step); break;
    case HOURS_LISTED: put_numbers(t, f->hour.bits, "点"); break;
    }
}

static void put_past_hours(struct text *t, const struct describe_facts *f)
{
    if (f->time == TIME_PAST_HOUR)
        text_put(t, "每小时的第");
    else {
        put_hours(t, f);
        text_put(t, "的第");
    }
    put_numbers(t, f->minute.bits, "分");
    if (f->minute.step > 1 && f->minute.to_end && !f->minute.even && f->minute.count > 2)
        text_putf(t, "（间隔不均：跨小时为%d分钟）", f->minute.across);
}

static void put_cadence(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    switch (f->time) {
    case TIME_LIST: put_times(t, s, f->seconds == SECOND_IN_TIMES); break;
    case TIME_EVERY_MINUTES: put_every(t, f->minute.step, "分钟"); break;
    case TIME_EVERY_MINUTES_IN_RUN:
        put_span(t, f);
        put_every(t, f->minute.step, "分钟");
        break;
    case TIME_EVERY_MINUTES_IN_HOURS:
        put_hours(t, f);
        text_put(t, "的时段内");
        put_every(t, f->minute.step, "分钟");
        break;
    case TIME_PAST_HOUR:
    case TIME_PAST_HOURS: put_past_hours(t, f); break;
    case TIME_HOURLY:
        if (f->minute.first == 0)
            text_put(t, "每小时整点");
        else
            text_putf(t, "每小时的第%d分", f->minute.first);
        break;
    case TIME_HOUR_STEP:
        put_every(t, f->hour.step, "小时");
        if (f->hour.count > DESCRIBE_TIMES_MAX) {
            text_put(t, "，");
            put_span(t, f);
        } else {
            text_put(t, "，在");
            put_times(t, s, false);
        }
        break;
    case TIME_HOUR_STEP_UNEVEN:
        put_times(t, s, false);
        text_putf(t, "（间隔不均：跨午夜为%d小时）", f->hour.across);
        break;
    case TIME_HOUR_RUN:
        put_span(t, f);
        put_every(t, f->hour.step, "小时");
        break;
    }
}

static void put_seconds(struct text *t, const struct describe_facts *f)
{
    if (f->seconds == SECOND_EVERY) {
        text_put(t, f->minute.full ? "" : "在该分钟内");
        put_every(t, f->second.step, "秒");
    } else if (f->seconds == SECOND_AT) {
        text_put(t, "的第");
        put_numbers(t, f->second.bits, "秒");
    }
}

static void put_notes(struct text *t, const struct describe_facts *f)
{
    const bool lone_day = f->single_day > 28 && !f->weekday_restricted;
    if (lone_day && f->all_months)
        text_put(t, "（仅限有该日的月份）");
    else if (lone_day && f->single_day == 29 && f->month.bits == 1u << 2 && f->single_year == 0)
        text_put(t, "（仅闰年）");
}

static void put_sentence(struct text *t, const struct cron_schedule *s, const struct describe_facts *f)
{
    const bool whole_day = f->time == TIME_EVERY_MINUTES && f->minute.full;
    const bool clock = f->time == TIME_LIST || f->time == TIME_HOUR_STEP_UNEVEN;
    const bool days_said = clock || !f->every_day || !f->all_months;
    put_years(t, s, f);
    if (days_said) {
        put_day_phrase(t, s, f);
        text_put(t, clock && !f->weekday_restricted ? "" : "，");
    }
    if (f->seconds != SECOND_EVERY || !whole_day)
        put_cadence(t, s, f);
    if (f->seconds == SECOND_EVERY && !whole_day)
        text_put(t, "，");
    put_seconds(t, f);
    put_notes(t, f);
}

static void put_never(struct text *t, const struct cron_schedule *s)
{
    struct never_facts never;
    describe_never(s, &never);
    if (never.reason == NEVER_BOTH) {
        text_put(t, "永不运行（没有日期同时满足各日期字段）");
        return;
    }
    text_put(t, never.reason == NEVER_DATES ? "永不运行（任何年份都没有" : "永不运行（所选年份都没有");
    struct joiner j = {t, "、", "或", __builtin_popcount(never.months), 0};
    for (unsigned bits = never.months; bits != 0; bits &= bits - 1) {
        join(&j);
        text_putf(t, "%d月%d日", __builtin_ctz(bits), never.day);
    }
    text_put(t, "）");
}

static void put_elapsed(struct text *t, const struct cron_schedule *s)
{
    static const struct {
        int64_t seconds;
        const char *word;
    } units[] = {{604800, "周"}, {86400, "天"}, {3600, "小时"}, {60, "分钟"}, {1, "秒"}};
    char anchor[32];
    size_t i = 0;
    while (s->every_s % units[i].seconds != 0)
        i++;
    describe_anchor(s->anchor_s, anchor);
    text_putf(t, "自 %s UTC 起每%lld%s", anchor, (long long)(s->every_s / units[i].seconds), units[i].word);
    if (s->every_s % 86400 == 0)
        text_putf(t, "（按经过的时间计，共%lld秒：时钟调整时钟面时间会移动）", (long long)s->every_s);
}

void describe_zh(const struct cron_schedule *s, struct text *out)
{
    char buffer[DESCRIBE_TEXT_MAX];
    struct text t = text_over(buffer, sizeof(buffer));
    struct describe_facts f;
    if (s->kind == CRON_KIND_EVERY) {
        put_elapsed(&t, s);
    } else if (s->kind == CRON_KIND_REBOOT) {
        text_put(&t, "调度器启动时运行一次");
    } else if (cron_is_impossible(s)) {
        put_never(&t, s);
    } else {
        describe_collect(s, &f);
        put_sentence(&t, s, &f);
        if (s->notes & CRON_NOTE_HASHED)
            text_put(&t, "（由任务名散列得出）");
        if (strcmp(cron_zone_name(s), "UTC") != 0)
            text_putf(&t, "，时区 %s", cron_zone_name(s));
    }
    (void)text_end(&t);
    text_put(out, buffer);
}
