/* SPDX-License-Identifier: Apache-2.0 */
/* Task type `http` (contract section 3): one request per attempt, signed by the Standard Webhooks convention when the
 * task has a secret. */
#ifndef HORAE_SCHED_HANDLER_HTTP_H
#define HORAE_SCHED_HANDLER_HTTP_H

#include "base/clock.h"
#include "sched/attempt_sink.h"
#include "sched/handler.h"

struct handler_http;

struct handler_http *handler_http_new(const struct clock *clock);
void handler_http_attach(struct handler_http *http, const struct attempt_sink *sink); /* copied; before the first start */
struct handler handler_http_handler(struct handler_http *http);
void handler_http_free(struct handler_http *http); /* after the scheduler has stopped */

#endif
