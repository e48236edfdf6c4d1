/* SPDX-License-Identifier: Apache-2.0 */
/* An instance that does not lead: it serves the same API by handing requests on to the one that leads (decision 16). Light: an HTTP
 * server and a client. What it says of itself (/healthz, /readyz, /metrics) is its own. */
#ifndef HORAE_APP_FOLLOWER_H
#define HORAE_APP_FOLLOWER_H

#include "app/leader.h"

struct follower;

/* Takes connections from the listener of the parts, and asks with their secret. `store` is asked whether it answers; `failed` hears
 * that the leader could not be reached, on a thread that must not wait. */
enum err_code follower_start(const struct leader_parts *parts, struct store *store, const struct cluster_status *status,
                             void (*failed)(void *arg), void *arg, struct follower **ret, struct err *err);
/* Who leads, "" = nobody, for `reason`; `waits`: somebody may soon. Any thread. */
void follower_point(struct follower *follower, const char *address, const char *reason, bool waits);
/* New connections wait at the listener from now on, for whoever serves next. */
void follower_quiesce(struct follower *follower);
void follower_stop(struct follower *follower);

#endif
