/* SPDX-License-Identifier: Apache-2.0 */
#include "app/alerting.h"

#include "base/panic.h"

static const char *unless_empty(const char *text)
{
    return text[0] ? text : NULL;
}

struct alerts *alerting_start(const struct config *config, struct store *store, const struct clock *clock,
                              struct event_hub *events, const char *instance_id)
{
    struct alert_options options = {.store = store,
                                    .clock = clock,
                                    .events = events,
                                    .instance_id = instance_id,
                                    .failures_in_a_row = config->alert_failures,
                                    .attempts = config->alert_attempts,
                                    .retry_ms = config->alert_retry_ms,
                                    .webhook_url = unless_empty(config->alert_webhook_url),
                                    .webhook_secret = unless_empty(config->alert_webhook_secret)};
    for (size_t i = 0; i < config->alert_on.count; i++)
        must(alert_kinds_add(&options.kinds, str_of(config->alert_on.items[i]))); /* config_check.c */
    struct alerts *alerts = alerts_new(&options);
    store_watch(store, alert_store_trouble, alerts);
    alerts_start(alerts);
    return alerts;
}
