/* SPDX-License-Identifier: Apache-2.0 */
/* The instances that can run attempts, as the leader knows them (SCH-05, SCH-06, SCH-75): what each offers, how much it
 * carries, when it was last heard of. Counters in memory, rebuilt by each new leader. Pure: no clock, no store. One thread. */
#ifndef HORAE_SCHED_ROSTER_H
#define HORAE_SCHED_ROSTER_H

#include "base/err.h"
#include "cluster/lease.h"
#include "sched/sched_task.h"

#include <stdbool.h>

/* As many as the registry lists; a capacity as `--capacity` allows it, so that products of two fit in 64 bits. */
enum { ROSTER_MAX = 1000, ROSTER_CAPACITY_MAX = 100000 };

struct roster_member {
    char id[LEASE_HOLDER_MAX + 1];
    struct sched_label *labels; /* owned by the roster */
    size_t label_count;
    int32_t capacity, running; /* attempts at once: at most, and now by the leader's count */
    int64_t heard_us;          /* monotonic time of the last sign of life */
    bool draining;             /* gets nothing new; what runs there ends */
};

struct roster {
    struct roster_member *members; /* sorted by id, read only from outside */
    size_t count;
};

/* What an instance tells of itself. All borrowed during the call. */
struct roster_news {
    const char *id; /* 1 to LEASE_HOLDER_MAX bytes */
    const struct sched_label *labels;
    size_t label_count; /* at most TASK_LABELS_MAX */
    int64_t capacity;   /* 1 to ROSTER_CAPACITY_MAX */
    int64_t heard_us;   /* monotonic */
    bool draining;
};

void roster_init(struct roster *roster);
void roster_release(struct roster *roster);
/* Adds the instance, or takes over what it tells now; the count of what runs there stays, and an older sign of life does not
 * replace a later one. Nothing changes on an error: ERR_INVALID names the member at fault and what is allowed, ERR_LIMIT: there
 * are ROSTER_MAX others. Pointers to members end with this call. */
enum err_code roster_put(struct roster *roster, const struct roster_news *news, struct err *err);
/* Borrowed until the next roster_put or roster_remove; NULL: no such instance. */
struct roster_member *roster_find(const struct roster *roster, const char *id);
/* False: it was not there. Who removes a member sees to what ran on it (SCH-71). */
bool roster_remove(struct roster *roster, const char *id);
/* An attempt goes to the member. The caller asked placement_decide, but an attempt that a new leader finds running there counts
 * too: `running` may exceed a capacity that was lowered meanwhile. */
void roster_begin(struct roster_member *member);
/* An attempt left the member: ended, handed back, or given up for lost. As many as have begun. */
void roster_end(struct roster_member *member);
/* Nothing was heard of the member for longer than `silent_us` (a lease): what ran there is to be rescued. */
bool roster_is_silent(const struct roster_member *member, int64_t now_us, int64_t silent_us);

#endif
