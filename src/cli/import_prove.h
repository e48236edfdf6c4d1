/* SPDX-License-Identifier: Apache-2.0 */
/* Does horae fire an entry when cron would? Two computations that share nothing but the zone's clock: cron's rules
 * walked minute by minute, and the engine (contract section 5, --prove). */
#ifndef HORAE_CLI_IMPORT_PROVE_H
#define HORAE_CLI_IMPORT_PROVE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { PROVE_TIMES = 5, PROVE_DAYS = 400 };

/* Prints both lists and each difference; true when there is none. `zone` is an IANA name. */
/* Jobs with a star in minute or hour follow the clock: a time that a clock change swallows is not made up. Tasks say
 * so with the gap policy `skip`. */
bool import_follows_clock(const char *schedule);

bool import_prove(FILE *out, const char *schedule, const char *zone, int64_t from_s);

#endif
