/* SPDX-License-Identifier: Apache-2.0 */
/* Progress of long work: one line on standard error that is written over, only when that is a terminal. */
#ifndef HORAE_CLI_PROGRESS_H
#define HORAE_CLI_PROGRESS_H

#include <stddef.h>

/* At most ten times a second. total 0: it is not known. */
void progress_show(const char *what, size_t done, size_t total);
/* Before anything else is printed, and at the end. */
void progress_clear(void);

#endif
