/* SPDX-License-Identifier: Apache-2.0 */
/* REST of the scheduler (API-10..18, contract section 3). One table of routes per file: task_api.c, occurrence_api.c,
 * execution_api.c, operation_api.c. Changes go to the scheduler as commands and are answered when they are on disk; reads go to a
 * reader of the store on the request's own thread. */
#ifndef HORAE_SCHED_SCHED_API_H
#define HORAE_SCHED_SCHED_API_H

#include "cluster/kept_lease.h"
#include "http/http.h"
#include "sched/scheduler.h"
#include "sched/sched_task_json.h"

struct log_followers;

struct sched_api {
    struct scheduler *scheduler;
    struct store *store;
    const struct clock *clock;
    struct lease_provider *leases;
    struct event_hub *events;
    struct log_followers *followers;
    const char *data_dir, *instance_id;
    struct kept_lease *planner;
    int capacity;
    struct sched_task_defaults defaults;
    void (*drained)(
        void *arg); /* any thread: an instance was drained, or not any more; NULL = there are no others on this store */
    void *drained_arg;
};

/* Groups of routes; `context` of each is the api. Writes at most 4, returns how many. */
size_t sched_api_routes(struct sched_api *api, struct http_routes *out);

#endif
