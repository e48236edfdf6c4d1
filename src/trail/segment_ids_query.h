/* SPDX-License-Identifier: Apache-2.0 */
/* The ids of a segment, read through a connection of segment_open_reader. */
#ifndef HORAE_TRAIL_SEGMENT_IDS_QUERY_H
#define HORAE_TRAIL_SEGMENT_IDS_QUERY_H

#include "base/id.h"
#include "db/db.h"

enum err_code segment_ids_each(struct db *reader, void (*fn)(void *arg, const struct uuid *id), void *arg, struct err *err);

#endif
