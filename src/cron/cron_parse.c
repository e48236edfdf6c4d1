/* SPDX-License-Identifier: Apache-2.0 */
/* The whole text: zone prefix, nickname, @every, or fields; then the day rule and the policies are settled and the
 * derived members filled. Grammar: 2.1. One pass from left to right, so the first error is the leftmost. */
#include "cron/parse.h"

#include "cron/search.h"
#include "cron/zone.h"

#include <stdlib.h>
#include <string.h>

#define EVERY_MAX_S 315360000000LL /* 10,000 years */
#define ANCHOR_MAX_S 400000000000LL
#define CANONICAL_CHECKED_FROM 64 /* a shorter text has a canonical one of under CRON_TEXT_MAX bytes */
#define ALL_DAYS_MASK 0xfffffffeu
#define ALL_WEEKDAYS_MASK 0x7f

static bool has_prefix(const struct cron_parser *p, size_t pos, const char *prefix)
{
    const size_t len = strlen(prefix);
    if (p->len - pos < len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (upper(p->text[pos + i]) != prefix[i])
            return false;
    return true;
}

static bool is_break(const struct cron_parser *p, char byte)
{
    return is_blank(byte) || ((p->dialect->flags & DIALECT_ZONE_LINE) && (byte == '\n' || byte == '\r'));
}

static size_t skip_blanks(const struct cron_parser *p, size_t pos)
{
    while (pos < p->len && is_break(p, p->text[pos]))
        pos++;
    return pos;
}

static size_t token_end(const struct cron_parser *p, size_t pos)
{
    while (pos < p->len && !is_break(p, p->text[pos]))
        pos++;
    return pos;
}

/* --- zones --- */

/* "+02:00", "-5", "UTC+3": minutes east of Greenwich. False: no offset within the zones Etc/GMT+12 to Etc/GMT-14. */
static bool offset_read(const char *name, size_t len, int *ret_minutes)
{
    size_t at = len > 4 && is_letter(name[0]) ? 3 : 0; /* UTC, GMT; any three letters are as good */
    if (at >= len || (name[at] != '+' && name[at] != '-'))
        return false;
    const bool west = name[at++] == '-';
    int digits[4] = {0}, count = 0;
    for (; at < len && count < 4; at++) {
        if (is_digit(name[at]))
            digits[count++] = name[at] - '0';
        else if (name[at] != ':')
            return false;
    }
    const int hours = count % 2 == 0 ? digits[0] * 10 + digits[1] : digits[0];
    const int minutes = count > 2 ? count == 3 ? digits[1] * 10 + digits[2] : digits[2] * 10 + digits[3] : 0;
    *ret_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return count > 0 && at == len && *ret_minutes <= 14 * 60 && *ret_minutes >= -12 * 60;
}

bool zone_take(struct cron_parser *p, size_t pos, size_t end, const struct cron_zone **ret)
{
    const char *name = p->text + pos;
    const size_t len = end - pos;
    int east = 0;
    *ret = zone_find(name, len);
    if (*ret != NULL)
        return true;
    (void)error_set(p->error, "tz", pos, len, "unknown time zone \"%.*s\"", len > 80 ? 80 : (int)len, name);
    if (!offset_read(name, len, &east))
        error_hint(p->error, "IANA names look like Europe/Paris");
    else if (east % 60 != 0)
        error_hint(p->error, "an offset that is no whole hour needs the name of a place, for example Asia/Kolkata");
    else
        error_hint(p->error, "%d hour%s %s UTC is written Etc/GMT%c%d (the sign is inverted)", abs(east) / 60,
                   abs(east) == 60 ? "" : "s", east < 0 ? "behind" : "ahead of", east < 0 ? '+' : '-', abs(east) / 60);
    return false;
}

/* "TZ=Zone " or "CRON_TZ=Zone " at *pos; moves *pos behind it. */
static bool prefix_take(struct cron_parser *p, size_t *pos)
{
    size_t begin = *pos;
    if (has_prefix(p, begin, "CRON_TZ="))
        begin += 8;
    else if (has_prefix(p, begin, "TZ="))
        begin += 3;
    else
        return true;
    if (p->dialect->flags & DIALECT_NO_ZONE)
        return error_set(p->error, "tz", *pos, begin - *pos, "the %s dialect takes no zone prefix", p->dialect->name);
    const size_t end = token_end(p, begin);
    if (end == begin) {
        (void)error_set(p->error, "tz", begin, 1, "a time zone name is expected after '='");
        error_hint(p->error, "IANA names look like Europe/Paris");
        return false;
    }
    p->s->notes |= CRON_NOTE_ZONE_IN_TEXT;
    *pos = skip_blanks(p, end);
    return zone_take(p, begin, end, &p->s->zone);
}

/* The zone of the options; UTC without one. A prefix overrides it later. */
static bool option_zone(struct cron_parser *p)
{
    const char *name = p->options->zone;
    p->s->zone = zone_utc();
    if (name == NULL || name[0] == '\0')
        return true;
    struct cron_parser named = *p; /* the name is no part of the text: the error stands at its beginning */
    named.text = name;
    if (!zone_take(&named, 0, strlen(name), &p->s->zone)) {
        p->error->len = 1;
        return false;
    }
    return true;
}

/* --- @every --- */

static int64_t unit_seconds(char unit)
{
    switch (upper(unit)) {
    case 'W': return 604800;
    case 'D': return 86400;
    case 'H': return 3600;
    case 'M': return 60;
    case 'S': return 1;
    default: return 0;
    }
}

/* Reads [n w][n d][n h][n m][n s] in this order; 0 when it is not that, or zero, or over the limit. */
static int64_t duration_read(const char *text, size_t len)
{
    int64_t total = 0, last_unit = INT64_MAX;
    size_t at = 0;
    while (at < len) {
        int64_t number = 0;
        const size_t begin = at;
        while (at < len && is_digit(text[at]) && number <= EVERY_MAX_S)
            number = number * 10 + (text[at++] - '0');
        const int64_t unit = at < len && at > begin ? unit_seconds(text[at]) : 0;
        if (unit == 0 || unit >= last_unit || number > EVERY_MAX_S / unit)
            return 0;
        total += number * unit;
        last_unit = unit;
        at++;
    }
    return total <= EVERY_MAX_S ? total : 0;
}

static bool every_store(struct cron_parser *p, int64_t every_s)
{
    if (p->options->anchor_s > ANCHOR_MAX_S || p->options->anchor_s < -ANCHOR_MAX_S)
        return error_set(p->error, "every", 0, 1, "the anchor is outside the supported years");
    p->s->kind = CRON_KIND_EVERY;
    p->s->every_s = every_s;
    p->s->anchor_s = p->options->anchor_s;
    return true;
}

bool every_parse(struct cron_parser *p, size_t pos)
{
    const size_t begin = skip_blanks(p, pos);
    size_t end = p->len;
    while (end > begin && is_break(p, p->text[end - 1]))
        end--;
    const char *text = p->text + begin;
    const size_t len = end - begin;
    if (begin == end) {
        (void)error_set(p->error, "every", pos, 1, "@every needs a duration");
        error_hint(p->error, "for example @every 90m or @every 1h30m");
        return false;
    }
    const int64_t every_s = duration_read(text, len);
    if (every_s == 0) {
        (void)error_set(p->error, "every", begin, len, "bad duration \"%.*s\"", len > 40 ? 40 : (int)len, text);
        error_hint(p->error, "whole numbers with w, d, h, m, s in this order, 1s or more: 90s, 5m, 1h30m, 1d, 2w");
        return false;
    }
    return every_store(p, every_s);
}

/* "5 minutes" within rate(...) or as pg_cron's "N seconds". */
static int64_t words_read(const char *text, size_t len, const char *const *units, const int64_t *seconds, size_t count)
{
    size_t at = 0;
    int64_t number = 0;
    while (at < len && is_digit(text[at]) && number < EVERY_MAX_S)
        number = number * 10 + (text[at++] - '0');
    const size_t digits = at;
    while (at < len && is_blank(text[at]))
        at++;
    for (size_t i = 0; i < count && digits > 0; i++) {
        size_t matched = 0;
        while (at + matched < len && units[i][matched] != '\0' && upper(text[at + matched]) == units[i][matched])
            matched++;
        const bool plural = at + matched + 1 == len && upper(text[at + matched]) == 'S';
        if (units[i][matched] == '\0' && (at + matched == len || plural) && number <= EVERY_MAX_S / seconds[i])
            return number * seconds[i];
    }
    return 0;
}

/* Spellings of an interval in dialects: aws "rate(5 minutes)", pg_cron "30 seconds". */
bool rate_parse(struct cron_parser *p, size_t pos, size_t end, bool *ret_found)
{
    static const char *const units[] = {"MINUTE", "HOUR", "DAY", "SECOND"};
    static const int64_t seconds[] = {60, 3600, 86400, 1};
    int64_t every_s = 0;
    *ret_found = false;
    if ((p->dialect->flags & DIALECT_RATE) && has_prefix(p, pos, "RATE(")) {
        *ret_found = true;
        if (p->text[end - 1] == ')')
            every_s = words_read(p->text + pos + 5, end - 1 - (pos + 5), units, seconds, 3);
        if (every_s == 0) {
            (void)error_set(p->error, "every", pos, end - pos, "bad rate \"%.*s\"", end - pos > 40 ? 40 : (int)(end - pos),
                            p->text + pos);
            error_hint(p->error, "for example rate(5 minutes)");
            return false;
        }
    } else if (p->dialect->flags & DIALECT_DOLLAR) {
        every_s = words_read(p->text + pos, end - pos, units + 3, seconds + 3, 1);
        *ret_found = every_s != 0;
    }
    return !*ret_found || every_store(p, every_s);
}

/* --- nicknames --- */

static bool fields_parse(struct cron_parser *p, size_t pos, size_t end);

struct nickname {
    const char *name, *fields;
};

static const struct nickname nicknames[] = {
    {"@YEARLY", "0 0 1 1 *"}, {"@ANNUALLY", "0 0 1 1 *"},     {"@MONTHLY", "0 0 1 * *"},
    {"@WEEKLY", "0 0 * * 0"}, {"@DAILY", "0 0 * * *"},        {"@MIDNIGHT", "0 0 * * *"},
    {"@HOURLY", "0 * * * *"}, {"@EVERY_MINUTE", "* * * * *"}, {"@EVERY_SECOND", "* * * * * *"},
};

/* Nickname texts are ours and cannot fail; they are read by the default dialect's rules. */
static bool nickname_expand(struct cron_parser *p, const char *fields)
{
    static const struct cron_options plain = {.dialect = CRON_DIALECT_HORAE};
    struct cron_parser inner = *p;
    inner.text = fields;
    inner.len = strlen(fields);
    inner.options = &plain;
    inner.dialect = dialect_get(CRON_DIALECT_HORAE);
    if (!fields_parse(&inner, 0, inner.len))
        return false;
    memcpy(p->star, inner.star, sizeof(p->star));
    return true;
}

static bool nickname_parse(struct cron_parser *p, size_t pos, size_t end)
{
    const size_t word = token_end(p, pos);
    if (word - pos == 6 && has_prefix(p, pos, "@EVERY"))
        return every_parse(p, word);
    for (size_t i = 0; i < ARRAY_LEN(nicknames); i++)
        if (end - pos == strlen(nicknames[i].name) && has_prefix(p, pos, nicknames[i].name))
            return nickname_expand(p, nicknames[i].fields);
    if (end - pos == 7 && has_prefix(p, pos, "@REBOOT")) {
        p->s->kind = CRON_KIND_REBOOT;
        return true;
    }
    (void)error_set(p->error, "macro", pos, end - pos, "unknown nickname \"%.*s\"", end - pos > 40 ? 40 : (int)(end - pos),
                    p->text + pos);
    error_hint(p->error, "@yearly @monthly @weekly @daily @hourly @every_minute @every_second @reboot, or @every 90m");
    return false;
}

/* --- fields --- */

struct field_span {
    size_t pos, end;
};

static bool fail_count(struct cron_parser *p, size_t found, const struct field_span *spans)
{
    const bool too_many = found > FIELDS_MAX || (found > 0 && p->dialect->orders[found] == NULL && found > 5);
    const size_t extra = found > FIELDS_MAX ? FIELDS_MAX : found - 1; /* the first field too many */
    const size_t pos = too_many ? spans[extra].pos : p->len;
    (void)error_set(p->error, "fields", pos, 1, "expected %s fields, found %zu", p->dialect->counts, found);
    if (p->dialect->orders[5] == NULL)
        error_hint(p->error, "second minute hour day month weekday%s", p->dialect->orders[7] != NULL ? " [year]" : "");
    if (p->dialect->flags & DIALECT_RATE)
        error_hint(p->error, "minute hour day month weekday year");
    else if (p->dialect->orders[5] != NULL && found == 4)
        error_hint(p->error, "minute hour day month weekday; is the weekday missing?");
    else if (p->dialect->orders[5] != NULL)
        error_hint(p->error, "minute hour day month weekday%s",
                   p->dialect->orders[7] != NULL ? "; seconds may come first and a year last" : "");
    return false;
}

static bool span_is(const struct cron_parser *p, struct field_span span, char byte)
{
    return span.end == span.pos + 1 && p->text[span.pos] == byte;
}

/* Six fields of ours that make better sense in another program's order. AWS demands one `?`, in its third or fifth field;
 * croniter's last field is often a 0 behind a field with a star or step. */
static void note_look(struct cron_parser *p, const struct field_span *spans)
{
    const bool single = spans[5].end == spans[5].pos + 1 && is_digit(p->text[spans[5].pos]);
    if (span_is(p, spans[2], '?') != span_is(p, spans[4], '?'))
        p->s->notes |= CRON_NOTE_LIKE_AWS;
    if (single && p->text[spans[0].pos] == '*' && span_is(p, spans[3], '*') && span_is(p, spans[4], '*'))
        p->s->notes |= CRON_NOTE_LIKE_CRONITER;
}

static bool fields_parse(struct cron_parser *p, size_t pos, size_t end)
{
    struct field_span spans[FIELDS_MAX + 1] = {{0, 0}};
    size_t found = 0;
    while (pos < end) {
        const size_t word = token_end(p, pos), stop = word < end ? word : end; /* "cron(…)" ends before the bracket */
        if (found <= FIELDS_MAX)
            spans[found] = (struct field_span){pos, stop};
        found++;
        pos = skip_blanks(p, stop);
    }
    const char *order = found <= FIELDS_MAX ? p->dialect->orders[found] : NULL;
    if (order == NULL)
        return fail_count(p, found, spans);
    p->field_count = found;
    if (found == 6 && p->options->dialect == CRON_DIALECT_HORAE)
        note_look(p, spans);
    if (order[0] == '0')
        p->s->notes |= CRON_NOTE_SIX_FIELDS;
    else if (strchr(order, '0') == NULL)
        p->s->second = 1;
    for (size_t i = 0; i < found; i++) {
        const enum cron_field field = (enum cron_field)(order[i] - '0');
        if (!items_parse(p, field, spans[i].pos, spans[i].end))
            return false;
        if ((p->dialect->flags & DIALECT_STAR_FLAG) && (field == FIELD_DAY || field == FIELD_WEEKDAY))
            p->star[field] = p->text[spans[i].pos] == '*';
    }
    if (strchr(order, '6') != NULL && !p->star[FIELD_YEAR] && !years_store(&p->years, p->options->years, p->s))
        return error_set(p->error, "range", spans[found - 1].pos, 1, "too many different year lists in this process");
    return true;
}

/* --- settling --- */

static void settle_days(struct cron_parser *p)
{
    struct cron_schedule *s = p->s;
    const bool stars = p->star[FIELD_DAY] || p->star[FIELD_WEEKDAY];
    if (!stars && !p->has_plus && !(p->dialect->flags & DIALECT_AND))
        s->flags |= CRON_FLAG_OR;
    if (s->day == ALL_DAYS_MASK) { /* nothing can be added to every day: one structure for one meaning */
        s->last = s->day_near = s->last_near = 0;
        if (!p->star[FIELD_DAY])
            s->notes |= CRON_NOTE_FULL_DAY;
    }
    if (s->weekday == ALL_WEEKDAYS_MASK && !p->star[FIELD_WEEKDAY])
        s->notes |= CRON_NOTE_FULL_WEEKDAY;
    for (int k = 0; k < 5; k++)
        s->weekday_nth[k] &= (uint8_t)~s->weekday;
    s->weekday_last &= (uint8_t)~s->weekday;
}

/* Section 3: what `auto` means for this schedule. From here on there is only the policy. */
static void settle_policies(struct cron_parser *p)
{
    struct cron_schedule *s = p->s;
    const bool interval = s->flags & CRON_FLAG_INTERVAL;
    const bool all_hours = s->hour == 0xffffff;
    s->gap = (uint8_t)p->options->gap;
    s->fold = (uint8_t)p->options->fold;
    if (s->gap == CRON_GAP_AUTO)
        s->gap = interval && all_hours ? CRON_GAP_SKIP : CRON_GAP_RUN_AT_EDGE;
    if (s->fold == CRON_FOLD_AUTO)
        s->fold = interval ? CRON_FOLD_BOTH : CRON_FOLD_FIRST;
}

static bool text_parse(struct cron_parser *p)
{
    if (p->options->syntax == CRON_SYNTAX_ONCALENDAR)
        return oncalendar_parse(p);
    size_t pos = skip_blanks(p, 0), end = p->len;
    if (pos == end) {
        (void)error_set(p->error, "empty", 0, 1, "the expression is empty");
        error_hint(p->error, "minute hour day month weekday, for example 30 2 * * *");
        return false;
    }
    if (!prefix_take(p, &pos))
        return false;
    while (end > pos && is_break(p, p->text[end - 1]))
        end--;
    if (pos < end && p->text[pos] == '@')
        return nickname_parse(p, pos, end);
    bool found = false;
    if (pos < end && !rate_parse(p, pos, end, &found))
        return false;
    if (found)
        return true;
    if ((p->dialect->flags & DIALECT_RATE) && has_prefix(p, pos, "CRON(") && p->text[end - 1] == ')')
        return fields_parse(p, pos + 5, end - 1);
    return fields_parse(p, pos, end);
}

bool cron_parse(const char *text, size_t len, const struct cron_options *options, struct cron_schedule *ret,
                struct cron_error *ret_error)
{
    static const struct cron_options defaults = {.dialect = CRON_DIALECT_HORAE};
    struct cron_schedule schedule;
    struct cron_error error;
    struct cron_parser p = {.text = text, .len = len, .s = &schedule, .error = &error};
    memset(&schedule, 0, sizeof(schedule)); /* padding too: equal schedules are equal bytes */
    p.options = options != NULL ? options : &defaults;
    p.dialect = dialect_get(p.options->dialect);
    bool parsed = false;
    if (len > CRON_TEXT_MAX)
        (void)error_set(&error, "length", CRON_TEXT_MAX, 1, "the expression is longer than %d bytes", CRON_TEXT_MAX);
    else
        parsed = option_zone(&p) && text_parse(&p);
    if (!parsed) {
        if (ret_error != NULL)
            *ret_error = error;
        return false;
    }
    if (schedule.kind == CRON_KIND_CALENDAR) {
        settle_days(&p);
        settle_policies(&p);
        search_derive(&schedule);
    }
    if (len > CANONICAL_CHECKED_FROM && cron_canonical(&schedule, NULL, 0) > CRON_TEXT_MAX) {
        if (ret_error != NULL)
            (void)error_set(ret_error, "length", 0, len,
                            "too many different values: the canonical text would be longer than %d bytes", CRON_TEXT_MAX);
        return false;
    }
    *ret = schedule;
    return true;
}

bool cron_is_impossible(const struct cron_schedule *s)
{
    return s->kind == CRON_KIND_CALENDAR && s->year_kinds == 0;
}

bool cron_is_reboot(const struct cron_schedule *s)
{
    return s->kind == CRON_KIND_REBOOT;
}

bool cron_is_interval_like(const struct cron_schedule *s)
{
    return s->flags & CRON_FLAG_INTERVAL;
}

bool cron_equal(const struct cron_schedule *a, const struct cron_schedule *b)
{
    struct cron_schedule left = *a, right = *b;
    left.notes = right.notes = 0;
    left.years = right.years = NULL;
    return years_equal(a, b) && memcmp(&left, &right, sizeof(left)) == 0;
}

const char *cron_zone_name(const struct cron_schedule *s)
{
    return zone_name(s->zone);
}
