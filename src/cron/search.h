/* SPDX-License-Identifier: Apache-2.0 */
/* L, the set of local date-times of a schedule (section 3), as pure calendar arithmetic. Local times are seconds since
 * 1970-01-01T00:00:00 read as if the wall clock were UTC. Years 1 to 9999. Calendar kind only. */
#ifndef HORAE_CRON_SEARCH_H
#define HORAE_CRON_SEARCH_H

#include "cron/cron.h"

int64_t search_next(const struct cron_schedule *s, int64_t local_s);               /* smallest of L >= local_s, or CRON_NEVER */
int64_t search_prev(const struct cron_schedule *s, int64_t local_s);               /* largest of L <= local_s, or CRON_NEVER */
int64_t search_count(const struct cron_schedule *s, int64_t from_s, int64_t to_s); /* of L in [from, to) */
bool search_has(const struct cron_schedule *s, int64_t local_s);

/* Days of a month that pass the day rule (2.3), bit d for day d; `first_weekday` is that of the 1st, 0 = Sunday. */
uint32_t search_month_days(const struct cron_schedule *s, int length, unsigned first_weekday);

/* Fills the derived members: ALL_DAYS, WEEKLY, NTH, year_kinds (4.1). The masks are complete. */
void search_derive(struct cron_schedule *s);

#endif
