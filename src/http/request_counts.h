/* SPDX-License-Identifier: Apache-2.0 */
/* horae_http_requests_total by route and status: a counter is looked up by its labels when it is needed first. */
#ifndef HORAE_HTTP_REQUEST_COUNTS_H
#define HORAE_HTTP_REQUEST_COUNTS_H

#include "http/http.h"

struct request_count;

struct request_counts {
    struct request_count *_Atomic *routes; /* owned: lists of the statuses that were answered, by number of the route */
    size_t count;
};

void request_counts_init(struct request_counts *counts, const struct http_routes *groups, size_t group_count);
void request_counts_release(struct request_counts *counts);
/* `number` is that of the route among all groups; a request that was refused before routing has no route. Any thread. */
void request_counts_add(struct request_counts *counts, const struct http_route *route, size_t number, int status);

#endif
