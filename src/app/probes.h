/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no token: health, readiness, metrics, the OpenAPI document, the page at "/" (API-33). */
#ifndef HORAE_APP_PROBES_H
#define HORAE_APP_PROBES_H

#include "http/http.h"

#include <stdatomic.h>

struct handler_command;
struct planner;
struct scheduler;
struct store;
struct trail;

/* What this instance is among others on its store. Any thread reads it. */
struct cluster_status {
    _Atomic bool leads, leader_known, clock_off, taken, store_away; /* taken: another process has its id */
    _Atomic int64_t clock_offset_us, live;
};

struct probes {
    struct store *store;
    struct scheduler *scheduler; /* NULL where another instance leads, as the next three */
    struct handler_command *command;
    struct trail *trail;
    struct planner *planner;
    const struct cluster_status *cluster; /* NULL: no other instances */
    _Atomic bool stopping;
};

struct http_routes probes_routes(struct probes *probes);

#endif
