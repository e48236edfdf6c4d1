/* SPDX-License-Identifier: Apache-2.0 */
/* This process as one of several instances on a store: that it is alive, what time it is there, who leads and who else is there.
 * One look is one transaction; the sign of life goes with it. One thread. */
#ifndef HORAE_CLUSTER_MEMBERSHIP_H
#define HORAE_CLUSTER_MEMBERSHIP_H

#include "base/id.h"
#include "cluster/instance_store.h"
#include "cluster/lease.h"

enum {
    MEMBER_BEAT_US = 3 * US_PER_S, /* a third of INSTANCE_STALE_US: an instance may miss two */
    CLUSTER_SECRET_SIZE = 65,      /* hexadecimal, with its end */
};

struct membership {
    struct store *store;       /* borrowed: of which this process need not be the leader */
    const struct clock *clock; /* borrowed */
    struct instance self;      /* texts borrowed; `life` is set by membership_init */
    char life[UUID_TEXT_LEN + 1];
    /* Of the last process in this folder, "" = none. */
    char former_life[UUID_TEXT_LEN + 1], former_id[LEASE_HOLDER_MAX + 1];
    int64_t offset_max_us; /* a clock that is off by more does not lead while others can */
    int64_t beaten_us;     /* monotonic: of the last sign of life */
};

struct membership_view {
    int64_t now_us;                                                          /* of the store */
    int64_t lease_left_us;                                                   /* of the leader's lease; 0 = nobody holds it */
    char leader[LEASE_HOLDER_MAX + 1], leader_address[INSTANCE_ADDRESS_MAX]; /* "" = none; not known, or this instance itself */
    bool draining;                                                           /* this instance is not to lead */
    bool clock_off;                                                          /* this instance's clock is */
    bool others_can;                                                         /* another one that lives may lead */
    bool any_can; /* one that lives, this one too, may lead at all (ENABLE_CRON) */
    size_t live;  /* instances, with this one */
};

void membership_init(struct membership *member);
/* Registers. ERR_CONFLICT "INSTANCE_TAKEN": another process that lives has the id. */
enum err_code membership_join(struct membership *member, struct err *err);
/* ERR_CONFLICT "INSTANCE_TAKEN": another process took the id while this one was not heard of. */
enum err_code membership_look(struct membership *member, struct membership_view *ret, struct err *err);
enum err_code membership_leave(struct membership *member, struct err *err);
/* What instances show each other; made by whoever comes first. */
enum err_code membership_secret(struct membership *member, char ret[CLUSTER_SECRET_SIZE], struct err *err);
/* Once in a while, by the leader: instances that died leave the list. */
enum err_code membership_sweep(struct membership *member, struct err *err);

#endif
