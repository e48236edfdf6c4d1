/* SPDX-License-Identifier: Apache-2.0 */
/* What a channel must provide, and what it is given. A new channel is a file with one such object, and a row of
 * alert_channels.def. */
#ifndef HORAE_ALERT_ALERT_CHANNEL_H
#define HORAE_ALERT_ALERT_CHANNEL_H

#include "alert/alerts.h"
#include "base/id.h"

enum { ALERT_ERROR_MAX = 400 }; /* of an attempt that failed */

/* One attempt to deliver one alert by one channel. Texts live until alert_delivered. */
struct alert_delivery {
    int64_t id, fence;
    int32_t attempt; /* from 1 */
    enum alert_kind kind;
    enum alert_channel_id channel;
    struct uuid uid; /* of the message: the same in all attempts and channels */
    char *subject, *payload;
    /* the loop's */
    struct alerts *alerts;
    bool sent;
    char error[ALERT_ERROR_MAX + 1];
};

struct alert_channel {
    /* NULL: the options do not ask for this channel. */
    void *(*open)(const struct alert_options *options);
    /* Calls alert_delivered once, now or later, on any thread. */
    void (*send)(void *channel, struct alert_delivery *delivery);
    void (*close)(void *channel); /* gives up what is under way: no alert_delivered after it */
};

/* `error` NULL: it arrived. Otherwise it is tried again. */
void alert_delivered(struct alert_delivery *delivery, const char *error);

#define ALERT_CHANNEL(id, name, object) extern const struct alert_channel object;
#include "alert/alert_channels.def"

/* One line of the log; also for what cannot be stored at the moment. `payload` as of alert_write_payload. */
void alert_log_line(enum alert_kind kind, const char *payload);

#endif
