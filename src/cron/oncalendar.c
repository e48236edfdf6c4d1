/* SPDX-License-Identifier: Apache-2.0 */
/* The second input: a subset of systemd calendar events (section 8), compiled to the same masks. Weekdays and date are
 * always ANDed; what is interval-like is decided by the same textual rule (a star, range or step in the time). */
#include "cron/parse.h"

#include <string.h>

#define ALL_DAYS_MASK 0xfffffffeu
#define TOKENS_MAX 4 /* weekdays, date, time, zone */

struct span {
    size_t pos, end;
};

/* A component being read: numbers with `..`, `/` and `,`. */
struct component {
    struct cron_parser *p;
    enum cron_field field;
    bool from_end; /* days after `~` */
    size_t at, end;
};

static char byte_at(const struct component *c)
{
    return c->at < c->end ? c->p->text[c->at] : '\0';
}

static bool fail_char_at(struct cron_parser *p, size_t pos, const char *where)
{
    const unsigned char byte = (unsigned char)p->text[pos];
    return error_set(p->error, "char", pos, 1, "unexpected '%c' in the %s", byte >= 0x20 && byte < 0x7f ? byte : '?', where);
}

static bool fail_here(struct component *c)
{
    if (c->at >= c->end)
        return error_set(c->p->error, "value", c->at, 1, "a value is expected in the %s", field_table[c->field].noun);
    (void)fail_char_at(c->p, c->at, field_table[c->field].noun);
    if (byte_at(c) == '.' && c->field == FIELD_SECOND)
        error_hint(c->p->error, "whole seconds only");
    return false;
}

static bool take_number(struct component *c, int *ret)
{
    const struct field_info *info = &field_table[c->field];
    const size_t pos = c->at;
    int value = 0;
    if (!is_digit(byte_at(c)))
        return fail_here(c);
    while (is_digit(byte_at(c))) {
        value = value > 99999 ? value : value * 10 + (byte_at(c) - '0');
        c->at++;
    }
    if (value < info->low || value > info->high)
        return error_set(c->p->error, "range", pos, c->at - pos, "%s %.*s is outside %d-%d", info->noun,
                         c->at - pos > 40 ? 40 : (int)(c->at - pos), c->p->text + pos, info->low, info->high);
    *ret = value;
    return true;
}

static void mark_interval(struct component *c)
{
    if (c->field <= FIELD_HOUR)
        c->p->s->flags |= CRON_FLAG_INTERVAL;
}

static bool take_step(struct component *c, int *ret)
{
    const size_t pos = ++c->at;
    int step = 0;
    while (is_digit(byte_at(c))) {
        step = step > 99999 ? step : step * 10 + (byte_at(c) - '0');
        c->at++;
    }
    if (step < 1 || step > field_table[c->field].high)
        return error_set(c->p->error, "step", pos, c->at - pos, "a repetition of the %s is 1 to %d", field_table[c->field].noun,
                         field_table[c->field].high);
    mark_interval(c);
    *ret = step;
    return true;
}

/* `~n` is day n from the end: L-(n-1). A repetition runs towards the end of the month. */
static void add(struct component *c, int low, int high, int step, bool open_end)
{
    if (!c->from_end) {
        items_add_range(c->p, c->field, low, high, step);
        return;
    }
    if (open_end)
        for (int day = low; day >= 1; day -= step)
            c->p->s->last |= 1u << (day - 1);
    else
        for (int day = low; day <= high; day += step)
            c->p->s->last |= 1u << (day - 1);
}

static bool take_item(struct component *c)
{
    int low = 0, high = 0, step = 1;
    const size_t pos = c->at;
    if (!take_number(c, &low))
        return false;
    high = low;
    bool is_range = false, has_step = false;
    if (byte_at(c) == '.' && c->at + 1 < c->end && c->p->text[c->at + 1] == '.') {
        c->at += 2;
        is_range = true;
        if (!take_number(c, &high))
            return false;
        if (high < low)
            return error_set(c->p->error, "backwards", pos, c->at - pos, "the range %d..%d runs backwards", low, high);
        mark_interval(c);
    }
    if (byte_at(c) == '/') {
        has_step = true;
        if (!take_step(c, &step))
            return false;
        if (!is_range)
            high = field_table[c->field].high;
    }
    add(c, low, high, step, has_step && !is_range);
    return true;
}

static bool take_component(struct cron_parser *p, enum cron_field field, bool from_end, size_t *at, size_t end)
{
    struct component c = {p, field, from_end, *at, end};
    if (byte_at(&c) == '*') {
        c.at++;
        p->star[field] = true;
        mark_interval(&c);
        items_add_range(p, field, field_table[field].low, field_table[field].high, 1);
    } else {
        for (;;) {
            if (!take_item(&c))
                return false;
            if (byte_at(&c) != ',')
                break;
            c.at++;
        }
    }
    *at = c.at;
    return true;
}

