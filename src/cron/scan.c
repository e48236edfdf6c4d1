/* SPDX-License-Identifier: Apache-2.0 */
/* Characters, values and steps of one item, and what is said when they are wrong (section 6). */
#include "cron/scan.h"

#include <stdio.h>

const struct field_info field_table[FIELD_COUNT] = {
    [FIELD_SECOND] = {"second", "second", 0, 59, 0, 59},
    [FIELD_MINUTE] = {"minute", "minute", 0, 59, 0, 59},
    [FIELD_HOUR] = {"hour", "hour", 0, 23, 0, 23},
    [FIELD_DAY] = {"day", "day-of-month", 1, 31, 1, 28},
    [FIELD_MONTH] = {"month", "month", 1, 12, 1, 12},
    [FIELD_WEEKDAY] = {"weekday", "weekday", 0, 7, 0, 6},
    [FIELD_YEAR] = {"year", "year", YEAR_LOW, YEAR_HIGH, 0, 0},
};

const char *const weekday_names[7] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
const char *const month_names[12] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

static int find_name(const char *const *names, int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (upper(text[0]) == names[i][0] && upper(text[1]) == names[i][1] && upper(text[2]) == names[i][2])
            return i;
    return -1;
}

int name_weekday(const char *text)
{
    return find_name(weekday_names, 7, text);
}

int name_month(const char *text)
{
    const int found = find_name(month_names, 12, text);
    return found < 0 ? -1 : found + 1;
}

/* --- errors --- */

bool scan_fail_char(struct scan *f)
{
    const unsigned char byte = (unsigned char)f->p->text[f->at];
    char shown[8];
    size_t len = 1;
    if (byte >= 0x80) { /* name the whole UTF-8 sequence, if it is one */
        while (len < 4 && f->at + len < f->end && ((unsigned char)f->p->text[f->at + len] & 0xc0) == 0x80)
            len++;
        (void)snprintf(shown, sizeof(shown), "%.*s", (int)len, f->p->text + f->at);
    } else {
        (void)snprintf(shown, sizeof(shown), byte >= 0x20 && byte != 0x7f ? "%c" : "\\x%02x", byte);
    }
    (void)error_set(f->p->error, "char", f->at, len, "unexpected '%s' in the %s field", shown, f->info->label);
    if (f->field == FIELD_DAY && upper((char)byte) == 'W')
        error_hint(f->p->error, "W follows a day number, for example 15W");
    else if (byte == '/')
        error_hint(f->p->error, "a step follows * or a value, for example */5");
    else if (byte == '+')
        error_hint(f->p->error, "+ stands only directly before the weekday field and means AND");
    else if (byte == '#' && f->field != FIELD_WEEKDAY)
        error_hint(f->p->error, "the n-th weekday of the month goes into the weekday field, for example FRI#2");
    return false;
}

bool scan_fail_value(struct scan *f, const char *what)
{
    return error_set(f->p->error, "value", f->at, 1, "%s expected in the %s field", what, f->info->label);
}

size_t scan_word_end(const struct scan *f, size_t from)
{
    while (from < f->end && is_letter(f->p->text[from]))
        from++;
    return from;
}

static bool fail_name(struct scan *f)
{
    const size_t len = scan_word_end(f, f->at) - f->at;
    const char *word = f->p->text + f->at;
    if (f->field == FIELD_WEEKDAY && len == 1 && upper(word[0]) == 'L') {
        (void)error_set(f->p->error, "name", f->at, 1, "\"L\" alone is ambiguous in the weekday field");
        error_hint(f->p->error, "last Friday of the month is 5L; last day of the month goes into the %s field",
                   f->p->s->notes & CRON_NOTE_SIX_FIELDS ? "fourth" : "third");
        return false;
    }
    (void)error_set(f->p->error, "name", f->at, len, "unknown %s \"%.*s\"", f->info->noun, len > 40 ? 40 : (int)len, word);
    const int found = len < 3 ? -1 : f->field == FIELD_MONTH ? name_month(word) - 1 : name_weekday(word);
    if (found >= 0)
        error_hint(f->p->error, "use the three-letter name %s",
                   f->field == FIELD_MONTH ? month_names[found] : weekday_names[found]);
    return false;
}

/* --- values --- */

/* Digits at the cursor. Saturates, so that no length of digits overflows. */
int scan_digits(struct scan *f)
{
    int value = 0;
    while (f->at < f->end && is_digit(f->p->text[f->at])) {
        value = value > 99999 ? value : value * 10 + (f->p->text[f->at] - '0');
        f->at++;
    }
    return value;
}

