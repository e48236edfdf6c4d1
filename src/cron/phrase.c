/* SPDX-License-Identifier: Apache-2.0 */
/* Plain words for schedules (section 7): a small closed grammar that yields a cron expression, which is shown before anybody
 * saves it. What is not in the grammar is an error with examples; nothing is guessed.
 *   every [N] minutes|hours|days
 *   every hour at :MM
 *   every day|weekday|WEEKDAY[, …] at HH:MM[, …]
 *   on the Nth|last day|Nth WEEKDAY|last WEEKDAY of every month at HH:MM[, …]
 * each with an optional zone at the end: [in] Europe/Paris */
#include "cron/parse.h"
#include "cron/text.h"
#include "cron/zone.h"

#include <string.h>

#define ORDINAL_LAST (-1)

struct phrase {
    const char *text;
    size_t at, end;
    struct cron_error *error;
};

/* What has been understood. */
struct meaning {
    char days[64];             /* day of month, month and weekday fields */
    uint64_t hours, minutes;   /* of the times */
    int every;                 /* with `unit`; 0: at times */
    char unit;                 /* 'm', 'h', 'd' */
    bool hourly;               /* every hour at the minutes */
    size_t zone_pos, zone_len; /* len 0: none */
};

static bool fail(struct phrase *p, const char *expected)
{
    size_t len = 0;
    while (p->at + len < p->end && !is_blank(p->text[p->at + len]))
        len++;
    (void)error_set(p->error, "phrase", p->at, len, "%s is expected here", expected);
    error_hint(p->error,
               "for example: every 15 minutes; every weekday at 09:00; every Monday, Friday at 08:30, 17:30; on the last Friday "
               "of every month at 10:00; every hour at :15");
    return false;
}

static void skip(struct phrase *p)
{
    while (p->at < p->end && is_blank(p->text[p->at]))
        p->at++;
}

