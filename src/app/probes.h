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

struct probes {
    struct store *store;
    struct scheduler *scheduler;
    struct handler_command *command;
    struct trail *trail;
    const struct planner *planner;
    _Atomic bool stopping;
};

struct http_routes probes_routes(struct probes *probes);

#endif
