/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_request.h"

#include "base/panic.h"

#include <string.h>

static const char *const method_names[HTTP_METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

bool audit_route_pair(unsigned audits, enum audit_action *ret_action, enum audit_resource_type *ret_type)
{
    if (!audits)
        return false;
    *ret_action = (enum audit_action)((audits >> 8) - 1);
    *ret_type = (enum audit_resource_type)((audits & 0xFF) - 1);
    return true;
}

/* DATA-36: callers that nobody knows have a name, too. */
static void set_principal(struct audit_event *event, const struct http_principal *principal)
{
    if (!principal->uid[0])
        audit_event_set_user(event, AUDIT_PRINCIPAL_ANONYMOUS, AUDIT_ANONYMOUS_UID, AUDIT_ANONYMOUS_UID);
    else
        audit_event_set_user(event, strcmp(principal->type, "user") == 0 ? AUDIT_PRINCIPAL_USER : AUDIT_PRINCIPAL_SERVICE,
                             principal->uid, principal->username[0] ? principal->username : principal->uid);
}

struct audit_event *audit_event_by_request(const struct http_request *request, enum audit_action action,
                                           enum audit_resource_type type, const char *identifier)
{
    const char *peer = http_peer_address(request), *address = http_client_address(request);
    if (!identifier)
        identifier = http_path_id(request, 0);
    struct audit_event *event = audit_event_new(action, type, identifier && identifier[0] ? identifier : http_path(request));
    set_principal(event, http_principal(request));
    audit_event_set(event, AUDIT_TEXT_CLIENT_IP, address);
    audit_event_set(event, AUDIT_TEXT_USER_AGENT, http_header(request, "User-Agent"));
    audit_event_set(event, AUDIT_TEXT_METHOD, method_names[http_method(request)]);
    audit_event_set(event, AUDIT_TEXT_REQUEST_ID, http_request_id(request));
    audit_event_set(event, AUDIT_TEXT_SUBSYSTEM, type == AUDIT_RESOURCE_SESSION ? "auth" : "http");
    if (strcmp(peer, address) != 0) /* AUD-28: a header said so */
        audit_event_put(event, "peer_ip", peer);
    return event;
}

struct audit_event *audit_event_of_request(const struct http_request *request, const char *identifier)
{
    enum audit_action action;
    enum audit_resource_type type;
    must(audit_route_pair(http_route_of(request)->audits, &action, &type));
    return audit_event_by_request(request, action, type, identifier);
}
