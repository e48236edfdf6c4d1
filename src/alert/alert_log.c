/* SPDX-License-Identifier: Apache-2.0 */
/* The channel `log`: one line of the server's log, with the whole message as JSON. It always arrives. */
#include "alert/alert_channel.h"

#include "base/log.h"

#include <string.h>

void alert_log_line(enum alert_kind kind, const char *payload)
{
    bool resolved = strstr(payload, "\"status\":\"resolved\"") != NULL;
    enum log_level level = resolved ? LOG_INFO : alert_is_condition(kind) ? LOG_ERROR : LOG_WARN;
    log_write(level, "alert", "%s %s", alert_kind_names[kind], payload);
}

static void *open_log(const struct alert_options *options)
{
    static char always; /* nothing to open */
    (void)options;
    return &always;
}

static void send_log(void *channel, struct alert_delivery *delivery)
{
    (void)channel;
    alert_log_line(delivery->kind, delivery->payload);
    alert_delivered(delivery, NULL);
}

static void close_log(void *channel)
{
    (void)channel;
}

const struct alert_channel alert_log = {open_log, send_log, close_log};
