/* SPDX-License-Identifier: Apache-2.0 */
/* The process: its identity, its folder and its socket, and what it is on its store: alone (leader.h), or one of several (roles.h). */
#ifndef HORAE_APP_SERVER_H
#define HORAE_APP_SERVER_H

#include "app/config.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

/* Everything up to serving; prints nothing. */
enum err_code server_start(const struct config *config, struct server **ret, struct err *err);
const char *server_address(const struct server *server);
/* Stops taking work and waits for what runs (SCH-74). With `handover` commands run on. Then server_stop. */
void server_drain(struct server *server, bool handover);
/* While server_drain waits in another thread: what runs is ended now. */
void server_drain_hurry(struct server *server);
/* What runs now, for people. */
int64_t server_running(const struct server *server);
void server_stop(struct server *server, bool handover);

#endif
