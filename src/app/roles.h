/* SPDX-License-Identifier: Apache-2.0 */
/* What this process is among several on one store, and when that changes: it follows until it holds the lease `scheduler_global`, leads
 * until that is lost or given up, and follows again. One thread decides; the lease has its own (decision 16). */
#ifndef HORAE_APP_ROLES_H
#define HORAE_APP_ROLES_H

#include "app/leader.h"
#include "cluster/membership.h"

struct roles;

/* Returns once it serves, as the one or the other. `parts` is copied; planner, secret and what they borrow are set; `member` has joined
 * and is the roles' own from here on; `store` is open without an epoch. */
enum err_code roles_start(const struct leader_parts *parts, struct membership *member, struct store *store, struct roles **ret,
                          struct err *err);
/* Blocks until what runs has ended and nothing serves any more; the listener is closed. */
void roles_stop(struct roles *roles, enum leader_end end);
/* While roles_stop waits in another thread: what runs is ended now. */
void roles_hurry(struct roles *roles);
int64_t roles_running(struct roles *roles);
void roles_free(struct roles *roles);

#endif
