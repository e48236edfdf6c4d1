/* SPDX-License-Identifier: Apache-2.0 */
/* Does horae fire an entry when cron would? Two computations that share nothing: cron's rules walked minute by minute with
 * the C library's zones, and the engine with exactly what the task would hold (contract section 5, --prove). */
#ifndef HORAE_CLI_IMPORT_PROVE_H
#define HORAE_CLI_IMPORT_PROVE_H

#include "cli/import_task.h"

#include <stdio.h>

enum { PROVE_TIMES = 5, PROVE_DAYS = 400, PROVE_DAYS_MAX = 3700, PROVE_DIFFERENCES_MAX = 100 };

/* Prints the next times of both and every difference of the coming PROVE_DAYS (of rare schedules: until PROVE_TIMES are
 * seen, at most PROVE_DAYS_MAX); true when there is none. `schedule` is the crontab's text. */
bool import_prove(FILE *out, const char *schedule, const struct import_schedule *ours, int64_t from_s);

#endif
