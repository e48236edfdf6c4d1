/* SPDX-License-Identifier: Apache-2.0 */
/* The event of a request (AUD-31): who, from where, by which call. The action and the type of the resource are those of the
 * route (http_route.audits), so that no handler can forget or invent them. */
#ifndef HORAE_AUDIT_AUDIT_REQUEST_H
#define HORAE_AUDIT_AUDIT_REQUEST_H

#include "audit/audit_event.h"
#include "http/http.h"

/* The column `audits` of a route; 0 = its calls are not recorded. */
#define AUDITS(action, type) (unsigned)((AUDIT_ACTION_##action + 1) << 8 | (AUDIT_RESOURCE_##type + 1))

bool audit_route_pair(unsigned audits, enum audit_action *ret_action, enum audit_resource_type *ret_type);

/* With the route's pair; `identifier` NULL: the first id of the path, else the request's path. The route must have a pair. */
struct audit_event *audit_event_of_request(const struct http_request *request, const char *identifier);
/* The same with a pair of its own. */
struct audit_event *audit_event_by_request(const struct http_request *request, enum audit_action action,
                                           enum audit_resource_type type, const char *identifier);

#endif
