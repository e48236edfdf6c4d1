/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the trail only. Threads: the writer (trail_writer.c and what it calls: plan, commit, route, dedupe,
 * pending), the sealer (trail_seal.c), whoever purges (trail_purge.c). `mutex` guards the list of segments and what is said to
 * be under it; only the writer changes an open segment. */
#ifndef HORAE_TRAIL_TRAIL_PRIV_H
#define HORAE_TRAIL_TRAIL_PRIV_H

#include "base/metrics.h"
#include "base/queue.h"
#include "base/thread.h"
#include "db/store_fault.h"
#include "trail/trail.h"

#include <stdatomic.h>

enum {
    TRAIL_LATE_MS = 3600000,     /* events so much before the open segment go into one of their day (decision 11) */
    TRAIL_LATE_OPEN_MAX = 100,   /* late segments of a day that are open at once, during a commit */
    TRAIL_LATE_KEPT_MAX = 4,     /* and between commits */
    TRAIL_LATE_DAILY_MAX = 100,  /* made per day; then one for all days */
    TRAIL_PLAN_EVENTS = 4096,    /* events of one commit, if more wait */
    TRAIL_PLAN_BYTES = 16 << 20, /* and their bytes */
    TRAIL_PENDING_ROWS = 1000,   /* rows of audit_pending in one commit */
    TRAIL_HEAD_EVENTS = 10000,   /* a checkpoint after so many */
};
#define TRAIL_DAY_MS INT64_C(86400000)
enum { TRAIL_DAY_NOW = -1, TRAIL_DAY_ANY = -2 }; /* segment_meta.day */

struct heads;
struct id_filter;
struct trail_plan;

struct trail_segment {
    struct segment_meta meta; /* mutex; the writer's own are copied here after each commit */
    bool sealing, purging;    /* mutex: the sealer has it, a purge has chosen it */
    bool unsettled;           /* mutex: sealed, and not one file yet */
    bool unreadable;          /* found so at the start: kept, never touched */
    bool frozen;              /* found so at the start: not signed by our key. It is read, and never written or vouched for */
    struct segment_place *place;
    struct segment *open;     /* writer; NULL: nothing is added to it */
    uint64_t device, inode;   /* writer: of the file that is open */
    int64_t planned;          /* writer: events of the plan in hand */
    uint64_t used;            /* writer: when, in routed events; of late ones */
    int64_t vouched;          /* writer: seq of the last checkpoint */
    struct id_filter *filter; /* writer; NULL: not made */
    struct db *reader;        /* writer: for looking up ids */
    bool unsearchable;        /* writer: looking up failed, and was said */
    struct trail_segment *next_removed;
};

struct trail {
    struct trail_options options;
    char *folder, *key_path; /* owned */
    struct segment_place *place;
    struct audit_key key;
    struct heads *heads;
    char server[sizeof(((struct segment_meta *)0)->server)];

    struct queue queue;                       /* batches; any thread */
    _Atomic int64_t events, bytes;            /* of batches that were taken in and are not done */
    _Atomic int64_t written, dropped, untold; /* untold: dropped since `trouble` was last called */
    _Atomic int64_t told_us;                  /* monotonic: when that was; 0 = never */
    atomic_bool failing, pending_wanted, ends_wanted, vouch_wanted, stopping;
    struct metric *queued_metric, *written_metric, *dropped_metric;

    struct mutex purge_mutex;        /* one purge at a time; before `mutex` */
    struct mutex mutex;              /* guards the next ones */
    struct condition changed;        /* of what the mutex guards */
    struct trail_segment **segments; /* by number; owned */
    size_t segment_count, segment_capacity;
    struct trail_segment *removed; /* out of the list; the writer frees them */
    int64_t end_before_ms;         /* asked of the writer: end open segments that are older */
    int64_t purge_before_ms;       /* a purge is choosing among segments that are older; 0 = none */
    uint64_t ends_asked, ends_done;
    uint64_t vouch_asked, vouch_done; /* checkpoints for what is open */
    bool running;                     /* the threads are */

    struct thread writer_thread, sealer_thread;

    /* the writer's */
    struct trail_segment *current, *late[TRAIL_LATE_OPEN_MAX], *late_any;
    int64_t late_day, late_made; /* segments made on that day of ours */
    int64_t last_number;         /* highest number that was ever given */
    struct audit_hash last_genesis;
    bool has_last;
    int64_t age_max_ms;   /* of the current segment */
    int64_t moved_id;     /* rows of audit_pending up to here are in segments */
    int64_t backoff_us;   /* 0: nothing failed */
    _Atomic bool hurry;   /* somebody waits for rows of audit_pending: they do not gather */
    int64_t moved_at_us;  /* monotonic: when rows of audit_pending were last looked for */
    bool pending_refused; /* by the last commit */
    uint64_t routed;
    struct trail_plan *plan;
};

/* ---- trail.c ---- */
int64_t trail_now_ms(const struct trail *trail);
/* Events are lost: they are counted, and told at most once a minute. `err` NULL: the queue was full. */
void trail_count_dropped(struct trail *trail, int64_t count, const struct err *err);

