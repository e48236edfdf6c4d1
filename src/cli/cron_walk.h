/* SPDX-License-Identifier: Apache-2.0 */
/* Vixie cron as Debian ships it, modelled from its behaviour and sharing nothing with the engine: how it reads a schedule,
 * and when its clock loop starts jobs, minute by minute, through clock changes. Times come from the C library. */
#ifndef HORAE_CLI_CRON_WALK_H
#define HORAE_CLI_CRON_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WALK_FIELDS = 5, WALK_ZONE_MAX = 64 };

struct walk_schedule {
    uint64_t sets[WALK_FIELDS]; /* minute hour day month weekday */
    bool star[WALK_FIELDS];     /* the field's text begins with one */
    bool backwards;             /* a range such as 50-10: cron takes it and never finds a value in it */
};

/* Five fields or a nickname other than @reboot. NULL: cron takes it too; else what cron says ("bad minute"). */
const char *walk_read(const char *text, struct walk_schedule *ret);

/* Jobs with a star in minute or hour follow the clock: times that a clock change skips are not made up, and those that come
 * twice run twice. The others are made up right after the change, and run the first time only. */
bool walk_follows_clock(const struct walk_schedule *schedule);

/* Cron's loop, from the minute after `from_s`. One walk at a time: it sets the C library's zone until walk_end. */
struct walk {
    const struct walk_schedule *schedule;
    int64_t at_s;              /* the minute that was looked at last */
    int64_t virtual_minute;    /* cron's: local minutes since 1970 whose jobs were started */
    int64_t offset_s, until_s; /* of local time, holds until then */
    int64_t day;               /* whose date was looked at last */
    bool day_fits, has_zone;
    char former_zone[WALK_ZONE_MAX];
};

void walk_begin(struct walk *walk, const struct walk_schedule *schedule, const char *zone, int64_t from_s);
/* The next minute, up to `to_s`, in which jobs are started, and how often in that minute. False: none. */
bool walk_next(struct walk *walk, int64_t to_s, int64_t *ret_at_s, int *ret_times);
void walk_end(struct walk *walk);

#endif
