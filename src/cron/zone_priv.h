/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of zones and their tables, for the files zone*.c and the fuzzer of zone files only. */
#ifndef HORAE_CRON_ZONE_PRIV_H
#define HORAE_CRON_ZONE_PRIV_H

#include "cron/cron.h"
#include "cron/zone.h"

#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

struct zone_change {
    int64_t start_s;
    int32_t offset_s;
};

struct zone_table {
    struct zone_change *changes; /* ascending; the first one starts at ZONE_TIME_MIN */
    uint16_t *index;             /* NULL: binary search */
    uint32_t count, bucket_count;
    int64_t index_base_s;
    const struct zone_table *replaced; /* the one before it, kept for those who read it; NULL: none */
    int64_t cycle_end_s;               /* from here on the table repeats every 400 years; ZONE_TIME_MAX: it does not */
};

/* Which file a table came from, so that a change of it is seen without reading it. All zero: the built-in copy. */
struct zone_file_id {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct cron_zone {
    char name[CRON_ZONE_NAME_MAX + 1];
    _Atomic(const struct zone_table *) table;
    struct zone_file_id file; /* under the registry's lock */
};

/* --- zone.c: building a table. On failure the caller frees it. --- */
struct zone_table *zone_table_new(void); /* NULL: no memory */
/* Adds a change; one that changes nothing is left out, since only offsets count. False: not ascending, or too many. */
bool zone_table_append(struct zone_table *table, int64_t start_s, int32_t offset_s) MUST_CHECK;
bool zone_table_append_footer(struct zone_table *table, const char *text, size_t len) MUST_CHECK; /* "": nothing to add */
bool zone_table_finish(struct zone_table *table) MUST_CHECK;

/* --- zone_file.c --- */
bool zone_name_is_safe(const char *name, size_t len);
bool zone_file_look(const char *name, struct zone_file_id *ret); /* false: no such file */
/* NULL: no such file, or damaged; *ret_exists tells which. Caller frees. */
struct zone_table *zone_file_load(const char *name, struct zone_file_id *ret_id, bool *ret_exists);
bool zone_file_same(const struct zone_file_id *a, const struct zone_file_id *b);
const char *zone_file_directory(void);

#endif