/* [year-]month-day or [year-]month~day */
static bool take_date(struct cron_parser *p, struct span t)
{
    enum cron_field field = FIELD_MONTH;
    size_t separators = 0, at = t.pos;
    for (size_t i = t.pos; i < t.end; i++)
        separators += p->text[i] == '-' || p->text[i] == '~';
    if (separators == 2) {
        if (!take_component(p, FIELD_YEAR, false, &at, t.end))
            return false;
        if (at == t.end || p->text[at] != '-')
            return at == t.end ? error_set(p->error, "value", at, 1, "month and day are missing") : fail_char_at(p, at, "date");
        at++;
        if (!p->star[FIELD_YEAR] && !years_store(&p->years, p->options->years, p->s))
            return error_set(p->error, "range", t.pos, 1, "too many different year lists in this process");
    }
    if (!take_component(p, field, false, &at, t.end))
        return false;
    if (at == t.end)
        return error_set(p->error, "value", at, 1, "a day is expected after the month");
    if (p->text[at] != '-' && p->text[at] != '~')
        return fail_char_at(p, at, "date");
    const bool from_end = p->text[at++] == '~';
    if (from_end && at < t.end && p->text[at] == '*')
        return fail_char_at(p, at, "date");
    if (!take_component(p, FIELD_DAY, from_end, &at, t.end))
        return false;
    return at == t.end || fail_char_at(p, at, "date");
}

/* hour:minute[:second] */
static bool take_time(struct cron_parser *p, struct span t)
{
    size_t at = t.pos;
    if (!take_component(p, FIELD_HOUR, false, &at, t.end))
        return false;
    if (at == t.end || p->text[at] != ':')
        return at == t.end ? error_set(p->error, "value", at, 1, "a time is written hour:minute[:second]")
                           : fail_char_at(p, at, "time");
    at++;
    if (!take_component(p, FIELD_MINUTE, false, &at, t.end))
        return false;
    if (at < t.end && p->text[at] == ':') {
        at++;
        if (!take_component(p, FIELD_SECOND, false, &at, t.end))
            return false;
    } else {
        p->s->second = 1;
    }
    if (at < t.end && p->text[at] == '.') {
        (void)fail_char_at(p, at, "time");
        error_hint(p->error, "whole seconds only");
        return false;
    }
    return at == t.end || fail_char_at(p, at, "time");
}

/* --- weekdays --- */

static const char *const long_names[7] = {"SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"};

/* Short or long name at *at; weekday 0-6, or -1. */
static int weekday_read(const struct cron_parser *p, size_t *at, size_t end)
{
    size_t stop = *at;
    while (stop < end && is_letter(p->text[stop]))
        stop++;
    const size_t len = stop - *at;
    const int day = len >= 3 ? name_weekday(p->text + *at) : -1;
    if (day < 0 || (len != 3 && len != strlen(long_names[day])))
        return -1;
    for (size_t i = 0; i < len; i++)
        if (upper(p->text[*at + i]) != long_names[day][i])
            return -1;
    *at = stop;
    return day;
}

static bool fail_weekday(struct cron_parser *p, size_t at, size_t end)
{
    if (at >= end)
        return error_set(p->error, "value", at, 1, "a weekday is expected");
    return is_letter(p->text[at]) ? error_set(p->error, "name", at, end - at, "unknown weekday")
                                  : fail_char_at(p, at, "weekdays");
}

/* Mon..Fri, Sat; the week begins on Monday, a range that wraps around it is an error as in systemd. */
static bool take_weekdays(struct cron_parser *p, struct span t)
{
    size_t at = t.pos;
    for (;;) {
        const size_t pos = at;
        const int low = weekday_read(p, &at, t.end);
        int high = low;
        if (low < 0)
            return fail_weekday(p, at, t.end);
        if (at + 1 < t.end && p->text[at] == '.' && p->text[at + 1] == '.') {
            at += 2;
            high = weekday_read(p, &at, t.end);
            if (high < 0)
                return fail_weekday(p, at, t.end);
            if ((high + 6) % 7 < (low + 6) % 7)
                return error_set(p->error, "backwards", pos, at - pos, "the weekday range %.*s runs backwards", (int)(at - pos),
                                 p->text + pos);
        }
        items_add_range(p, FIELD_WEEKDAY, low, high, 1);
        if (at == t.end)
            return true;
        if (p->text[at] != ',')
            return fail_char_at(p, at, "weekdays");
        at++;
    }
}

/* --- the whole event --- */

struct event_word {
    const char *name, *event;
};

