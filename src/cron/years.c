/* SPDX-License-Identifier: Apache-2.0 */
/* Year sets: see years.h. The interned table is append-only under a lock; readers hold pointers and need no lock. */
#include "cron/years.h"

#include "cron/calendar.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t intern_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cron_years *interned[CRON_YEAR_SETS_MAX];
static size_t interned_count;

static const struct cron_years *intern(const struct cron_years *years)
{
    const struct cron_years *found = NULL;
    (void)pthread_mutex_lock(&intern_lock);
    for (size_t i = 0; i < interned_count && found == NULL; i++)
        if (memcmp(interned[i], years, sizeof(*years)) == 0)
            found = interned[i];
    if (found == NULL && interned_count < CRON_YEAR_SETS_MAX) {
        struct cron_years *copy = malloc(sizeof(*copy));
        if (copy != NULL) {
            *copy = *years;
            interned[interned_count++] = copy;
            found = copy;
        }
    }
    (void)pthread_mutex_unlock(&intern_lock);
    return found;
}

static unsigned find_from(const struct cron_years *years, unsigned year)
{
    for (unsigned index = year - YEAR_LOW; index / 64 < CRON_YEAR_WORDS; index = (index / 64 + 1) * 64) {
        const uint64_t rest = years->bits[index / 64] >> (index % 64);
        if (rest != 0)
            return YEAR_LOW + index + (unsigned)__builtin_ctzll(rest);
    }
    return 0;
}

static unsigned find_down(const struct cron_years *years, unsigned year)
{
    for (int index = (int)(year - YEAR_LOW); index >= 0; index = index / 64 * 64 - 1) {
        const uint64_t rest = years->bits[index / 64] << (63 - index % 64);
        if (rest != 0)
            return YEAR_LOW + (unsigned)index - (unsigned)__builtin_clzll(rest);
    }
    return 0;
}

bool years_store(const struct cron_years *years, struct cron_years *storage, struct cron_schedule *s)
{
    const unsigned first = find_from(years, YEAR_LOW);
    const unsigned last = find_down(years, YEAR_HIGH);
    const unsigned second = first == last ? first : find_from(years, first + 1);
    const unsigned step = second == first ? 1 : second - first;
    struct cron_years progression = {{0}};
    for (unsigned year = first; year <= last; year += step)
        years_add(&progression, year);
    s->flags |= CRON_FLAG_YEARS;
    s->year_from = (uint16_t)first;
    s->year_to = (uint16_t)last;
    s->year_step = (uint16_t)step;
    if (memcmp(&progression, years, sizeof(progression)) == 0)
        return true;
    s->year_step = 0;
    if (storage != NULL)
        *storage = *years;
    s->years = storage != NULL ? storage : intern(years);
    return s->years != NULL;
}

bool years_equal(const struct cron_schedule *a, const struct cron_schedule *b)
{
    if (a->years == b->years)
        return true;
    return a->years != NULL && b->years != NULL && memcmp(a->years, b->years, sizeof(*a->years)) == 0;
}

bool years_allow(const struct cron_schedule *s, int32_t year)
{
    if (!(s->flags & CRON_FLAG_YEARS))
        return true;
    if (year < s->year_from || year > s->year_to)
        return false;
    if (s->year_step == 0)
        return years_has(s->years, (unsigned)year);
    return (year - s->year_from) % s->year_step == 0;
}

int32_t years_next(const struct cron_schedule *s, int32_t year)
{
    if (year < CALENDAR_YEAR_MIN)
        year = CALENDAR_YEAR_MIN;
    if (!(s->flags & CRON_FLAG_YEARS))
        return year <= CALENDAR_YEAR_MAX ? year : -1;
    if (year > s->year_to)
        return -1;
    if (year <= s->year_from)
        return s->year_from;
    if (s->year_step == 0)
        return (int32_t)find_from(s->years, (unsigned)year);
    const int32_t over = (year - s->year_from) % s->year_step;
    return over == 0 ? year : year + s->year_step - over;
}

int32_t years_prev(const struct cron_schedule *s, int32_t year)
{
    if (year > CALENDAR_YEAR_MAX)
        year = CALENDAR_YEAR_MAX;
    if (!(s->flags & CRON_FLAG_YEARS))
        return year >= CALENDAR_YEAR_MIN ? year : -1;
    if (year < s->year_from)
        return -1;
    if (year >= s->year_to)
        return s->year_to;
    if (s->year_step == 0)
        return (int32_t)find_down(s->years, (unsigned)year);
    return year - (year - s->year_from) % s->year_step;
}
