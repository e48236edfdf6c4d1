/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events (API-34): one hub keeps the last events; each subscriber reads on from where it is. An id that is
 * not in memory any more is answered with the event `resync`: read the state again. Thread-safe. */
#ifndef HORAE_HTTP_EVENT_STREAM_H
#define HORAE_HTTP_EVENT_STREAM_H

#include "http/http.h"

enum {
    EVENTS_KEPT = 4096,
    EVENT_MAX = HTTP_STREAM_BLOCK, /* so that one fits whole into what a stream is asked for */
    EVENT_SUBSCRIBERS_MAX = 512,
    EVENT_PER_CALLER_MAX = 32,
    EVENT_HEARTBEAT_S = 15,
    EVENT_STREAM_MAX_S = 3600, /* then the client connects again, and shows again who it is; nothing is lost */
};

enum event_topic { EVENT_TASK, EVENT_EXECUTION, EVENT_LOCK, EVENT_INSTANCE, EVENT_AUDIT, EVENT_ALERT, EVENT_TOPIC_COUNT };

struct event_hub;

struct event_hub *event_hub_new(void);
void event_hub_free(struct event_hub *hub); /* after the server has stopped */

/* Somebody listens to the topic, or did a moment ago. Cheap: a relaxed load. */
bool event_hub_wanted(struct event_hub *hub, enum event_topic topic);
/* `name` is "<topic>.created|updated|deleted", `json` one line, an object with a member; it gets the member `seq`. */
void event_hub_publish(struct event_hub *hub, enum event_topic topic, const char *name, const char *json);

/* GET /api/v1/stream: the handler and its parameters; context is the hub. */
extern const struct http_param_spec event_stream_params[];
void event_stream_handle(struct http_request *request, void *hub);

#endif
