/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers and identifiers. UUIDs are version 7 (RFC 9562): sortable by time. */
#ifndef HORAE_BASE_ID_H
#define HORAE_BASE_ID_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum { UUID_TEXT_LEN = 36 };

struct uuid {
    uint8_t b[16];
};

void id_random_bytes(void *out, size_t count); /* from the kernel; thread-safe */
/* From here on every random number of this process follows from `seed`. For simulation: one thread, never in a server. */
void id_random_seed(uint64_t seed);
uint64_t id_random_fast(void); /* seeded per thread, not for secrets */
struct uuid uuid_v7(int64_t wall_us);
/* A version-7 UUID that carries `number` (1 … 2^40-1) in its last 62 bits, hidden by a mix of the random bits, so
 * that a row can be found by its uid without an index on it. uuid_number gives it back; the row's stored uid is
 * compared, so a made-up uid finds nothing. */
struct uuid uuid_v7_numbered(int64_t wall_us, int64_t number);
int64_t uuid_number(const struct uuid *uuid);
/* Lower-case 8-4-4-4-12; `out` has 37 bytes. */
void uuid_format(const struct uuid *uuid, char *out);
bool uuid_parse(const char *text, size_t length, struct uuid *ret); /* any version, either case */

#endif
