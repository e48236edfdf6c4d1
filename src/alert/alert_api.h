/* SPDX-License-Identifier: Apache-2.0 */
/* REST of the outbox: what was told, what waits and what was given up; dead ones are sent again by hand. */
#ifndef HORAE_ALERT_ALERT_API_H
#define HORAE_ALERT_ALERT_API_H

#include "alert/alerts.h"
#include "http/http.h"

/* NULL: the table alone, for its reader. */
struct http_routes alert_routes(struct alerts *alerts);

#endif