/* ---- trail_list.c: the segments that there are ---- */
struct trail_segment *trail_list_add(struct trail *trail, const struct segment_meta *meta);
/* Takes it out; the writer frees it at its next turn. The mutex is held. */
void trail_list_remove(struct trail *trail, struct trail_segment *segment);
void trail_list_free_removed(struct trail *trail); /* writer */
void trail_list_free(struct trail *trail);
/* Copies what an open segment says of itself. Writer. */
void trail_list_note(struct trail *trail, struct trail_segment *segment);
/* Remembers which file is open. False: it cannot be told. */
bool trail_file_note(struct trail *trail, struct trail_segment *segment);
/* An error that says nothing about a segment: the server that has all of them cannot be asked now. */
bool trail_place_is_away(const struct trail *trail, enum err_code code);
/* Whether that file is still the one of this name. */
bool trail_file_is_there(const struct trail *trail, const struct trail_segment *segment);

/* ---- trail_route.c: which segment an event goes to ---- */
struct segment_options trail_segment_options(const struct trail *trail, int64_t number);
void trail_read_age(struct trail *trail); /* how long a segment takes events, from the retention */
/* The segment for what happens now; made when there is none, and when the former one is full or old. */
enum err_code trail_current(struct trail *trail, struct trail_segment **ret, struct err *err);
bool trail_is_full(const struct trail *trail, const struct trail_segment *segment);
enum err_code trail_route(struct trail *trail, int64_t timestamp_ms, struct trail_segment **ret, struct err *err);
/* Nothing is added any more; the sealer goes on. A segment that cannot be marked stays open. */
enum err_code trail_end_segment(struct trail *trail, struct trail_segment *segment, struct err *err);
/* Ends what trail_purge has asked for. */
void trail_end_asked(struct trail *trail);
void trail_end_late(struct trail *trail); /* all but TRAIL_LATE_KEPT_MAX, those that were not used for longest */
/* Forgets a segment whose file is gone, so that the next event makes another. */
void trail_abandon(struct trail *trail, struct trail_segment *segment);

/* ---- trail_dedupe.c: ids that were stored already ---- */
enum err_code trail_holds_id(struct trail *trail, const struct uuid *id, bool everywhere, bool *ret_holds, struct err *err);
void trail_dedupe_note(struct trail_segment *segment, const struct audit_record *records, size_t count); /* they were stored */
void trail_dedupe_release(struct trail_segment *segment);

/* ---- trail_plan.c: what goes into one commit ---- */
struct trail_group {           /* stored together or not at all */
    struct trail_batch *batch; /* NULL: a row of audit_pending */
    int64_t pending_id;
    size_t stored;
    enum err_code code;
    struct err *err; /* owned, when it failed */
};

struct trail_slot {
    const struct audit_record *record;
    struct trail_segment *segment;
    size_t group;
};

struct trail_row { /* of audit_pending */
    int64_t id;
    struct audit_record record;
};

struct trail_plan {
    struct trail_group *groups;
    struct trail_slot *slots;
    struct audit_record *records; /* room for those of one segment; borrowed copies */
    struct audit_record *owned;   /* of rows of audit_pending, at most TRAIL_PENDING_ROWS */
    size_t group_count, group_capacity, slot_count, slot_capacity, record_capacity, owned_count, bytes;
    struct trail_row *rows; /* as read from audit_pending, TRAIL_PENDING_ROWS */
    size_t *ids;            /* hash table of slots + 1 whose record brought its id; 0 = free */
    size_t id_capacity, id_count;
};

enum trail_fit { TRAIL_TAKEN, TRAIL_COMMIT_FIRST };

struct trail_plan *trail_plan_new(void);
void trail_plan_free(struct trail_plan *plan);
/* COMMIT_FIRST: what is planned must be stored before this one can be. A batch that cannot be stored is in the plan as well,
 * with its error. */
enum trail_fit trail_plan_add(struct trail *trail, struct trail_batch *batch);
/* A row of audit_pending; the record becomes the plan's. */
enum trail_fit trail_plan_add_pending(struct trail *trail, int64_t id, struct audit_record *record);
void trail_plan_fail(struct trail_group *group, enum err_code code, const struct err *err);
void trail_plan_clear(struct trail *trail);

/* ---- trail_commit.c ---- */
/* Stores the plan, answers all that is in it, and empties it. */
void trail_commit(struct trail *trail);

/* ---- trail_pending.c ---- */
/* Plans (and commits) the rows that wait. False: they could not be read or stored. */
bool trail_move_pending(struct trail *trail);
/* The record of a row. One that cannot be read is kept as text: refusing it would lose it. */
void trail_pending_record(const struct trail *trail, struct str event, struct audit_record *ret);

/* ---- trail_writer.c ---- */
void trail_writer_main(void *arg);

/* ---- trail_seal.c ---- */
/* A sealed segment as one file, which can be read where nothing can be written; readers that have it open keep it from that. False: it
 * is to be tried again. */
bool trail_settle_file(struct trail *trail, int64_t number);
void trail_sealer_main(void *arg);

/* ---- trail_recover.c ---- */
enum err_code trail_recover(struct trail *trail, struct err *err);

#endif
