/* SPDX-License-Identifier: Apache-2.0 */
/* Tells those who follow the topic `audit` what was stored (API-34). */
#ifndef HORAE_TRAIL_AUDIT_LIVE_H
#define HORAE_TRAIL_AUDIT_LIVE_H

#include "audit/audit_record.h"
#include "http/event_stream.h"

/* `audit.created` for each, in order, by reference; the rest is read from its own path. Costs nothing while nobody listens. */
void audit_live_publish(struct event_hub *hub, const struct audit_record *records, size_t count);

#endif
