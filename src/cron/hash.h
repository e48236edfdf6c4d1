/* SPDX-License-Identifier: Apache-2.0 */
/* Hashed values of section 2.5: fixed for ever, since they decide when existing jobs run. */
#ifndef HORAE_CRON_HASH_H
#define HORAE_CRON_HASH_H

#include <stdint.h>

uint64_t hash_seed(const char *seed);                               /* FNV-1a, 64 bits */
int hash_pick(const char *seed, unsigned field, int low, int high); /* low..high, each field on its own */

#endif
