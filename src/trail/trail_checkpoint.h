/* SPDX-License-Identifier: Apache-2.0 */
/* What the trail vouches for, and when (decision 11): the number of each segment when it is made, its head every so many events and
 * at the stop, its end, and that retention dropped it. */
#ifndef HORAE_TRAIL_TRAIL_CHECKPOINT_H
#define HORAE_TRAIL_TRAIL_CHECKPOINT_H

#include "trail/checkpoint.h"
#include "trail/trail_priv.h"

/* Of the segment as it is now; with the store's next commit. Writer. */
void trail_checkpoint_later(struct trail *trail, struct trail_segment *segment);
/* The same, and waits. */
void trail_checkpoint_now(struct trail *trail, struct trail_segment *segment);
/* Waits. Any thread. */
enum err_code trail_checkpoint_sealed(struct trail *trail, const struct segment_meta *meta, struct err *err);
enum err_code trail_checkpoint_recovered(struct trail *trail, const struct segment_meta *meta, const char *reason,
                                         struct err *err);

/* Tombstones, in the purge's transaction; `*ret` is the last one. May run again. */
enum err_code trail_checkpoint_purged(struct db *tx, struct trail *trail, const struct segment_meta *meta, int64_t before_ms,
                                      struct checkpoint *ret, struct err *err);

#endif
