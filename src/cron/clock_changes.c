/* SPDX-License-Identifier: Apache-2.0 */
/* What the next clock changes of a zone do to a schedule (section 7, last part). Local times are looked at with the
 * same schedule in UTC; what really fires is asked of the engine. */
#include "cron/calendar.h"
#include "cron/cron.h"
#include "cron/text.h"
#include "cron/zone.h"

#include <string.h>

enum { CHANGES_SHOWN = 2, CHANGES_LOOKED_AT = 8, HORIZON_S = 2 * 366 * DAY_S };

static const char *const month_words[13] = {"",     "January", "February",  "March",   "April",    "May",     "June",
                                            "July", "August",  "September", "October", "November", "December"};

struct change {
    int64_t at_s;
    int32_t before_s, after_s;
};

static void put_date(struct text *t, int64_t local_s, bool zh)
{
    const struct civil_date date = calendar_civil(calendar_floor_div(local_s, DAY_S));
    if (zh)
        text_putf(t, "%d年%d月%d日", date.year, date.month, date.day);
    else
        text_putf(t, "%d %s %d", date.day, month_words[date.month], date.year);
}

static void put_clock(struct text *t, int64_t local_s)
{
    const int time = (int)(local_s - calendar_floor_div(local_s, DAY_S) * DAY_S);
    text_putf(t, "%02d:%02d", time / 3600, time / 60 % 60);
}

/* What a gap swallowed: `count` local times from `first` on. */
struct swallowed {
    int64_t first, count;
};

static void put_no_run(struct text *t, int64_t local_s, bool zh)
{
    text_put(t, zh ? "时钟调整：" : "Clock change: no run on ");
    put_date(t, local_s, zh);
    text_put(t, zh ? "的 " : " at ");
    put_clock(t, local_s);
    text_put(t, zh ? " 不存在，不会运行" : ", which does not exist");
}

/* "this runs at 03:00 instead of 02:30", "this runs once at 03:00 instead of 6 times from 02:00" */
static void put_gap(struct text *t, const struct cron_schedule *s, const struct change *c, const struct swallowed *lost, bool zh)
{
    const bool shifts = s->gap == CRON_GAP_SHIFT_FORWARD;
    const int64_t at = shifts ? lost->first - c->before_s : c->at_s;
    const bool merged = !shifts && lost->count > 1;
    if (!cron_is_catch_up(s, at) && !cron_matches(s, at)) {
        put_no_run(t, lost->first, zh);
        return;
    }
    text_put(t, zh ? "时钟调整：" : "Clock change: on ");
    put_date(t, lost->first, zh);
    text_put(t, zh ? merged ? "将只在 " : "将在 " : merged ? " this runs once at " : " this runs at ");
    put_clock(t, at + c->after_s);
    if (merged)
        text_putf(t, zh ? " 运行一次，而不是从 " : " instead of %lld times from ", (long long)lost->count);
    else
        text_put(t, zh ? " 而不是 " : " instead of ");
    put_clock(t, lost->first);
    if (zh && merged)
        text_putf(t, " 起运行%lld次", (long long)lost->count);
    else if (zh)
        text_put(t, " 运行");
}

static void put_overlap(struct text *t, const struct change *c, bool zh)
{
    const int64_t from = c->at_s + c->after_s, to = c->at_s + c->before_s;
    text_put(t, zh ? "时钟调整：" : "Clock change: runs twice between ");
    if (zh) {
        put_date(t, from, zh);
        text_put(t, "的 ");
    }
    put_clock(t, from);
    text_put(t, zh ? " 至 " : " and ");
    put_clock(t, to);
    if (zh) {
        text_put(t, " 之间会运行两遍");
    } else {
        text_put(t, " on ");
        put_date(t, from, zh);
    }
}

/* An hour that vanishes is nothing to a schedule that runs in every hour (rule I1). */
static bool minds_gaps(const struct cron_schedule *s)
{
    return !(cron_is_interval_like(s) && s->hour == 0xffffff && s->gap == CRON_GAP_SKIP);
}

/* One line about one change; false when it does nothing to the schedule. */
static bool put_change(struct text *t, const struct cron_schedule *s, const struct change *c, bool zh)
{
    struct cron_schedule local = *s;
    local.zone = zone_utc();
    const int64_t shift = c->after_s - c->before_s;
    if (shift > 0) {
        const int64_t begin = c->at_s + c->before_s, end = c->at_s + c->after_s;
        const struct swallowed lost = {cron_next(&local, begin - 1), cron_count(&local, begin, end)};
        if (lost.count == 0 || !minds_gaps(s))
            return false;
        put_gap(t, s, c, &lost, zh);
        return true;
    }
    const int64_t named = cron_count(&local, c->at_s + c->after_s, c->at_s + c->before_s);
    if (cron_count(s, c->at_s + shift, c->at_s - shift) <= named)
        return false;
    put_overlap(t, c, zh);
    return true;
}

/* The next change after *at; false when there is none within the horizon. */
static bool next_change(const struct zone_table *rules, int64_t *at, int64_t now_s, struct change *ret)
{
    struct zone_segment g;
    zone_segment_at(rules, *at, &g);
    if (g.end_s >= ZONE_TIME_MAX || g.end_s > now_s + HORIZON_S)
        return false;
    *ret = (struct change){g.end_s, g.offset_s, g.after_s};
    *at = g.end_s;
    return true;
}

static bool has_changes(const struct cron_schedule *s)
{
    return s->kind == CRON_KIND_CALENDAR && !zone_is_fixed(zone_rules(s->zone)) && !cron_is_impossible(s);
}

size_t cron_clock_remarks(const struct cron_schedule *s, int64_t now_s, const char *lang, char *out, size_t cap)
{
    struct text t = text_over(out, cap);
    struct change c;
    const bool zh = strncmp(lang, "zh", 2) == 0;
    int64_t at = now_s;
    int shown = 0;
    for (int i = 0;
         has_changes(s) && i < CHANGES_LOOKED_AT && shown < CHANGES_SHOWN && next_change(zone_rules(s->zone), &at, now_s, &c);
         i++) {
        const size_t before = t.len;
        if (t.len > 0)
            text_put(&t, "\n");
        if (put_change(&t, s, &c, zh))
            shown++;
        else
            t.len = before;
    }
    return text_end(&t);
}

size_t cron_repeated_hour_remark(const struct cron_schedule *s, int64_t now_s, char *out, size_t cap)
{
    struct text t = text_over(out, cap);
    struct cron_schedule local = *s;
    struct change c;
    int64_t at = now_s;
    local.zone = zone_utc();
    for (int i = 0; has_changes(s) && i < CHANGES_LOOKED_AT && next_change(zone_rules(s->zone), &at, now_s, &c); i++) {
        const int64_t begin = c.at_s + c.after_s, end = c.at_s + c.before_s;
        if (begin >= end)
            continue;
        const int64_t first = cron_next(&local, begin - 1);
        if (first == CRON_NEVER || first >= end || s->fold == CRON_FOLD_BOTH)
            break; /* it does not meet the next repeated hour, or runs in both passes, which the other remarks say */
        text_put(&t, "Clock change: ");
        put_clock(&t, first);
        text_put(&t, " comes twice on ");
        put_date(&t, first, false);
        text_putf(&t, "; this runs once, at the %s", s->fold == CRON_FOLD_LAST ? "second" : "first");
        break;
    }
    return text_end(&t);
}
