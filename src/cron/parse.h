/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parser's files: cron_parse.c (the whole text), items.c (one field), dialect.c (who differs how),
 * oncalendar.c (the second input), error.c (what is said). One parser value per cron_parse call, on the stack. */
#ifndef HORAE_CRON_PARSE_H
#define HORAE_CRON_PARSE_H

#include "cron/cron.h"
#include "cron/years.h"

/* Numbers of section 2; they feed the hash of 2.5, so they are fixed for ever. */
enum cron_field {
    FIELD_SECOND,
    FIELD_MINUTE,
    FIELD_HOUR,
    FIELD_DAY,
    FIELD_MONTH,
    FIELD_WEEKDAY,
    FIELD_YEAR,
    FIELD_COUNT,
};
#define FIELDS_MAX 7

struct field_info {
    const char *noun;        /* "day", as in "day 32 is outside 1-31" */
    const char *label;       /* "day-of-month", as in "the day-of-month field" */
    int low, high;           /* values accepted in text */
    int hash_low, hash_high; /* range of a plain H (2.5) */
};
extern const struct field_info field_table[FIELD_COUNT];

enum dialect_flags {
    DIALECT_AND = 1,         /* both day fields must match */
    DIALECT_STAR_FLAG = 2,   /* a day field beginning with `*` makes them AND (vixie) */
    DIALECT_BIG_STEPS = 4,   /* steps beyond the field are accepted with a warning */
    DIALECT_SUNDAY_ONE = 8,  /* weekdays 1-7 = SUN-SAT; `L` alone is Saturday */
    DIALECT_NO_ZONE = 16,    /* a zone prefix is refused */
    DIALECT_WEEK_TOP_6 = 32, /* `a/n` of weekdays ends at 6 */
    DIALECT_DOLLAR = 64,     /* `$` is the last day of the month; `N seconds` */
    DIALECT_RATE = 128,      /* rate(5 minutes), cron(...) */
    DIALECT_ZONE_LINE = 256, /* the prefix may end with a line break */
};

struct dialect {
    const char *name;
    unsigned flags;
    const char *counts;                 /* "5, 6 or 7", for messages */
    const char *orders[FIELDS_MAX + 1]; /* by number of fields: field numbers as digits, NULL: not accepted */
};
const struct dialect *dialect_get(enum cron_dialect dialect);

struct cron_parser {
    const char *text;
    size_t len;
    const struct cron_options *options;
    const struct dialect *dialect;
    struct cron_schedule *s;  /* being built */
    struct cron_error *error; /* never NULL */
    struct cron_years years;  /* of a year field */
    bool star[FIELD_COUNT];   /* an item of the field is a plain star (2.3) */
    bool has_plus;            /* `+` before the weekday field */
    size_t field_count;       /* of the text; 0: not a text of fields */
};

/* One field's text, [pos, end). False with p->error set. */
bool items_parse(struct cron_parser *p, enum cron_field field, size_t pos, size_t end) MUST_CHECK;

/* Adds every step-th value of low..high (low > high wraps around) of a field to the schedule. */
void items_add_range(struct cron_parser *p, enum cron_field field, int low, int high, int step);

bool oncalendar_parse(struct cron_parser *p) MUST_CHECK;
/* Text from `pos` on as "@every" duration, or a dialect's spelling of one. False with p->error set. */
bool every_parse(struct cron_parser *p, size_t pos) MUST_CHECK;
bool rate_parse(struct cron_parser *p, size_t pos, size_t end, bool *ret_found) MUST_CHECK;
bool zone_take(struct cron_parser *p, size_t pos, size_t end, const struct cron_zone **ret) MUST_CHECK;

/* Three-letter English names, case-insensitive. -1: no such name. */
int name_weekday(const char *text);        /* 0 = Sunday */
int name_month(const char *text);          /* 1-12 */
extern const char *const weekday_names[7]; /* "SUN", … */
extern const char *const month_names[12];

/* Sets code, span and message and returns false, so that callers can `return error_set(...)`. */
bool error_set(struct cron_error *e, const char *code, size_t pos, size_t len, const char *format, ...) PRINTF_LIKE(5, 6);
void error_hint(struct cron_error *e, const char *format, ...) PRINTF_LIKE(2, 3);

static inline bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static inline bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static inline bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static inline char upper(char byte)
{
    return byte >= 'a' && byte <= 'z' ? (char)(byte - 32) : byte;
}

#endif
