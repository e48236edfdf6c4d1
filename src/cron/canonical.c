/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical text of a schedule, in the default dialect: reparsing it gives an equal schedule (section 9). Hashed
 * values appear resolved. Whether a schedule is interval-like is textual (3.1), so the writer must not use a star,
 * range or step in the time fields of a fixed-time one, and must use at least one for an interval-like one. */
#include "cron/parse.h"

#include "cron/text.h"

#include <string.h>

#define ALL_DAYS_MASK 0xfffffffeu
#define WRAPPED_FROM 4
#define YEAR_STEPS_TRIED 32
#define YEAR_RUNS_TEXT_MAX 160 /* bytes; a longer list is written as progressions */

/* A set of one field as the writer sees it. */
struct value_set {
    uint64_t bits;
    int low, high;
};

static void put_separator(struct text *t, bool *first)
{
    if (!*first)
        text_put(t, ",");
    *first = false;
}

static void put_list(struct text *t, uint64_t bits, bool *first)
{
    for (; bits != 0; bits &= bits - 1) {
        put_separator(t, first);
        text_putf(t, "%d", __builtin_ctzll(bits));
    }
}

/* Runs of three or more as ranges, the rest singly: "1-5,8,10"; the suffix behind each. */
static void put_runs(struct text *t, uint64_t bits, const char *suffix, bool *first)
{
    while (bits != 0) {
        const int low = __builtin_ctzll(bits);
        int high = low;
        while (high < 63 && (bits >> (high + 1) & 1))
            high++;
        const int kept = high - low >= 2 ? high : low;
        put_separator(t, first);
        text_putf(t, "%d", low);
        if (kept > low)
            text_putf(t, "-%d", kept);
        text_put(t, suffix);
        bits &= ~(((UINT64_C(2) << kept) - 1) & ~((UINT64_C(1) << low) - 1));
    }
}

static uint64_t full_bits(const struct value_set *v)
{
    return ((UINT64_C(2) << v->high) - 1) & ~((UINT64_C(1) << v->low) - 1);
}

/* Step of the whole set when it is one progression of three values or more, else 0. */
static int progression(uint64_t bits)
{
    const int first = __builtin_ctzll(bits);
    const uint64_t rest = bits & (bits - 1);
    if (rest == 0 || (rest & (rest - 1)) == 0)
        return 0;
    const int step = __builtin_ctzll(rest) - first;
    const int last = 63 - __builtin_clzll(bits);
    uint64_t built = 0;
    for (int value = first; value <= last; value += step)
        built |= UINT64_C(1) << value;
    return built == bits ? step : 0;
}

/* "22-2" when the set is one run around the end of the field and long enough to be read so. */
static bool put_wrapped(struct text *t, const struct value_set *v)
{
    const uint64_t missing = full_bits(v) & ~v->bits;
    if (__builtin_popcountll(v->bits) < WRAPPED_FROM || missing == 0 || !(v->bits >> v->low & 1) || !(v->bits >> v->high & 1))
        return false;
    const int hole = __builtin_ctzll(missing), hole_end = 63 - __builtin_clzll(missing);
    const uint64_t run = ((UINT64_C(2) << hole_end) - 1) & ~((UINT64_C(1) << hole) - 1);
    if (run != missing)
        return false;
    text_putf(t, "%d-%d", hole_end + 1, hole - 1);
    return true;
}

/* Shortest usual spelling: star, star with step, range with step, wrapped range, runs. */
static void put_compact(struct text *t, const struct value_set *v)
{
    bool first = true;
    if (v->bits == full_bits(v)) {
        text_put(t, "*");
        return;
    }
    const int step = progression(v->bits);
    const int low = __builtin_ctzll(v->bits), high = 63 - __builtin_clzll(v->bits);
    if (step > 1 && low == v->low && high + step > v->high)
        text_putf(t, "*/%d", step);
    else if (step > 1)
        text_putf(t, "%d-%d/%d", low, high, step);
    else if (step == 1 || !put_wrapped(t, v))
        put_runs(t, v->bits, "", &first);
}