/* The first `len` letters of `word` at the cursor, in any case, as a whole word; moves behind it and the blanks that follow. */
static bool take_letters(struct phrase *p, const char *word, size_t len)
{
    if (p->end - p->at < len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (upper(p->text[p->at + i]) != upper(word[i]))
            return false;
    if (p->at + len < p->end && is_letter(p->text[p->at + len]) && is_letter(word[len - 1]))
        return false; /* a longer word */
    p->at += len;
    skip(p);
    return true;
}

static bool take_word(struct phrase *p, const char *word)
{
    return take_letters(p, word, strlen(word));
}

static bool take_number(struct phrase *p, int low, int high, int *ret)
{
    size_t at = p->at;
    int value = 0;
    while (at < p->end && is_digit(p->text[at]) && value < 100000)
        value = value * 10 + (p->text[at++] - '0');
    if (at == p->at || value < low || value > high)
        return false;
    p->at = at;
    *ret = value;
    return true;
}

/* Mondays, Monday, Mon: 0 = Sunday. */
static bool take_weekday(struct phrase *p, int *ret)
{
    static const char *const names[7] = {"sundays", "mondays", "tuesdays", "wednesdays", "thursdays", "fridays", "saturdays"};
    for (*ret = 0; *ret < 7; ++*ret) {
        const char *name = names[*ret];
        const size_t len = strlen(name);
        if (take_letters(p, name, len) || take_letters(p, name, len - 1) || take_letters(p, name, 3))
            return true;
    }
    return false;
}

/* first … fifth, last, 1st … 31st */
static bool take_ordinal(struct phrase *p, int *ret)
{
    static const char *const words[] = {"first", "second", "third", "fourth", "fifth"};
    static const char *const endings[] = {"st", "nd", "rd", "th"};
    const size_t begin = p->at;
    for (int i = 0; i < 5; i++) {
        *ret = i + 1;
        if (take_word(p, words[i]))
            return true;
    }
    if (take_word(p, "last")) {
        *ret = ORDINAL_LAST;
        return true;
    }
    if (take_number(p, 1, 31, ret))
        for (size_t i = 0; i < ARRAY_LEN(endings); i++)
            if (take_word(p, endings[i]))
                return true;
    p->at = begin;
    return false;
}

/* ":MM" as a word's end: two digits, as clocks show them. */
static bool take_minutes(struct phrase *p, int *ret)
{
    const size_t begin = p->at + 1;
    if (p->at == p->end || p->text[p->at] != ':')
        return false;
    p->at++;
    if (!take_number(p, 0, 59, ret) || p->at - begin != 2 || (p->at < p->end && is_letter(p->text[p->at]))) {
        p->at = begin - 1;
        return false;
    }
    skip(p);
    return true;
}

/* HH:MM[, HH:MM …]. One expression holds them only when they are all pairs of some hours and some minutes. */
static bool take_times(struct phrase *p, struct meaning *m)
{
    uint64_t seen[24] = {0};
    const size_t begin = p->at;
    int count = 0, hour = 0, minute = 0;
    do {
        const size_t time = p->at;
        if (!take_number(p, 0, 23, &hour) || p->at - time > 2 || !take_minutes(p, &minute)) {
            p->at = time;
            return fail(p, "a time such as 09:00");
        }
        count += !(seen[hour] >> minute & 1);
        seen[hour] |= UINT64_C(1) << minute;
        m->hours |= UINT64_C(1) << hour;
        m->minutes |= UINT64_C(1) << minute;
    } while (take_word(p, ",") || take_word(p, "and"));
    if (__builtin_popcountll(m->hours) * __builtin_popcountll(m->minutes) == count)
        return true;
    (void)error_set(p->error, "phrase", begin, p->at - begin, "these times need more than one schedule: their minutes differ");
    error_hint(p->error, "make one for each minute, for example every day at 09:00, 17:00");
    return false;
}

static bool take_at_times(struct phrase *p, struct meaning *m)
{
    return take_word(p, "at") ? take_times(p, m) : fail(p, "\"at\" and a time such as 09:00");
}

static bool take_unit(struct phrase *p, struct meaning *m)
{
    static const char *const units[] = {"minutes", "hours", "days"};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        const size_t len = strlen(units[i]);
        if (take_letters(p, units[i], len) || take_letters(p, units[i], len - 1)) {
            m->unit = units[i][0];
            return true;
        }
    }
    return false;
}

/* Behind "every" and a weekday: ", Friday and Saturday" */
static bool take_weekdays(struct phrase *p, struct meaning *m, int first)
{
    unsigned days = 1u << first;
    int day = 0;
    while (take_word(p, ",") || take_word(p, "and")) {
        if (!take_weekday(p, &day))
            return fail(p, "a weekday");
        days |= 1u << day;
    }
    struct text t = text_over(m->days, sizeof m->days);
    text_put(&t, "* *");
    for (char separator = ' '; days != 0; days &= days - 1, separator = ',')
        text_putf(&t, "%c%d", separator, __builtin_ctz(days));
    (void)text_end(&t);
    return take_at_times(p, m);
}

static bool take_every(struct phrase *p, struct meaning *m)
{
    int day = 0;
    if (take_number(p, 1, 9999, &m->every)) {
        skip(p);
        return take_unit(p, m) || fail(p, "minutes, hours or days");
    }
    if (take_word(p, "weekday") || take_word(p, "weekdays")) {
        (void)strcpy(m->days, "* * 1-5");
        return take_at_times(p, m);
    }
    if (take_weekday(p, &day))
        return take_weekdays(p, m, day);
    if (!take_unit(p, m))
        return fail(p, "a number, minute, hour, day, weekday or the name of a weekday");
    m->every = 1;
    if (m->unit == 'd' && take_word(p, "at")) {
        m->every = 0;
        (void)strcpy(m->days, "* * *");
        return take_times(p, m);
    }
    if (m->unit == 'h' && take_word(p, "at")) {
        int minute = 0;
        if (!take_minutes(p, &minute))
            return fail(p, "minutes such as :15");
        m->every = 0;
        m->hourly = true;
        m->minutes = UINT64_C(1) << minute;
    }
    return true;
}

