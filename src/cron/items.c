/* SPDX-License-Identifier: Apache-2.0 */
/* One field of an expression: lists of items as in the grammar of 2.1, turned into masks. Errors are found from left
 * to right, so the first one set is the leftmost (section 6). */
#include "cron/parse.h"

#include "cron/hash.h"

#include <stdio.h>
#include <string.h>

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

/* The field being read. */
struct scan {
    struct cron_parser *p;
    enum cron_field field;
    const struct field_info *info;
    size_t at, end;
    size_t item; /* where the current item begins */
};

/* One value and where it stood. */
struct value {
    int number;
    size_t pos;
};

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

static char peek(const struct scan *f)
{
    return f->at < f->end ? upper(f->p->text[f->at]) : '\0';
}

static bool at_item_end(const struct scan *f)
{
    return f->at == f->end || f->p->text[f->at] == ',';
}

static bool is_interval_field(enum cron_field field)
{
    return field <= FIELD_HOUR;
}

static void mark_interval(struct scan *f)
{
    if (is_interval_field(f->field))
        f->p->s->flags |= CRON_FLAG_INTERVAL;
}

/* --- errors --- */

static bool fail_char(struct scan *f)
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

static bool fail_value(struct scan *f, const char *what)
{
    return error_set(f->p->error, "value", f->at, 1, "%s expected in the %s field", what, f->info->label);
}

static size_t word_end(const struct scan *f, size_t from)
{
    while (from < f->end && is_letter(f->p->text[from]))
        from++;
    return from;
}

