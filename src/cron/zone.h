/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones as lists of UTC segments with one offset each (section 3 and 5). A zone is a name and stays for the life of
 * the process, at most CRON_ZONES_MAX of them; its table of segments is immutable and may be replaced by a newer one when
 * the machine's zone files change. Look-up by name takes a lock, everything else takes none. */
#ifndef HORAE_CRON_ZONE_H
#define HORAE_CRON_ZONE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRON_ZONES_MAX 1024
#define CRON_ZONE_TRANSITIONS_MAX 4096 /* of one file; the longest in tzdata has under 500 */
#define CRON_ZONE_FILE_MAX (128 * 1024)
#define CRON_ZONE_RELOADS_MAX 10000         /* tables that were replaced: they are kept, since readers hold no lock */
#define ZONE_TIME_MIN (-(INT64_C(1) << 60)) /* "since ever" */
#define ZONE_TIME_MAX (INT64_C(1) << 60)    /* "for ever" */
#define ZONE_OFFSET_MAX (26 * 3600)         /* RFC 8536 allows less; a file beyond it is refused */

struct cron_zone;
struct zone_table;

/* One stretch of constant offset with what its neighbours show. At the ends of time a neighbour has the same offset. */
struct zone_segment {
    int64_t start_s, end_s; /* [start, end) */
    int32_t offset_s, before_s, after_s;
};

/* --- zones by name (zone_registry.c) --- */
const struct cron_zone *zone_utc(void);
/* NULL: unknown, unsafe name, unreadable file, or the registry is full. `name` need not end in NUL. */
const struct cron_zone *zone_find(const char *name, size_t len);
const char *zone_name(const struct cron_zone *zone);
/* The table in force now; it stays readable for the life of the process. One calculation uses one table throughout. */
const struct zone_table *zone_rules(const struct cron_zone *zone);

/* --- tables (zone.c) --- */
bool zone_is_fixed(const struct zone_table *table); /* one offset for all time */
void zone_segment_at(const struct zone_table *table, int64_t at_s, struct zone_segment *ret);
bool zone_tables_equal(const struct zone_table *a, const struct zone_table *b);

/* Decodes one TZif file, version 2 or later. NULL when it is damaged. Caller frees with zone_table_free. */
struct zone_table *zone_decode(const unsigned char *bytes, size_t len) MUST_CHECK;
void zone_table_free(struct zone_table *table); /* NULL is fine */

/* --- POSIX footer (zone_posix.c) --- */
struct posix_rule {
    char form; /* 'M', 'J', or 'n' for the zero-based day */
    int month, week, weekday, day;
    int32_t time_s; /* local seconds after midnight, -167 h to 167 h */
};
struct posix_zone {
    int32_t standard_s, summer_s; /* east of UTC */
    bool has_summer;
    struct posix_rule start, end;
};
bool posix_zone_parse(const char *text, size_t len, struct posix_zone *ret) MUST_CHECK;
int64_t posix_rule_local(const struct posix_rule *rule, int32_t year); /* local seconds of the change in that year */

#endif
