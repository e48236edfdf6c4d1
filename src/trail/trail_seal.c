/* SPDX-License-Identifier: Apache-2.0 */
/* The sealer's thread: builds the indexes of segments that nothing is added to any more. It has a connection of its own and the
 * lowest claim on the processor; nobody waits for it. */
#include "base/log.h"
#include "trail/trail_checkpoint.h"
#include "trail/trail_priv.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 10 };
#define AGAIN_US (60 * (int64_t)US_PER_S)       /* after a failure */
#define SETTLE_AGAIN_US (5 * (int64_t)US_PER_S) /* while somebody reads what was sealed */

bool trail_settle_file(struct trail *trail, int64_t number)
{
    struct segment_options options = trail_segment_options(trail, number);
    struct segment *segment;
    char path[SEGMENT_PATH_SIZE], log[SEGMENT_PATH_SIZE + 8];
    struct err err;
    if (!segment_place_folder(trail->place))
        return true;
    segment_path(trail->folder, number, path, sizeof path);
    (void)snprintf(log, sizeof log, "%s-wal", path);
    if (access(log, F_OK) != 0)
        return true;
    enum err_code code = segment_resume(&options, &segment, &err);
    if (code == OK) {
        code = segment_seal(segment, trail_now_ms(trail), &err);
        segment_close(segment);
    }
    if (code != OK)
        log_warn("audit", "segment %lld has a second file still: %s", (long long)number, err.message);
    return access(log, F_OK) != 0;
}

/* Indexes are not built for what retention is about to drop. */
static struct trail_segment *next_full(struct trail *trail)
{
    mutex_assert_held(&trail->mutex);
    for (size_t i = 0; i < trail->segment_count; i++) {
        struct trail_segment *segment = trail->segments[i];
        if (segment->meta.state == SEGMENT_FULL && !segment->unreadable && !segment->frozen && !segment->purging &&
            segment->meta.max_ms >= trail->purge_before_ms)
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
    const bool settled = code == OK && trail_settle_file(trail, number);
    mutex_lock(&trail->mutex);
    segment->sealing = false;
    if (code == OK) { /* only what sealing changes: the writer reads the rest without the mutex */
        segment->meta.state = meta.state;
        segment->meta.sealed_ms = meta.sealed_ms;
        segment->meta.signature = meta.signature;
        segment->unsettled = !settled;
    }
    condition_broadcast(&trail->changed);
    return code == OK;
}

/* Those that somebody was reading when they were sealed. Returns whether some are left; the mutex is held, but not meanwhile. */
static bool settle_rest(struct trail *trail)
{
    bool left = false;
    for (size_t i = 0; i < trail->segment_count && !atomic_load(&trail->stopping); i++) {
        struct trail_segment *segment = trail->segments[i];
        if (!segment->unsettled || segment->purging)
            continue;
        segment->sealing = true;
        mutex_unlock(&trail->mutex);
        const bool settled = trail_settle_file(trail, segment->meta.number);
        mutex_lock(&trail->mutex);
        segment->sealing = false;
        segment->unsettled = !settled;
        left |= !settled;
        condition_broadcast(&trail->changed);
    }
    return left;
}

/* Until something changes, or there is something to be tried again. */
static void sleep_on(struct trail *trail, bool *fine, bool left)
{
    const bool woken = condition_wait_for(&trail->changed, &trail->mutex, left ? SETTLE_AGAIN_US : *fine ? -1 : AGAIN_US);
    *fine |= !woken;
}

void trail_sealer_main(void *arg)
{
    struct trail *trail = arg;
    bool fine = true, left = true;
    int64_t settled_us = 0;
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    mutex_lock(&trail->mutex);
    while (!atomic_load(&trail->stopping)) {
        const int64_t now_us = clock_mono(trail->options.clock).us;
        struct trail_segment *segment = fine ? next_full(trail) : NULL;
        if (segment) {
            fine = seal_next(trail, segment);
            left = true;
        } else if (left && (!settled_us || now_us - settled_us >= SETTLE_AGAIN_US)) {
            left = settle_rest(trail);
            settled_us = now_us;
        } else {
            sleep_on(trail, &fine, left);
        }
    }
    mutex_unlock(&trail->mutex);
}
