/* SPDX-License-Identifier: Apache-2.0 */
/* The sealer's thread: builds the indexes of segments that nothing is added to any more. It has a connection of its own and the
 * lowest claim on the processor; nobody waits for it. */
#include "base/log.h"
#include "trail/trail_checkpoint.h"
#include "trail/trail_priv.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 10 };
#define AGAIN_US (60 * (int64_t)US_PER_S) /* after a failure */

static struct trail_segment *next_full(struct trail *trail)
{
    mutex_assert_held(&trail->mutex);
    for (size_t i = 0; i < trail->segment_count; i++) {
        struct trail_segment *segment = trail->segments[i];
        if (segment->meta.state == SEGMENT_FULL && !segment->unreadable && !segment->frozen && !segment->purging)
            return segment;
    }
    return NULL;
}

static enum err_code seal(struct trail *trail, int64_t number, struct segment_meta *ret, struct err *err)
{
    struct segment_options options = trail_segment_options(trail, number);
    struct segment *segment;
    enum err_code code = segment_resume(&options, &segment, err);
    if (code != OK)
        return code;
    code = segment_seal(segment, trail_now_ms(trail), err);
    *ret = *segment_meta(segment);
    segment_close(segment);
    return code == OK ? trail_checkpoint_sealed(trail, ret, err) : code;
}

/* The mutex is held, but not meanwhile. */
static bool seal_next(struct trail *trail, struct trail_segment *segment)
{
    struct segment_meta meta;
    struct err err;
    int64_t number = segment->meta.number;
    segment->sealing = true;
    mutex_unlock(&trail->mutex);
    enum err_code code = seal(trail, number, &meta, &err);
    if (code != OK)
        log_error("audit", "segment %lld is not sealed: %s", (long long)number, err.message);
    mutex_lock(&trail->mutex);
    segment->sealing = false;
    if (code == OK)
        segment->meta = meta;
    condition_broadcast(&trail->changed);
    return code == OK;
}

void trail_sealer_main(void *arg)
{
    struct trail *trail = arg;
    bool fine = true;
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    mutex_lock(&trail->mutex);
    while (!atomic_load(&trail->stopping)) {
        struct trail_segment *segment = fine ? next_full(trail) : NULL;
        if (segment) {
            fine = seal_next(trail, segment);
        } else {
            bool woken = condition_wait_for(&trail->changed, &trail->mutex, fine ? -1 : AGAIN_US);
            fine |= !woken;
        }
    }
    mutex_unlock(&trail->mutex);
}
