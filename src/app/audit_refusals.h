/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that were refused, for the audit log (AUD-40, rulings section 4): who tried what in vain. Such events may be dropped, so
 * that nobody can hold up the server or fill its disk with them. */
#ifndef HORAE_APP_AUDIT_REFUSALS_H
#define HORAE_APP_AUDIT_REFUSALS_H

#include "audit/audit_event.h"
#include "http/http.h"

#include <stdatomic.h>

enum { REFUSALS_PER_SECOND = 1000 }; /* of more only the number is recorded, with the next one */

struct audit_refusals {
    void (*post)(void *arg, struct audit_event *event); /* takes the event; any thread, never waits */
    void *arg;
    _Atomic int64_t second, count, skipped;
};

/* For http_server_options.refused. 401 and 403 are `denied`, with what was attempted in `data`; others are the route's action
 * with its reason. A sign-in that failed is a `login` of the name that was tried. */
void audit_refused(void *refusals, const struct http_request *request, int status, const char *message);

#endif
