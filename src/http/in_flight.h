/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with the same Idempotency-Key at the same time: the first goes on, the others sleep until it was answered and
 * then get the same answer. */
#ifndef HORAE_HTTP_IN_FLIGHT_H
#define HORAE_HTTP_IN_FLIGHT_H

#include "base/map.h"
#include "base/thread.h"

struct http_request;

struct in_flight {
    struct mutex mutex; /* guards by_key */
    struct map by_key;  /* principal and key → struct in_flight_key */
};

void in_flight_init(struct in_flight *in_flight);
void in_flight_release(struct in_flight *in_flight);
/* False: another one is being handled; `go_on` runs for this request when that one was answered (http_continue). */
bool in_flight_enter(struct in_flight *in_flight, struct http_request *request,
                     void (*go_on)(struct http_request *request, void *arg));
/* The request is about to be answered. Does nothing for one that did not enter. */
void in_flight_leave(struct in_flight *in_flight, struct http_request *request);

#endif
