/* SPDX-License-Identifier: Apache-2.0 */
/* Why a schedule never fires, with the fields at fault (section 6, code `never`). */
#include "cron/describe.h"
#include "cron/parse.h"
#include "cron/search.h"

#include <string.h>

static const char *const months[13] = {"",     "January", "February",  "March",   "April",    "May",     "June",
                                       "July", "August",  "September", "October", "November", "December"};

struct fields {
    struct cron_span spans[FIELDS_MAX + 2];
    size_t count;
    const char *order; /* field numbers as digits; NULL: not known */
};

static bool is_gap(const char *text, size_t at)
{
    return is_blank(text[at]) || text[at] == '\n' || text[at] == '\r';
}

/* The fields of the text, by the dialect's order for their number. A zone prefix is no field. */
static void find_fields(const char *text, size_t len, const struct cron_options *options, struct fields *ret)
{
    *ret = (struct fields){.count = 0};
    for (size_t at = 0; at < len && ret->count < FIELDS_MAX + 2;) {
        while (at < len && is_gap(text, at))
            at++;
        const size_t begin = at;
        while (at < len && !is_gap(text, at))
            at++;
        if (at > begin && !memchr(text + begin, '=', at - begin))
            ret->spans[ret->count++] = (struct cron_span){begin, at - begin};
    }
    if (options->syntax == CRON_SYNTAX_CRON && ret->count <= FIELDS_MAX)
        ret->order = dialect_get(options->dialect)->orders[ret->count];
}

/* The schedule with every value of one field. */
static bool fires_without(const struct cron_schedule *s, enum cron_field field)
{
    struct cron_schedule lifted = *s;
    if (field == FIELD_DAY) {
        lifted.day = 0xfffffffeu;
        lifted.day_near = lifted.last = lifted.last_near = 0;
    } else if (field == FIELD_MONTH) {
        lifted.month = 0x1ffe;
    } else if (field == FIELD_WEEKDAY) {
        lifted.weekday = 0x7f;
        memset(lifted.weekday_nth, 0, sizeof(lifted.weekday_nth));
        lifted.weekday_last = 0;
    } else {
        lifted.flags &= (uint16_t)~CRON_FLAG_YEARS;
    }
    search_derive(&lifted);
    return !cron_is_impossible(&lifted);
}

/* Marks the fields in the order of the text; the first one in pos and len. */
static void mark(struct cron_error *e, const struct fields *fields, unsigned wanted)
{
    size_t marked = 0;
    for (size_t i = 0; fields->order && fields->order[i] != '\0'; i++) {
        if (!(wanted >> (fields->order[i] - '0') & 1))
            continue;
        if (marked == 0) {
            e->pos = fields->spans[i].pos;
            e->len = fields->spans[i].len;
        } else if (marked <= CRON_ERROR_MORE_MAX) {
            e->more[marked - 1] = fields->spans[i];
        }
        marked++;
    }
}

/* "no date passes the day-of-month and weekday fields together". Returns the fields that are to be marked, as bits. */
static unsigned put_fields_at_fault(struct text *t, const struct cron_schedule *s)
{
    static const enum cron_field candidates[] = {FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELD_YEAR};
    unsigned at_fault = 0;
    for (size_t i = 0; i < ARRAY_LEN(candidates); i++)
        if (fires_without(s, candidates[i]))
            at_fault |= 1u << candidates[i];
    if (__builtin_popcount(at_fault) < 2) {
        text_put(t, "no date passes the day fields");
        return 1u << FIELD_DAY | 1u << FIELD_WEEKDAY;
    }
    const char *separator = "no date passes the ";
    for (unsigned left = at_fault; left != 0; left &= left - 1) {
        text_putf(t, "%s%s", separator, field_table[__builtin_ctz(left)].label);
        separator = __builtin_popcount(left) == 2 ? " and " : ", ";
    }
    text_put(t, " fields together");
    return at_fault;
}

void cron_never_error(const char *text, size_t len, const struct cron_options *options, const struct cron_schedule *s,
                      struct cron_error *ret_error)
{
    struct never_facts never;
    struct fields fields;
    unsigned at_fault = 1u << FIELD_DAY | 1u << FIELD_MONTH;
    *ret_error = (struct cron_error){.code = "never", .len = len ? len : 1};
    struct text t = text_over(ret_error->message, sizeof(ret_error->message));
    describe_never(s, &never);
    find_fields(text, len, options, &fields);
    if (never.reason == NEVER_BOTH) {
        at_fault = put_fields_at_fault(&t, s);
    } else {
        text_put(&t, never.reason == NEVER_DATES ? "no year has " : "none of the years has ");
        bool first = true;
        for (unsigned bits = never.months; bits != 0; bits &= bits - 1) {
            text_putf(&t, "%s%d %s", first ? "" : " or ", never.day, months[__builtin_ctz(bits)]);
            first = false;
        }
        if (never.reason == NEVER_YEARS)
            at_fault |= 1u << FIELD_YEAR;
    }
    (void)text_end(&t);
    mark(ret_error, &fields, at_fault);
}
