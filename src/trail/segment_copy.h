/* SPDX-License-Identifier: Apache-2.0 */
/* Segments from one place to another, as they are: state, signature, every row and link, be they right or not. */
#ifndef HORAE_TRAIL_SEGMENT_COPY_H
#define HORAE_TRAIL_SEGMENT_COPY_H

#include "trail/segment.h"

/* One segment, all of it or nothing; a sealed one with its indexes. OK when it is there already and says the same; ERR_CONFLICT: it
 * says another thing. ERR_NOT_FOUND: retention has dropped it. ERR_CORRUPT: a row holds what no event can be read from. */
enum err_code segment_copy(struct segment_place *from, struct segment_place *to, int64_t number, struct err *err);
/* Files of segments that lie in `folder` from when the log of this store was kept there: into the database, then renamed to
 * 000001.db.moved. Repeated after a kill, it goes on where it was. Nothing to do where `to` is of files. *ret_count: how many were moved. */
enum err_code segment_move_in(const char *folder, struct segment_place *to, size_t *ret_count, struct err *err);

#endif
