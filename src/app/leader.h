/* SPDX-License-Identifier: Apache-2.0 */
/* The instance that owns tasks and executions (decisions 1 and 16): store, scheduler, audit log, alerts and the API that works on
 * them. Every thread of that is created from here, in the order of who needs whom, and ended in reverse. On the embedded store
 * that is the whole server; on a store that several instances share, one of them is this at a time, as long as it holds the lease. */
#ifndef HORAE_APP_LEADER_H
#define HORAE_APP_LEADER_H

#include "app/instance.h"
#include "app/planner.h"
#include "app/probes.h"
#include "http/client_address.h"
#include "http/listen.h"

struct leader;

/* What a process has, whatever it is at the moment; all borrowed. */
struct leader_parts {
    const struct config *config;
    const struct clock *clock;
    const struct instance_identity *identity;
    const char *store_url, *store_path; /* itself: not to be shown; and what its files begin with */
    struct http_listener *listener;
    const struct client_address_rules *client_rules;
    uint64_t files; /* soft limit of open files as it was given to us */

    /* Where several instances share the store, else NULL and 0. */
    struct planner *planner; /* holds the lease, and keeps it */
    int64_t epoch;           /* the number of this leadership */
    const char *secret;      /* what other instances show */
    const struct cluster_status *status;
    void (*lost)(void *arg);    /* the store's thread, must not wait: another leads by now */
    void (*drained)(void *arg); /* any thread: an instance was drained, or not any more */
    void *arg;
};

enum leader_end {
    LEADER_STOPS,
    LEADER_HANDS_OVER, /* commands run on for the next one in this folder */
    LEADER_LOST,       /* another leads: what runs is ended, nothing is written */
};

/* Everything up to serving; prints nothing. */
enum err_code leader_start(const struct leader_parts *parts, struct leader **ret, struct err *err);
/* Stops taking work and waits for what runs (SCH-74). Then leader_stop with the same end. */
void leader_drain(struct leader *leader, enum leader_end end);
/* While leader_drain waits in another thread: what runs is ended now. */
void leader_drain_hurry(struct leader *leader);
/* It leads although it is drained, since nobody else can: nothing new is started. */
void leader_set_draining(struct leader *leader, bool draining);
/* What runs now, for people. */
int64_t leader_running(const struct leader *leader);
/* The lease is given up before requests under way have ended: another may lead by then. */
void leader_stop(struct leader *leader, enum leader_end end);

#endif
