/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a trail, and what comes in. */
#include "trail/trail.h"

#include "base/log.h"
#include "base/mem.h"
#include "trail/heads.h"
#include "trail/pending_store.h"
#include "trail/segment_copy.h"
#include "trail/trail_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define TELL_US (60 * (int64_t)US_PER_S) /* dropped events are told at most so often */

int64_t trail_now_ms(const struct trail *trail)
{
    return clock_wall(trail->options.clock).us / US_PER_MS;
}

/* ---- what comes in ---- */

void trail_count_dropped(struct trail *trail, int64_t count, const struct err *err)
{
    int64_t now = clock_mono(trail->options.clock).us, told = atomic_load(&trail->told_us);
    atomic_fetch_add(&trail->dropped, count);
    atomic_fetch_add(&trail->untold, count);
    metric_add(trail->dropped_metric, count);
    if ((told && now - told < TELL_US) || !atomic_compare_exchange_strong(&trail->told_us, &told, now ? now : 1))
        return;
    int64_t untold = atomic_exchange(&trail->untold, 0);
    log_error("audit", "%lld audit events were dropped: %s", (long long)untold, err ? err->message : "too many wait already");
    if (trail->options.trouble)
        trail->options.trouble(trail->options.arg, untold, err);
}

/* A batch that is larger than the queue is taken when nothing else waits. */
static bool reserve(struct trail *trail, int64_t count, int64_t bytes)
{
    int64_t events = atomic_fetch_add(&trail->events, count), size = atomic_fetch_add(&trail->bytes, bytes);
    if (!events ||
        (events + count <= (int64_t)trail->options.queue_events && size + bytes <= (int64_t)trail->options.queue_bytes))
        return true;
    atomic_fetch_sub(&trail->events, count);
    atomic_fetch_sub(&trail->bytes, bytes);
    return false;
}

/* `bytes` of the batch is set. */
static bool enqueue(struct trail *trail, struct trail_batch *batch)
{
    int64_t count = (int64_t)batch->count, bytes = (int64_t)batch->bytes;
    if (batch->patient) {
        atomic_fetch_add(&trail->events, count);
        atomic_fetch_add(&trail->bytes, bytes);
    } else if (!reserve(trail, count, bytes)) {
        return false;
    }
    batch->node = (struct list_node){0};
    metric_add(trail->queued_metric, count);
    if (queue_push_always(&trail->queue, &batch->node))
        return true;
    metric_add(trail->queued_metric, -count);
    atomic_fetch_sub(&trail->events, count);
    atomic_fetch_sub(&trail->bytes, bytes);
    return false;
}

bool trail_submit(struct trail *trail, struct trail_batch *batch)
{
    batch->bytes = 0;
    for (size_t i = 0; i < batch->count; i++)
        batch->bytes += batch->records[i].event.n + sizeof batch->records[i];
    return enqueue(trail, batch);
}

struct posted {
    struct trail_batch batch;
    struct audit_event *event; /* owned, until the record is made */
    struct audit_record record;
};

static void free_posted(struct posted *posted)
{
    audit_event_free(posted->event);
    audit_record_release(&posted->record);
    free(posted);
}

/* Redacting and cutting is not for the thread that posted. */
static void make_posted(struct trail_batch *batch)
{
    struct posted *posted = CONTAINER_OF(batch, struct posted, batch);
    const struct trail *trail = batch->arg;
    audit_record_make(posted->event, &trail->options.rules, posted->event->timestamp_ms, &posted->record);
    audit_event_free(posted->event);
    posted->event = NULL;
}

static void posted_done(struct trail_batch *batch, enum err_code code, const struct err *err)
{
    if (code != OK)
        trail_count_dropped(batch->arg, 1, err);
    free_posted(CONTAINER_OF(batch, struct posted, batch));
}

void trail_post(struct trail *trail, struct audit_event *event)
{
    struct posted *posted = xcalloc(1, sizeof *posted);
    if (!event->timestamp_ms)
        event->timestamp_ms = trail_now_ms(trail);
    posted->event = event;
    posted->batch =
        (struct trail_batch){.records = &posted->record, .count = 1, .make = make_posted, .done = posted_done, .arg = trail};
    posted->batch.bytes = sizeof *event + sizeof *posted + event->object_lengths[0] + event->object_lengths[1];
    if (enqueue(trail, &posted->batch))
        return;
    trail_count_dropped(trail, 1, NULL);
    free_posted(posted);
}

void trail_wake(struct trail *trail)
{
    if (!atomic_exchange(&trail->pending_wanted, true))
        queue_poke(&trail->queue);
}

