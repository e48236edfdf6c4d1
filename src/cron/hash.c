/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a of the seed, splitmix64 per field, and the upper half scaled to the range: see section 2.5. */
#include "cron/hash.h"

uint64_t hash_seed(const char *seed)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *seed != '\0'; seed++)
        h = (h ^ (unsigned char)*seed) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t splitmix64(uint64_t v)
{
    v += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = v;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

int hash_pick(const char *seed, unsigned field, int low, int high)
{
    const uint64_t x = splitmix64(hash_seed(seed) + field);
    return low + (int)(((x >> 32) * (uint64_t)(high - low + 1)) >> 32);
}