/* Two values that a step spells, such as a-b/n, stay a list: "0,30". A time field of a fixed-time schedule is a list. */
static void put_time_field(struct text *t, const struct cron_schedule *s, const struct value_set *v, bool *marked)
{
    bool first = true;
    if (!(s->flags & CRON_FLAG_INTERVAL)) {
        put_list(t, v->bits, &first);
        return;
    }
    char local[512];
    struct text trial = text_over(local, sizeof(local));
    put_compact(&trial, v);
    (void)text_end(&trial);
    *marked = *marked || strpbrk(local, "*-/") != NULL;
    text_put(t, local);
}

/* The first value as "v-v": the mark of an interval-like schedule whose sets are all lists. */
static void put_marked(struct text *t, uint64_t bits)
{
    bool first = false;
    text_putf(t, "%d-%d", __builtin_ctzll(bits), __builtin_ctzll(bits));
    put_list(t, bits & (bits - 1), &first);
}

static void put_time(struct text *t, const struct cron_schedule *s)
{
    const struct value_set second = {s->second, 0, 59}, minute = {s->minute, 0, 59}, hour = {s->hour, 0, 23};
    char texts[3][512];
    const struct value_set *const sets[3] = {&second, &minute, &hour};
    bool marked = !(s->flags & CRON_FLAG_INTERVAL);
    for (int i = 0; i < 3; i++) {
        struct text part = text_over(texts[i], sizeof(texts[i]));
        put_time_field(&part, s, sets[i], &marked);
        (void)text_end(&part);
    }
    if (!marked) {
        struct text part = text_over(texts[1], sizeof(texts[1]));
        put_marked(&part, s->minute);
        (void)text_end(&part);
    }
    if (s->second != 1 || (s->flags & CRON_FLAG_YEARS))
        text_putf(t, "%s ", texts[0]);
    text_putf(t, "%s %s ", texts[1], texts[2]);
}

static void put_last(struct text *t, uint32_t last, const char *suffix, bool *first)
{
    for (; last != 0; last &= last - 1) {
        put_separator(t, first);
        const int before = __builtin_ctz(last);
        text_put(t, "L");
        if (before > 0)
            text_putf(t, "-%d", before);
        text_put(t, suffix);
    }
}

/* In OR mode a full set must not become a star: the star would switch the day rule. */
static void put_day(struct text *t, const struct cron_schedule *s)
{
    const struct value_set days = {s->day, 1, 31};
    bool first = true;
    if (s->day == ALL_DAYS_MASK) {
        text_put(t, s->flags & CRON_FLAG_OR ? "1-31" : "*");
        return;
    }
    if (s->day != 0) {
        put_compact(t, &days);
        first = false;
    }
    for (uint32_t near = s->day_near; near != 0; near &= near - 1) {
        put_separator(t, &first);
        text_putf(t, "%dW", __builtin_ctz(near));
    }
    put_last(t, s->last, "", &first);
    put_last(t, s->last_near, "W", &first);
}

static bool needs_plus(const struct cron_schedule *s)
{
    const bool day_star = s->day == ALL_DAYS_MASK, weekday_star = s->weekday == 0x7f;
    return !(s->flags & CRON_FLAG_OR) && !day_star && !weekday_star;
}

static void put_weekday(struct text *t, const struct cron_schedule *s)
{
    const struct value_set days = {s->weekday, 0, 6};
    bool first = true;
    if (needs_plus(s))
        text_put(t, "+");
    if (s->weekday == 0x7f) {
        text_put(t, s->flags & CRON_FLAG_OR ? "0-6" : "*");
        return;
    }
    if (s->weekday != 0) {
        put_compact(t, &days);
        first = false;
    }
    for (int k = 0; k < 5; k++) {
        char suffix[4] = {'#', (char)('1' + k), '\0'};
        put_runs(t, s->weekday_nth[k], suffix, &first);
    }
    put_runs(t, s->weekday_last, "L", &first);
}

