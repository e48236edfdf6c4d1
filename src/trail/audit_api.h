/* SPDX-License-Identifier: Apache-2.0 */
/* REST of reading the audit log (API-20 to API-24, AUD-42, AUD-43): events, one event, exports, configuration. */
#ifndef HORAE_TRAIL_AUDIT_API_H
#define HORAE_TRAIL_AUDIT_API_H

#include "base/clock.h"
#include "db/store.h"
#include "http/client_address.h"
#include "http/http.h"
#include "trail/event_search.h"
#include "trail/trail.h"

#include <stdatomic.h>

enum {
    AUDIT_EXPORTS_MAX = 4,       /* at the same time; each has a thread */
    AUDIT_SETTLE_MS = 500,       /* an answer waits so long for events of changes that were made before it was asked for */
    AUDIT_PAGE_BYTES = 32 << 20, /* a page ends before it is longer, with a cursor */
};

struct audit_api {
    struct store *store; /* borrowed, as all below */
    struct trail *trail;
    struct readers *readers; /* of the trail's folder */
    const struct clock *clock;
    _Atomic int exports; /* 0 at first */
};

/* `api` lives as long as the HTTP server. */
struct http_routes audit_routes(struct audit_api *api);

/* ---- shared by the files of this interface ---- */

#define AUDIT_FILTER_PARAMS \
    {"user_uid", HTTP_PARAM_TEXT, 1, AUDIT_UID_MAX, NULL}, {"resource_type", HTTP_PARAM_TEXT, 1, AUDIT_NAME_MAX, NULL}, \
        {"action", HTTP_PARAM_CHOICE, 0, AUDIT_ACTION_COUNT, audit_action_names}, \
        {"resource_id", HTTP_PARAM_TEXT, 1, AUDIT_IDENTIFIER_MAX, NULL}, {"start_time", HTTP_PARAM_TIME, 0, 0, NULL}, \
        {"end_time", HTTP_PARAM_TIME, 0, 0, NULL}, {"client_ip", HTTP_PARAM_TEXT, 1, AUDIT_CLIENT_IP_MAX, NULL}, \
        {"request_id", HTTP_PARAM_TEXT, 1, AUDIT_REQUEST_ID_MAX, NULL}, {"status", HTTP_PARAM_CHOICE, 0, 2, audit_status_names}, \
        {"subsystem", HTTP_PARAM_TEXT, 1, AUDIT_SUBSYSTEM_MAX, NULL}, \
        {"space_path", HTTP_PARAM_TEXT, 1, AUDIT_SPACE_PATH_MAX, NULL}, \
    { \
        "q", HTTP_PARAM_TEXT, 1, EVENT_TEXT_MAX, NULL \
    }
extern const char *const audit_status_names[2];

struct audit_question {
    struct event_filter filter; /* texts are the request's, or client_ip */
    char client_ip[CLIENT_ADDRESS_MAX];
    struct event_text text;
    bool has_text;
};
/* ERR_INVALID names the parameter and what is allowed. */
enum err_code audit_question_read(const struct audit_api *api, const struct http_request *request, struct audit_question *ret,
                                  struct err *err);

void audit_export_handle(struct http_request *request, void *api);
void audit_config_show(struct http_request *request, void *api);
void audit_config_change(struct http_request *request, void *api);

#endif
