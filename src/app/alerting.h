/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts as the settings want them, and who tells them of trouble. */
#ifndef HORAE_APP_ALERTING_H
#define HORAE_APP_ALERTING_H

#include "alert/alerts.h"
#include "app/config.h"

/* Started, and told when the store refuses changes. All but the configuration is borrowed until alerts_free. */
struct alerts *alerting_start(const struct config *config, struct store *store, const struct clock *clock,
                              struct event_hub *events, const char *instance_id);

#endif
