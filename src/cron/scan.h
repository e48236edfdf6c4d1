/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by items.c (the forms of an item) and scan.c (characters, values and steps within one) only. */
#ifndef HORAE_CRON_SCAN_H
#define HORAE_CRON_SCAN_H

#include "cron/parse.h"

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

/* Upper case; NUL at the end of the field. */
static inline char peek(const struct scan *f)
{
    return f->at < f->end ? upper(f->p->text[f->at]) : '\0';
}

static inline bool at_item_end(const struct scan *f)
{
    return f->at == f->end || f->p->text[f->at] == ',';
}

static inline void mark_interval(struct scan *f)
{
    if (f->field <= FIELD_HOUR)
        f->p->s->flags |= CRON_FLAG_INTERVAL;
}

size_t scan_word_end(const struct scan *f, size_t from); /* behind the letters from there on */
int scan_digits(struct scan *f);                         /* at the cursor; saturates, so that no length of digits overflows */

/* They set the error and return false. */
bool scan_fail_char(struct scan *f);                    /* the character at the cursor cannot stand here */
bool scan_fail_value(struct scan *f, const char *what); /* "a value is" expected, nothing found */

/* False with the error set. The cursor is on the value; on the '/' for steps. */
bool scan_number(struct scan *f, struct value *ret) MUST_CHECK; /* in the field's range; Quartz weekdays become 0-6 */
bool scan_value(struct scan *f, struct value *ret) MUST_CHECK;  /* a number or a name */
bool scan_step_number(struct scan *f, int *ret) MUST_CHECK;     /* 1 or more */
/* A step of at most the field's top value. `start` is where the progression begins, for the message. */
bool scan_step(struct scan *f, int start, int *ret) MUST_CHECK;

#endif