/* ---- figures ---- */

struct trail_figures trail_figures(struct trail *trail)
{
    struct trail_figures figures = {.queued = atomic_load(&trail->events),
                                    .written = atomic_load(&trail->written),
                                    .dropped = atomic_load(&trail->dropped),
                                    .failing = atomic_load(&trail->failing)};
    mutex_lock(&trail->mutex);
    figures.segments = (int64_t)trail->segment_count;
    mutex_unlock(&trail->mutex);
    return figures;
}

const char *trail_folder(const struct trail *trail)
{
    return trail->folder;
}

const struct audit_rules *trail_rules(const struct trail *trail)
{
    return &trail->options.rules;
}

const struct audit_types *trail_types(const struct trail *trail)
{
    return &trail->options.types;
}

/* ---- life ---- */

static void set_defaults(struct trail *trail)
{
    struct trail_options *o = &trail->options;
    o->queue_events = o->queue_events ? o->queue_events : TRAIL_QUEUE_EVENTS;
    o->queue_bytes = o->queue_bytes ? o->queue_bytes : TRAIL_QUEUE_BYTES;
    o->segment_events = o->segment_events ? o->segment_events : TRAIL_SEGMENT_EVENTS;
    o->folder = trail->folder;
    o->key_path = trail->key_path;
}

static enum err_code make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return OK;
    return err_set(err, ERR_UNAVAILABLE, NULL, "cannot make %s: %s", path, strerror(errno));
}

static enum err_code move_in(const struct trail *trail, struct err *err)
{
    size_t count;
    const enum err_code code = segment_move_in(trail->folder, trail->place, &count, err);
    if (count)
        log_info("audit", "%zu segments were moved from %s into the database", count, trail->folder);
    return code;
}

enum err_code trail_open(const struct trail_options *options, struct trail **ret, struct err *err)
{
    struct trail *trail = xcalloc(1, sizeof *trail);
    trail->options = *options;
    trail->folder = xstrdup(options->folder);
    trail->place = options->place;
    trail->key_path = xstrdup(options->key_path);
    set_defaults(trail);
    pending_store_redact(options->rules.names);
    queue_init(&trail->queue, SIZE_MAX); /* bounded by events and bytes */
    mutex_init(&trail->purge_mutex);
    mutex_init(&trail->mutex);
    condition_init(&trail->changed);
    trail->plan = trail_plan_new();
    trail->queued_metric = metric_get(METRIC_GAUGE, "horae_audit_queue_depth", "Audit events that wait to be written.", "");
    trail->written_metric = metric_get(METRIC_COUNTER, "horae_audit_written_total", "Audit events written.", "");
    trail->dropped_metric =
        metric_get(METRIC_COUNTER, "horae_audit_dropped_total", "Audit events lost: queue full or a failed write.", "");
    enum err_code code = make_folder(trail->folder, err);
    if (code == OK)
        code = audit_key_load(trail->key_path, &trail->key, err);
    if (code == OK)
        code = move_in(trail, err);
    if (code == OK)
        code = heads_open(trail->folder, &trail->key, &trail->heads, err);
    if (code == OK)
        code = trail_recover(trail, err);
    if (code != OK) {
        trail_free(trail);
        return code;
    }
    *ret = trail;
    return OK;
}

void trail_start(struct trail *trail)
{
    trail->running = true;
    atomic_store(&trail->pending_wanted, true); /* what a crash left */
    thread_start(&trail->writer_thread, "horae-audit", trail_writer_main, trail);
    thread_start(&trail->sealer_thread, "horae-seal", trail_sealer_main, trail);
}

void trail_stop(struct trail *trail)
{
    queue_close(&trail->queue);
    thread_join(&trail->writer_thread);
    mutex_lock(&trail->mutex);
    trail->running = false;
    atomic_store(&trail->stopping, true);
    condition_broadcast(&trail->changed);
    mutex_unlock(&trail->mutex);
    thread_join(&trail->sealer_thread);
    mutex_lock(&trail->purge_mutex); /* one that is under way ends first */
    mutex_unlock(&trail->purge_mutex);
}

void trail_free(struct trail *trail)
{
    if (!trail)
        return;
    pending_store_redact(NULL);
    trail_list_free(trail);
    trail_plan_free(trail->plan);
    queue_release(&trail->queue);
    condition_release(&trail->changed);
    mutex_release(&trail->mutex);
    mutex_release(&trail->purge_mutex);
    heads_close(trail->heads);
    audit_key_wipe(&trail->key);
    free(trail->folder);
    free(trail->key_path);
    free(trail);
}
