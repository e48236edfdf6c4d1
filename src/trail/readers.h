/* SPDX-License-Identifier: Apache-2.0 */
/* Connections for reading segments, kept for the next question: opening one costs more than most questions. Those of a database are
 * kept by the place, for any segment. A connection belongs to one thread at a time. Thread-safe. */
#ifndef HORAE_TRAIL_READERS_H
#define HORAE_TRAIL_READERS_H

#include "db/db.h"
#include "trail/segment.h"

enum { READERS_IDLE_MAX = 128 }; /* so many segments are answered from without opening any */

struct readers;

struct readers *readers_new(struct segment_place *place); /* borrowed */
void readers_free(struct readers *readers);               /* all were given back; NULL allowed */

/* ERR_NOT_FOUND: the segment is gone (retention). Any number may be out; each request holds one at a time. */
enum err_code readers_take(struct readers *readers, const struct segment_meta *segment, struct db **ret, struct err *err);
/* `ok` false: something went wrong with it, it is closed. So is that of a segment that was not sealed: sealing it must find
 * nobody who has the file open. */
void readers_give(struct readers *readers, const struct segment_meta *segment, struct db *db, bool ok);
/* The segment is being removed: its idle connections are closed, so that its space is free. */
void readers_forget(struct readers *readers, int64_t segment);

#endif
