/* SPDX-License-Identifier: Apache-2.0 */
/* What the next clock changes of a zone do to a schedule (section 7, last part). Local times are looked at with the
 * same schedule in UTC; what really fires is asked of the engine. */
#include "cron/calendar.h"
#include "cron/cron.h"
#include "cron/text.h"
#include "cron/zone.h"

#include <string.h>

enum { CHANGES_SHOWN = 2, SEGMENTS_LOOKED_AT = 8, HORIZON_S = 2 * 366 * DAY_S };

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

static void put_gap(struct text *t, const struct cron_schedule *s, const struct change *c, int64_t swallowed, bool zh)
{
    const int64_t at = s->gap == CRON_GAP_SHIFT_FORWARD ? swallowed - c->before_s : c->at_s;
    const bool made_up = cron_is_catch_up(s, at) || cron_matches(s, at);
    if (!made_up) {
        text_put(t, zh ? "时钟调整：" : "Clock change: no run on ");
        put_date(t, swallowed, zh);
        text_put(t, zh ? "的 " : " at ");
        put_clock(t, swallowed);
        text_put(t, zh ? " 不存在，不会运行" : ", which does not exist");
        return;
    }
    text_put(t, zh ? "时钟调整：" : "Clock change: on ");
    put_date(t, swallowed, zh);
    if (zh) {
        text_put(t, "将在 ");
        put_clock(t, at + c->after_s);
        text_put(t, " 而不是 ");
        put_clock(t, swallowed);
        text_put(t, " 运行");
    } else {
        text_put(t, " this runs at ");
        put_clock(t, at + c->after_s);
        text_put(t, " instead of ");
        put_clock(t, swallowed);
    }
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

/* One line about one change; false when it does nothing to the schedule. */
static bool put_change(struct text *t, const struct cron_schedule *s, const struct change *c, bool zh)
{
    struct cron_schedule local = *s;
    local.zone = zone_utc();
    const int64_t shift = c->after_s - c->before_s;
    if (shift > 0) {
        const int64_t first = cron_next(&local, c->at_s + c->before_s - 1);
        if (cron_is_interval_like(s) || first == CRON_NEVER || first >= c->at_s + c->after_s)
            return false;
        put_gap(t, s, c, first, zh);
        return true;
    }
    const int64_t named = cron_count(&local, c->at_s + c->after_s, c->at_s + c->before_s);
    if (cron_count(s, c->at_s + shift, c->at_s - shift) <= named)
        return false;
    put_overlap(t, c, zh);
    return true;
}

size_t cron_clock_remarks(const struct cron_schedule *s, int64_t now_s, const char *lang, char *out, size_t cap)
{
    struct text t = text_over(out, cap);
    struct zone_segment g;
    const bool zh = strncmp(lang, "zh", 2) == 0;
    int64_t at = now_s;
    int shown = 0;
    const struct zone_table *rules = zone_rules(s->zone);
    const bool can = s->kind == CRON_KIND_CALENDAR && !zone_is_fixed(rules) && !cron_is_impossible(s);
    for (int i = 0; can && i < SEGMENTS_LOOKED_AT && shown < CHANGES_SHOWN; i++) {
        zone_segment_at(rules, at, &g);
        if (g.end_s >= ZONE_TIME_MAX || g.end_s > now_s + HORIZON_S)
            break;
        const struct change c = {g.end_s, g.offset_s, g.after_s};
        const size_t before = t.len;
        if (t.len > 0)
            text_put(&t, "\n");
        if (c.before_s != c.after_s && put_change(&t, s, &c, zh))
            shown++;
        else
            t.len = before;
        at = g.end_s;
    }
    return text_end(&t);
}