static bool fail_name(struct scan *f)
{
    const size_t len = word_end(f, f->at) - f->at;
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
static int take_digits(struct scan *f)
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
static bool take_number(struct scan *f, struct value *ret)
{
    const bool sunday_one = f->field == FIELD_WEEKDAY && (f->p->dialect->flags & DIALECT_SUNDAY_ONE);
    ret->pos = f->at;
    ret->number = take_digits(f);
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
    const size_t len = word_end(f, f->at) - f->at;
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

static bool take_value(struct scan *f, struct value *ret)
{
    if (at_item_end(f))
        return fail_value(f, "a value is");
    if (is_digit(f->p->text[f->at]))
        return take_number(f, ret);
    if (is_letter(f->p->text[f->at]) && (f->field == FIELD_MONTH || f->field == FIELD_WEEKDAY))
        return take_name(f, ret);
    return fail_char(f);
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
static bool take_step_number(struct scan *f, int *ret)
{
    f->at++;
    const size_t pos = f->at;
    if (at_item_end(f) || !is_digit(f->p->text[f->at])) {
        (void)error_set(f->p->error, "step", pos, 1, "a step is expected after '/' in the %s field", f->info->label);
        error_hint(f->p->error, "for example */5");
        return false;
    }
    *ret = take_digits(f);
    if (*ret == 0)
        return error_set(f->p->error, "step", pos, f->at - pos, "step 0 in the %s field: it must be 1 or more", f->info->label);
    mark_interval(f);
    return true;
}

/* A step of at most the field's top value. `start` is where the progression begins, for the message. */
static bool take_step(struct scan *f, int start, int *ret)
{
    const size_t pos = f->at + 1;
    int step = 0;
    if (!take_step_number(f, &step))
        return false;
    if (step > f->info->high) {
        if (!(f->p->dialect->flags & DIALECT_BIG_STEPS))
            return fail_big_step(f, pos, step, f->info->high, start);
        f->p->s->notes |= CRON_NOTE_BIG_STEP;
    }
    *ret = step;
    return true;
}

/* --- adding to the masks --- */

static void add_one(struct cron_parser *p, enum cron_field field, int value)
{
    struct cron_schedule *s = p->s;
    switch (field) {
    case FIELD_SECOND: s->second |= UINT64_C(1) << value; break;
    case FIELD_MINUTE: s->minute |= UINT64_C(1) << value; break;
    case FIELD_HOUR: s->hour |= 1u << value; break;
    case FIELD_DAY: s->day |= 1u << value; break;
    case FIELD_MONTH: s->month |= (uint16_t)(1u << value); break;
    case FIELD_WEEKDAY: s->weekday |= (uint8_t)(1u << (value % 7)); break;
    case FIELD_YEAR: years_add(&p->years, (unsigned)value); break;
    case FIELD_COUNT: break;
    }
}

/* Wrapping (2.2): the step keeps counting across the seam. 7 as the start of a weekday range is Sunday, 0. */
void items_add_range(struct cron_parser *p, enum cron_field field, int low, int high, int step)
{
    const struct field_info *info = &field_table[field];
    if (field == FIELD_WEEKDAY && low == 7) {
        low = 0;
        high %= 7;
    }
    const int span = field == FIELD_WEEKDAY ? 7 : info->high - info->low + 1;
    const int length = high >= low ? high - low : high - low + span;
    for (int done = 0; done <= length; done += step) {
        int value = low + done;
        if (field != FIELD_WEEKDAY && value > info->high)
            value -= span;
        add_one(p, field, value);
    }
}

/* Every weekday of low..high as a mask of 0-6. */
static uint8_t weekday_range(int low, int high)
{
    uint8_t mask = 0;
    if (low == 7) {
        low = 0;
        high %= 7;
    }
    const int length = high >= low ? high - low : high - low + 7;
    for (int done = 0; done <= length; done++)
        mask |= (uint8_t)(1u << ((low + done) % 7));
    return mask;
}

/* --- items --- */

static bool take_star(struct scan *f)
{
    const struct field_info *info = f->info;
    int step = 1;
    f->at++;
    mark_interval(f);
    if (peek(f) == '/' && !take_step(f, info->low, &step))
        return false;
    if (step == 1)
        f->p->star[f->field] = true;
    else if (f->field == FIELD_DAY)
        f->p->s->notes |= CRON_NOTE_STAR_STEP_DAY;
    else if (f->field == FIELD_WEEKDAY)
        f->p->s->notes |= CRON_NOTE_STAR_STEP_WEEKDAY;
    int low = info->low, high = f->field == FIELD_WEEKDAY ? 6 : info->high;
    if (f->field == FIELD_YEAR) /* years divisible by n (croner) */
        low = (YEAR_LOW + step - 1) / step * step;
    if (f->field == FIELD_YEAR && low > high)
        return error_set(f->p->error, "step", f->at - 1, 1, "no year of 1970-9999 is divisible by %d", step);
    items_add_range(f->p, f->field, low, high, step);
    return true;
}

static bool fail_seed(struct scan *f)
{
    const size_t len = f->at - f->item;
    const char *text = f->p->text + f->item;
    const bool plain = upper(text[0]) == 'H';
    return error_set(f->p->error, "seed", f->item, len, "'%.*s' needs a job name or an explicit seed",
                     plain ? 1 : (len > 40 ? 40 : (int)len), text);
}

static int pick(const struct scan *f, int low, int high)
{
    return hash_pick(f->p->options->seed, (unsigned)f->field, low, high);
}

/* "(a-b)" after H. */
static bool take_hash_range(struct scan *f, int *low, int *high)
{
    struct value a, b;
    const char *message = "an H range is written H(a-b)";
    f->at++;
    if (f->at == f->end || !is_digit(f->p->text[f->at]))
        return error_set(f->p->error, "hash", f->at, 1, "%s", message);
    if (!take_number(f, &a))
        return false;
    if (peek(f) != '-')
        return error_set(f->p->error, "hash", f->at, 1, "%s", message);
    f->at++;
    if (f->at == f->end || !is_digit(f->p->text[f->at]))
        return error_set(f->p->error, "hash", f->at, 1, "%s", message);
    if (!take_number(f, &b))
        return false;
    if (peek(f) != ')')
        return error_set(f->p->error, "hash", f->at, 1, "%s", message);
    if (a.number > b.number)
        return error_set(f->p->error, "hash", a.pos, f->at - a.pos, "the H range %.*s runs backwards", (int)(f->at - a.pos),
                         f->p->text + a.pos);
    f->at++;
    *low = a.number;
    *high = b.number;
    return true;
}

static bool take_hash(struct scan *f)
{
    int low = f->info->hash_low, high = f->info->hash_high, step = 0;
    f->at++;
    if (peek(f) == '(' && !take_hash_range(f, &low, &high))
        return false;
    if (peek(f) == '/') {
        const size_t pos = f->at + 1;
        if (!take_step_number(f, &step))
            return false;
        if (step > high - low + 1) /* 2.5: H/60 of minutes is once an hour */
            return error_set(f->p->error, "step", pos, f->at - pos, "step %d is larger than the %d values of %d-%d", step,
                             high - low + 1, low, high);
    }
    if (!at_item_end(f))
        return fail_char(f);
    if (f->p->options->seed == NULL)
        return fail_seed(f);
    f->p->s->notes |= CRON_NOTE_HASHED;
    if (step == 0)
        add_one(f->p, f->field, pick(f, low, high));
    else
        items_add_range(f->p, f->field, low + pick(f, 0, step - 1), high, step);
    return true;
}

/* "a~b": one value of the range. The cursor is on '~'. */
static bool take_tilde(struct scan *f, const struct value *a)
{
    struct value b;
    f->at++;
    if (!take_value(f, &b))
        return false;
    if (a->number > b.number)
        return error_set(f->p->error, "hash", a->pos, f->at - a->pos, "the hashed range %.*s runs backwards",
                         (int)(f->at - a->pos > 40 ? 40 : f->at - a->pos), f->p->text + a->pos);
    if (!at_item_end(f))
        return fail_char(f);
    if (f->p->options->seed == NULL)
        return fail_seed(f);
    f->p->s->notes |= CRON_NOTE_HASHED;
    add_one(f->p, f->field, pick(f, a->number, b.number));
    return true;
}

/* "L", "L-n", "LW", "L-nW" in the day-of-month field; `$` is pg_cron's L. */
static bool take_last_day(struct scan *f)
{
    int before = 0;
    f->at++;
    if (peek(f) == '-') {
        f->at++;
        if (at_item_end(f))
            return fail_value(f, "a number of days before the last is");
        if (!is_digit(f->p->text[f->at]))
            return fail_char(f);
        const size_t pos = f->at;
        before = take_digits(f);
        if (before > 30)
            return error_set(f->p->error, "range", pos, f->at - pos, "L-%.*s is outside L-0 to L-30",
                             f->at - pos > 20 ? 20 : (int)(f->at - pos), f->p->text + pos);
    }
    if (peek(f) == 'W') {
        f->at++;
        f->p->s->last_near |= 1u << before;
    } else {
        f->p->s->last |= 1u << before;
    }
    return true;
}

/* "L", "#k", "#L" after a weekday or a range of them: each day of the range (2.2). */
static bool take_weekday_suffix(struct scan *f, int low, int high)
{
    const uint8_t days = weekday_range(low, high);
    if (peek(f) == 'L') {
        f->at++;
        f->p->s->weekday_last |= days;
        return true;
    }
    f->at++;
    if (at_item_end(f))
        return fail_value(f, "1 to 5 or L after '#' is");
    if (peek(f) == 'L') {
        f->at++;
        f->p->s->weekday_last |= days;
        return true;
    }
    if (!is_digit(f->p->text[f->at]))
        return fail_char(f);
    const size_t pos = f->at;
    const int k = take_digits(f);
    if (k < 1 || k > 5)
        return error_set(f->p->error, "range", pos, f->at - pos, "#%.*s is outside #1 to #5",
                         f->at - pos > 20 ? 20 : (int)(f->at - pos), f->p->text + pos);
    f->p->s->weekday_nth[k - 1] |= days;
    return true;
}

static bool add_years(struct scan *f, const struct value *a, int high, int step)
{
    if (high < a->number)
        return error_set(f->p->error, "backwards", a->pos, f->at - a->pos, "the years %d-%d run backwards", a->number, high);
    items_add_range(f->p, FIELD_YEAR, a->number, high, step);
    return true;
}

static int top_of_steps(const struct scan *f)
{
    if (f->field != FIELD_WEEKDAY)
        return f->info->high;
    return f->p->dialect->flags & (DIALECT_WEEK_TOP_6 | DIALECT_SUNDAY_ONE) ? 6 : 7;
}

/* "a-b", with step or weekday suffix. The cursor is on '-'. */
static bool take_range(struct scan *f, const struct value *a)
{
    struct value b;
    int step = 1;
    f->at++;
    mark_interval(f);
    if (!take_value(f, &b))
        return false;
    if (f->field == FIELD_WEEKDAY && (peek(f) == 'L' || peek(f) == '#'))
        return take_weekday_suffix(f, a->number, b.number);
    if (f->field == FIELD_YEAR && b.number < a->number)
        return add_years(f, a, b.number, 1);
    if (peek(f) == '/' && !take_step(f, a->number, &step))
        return false;
    items_add_range(f->p, f->field, a->number, b.number, step);
    return true;
}

static bool take_plain(struct scan *f)
{
    struct value a;
    int step = 1;
    if (!take_value(f, &a))
        return false;
    switch (peek(f)) {
    case '-': return take_range(f, &a);
    case '~':
        if (f->field == FIELD_YEAR)
            return fail_char(f);
        return take_tilde(f, &a);
    case '/':
        if (!take_step(f, a.number, &step))
            return false;
        items_add_range(f->p, f->field, a.number, a.number > top_of_steps(f) ? a.number : top_of_steps(f), step);
        return true;
    case 'W':
        if (f->field != FIELD_DAY)
            return fail_char(f);
        f->at++;
        f->p->s->day_near |= 1u << a.number;
        return true;
    case 'L':
    case '#': return f->field == FIELD_WEEKDAY ? take_weekday_suffix(f, a.number, a.number) : fail_char(f);
    default: add_one(f->p, f->field, a.number); return true;
    }
}

static bool take_item(struct scan *f)
{
    const char byte = peek(f);
    const bool one_letter = word_end(f, f->at) == f->at + 1;
    const unsigned flags = f->p->dialect->flags;
    f->item = f->at;
    if (byte == '*' || byte == '?')
        return take_star(f);
    if (f->field == FIELD_DAY && (byte == 'L' || (byte == '$' && (flags & DIALECT_DOLLAR))))
        return take_last_day(f);
    const bool named = f->field == FIELD_MONTH || f->field == FIELD_WEEKDAY;
    if (byte == 'H' && f->field != FIELD_YEAR && (one_letter || !named))
        return take_hash(f);
    if (f->field == FIELD_WEEKDAY && byte == 'L' && one_letter && (flags & DIALECT_SUNDAY_ONE)) {
        f->at++;
        add_one(f->p, FIELD_WEEKDAY, 6);
        return true;
    }
    return take_plain(f);
}

bool items_parse(struct cron_parser *p, enum cron_field field, size_t pos, size_t end)
{
    struct scan f = {p, field, &field_table[field], pos, end, pos};
    if (field == FIELD_WEEKDAY && peek(&f) == '+') {
        p->has_plus = true;
        f.at++;
        if (f.at == end)
            return fail_value(&f, "a weekday after '+' is");
    }
    for (;;) {
        if (at_item_end(&f))
            return error_set(p->error, "empty-item", f.at, 1, "empty item in the %s list", f.info->noun);
        if (!take_item(&f))
            return false;
        if (f.at == end)
            return true;
        if (p->text[f.at] != ',')
            return fail_char(&f);
        f.at++;
    }
}
