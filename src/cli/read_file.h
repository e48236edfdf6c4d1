/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the command line is given. */
#ifndef HORAE_CLI_READ_FILE_H
#define HORAE_CLI_READ_FILE_H

#include "base/buf.h"

#include <stdbool.h>

/* Appends a whole file ("-" is standard input), of at most `out`'s maximum: input without an end is read no further. False: why
 * stands on standard error. */
bool read_whole_file(const char *name, struct buf *out);

#endif