/* One item of a year list: every step-th year from low to high, of which `count` have not been written yet. */
struct year_run {
    int32_t low, high, step, count;
};

/* The progression from `low` on that covers most of what is left. Its second member is one of the next few years. */
static struct year_run longest_run(const struct cron_schedule *all, const struct cron_schedule *left, int32_t low)
{
    struct year_run best = {low, low, 1, 1};
    int32_t second = years_next(left, low + 1);
    for (int tried = 0; tried < YEAR_STEPS_TRIED && second > 0; tried++, second = years_next(left, second + 1)) {
        struct year_run run = {low, low, second - low, 1};
        while (run.high + run.step <= YEAR_HIGH && years_allow(all, run.high + run.step)) {
            run.high += run.step;
            run.count += years_allow(left, run.high);
        }
        if (run.count > best.count)
            best = run;
    }
    return best;
}

/* "2024,2026,2030-2040": what a person would write. */
static void put_year_runs(struct text *t, const struct cron_schedule *s)
{
    bool first = true;
    for (int32_t low = s->year_from; low > 0;) {
        int32_t high = low;
        while (high < YEAR_HIGH && years_allow(s, high + 1))
            high++;
        put_separator(t, &first);
        text_putf(t, high > low ? "%d-%d" : "%d", low, high);
        low = years_next(s, high + 1);
    }
}

/* Short for lists of steps: each item covers as much as it can. */
static void put_year_progressions(struct text *t, const struct cron_schedule *s)
{
    struct cron_schedule left = *s;
    struct cron_years rest = *s->years;
    bool first = true;
    left.years = &rest;
    for (int32_t low = s->year_from; low > 0; low = years_next(&left, low + 1)) {
        const struct year_run run = longest_run(s, &left, low);
        put_separator(t, &first);
        text_putf(t, run.count > 2 ? run.step > 1 ? "%d-%d/%d" : "%d-%d" : "%d", run.low, run.high, run.step);
        for (int32_t year = run.low; year <= (run.count > 2 ? run.high : run.low); year += run.step)
            rest.bits[(year - YEAR_LOW) / 64] &= ~(UINT64_C(1) << ((year - YEAR_LOW) % 64));
    }
}

static void put_years(struct text *t, const struct cron_schedule *s)
{
    text_put(t, " ");
    if (s->year_step != 0) {
        text_putf(t, "%d", s->year_from);
        if (s->year_to > s->year_from)
            text_putf(t, "-%d", s->year_to);
        if (s->year_step > 1)
            text_putf(t, "/%d", s->year_step);
        return;
    }
    const size_t begin = t->len;
    put_year_runs(t, s);
    if (t->len - begin > YEAR_RUNS_TEXT_MAX) {
        t->len = begin;
        put_year_progressions(t, s);
    }
}

/* Largest unit that divides: "@every 90m", "@every 1d". */
static void put_every(struct text *t, const struct cron_schedule *s)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{604800, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    while (s->every_s % units[i].seconds != 0)
        i++;
    text_putf(t, "@every %lld%c", (long long)(s->every_s / units[i].seconds), units[i].letter);
}

size_t cron_canonical(const struct cron_schedule *s, char *out, size_t cap)
{
    struct text t = text_over(out, cap);
    const struct value_set months = {s->month, 1, 12};
    if (s->notes & CRON_NOTE_ZONE_IN_TEXT)
        text_putf(&t, "TZ=%s ", cron_zone_name(s));
    if (s->kind == CRON_KIND_EVERY) {
        put_every(&t, s);
    } else if (s->kind == CRON_KIND_REBOOT) {
        text_put(&t, "@reboot");
    } else {
        put_time(&t, s);
        put_day(&t, s);
        text_put(&t, " ");
        put_compact(&t, &months);
        text_put(&t, " ");
        put_weekday(&t, s);
        if (s->flags & CRON_FLAG_YEARS)
            put_years(&t, s);
    }
    return text_end(&t);
}
