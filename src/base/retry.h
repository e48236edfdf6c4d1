/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before another attempt, of an execution (SCH-45) or a delivery: base * 2^(n-1), capped, with jitter from a seed (pure). */
#ifndef HORAE_BASE_RETRY_H
#define HORAE_BASE_RETRY_H

#include <stdint.h>

struct retry_backoff {
    int64_t base_ms, cap_ms, jitter_percent;
};

/* `attempt`: the one that failed, from 1. Same arguments, same answer. */
int64_t retry_backoff_ms(const struct retry_backoff *backoff, int attempt, uint64_t seed);

#endif
