/* SPDX-License-Identifier: Apache-2.0 */
/* The server put together: every thread is created from here, in the order of who needs whom, and ended in reverse. */
#ifndef HORAE_APP_SERVER_H
#define HORAE_APP_SERVER_H

#include "app/config.h"
#include "base/err.h"

struct server;

/* Everything up to serving; prints nothing. */
enum err_code server_start(const struct config *config, struct server **ret, struct err *err);
const char *server_address(const struct server *server);
/* Stops taking work, waits for what runs (SCH-74), ends. With `handover` commands run on. */
void server_stop(struct server *server, bool handover);

#endif
