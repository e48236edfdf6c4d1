/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HORAE_CLI_CLI_CRON_BATCH_H
#define HORAE_CLI_CLI_CRON_BATCH_H

#include <stdio.h>

enum { BATCH_LINE_MAX = 65536 };

/* One JSON object per line in, one per line out, in order; a line that cannot be read gets an error and the next one
 * is read. Memory does not grow with the number of lines; answers are flushed before waiting for more questions. Returns the
 * exit code. */
int cli_cron_batch(int in, FILE *out);

#endif