static const struct event_word event_words[] = {
    {"MINUTELY", "*-*-* *:*:00"},
    {"HOURLY", "*-*-* *:00:00"},
    {"DAILY", "*-*-* 00:00:00"},
    {"WEEKLY", "Mon *-*-* 00:00:00"},
    {"MONTHLY", "*-*-01 00:00:00"},
    {"QUARTERLY", "*-01,04,07,10-01 00:00:00"},
    {"SEMIANNUALLY", "*-01,07-01 00:00:00"},
    {"YEARLY", "*-01-01 00:00:00"},
    {"ANNUALLY", "*-01-01 00:00:00"},
};

static const char *word_event(const struct cron_parser *p, struct span t)
{
    for (size_t i = 0; i < ARRAY_LEN(event_words); i++) {
        const char *name = event_words[i].name;
        size_t matched = 0;
        while (t.pos + matched < t.end && name[matched] != '\0' && upper(p->text[t.pos + matched]) == name[matched])
            matched++;
        if (name[matched] == '\0' && t.pos + matched == t.end)
            return event_words[i].event;
    }
    return NULL;
}

static size_t split(const struct cron_parser *p, struct span *tokens)
{
    size_t found = 0, pos = 0;
    for (;;) {
        while (pos < p->len && is_blank(p->text[pos]))
            pos++;
        if (pos == p->len)
            return found;
        size_t end = pos;
        while (end < p->len && !is_blank(p->text[end]))
            end++;
        if (found == TOKENS_MAX + 1)
            return found;
        tokens[found++] = (struct span){pos, end};
        pos = end;
    }
}

static bool has_byte(const struct cron_parser *p, struct span t, char byte)
{
    return memchr(p->text + t.pos, byte, t.end - t.pos) != NULL;
}

/* Takes the tokens in their order; every part may be absent, but not all. */
static bool take_parts(struct cron_parser *p, const struct span *tokens, size_t count)
{
    size_t next = 0;
    bool has_time = false, has_date = false;
    struct cron_schedule *s = p->s;
    if (is_letter(p->text[tokens[0].pos]) && !take_weekdays(p, tokens[next++]))
        return false;
    if (next < count && !is_letter(p->text[tokens[next].pos]) && !has_byte(p, tokens[next], ':')) {
        has_date = true;
        if (!take_date(p, tokens[next++]))
            return false;
    }
    if (next < count && !is_letter(p->text[tokens[next].pos])) {
        has_time = true;
        if (!take_time(p, tokens[next++]))
            return false;
    }
    if (next + 1 == count && is_letter(p->text[tokens[next].pos])) {
        s->notes |= CRON_NOTE_ZONE_IN_TEXT;
        if (!zone_take(p, tokens[next].pos, tokens[next].end, &s->zone))
            return false;
        next++;
    }
    if (next < count)
        return fail_char_at(p, tokens[next].pos, "calendar event");
    if (!has_time) {
        s->second = s->minute = 1;
        s->hour = 1;
    }
    if (!has_date) {
        s->month = 0x1ffe;
        s->day = ALL_DAYS_MASK;
        p->star[FIELD_DAY] = true;
    }
    return true;
}

/* Ands the days, with absent parts as stars. The last seven days AND some weekdays is "the last such weekdays" (8). */
static void settle(struct cron_parser *p)
{
    struct cron_schedule *s = p->s;
    p->has_plus = true;
    if (s->weekday == 0) {
        s->weekday = 0x7f;
        p->star[FIELD_WEEKDAY] = true;
    } else if (s->day == 0 && s->last == 0x7f && s->weekday != 0x7f) {
        s->weekday_last = s->weekday;
        s->weekday = 0;
        s->last = 0;
        s->day = ALL_DAYS_MASK;
        p->star[FIELD_DAY] = true;
    }
}

bool oncalendar_parse(struct cron_parser *p)
{
    struct span tokens[TOKENS_MAX + 1] = {{0, 0}};
    const size_t count = split(p, tokens);
    if (count == 0)
        return error_set(p->error, "empty", 0, 1, "the calendar event is empty");
    const char *event = word_event(p, tokens[0]);
    if (event == NULL) {
        if (!take_parts(p, tokens, count))
            return false;
        settle(p);
        return true;
    }
    struct cron_parser inner = *p;
    struct span parts[TOKENS_MAX + 1] = {{0, 0}};
    inner.text = event;
    inner.len = strlen(event);
    const size_t inner_count = split(&inner, parts);
    if (count > 2)
        return fail_char_at(p, tokens[2].pos, "calendar event");
    if (count == 2) {
        p->s->notes |= CRON_NOTE_ZONE_IN_TEXT;
        if (!zone_take(p, tokens[1].pos, tokens[1].end, &p->s->zone))
            return false;
    }
    if (!take_parts(&inner, parts, inner_count))
        return false;
    settle(&inner);
    *p = (struct cron_parser){.text = p->text,
                              .len = p->len,
                              .options = p->options,
                              .dialect = p->dialect,
                              .s = p->s,
                              .error = p->error,
                              .years = inner.years,
                              .has_plus = true};
    memcpy(p->star, inner.star, sizeof(p->star));
    return true;
}
