/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/id_filter.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { BITS_PER_ID = 16, PROBES = 4, IDS_MIN = 64 };

struct id_filter {
    uint64_t mask; /* bits - 1 */
    uint64_t words[];
};

struct id_filter *id_filter_new(size_t expected)
{
    uint64_t bits = BITS_PER_ID * IDS_MIN;
    while (bits < BITS_PER_ID * (uint64_t)expected)
        bits *= 2;
    struct id_filter *filter = xcalloc(1, sizeof *filter + bits / 8);
    filter->mask = bits - 1;
    return filter;
}

void id_filter_free(struct id_filter *filter)
{
    free(filter);
}

static uint64_t mix(uint64_t x) /* the finalizer of splitmix64 */
{
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

uint64_t id_hash(const struct uuid *id)
{
    uint64_t halves[2];
    memcpy(halves, id->b, sizeof halves);
    return mix(halves[0] + mix(halves[1]));
}

void id_filter_add(struct id_filter *filter, const struct uuid *id)
{
    uint64_t place = id_hash(id), step = mix(place) | 1;
    for (int i = 0; i < PROBES; i++, place += step)
        filter->words[(place & filter->mask) / 64] |= UINT64_C(1) << (place % 64);
}

bool id_filter_may_hold(const struct id_filter *filter, const struct uuid *id)
{
    uint64_t place = id_hash(id), step = mix(place) | 1;
    for (int i = 0; i < PROBES; i++, place += step)
        if (!(filter->words[(place & filter->mask) / 64] >> (place % 64) & 1))
            return false;
    return true;
}
