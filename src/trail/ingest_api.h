/* SPDX-License-Identifier: Apache-2.0 */
/* POST /audit/events: what other systems send (contract section 7): one event, an array, or lines without end. */
#ifndef HORAE_TRAIL_INGEST_API_H
#define HORAE_TRAIL_INGEST_API_H

#include "http/http.h"
#include "trail/trail.h"

enum { INGEST_ARRAY_MAX = 1000, INGEST_LINE_MAX = 16 << 20 };

struct ingest_api {
    struct trail *trail;       /* borrowed */
    const struct clock *clock; /* borrowed */
};

/* `api` must outlive the server. */
struct http_routes ingest_routes(struct ingest_api *api);

#endif
