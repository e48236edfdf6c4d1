/* SPDX-License-Identifier: Apache-2.0 */
/* The copy of the time zones that the program carries for machines without zone files (section 5). It is made when the
 * program is built (tools/embed-zones.py, which tells the format). */
#ifndef HORAE_CRON_ZONE_BUILTIN_H
#define HORAE_CRON_ZONE_BUILTIN_H

#include "base/compiler.h"

#include <stddef.h>

struct zone_table;

extern const unsigned char zone_builtin_data[];
extern const size_t zone_builtin_size;
extern const char zone_builtin_version[]; /* "2025b"; "none": built on a machine without zone files */

struct zone_table *zone_builtin_load(const char *name); /* NULL: no such zone. Caller frees. */

#endif
