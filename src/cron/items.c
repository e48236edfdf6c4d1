/* SPDX-License-Identifier: Apache-2.0 */
/* One field of an expression: lists of items as in the grammar of 2.1, turned into masks. Errors are found from left
 * to right, so the first one set is the leftmost (section 6). */
#include "cron/hash.h"
#include "cron/scan.h"

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
    if (peek(f) == '/' && !scan_step(f, info->low, &step))
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
    if (!scan_number(f, &a))
        return false;
    if (peek(f) != '-')
        return error_set(f->p->error, "hash", f->at, 1, "%s", message);
    f->at++;
    if (f->at == f->end || !is_digit(f->p->text[f->at]))
        return error_set(f->p->error, "hash", f->at, 1, "%s", message);
    if (!scan_number(f, &b))
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
        if (!scan_step_number(f, &step))
            return false;
        if (step > high - low + 1) /* 2.5: H/60 of minutes is once an hour */
            return error_set(f->p->error, "step", pos, f->at - pos, "step %d is larger than the %d values of %d-%d", step,
                             high - low + 1, low, high);
    }
    if (!at_item_end(f))
        return scan_fail_char(f);
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
    if (!scan_value(f, &b))
        return false;
    if (a->number > b.number)
        return error_set(f->p->error, "hash", a->pos, f->at - a->pos, "the hashed range %.*s runs backwards",
                         (int)(f->at - a->pos > 40 ? 40 : f->at - a->pos), f->p->text + a->pos);
    if (!at_item_end(f))
        return scan_fail_char(f);
    if (f->p->options->seed == NULL)
        return fail_seed(f);
    f->p->s->notes |= CRON_NOTE_HASHED;
    add_one(f->p, f->field, pick(f, a->number, b.number));
    return true;
}

/* "L", "L-n", "LW", "L-nW" in the day-of-month field; pg_cron's `$` is L and nothing more. */
static bool take_last_day(struct scan *f)
{
    int before = 0;
    const bool dollar = peek(f) == '$';
    f->at++;
    if (dollar && !at_item_end(f))
        return scan_fail_char(f);
    if (peek(f) == '-') {
        f->at++;
        if (at_item_end(f))
            return scan_fail_value(f, "a number of days before the last is");
        if (!is_digit(f->p->text[f->at]))
            return scan_fail_char(f);
        const size_t pos = f->at;
        before = scan_digits(f);
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
        return scan_fail_value(f, "1 to 5 or L after '#' is");
    if (peek(f) == 'L') {
        f->at++;
        f->p->s->weekday_last |= days;
        return true;
    }
    if (!is_digit(f->p->text[f->at]))
        return scan_fail_char(f);
    const size_t pos = f->at;
    const int k = scan_digits(f);
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
    if (!scan_value(f, &b))
        return false;
    if (f->field == FIELD_WEEKDAY && (peek(f) == 'L' || peek(f) == '#'))
        return take_weekday_suffix(f, a->number, b.number);
    if (f->field == FIELD_YEAR && b.number < a->number)
        return add_years(f, a, b.number, 1);
    if (peek(f) == '/' && !scan_step(f, a->number, &step))
        return false;
    items_add_range(f->p, f->field, a->number, b.number, step);
    return true;
}

static bool take_plain(struct scan *f)
{
    struct value a;
    int step = 1;
    if (!scan_value(f, &a))
        return false;
    switch (peek(f)) {
    case '-': return take_range(f, &a);
    case '~':
        if (f->field == FIELD_YEAR)
            return scan_fail_char(f);
        return take_tilde(f, &a);
    case '/':
        if (!scan_step(f, a.number, &step))
            return false;
        items_add_range(f->p, f->field, a.number, a.number > top_of_steps(f) ? a.number : top_of_steps(f), step);
        return true;
    case 'W':
        if (f->field != FIELD_DAY)
            return scan_fail_char(f);
        f->at++;
        f->p->s->day_near |= 1u << a.number;
        return true;
    case 'L':
    case '#': return f->field == FIELD_WEEKDAY ? take_weekday_suffix(f, a.number, a.number) : scan_fail_char(f);
    default: add_one(f->p, f->field, a.number); return true;
    }
}

static bool take_item(struct scan *f)
{
    const char byte = peek(f);
    const bool one_letter = scan_word_end(f, f->at) == f->at + 1;
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
            return scan_fail_value(&f, "a weekday after '+' is");
    }
    for (;;) {
        if (at_item_end(&f))
            return error_set(p->error, "empty-item", f.at, 1, "empty item in the %s list", f.info->noun);
        if (!take_item(&f))
            return false;
        if (f.at == end)
            return true;
        if (p->text[f.at] != ',')
            return scan_fail_char(&f);
        f.at++;
    }
}
