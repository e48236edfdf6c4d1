/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a zone, for zone.c (decoding, look-up) and zone_table.c (files, the process-wide table) only. */
#ifndef HORAE_CRON_ZONE_PRIV_H
#define HORAE_CRON_ZONE_PRIV_H

#include "cron/cron.h"
#include "cron/zone.h"

struct zone_change {
    int64_t start_s;
    int32_t offset_s;
};

struct cron_zone {
    char name[CRON_ZONE_NAME_MAX + 1];
    struct zone_change *changes; /* ascending; the first one starts at ZONE_TIME_MIN */
    uint16_t *index;             /* NULL: binary search */
    uint32_t count, bucket_count;
    int64_t index_base_s;
    int64_t cycle_end_s; /* from here on the table repeats every 400 years; ZONE_TIME_MAX: it does not */
};

#endif
