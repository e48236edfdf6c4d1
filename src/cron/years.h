/* SPDX-License-Identifier: Apache-2.0 */
/* The year field (section 2): 1970-9999 as a bit set while parsing; in a schedule one arithmetic progression, or, for
 * anything else, a pointer to a set: the caller's, or an interned one that lives as long as the process (at most
 * CRON_YEAR_SETS_MAX sets, so that hostile input cannot grow it). */
#ifndef HORAE_CRON_YEARS_H
#define HORAE_CRON_YEARS_H

#include "cron/cron.h"

#define YEAR_LOW 1970
#define YEAR_HIGH 9999
#define CRON_YEAR_SETS_MAX 4096

static inline void years_add(struct cron_years *years, unsigned year)
{
    years->bits[(year - YEAR_LOW) / 64] |= UINT64_C(1) << ((year - YEAR_LOW) % 64);
}

static inline bool years_has(const struct cron_years *years, unsigned year)
{
    return (years->bits[(year - YEAR_LOW) / 64] >> ((year - YEAR_LOW) % 64)) & 1;
}

/* Stores the set (not empty) in the schedule; `storage` as in cron_options. False: the table of interned sets is full. */
bool years_store(const struct cron_years *years, struct cron_years *storage, struct cron_schedule *s) MUST_CHECK;
bool years_equal(const struct cron_schedule *a, const struct cron_schedule *b); /* the pointed-to sets; NULL is equal to NULL */

/* Is the year allowed? Years outside 1970-9999 are, unless a year field restricts. */
bool years_allow(const struct cron_schedule *s, int32_t year);
/* Smallest allowed year >= `year`, largest <= `year`; -1: none within 1-9999. */
int32_t years_next(const struct cron_schedule *s, int32_t year);
int32_t years_prev(const struct cron_schedule *s, int32_t year);

#endif