/* Behind "on the". */
static bool take_monthly(struct phrase *p, struct meaning *m)
{
    int ordinal = 0, day = 0;
    const size_t begin = p->at;
    if (!take_ordinal(p, &ordinal))
        return fail(p, "1st to 31st, first to fifth, or last");
    struct text t = text_over(m->days, sizeof m->days);
    if (take_weekday(p, &day)) {
        if (ordinal > 5) {
            p->at = begin;
            return fail(p, "first to fifth, or last,");
        }
        if (ordinal == ORDINAL_LAST)
            text_putf(&t, "* * %dL", day);
        else
            text_putf(&t, "* * %d#%d", day, ordinal);
    } else if (take_word(p, "day") && ordinal == ORDINAL_LAST) {
        text_put(&t, "L * *");
    } else if (ordinal != ORDINAL_LAST) {
        text_putf(&t, "%d * *", ordinal);
    } else {
        return fail(p, "\"day\" or a weekday");
    }
    (void)text_end(&t);
    if (!take_word(p, "of") || !(take_word(p, "every") || take_word(p, "each") || take_word(p, "the")) || !take_word(p, "month"))
        return fail(p, "\"of every month\"");
    return take_at_times(p, m);
}

static bool take_zone(struct phrase *p, struct meaning *m)
{
    if (p->at == p->end)
        return true;
    (void)take_word(p, "in");
    m->zone_pos = p->at;
    while (p->at < p->end && !is_blank(p->text[p->at]))
        p->at++;
    m->zone_len = p->at - m->zone_pos;
    skip(p);
    if (p->at == p->end && zone_find(p->text + m->zone_pos, m->zone_len) != NULL)
        return true;
    p->at = m->zone_pos;
    return fail(p, "a time zone such as Europe/Paris, or the end,");
}

/* --- the expression --- */

static void put_list(struct text *t, uint64_t bits)
{
    for (const char *separator = ""; bits != 0; bits &= bits - 1, separator = ",")
        text_putf(t, "%s%d", separator, __builtin_ctzll(bits));
}

/* Whole hours are hours and whole days are days. Steps that do not divide the hour or day would be uneven: elapsed time. */
static void put_every(struct text *t, int every, char unit)
{
    if (unit == 'm' && every % 60 == 0)
        put_every(t, every / 60, 'h');
    else if (unit == 'h' && every % 24 == 0)
        put_every(t, every / 24, 'd');
    else if (every == 1)
        text_put(t, unit == 'm' ? "* * * * *" : unit == 'h' ? "0 * * * *" : "0 0 * * *");
    else if (unit == 'm' && 60 % every == 0)
        text_putf(t, "*/%d * * * *", every);
    else if (unit == 'h' && 24 % every == 0)
        text_putf(t, "0 */%d * * *", every);
    else
        text_putf(t, "@every %d%c", every, unit);
}

size_t cron_from_phrase(const char *text, size_t len, char *out, size_t cap, struct cron_error *ret_error)
{
    struct phrase p = {text, 0, len, ret_error};
    struct meaning m = {.every = 0};
    struct text t = text_over(out, cap);
    skip(&p);
    bool understood = len <= CRON_TEXT_MAX;
    if (!understood)
        (void)error_set(ret_error, "length", CRON_TEXT_MAX, 1, "the phrase is longer than %d bytes", CRON_TEXT_MAX);
    else if (take_word(&p, "every"))
        understood = take_every(&p, &m);
    else if (take_word(&p, "on") && take_word(&p, "the"))
        understood = take_monthly(&p, &m);
    else
        understood = fail(&p, "\"every\" or \"on the\"");
    if (!understood || !take_zone(&p, &m))
        return 0;
    if (m.zone_len > 0)
        text_putf(&t, "TZ=%.*s ", (int)m.zone_len, text + m.zone_pos);
    if (m.every > 0) {
        put_every(&t, m.every, m.unit);
    } else {
        put_list(&t, m.minutes);
        text_put(&t, " ");
        put_list(&t, m.hours);
        text_put(&t, m.hourly ? "* * * *" : " ");
        text_put(&t, m.days);
    }
    return text_end(&t);
}
