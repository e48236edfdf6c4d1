/* SPDX-License-Identifier: Apache-2.0 */
/* The trail: where audit events go. One writer thread per server takes what waits (events of horae's own changes from the
 * store's table, events of others from a bounded queue), stores it in segments with one commit for all, and tells those who
 * wait. Nobody who posts ever waits for it; what may be dropped (rulings section 4: ack=queued, reads, refused calls) is dropped
 * and counted when the queue is full or the disk refuses. */
#ifndef HORAE_TRAIL_TRAIL_H
#define HORAE_TRAIL_TRAIL_H

#include "audit/audit_record.h"
#include "base/clock.h"
#include "base/list.h"
#include "db/store.h"
#include "trail/segment.h"

struct trail;

enum {
    TRAIL_QUEUE_EVENTS = 16384, /* AUD-35 */
    TRAIL_QUEUE_BYTES = 64 << 20,
    TRAIL_SEGMENT_EVENTS = 100000,
    TRAIL_DEDUPE_HOURS = 24,
};

struct trail_options {
    struct store *store;         /* borrowed; audit_pending, audit_checkpoints, settings */
    const struct clock *clock;   /* borrowed */
    struct segment_place *place; /* borrowed; of the segments */
    const char *folder;          /* of the file heads, and of what is spooled */
    const char *key_path;
    bool relaxed;
    size_t queue_events, queue_bytes; /* 0: the defaults above */
    int64_t segment_events;           /* 0: the default */
    struct audit_rules rules;         /* limit of objects; names */
    struct audit_types types;         /* borrowed; configured resource types */
    /* After a commit, on the writer's thread, for live followers: what was stored, in order. May be NULL. */
    void (*stored)(void *arg, const struct audit_record *records, size_t count);
    /* Events were dropped, or the writer cannot store (`err`), at most once a minute. May be NULL. */
    void (*trouble)(void *arg, int64_t dropped, const struct err *err);
    /* A segment is being removed by retention: whoever keeps it open lets it go. A worker's thread. May be NULL. */
    void (*removed)(void *arg, int64_t segment);
    void *arg;
    const struct store_fault *fault; /* borrowed, may be NULL */
};

/* Reads the segments that are there, goes on with the open ones, recovers what a crash left. No thread yet. */
enum err_code trail_open(const struct trail_options *options, struct trail **ret, struct err *err);
void trail_start(struct trail *trail);
/* Stores what waits, signs a last checkpoint, ends the threads. Before the store is closed. */
void trail_stop(struct trail *trail);
void trail_free(struct trail *trail); /* after the store is closed: it may hold checkpoints of ours; NULL allowed */

/* Something was written to audit_pending and committed. Any thread (the store's). */
void trail_wake(struct trail *trail);

/* Takes the event; it may be dropped. Any thread, never waits. */
void trail_post(struct trail *trail, struct audit_event *event);

/* Events of others that must be stored: `done` is called once on the writer's thread, after the commit or with the reason why
 * there is none (all or nothing). `ids` and `truncated` of the events are filled in. An id that was stored in the last
 * TRAIL_DEDUPE_HOURS (everywhere with `dedupe_all`) is not stored again. The batch stays the caller's. */
struct trail_batch {
    struct list_node node; /* the trail's */
    struct audit_record *records;
    size_t count, bytes; /* bytes: the trail's */
    bool dedupe_all;
    bool patient; /* taken although the queue is full: one of a row of batches, of which each waits for the one before */
    void (*make)(struct trail_batch *batch); /* on the writer's thread, before it looks at the records; NULL: they are there */
    void (*done)(struct trail_batch *batch, enum err_code code, const struct err *err);
    void *arg;
};
/* False: the queue is full or the trail is stopping; `done` is not called. */
bool trail_submit(struct trail *trail, struct trail_batch *batch) MUST_CHECK;

/* ---- segments for readers ---- */

/* What is there now, by max_ms descending, those of [from_ms, to_ms] only. Owned by the caller (free). */
struct trail_segments {
    size_t count;
    struct segment_meta items[];
};
struct trail_segments *trail_segments(struct trail *trail, int64_t from_ms, int64_t to_ms);
/* Waits until the events of all changes that were committed before are in segments. False: not within `timeout_ms`. */
bool trail_settle(struct trail *trail, int64_t timeout_ms);
/* Signs what open segments hold beyond their last checkpoint, and waits for it: who keeps checkpoints elsewhere keeps a proof of all
 * that is stored by now. Not from the writer's thread. False: not within `timeout_ms`, or the trail is not running. */
bool trail_vouch(struct trail *trail, int64_t timeout_ms);
const char *trail_folder(const struct trail *trail);
const struct audit_key *trail_key(const struct trail *trail);
const struct audit_rules *trail_rules(const struct trail *trail);
const struct audit_types *trail_types(const struct trail *trail);

/* ---- retention ---- */

struct trail_purge {
    int64_t events, segments;
};
/* Drops the segments all of whose events are older than `before_ms`, each after its signed tombstone; open ones of that kind are
 * ended first. Blocks; a worker's thread. Writes the event `purged` with count and cut-off (RET-06). */
enum err_code trail_purge(struct trail *trail, int64_t before_ms, struct trail_purge *ret, struct err *err);

struct trail_figures {
    int64_t queued, written, dropped, segments;
    bool failing; /* the last commit was refused */
};
struct trail_figures trail_figures(struct trail *trail);

#endif
