/* SPDX-License-Identifier: Apache-2.0 */
/* Task type `noop` (contract): {"sleep_ms":0,"fail_attempts":0,"result":""}. */
#ifndef HORAE_SCHED_HANDLER_NOOP_H
#define HORAE_SCHED_HANDLER_NOOP_H

#include "sched/attempt_sink.h"
#include "sched/handler.h"

struct handler_noop;

struct handler_noop *handler_noop_new(void);
void handler_noop_attach(struct handler_noop *noop, const struct attempt_sink *sink); /* copied; before the first start */
struct handler handler_noop_handler(struct handler_noop *noop);
void handler_noop_free(struct handler_noop *noop); /* after the scheduler has stopped */

#endif
