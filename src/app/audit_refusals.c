/* SPDX-License-Identifier: Apache-2.0 */
#include "app/audit_refusals.h"

#include "audit/audit_request.h"
#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

/* What a route without an action of its own is about: reads are not recorded, but that they were denied is. */
static const struct {
    const char *prefix;
    enum audit_resource_type type;
} types[] = {
    {"/api/v1/scheduler/tasks", AUDIT_RESOURCE_SCHEDULED_TASK},
    {"/api/v1/scheduler/executions", AUDIT_RESOURCE_EXECUTION},
    {"/api/v1/scheduler/locks", AUDIT_RESOURCE_LOCK},
    {"/api/v1/scheduler/instances", AUDIT_RESOURCE_INSTANCE},
    {"/api/v1/scheduler/config", AUDIT_RESOURCE_SCHEDULER_CONFIG},
    {"/api/v1/users", AUDIT_RESOURCE_USER},
    {"/api/v1/tokens", AUDIT_RESOURCE_TOKEN},
    {"/api/v1/auth", AUDIT_RESOURCE_SESSION},
    {"/api/v1/audit", AUDIT_RESOURCE_AUDIT_CONFIG},
};

static enum audit_resource_type type_of(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strncmp(path, types[i].prefix, strlen(types[i].prefix)) == 0)
            return types[i].type;
    return AUDIT_RESOURCE_SERVER;
}

/* Who it was is not known; which name was tried is. */
static void set_tried_name(struct audit_event *event, const struct http_request *request)
{
    const struct json *body = http_body_json(request), *name = body ? json_member(body, "username") : NULL;
    struct str text = name && json_is_text(name) ? json_get_text(name) : (struct str){"", 0};
    auto_free char *tried = xstrndup(text.p ? text.p : "", text.n);
    audit_event_set_user(event, AUDIT_PRINCIPAL_ANONYMOUS, AUDIT_ANONYMOUS_UID, tried[0] ? tried : AUDIT_ANONYMOUS_UID);
}

static struct audit_event *make_event(const struct http_request *request, int status)
{
    const struct http_route *route = http_route_of(request);
    enum audit_action action = AUDIT_ACTION_DENIED;
    enum audit_resource_type type = type_of(route->path);
    bool is_change = audit_route_pair(route->audits, &action, &type);
    bool denied = (status == 401 || status == 403) && route->permission != HTTP_PUBLIC;
    struct audit_event *event = audit_event_by_request(request, denied ? AUDIT_ACTION_DENIED : action, type, NULL);
    if (denied && is_change)
        audit_event_put(event, "attempted", audit_action_names[action]);
    if (is_change && action == AUDIT_ACTION_LOGIN)
        set_tried_name(event, request);
    audit_event_put(event, "path", http_path(request));
    audit_event_put_int(event, "http_status", status);
    return event;
}

/* False: there were too many this second; the next one that is recorded says how many. */
static bool has_room(struct audit_refusals *refusals, int64_t second)
{
    if (atomic_exchange(&refusals->second, second) != second)
        atomic_store(&refusals->count, 0);
    if (atomic_fetch_add(&refusals->count, 1) < REFUSALS_PER_SECOND)
        return true;
    atomic_fetch_add(&refusals->skipped, 1);
    return false;
}

void audit_refused(void *arg, const struct http_request *request, int status, const char *message)
{
    struct audit_refusals *refusals = arg;
    int64_t now_us = http_arrived_us(request);
    if (!has_room(refusals, now_us / US_PER_S))
        return;
    struct audit_event *event = make_event(request, status);
    int64_t skipped = atomic_exchange(&refusals->skipped, 0);
    event->timestamp_ms = now_us / US_PER_MS;
    audit_event_fail(event, message);
    if (skipped)
        audit_event_put_int(event, "not_recorded_before", skipped);
    refusals->post(refusals->arg, event);
}
