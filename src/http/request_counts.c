/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request_counts.h"

#include "base/mem.h"
#include "base/metrics.h"
#include "base/panic.h"

#include <stdatomic.h>
#include <stdio.h>

struct request_count {
    struct request_count *next; /* never changes once the list holds it */
    struct metric *metric;
    int status;
};

static struct metric *find_metric(const struct http_route *route, int status)
{
    char labels[200];
    (void)snprintf(labels, sizeof labels, "route=\"%s\",status=\"%d\"", route ? route->path : "none", status);
    return metric_get(METRIC_COUNTER, "horae_http_requests_total", "Requests answered, by route and status.", labels);
}

void request_counts_init(struct request_counts *counts, const struct http_routes *groups, size_t group_count)
{
    (void)find_metric(NULL, 404); /* the family is there from the start */
    counts->count = 1;            /* the last: of requests without a route */
    for (size_t i = 0; i < group_count; i++)
        counts->count += groups[i].count;
    counts->routes = xcalloc(counts->count, sizeof *counts->routes);
}

void request_counts_release(struct request_counts *counts)
{
    for (size_t i = 0; i < counts->count; i++)
        for (struct request_count *c = atomic_load(&counts->routes[i]), *next; c; c = next) {
            next = c->next;
            free(c);
        }
    free(counts->routes);
}

/* Two threads may add the same status at once: both entries count on the same metric. */
static struct request_count *add_status(struct request_count *_Atomic *list, const struct http_route *route, int status)
{
    struct request_count *count = xmalloc(sizeof *count);
    *count = (struct request_count){atomic_load(list), find_metric(route, status), status};
    while (!atomic_compare_exchange_weak(list, &count->next, count))
        ;
    return count;
}

void request_counts_add(struct request_counts *counts, const struct http_route *route, size_t number, int status)
{
    must(!route || number + 1 < counts->count);
    struct request_count *_Atomic *list = &counts->routes[route ? number : counts->count - 1];
    struct request_count *count = atomic_load_explicit(list, memory_order_acquire);
    while (count && count->status != status)
        count = count->next;
    if (!count)
        count = add_status(list, route, status);
    metric_add(count->metric, 1);
}
