/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones as lists of UTC segments with one offset each (section 3 and 5): own reader of TZif files, version 2 or
 * later, with the POSIX footer expanded over one 400-year cycle. Zones are immutable once published, kept for the
 * life of the process, at most CRON_ZONES_MAX of them; look-up by name takes a lock, everything else takes none. */
#ifndef HORAE_CRON_ZONE_H
#define HORAE_CRON_ZONE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRON_ZONES_MAX 1024
#define CRON_ZONE_TRANSITIONS_MAX 4096 /* of one file; the longest in tzdata has under 500 */
#define CRON_ZONE_FILE_MAX (128 * 1024)
#define ZONE_TIME_MIN (-(INT64_C(1) << 60)) /* "since ever" */
#define ZONE_TIME_MAX (INT64_C(1) << 60)    /* "for ever" */
#define ZONE_OFFSET_MAX (26 * 3600)         /* RFC 8536 allows less; a file beyond it is refused */

struct cron_zone;

/* One stretch of constant offset with what its neighbours show. At the ends of time a neighbour has the same offset. */
struct zone_segment {
    int64_t start_s, end_s; /* [start, end) */
    int32_t offset_s, before_s, after_s;
};

const struct cron_zone *zone_utc(void);
/* NULL: unknown, unsafe name, unreadable file, or the table is full. `name` need not end in NUL. */
const struct cron_zone *zone_find(const char *name, size_t len);
bool zone_name_is_safe(const char *name, size_t len);
const char *zone_name(const struct cron_zone *zone);
bool zone_is_fixed(const struct cron_zone *zone); /* one offset for all time */
void zone_segment_at(const struct cron_zone *zone, int64_t at_s, struct zone_segment *ret);

/* Decodes one TZif file. NULL when it is damaged. Caller frees with zone_free (tests and the fuzzer). */
struct cron_zone *zone_decode(const char *name, const unsigned char *bytes, size_t len) MUST_CHECK;
void zone_free(struct cron_zone *zone);

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