/* Section 10: the sixth field as other programs write it. */
static void hint_order(struct scan *f, int number)
{
    if (f->field != FIELD_WEEKDAY || f->p->field_count != 6 || f->p->options->dialect != CRON_DIALECT_HORAE)
        return;
    if (number >= YEAR_LOW && number <= YEAR_HIGH)
        error_hint(f->p->error, "six fields put seconds first; AWS puts a year last: dialect aws");
    else if (number <= 59)
        error_hint(f->p->error, "six fields put seconds first; croniter puts them last: dialect croniter");
}

static bool fail_range(struct scan *f, size_t pos, int low, int high, int number)
{
    const size_t len = f->at - pos;
    (void)error_set(f->p->error, "range", pos, len, "%s %.*s is outside %d-%d", f->info->noun, len > 40 ? 40 : (int)len,
                    f->p->text + pos, low, high);
    hint_order(f, number);
    return false;
}

/* A number in the field's own range. Quartz weekdays are stored as 0-6. */
bool scan_number(struct scan *f, struct value *ret)
{
    const bool sunday_one = f->field == FIELD_WEEKDAY && (f->p->dialect->flags & DIALECT_SUNDAY_ONE);
    ret->pos = f->at;
    ret->number = scan_digits(f);
    const int low = sunday_one ? 1 : f->info->low;
    if (ret->number < low || ret->number > f->info->high)
        return fail_range(f, ret->pos, low, f->info->high, ret->number);
    if (sunday_one)
        ret->number--;
    return true;
}

/* "MON" or, in the weekday field, "MONL": the L is left for the suffix. */
static bool take_name(struct scan *f, struct value *ret)
{
    const char *word = f->p->text + f->at;
    const size_t len = scan_word_end(f, f->at) - f->at;
    const bool has_suffix = f->field == FIELD_WEEKDAY && len == 4 && upper(word[3]) == 'L';
    int number = -1;
    if (len == 3 || has_suffix)
        number = f->field == FIELD_MONTH ? name_month(word) : name_weekday(word);
    if (number < 0)
        return fail_name(f);
    *ret = (struct value){number, f->at};
    f->at += 3;
    return true;
}

bool scan_value(struct scan *f, struct value *ret)
{
    if (at_item_end(f))
        return scan_fail_value(f, "a value is");
    if (is_digit(f->p->text[f->at]))
        return scan_number(f, ret);
    if (is_letter(f->p->text[f->at]) && (f->field == FIELD_MONTH || f->field == FIELD_WEEKDAY))
        return take_name(f, ret);
    return scan_fail_char(f);
}

/* --- steps --- */

static bool fail_big_step(struct scan *f, size_t pos, int step, int top, int start)
{
    static const char *const units[FIELD_COUNT] = {"s", "m", "h", "d"};
    static const char *const nouns[FIELD_COUNT] = {"seconds", "minutes", "hours", "days"};
    struct cron_error *e = f->p->error;
    const int shown = (int)(f->at - pos > 20 ? 20 : f->at - pos);
    const int item = (int)(f->at - f->item > 40 ? 40 : f->at - f->item);
    (void)error_set(e, "step", pos, f->at - pos, "step %.*s is larger than the %s field (%d); \"%.*s\" would only fire at %s %d",
                    shown, f->p->text + pos, f->info->label, top, item, f->p->text + f->item, f->info->noun, start);
    hint_order(f, step);
    if (units[f->field] != NULL && step < 99999)
        error_hint(e, "for every %d %s write  @every %d%s", step, nouns[f->field], step, units[f->field]);
    return false;
}

/* The number after '/', on which the cursor is: 1 or more. */
bool scan_step_number(struct scan *f, int *ret)
{
    f->at++;
    const size_t pos = f->at;
    if (at_item_end(f) || !is_digit(f->p->text[f->at])) {
        (void)error_set(f->p->error, "step", pos, 1, "a step is expected after '/' in the %s field", f->info->label);
        error_hint(f->p->error, "for example */5");
        return false;
    }
    *ret = scan_digits(f);
    if (*ret == 0)
        return error_set(f->p->error, "step", pos, f->at - pos, "step 0 in the %s field: it must be 1 or more", f->info->label);
    mark_interval(f);
    return true;
}

/* A step of at most the field's top value. `start` is where the progression begins, for the message. */
bool scan_step(struct scan *f, int start, int *ret)
{
    const size_t pos = f->at + 1;
    int step = 0;
    if (!scan_step_number(f, &step))
        return false;
    if (step > f->info->high) {
        if (!(f->p->dialect->flags & DIALECT_BIG_STEPS))
            return fail_big_step(f, pos, step, f->info->high, start);
        f->p->s->notes |= CRON_NOTE_BIG_STEP;
    }
    *ret = step;
    return true;
}
