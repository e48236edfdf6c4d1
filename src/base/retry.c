/* SPDX-License-Identifier: Apache-2.0 */
#include "base/retry.h"

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

int64_t retry_backoff_ms(const struct retry_backoff *backoff, int attempt, uint64_t seed)
{
    int64_t wait = backoff->base_ms;
    for (int i = 1; i < attempt && wait < backoff->cap_ms; i++)
        wait *= 2;
    if (wait > backoff->cap_ms)
        wait = backoff->cap_ms;
    int64_t spread = wait * backoff->jitter_percent / 100;
    if (spread == 0)
        return wait;
    uint64_t dice = mix(seed ^ ((uint64_t)attempt << 48));
    return wait - spread + (int64_t)(dice % (uint64_t)(2 * spread + 1));
}
