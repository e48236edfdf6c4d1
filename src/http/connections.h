/* SPDX-License-Identifier: Apache-2.0 */
/* Who is connected: keeps the number of connections below the limit by closing the oldest idle one, and closes those
 * that take too long to send a request (slow senders). A thread that sleeps while nobody is connected. */
#ifndef HORAE_HTTP_CONNECTIONS_H
#define HORAE_HTTP_CONNECTIONS_H

#include "base/list.h"
#include "base/thread.h"
#include "http/client_address.h"

enum connection_state { CONNECTION_IDLE, CONNECTION_READING, CONNECTION_BUSY, CONNECTION_CUT };

struct http_connection {
    struct list_node node; /* idle: in `idle`, oldest first; reading a body: in `reading` */
    int fd;
    int64_t since_us; /* monotonic: of the state it is in */
    enum connection_state state;
    /* set once, before the first request; the thread of the connection */
    char peer[CLIENT_ADDRESS_MAX];   /* text of the socket's address; "" = none */
    char client[CLIENT_ADDRESS_MAX]; /* who that is while no header says otherwise */
};

struct connections {
    struct mutex mutex; /* guards all below */
    struct condition wake;
    struct list idle, reading;
    size_t open, max; /* open: without those that were cut and wait for the library to close them */
    const struct clock *clock;
    struct thread sweeper;
    bool stopping;
};

void connections_init(struct connections *connections, size_t max, const struct clock *clock);
void connections_stop(struct connections *connections);
struct http_connection *connections_add(struct connections *connections, int fd);
void connections_remove(struct connections *connections, struct http_connection *connection);
void connections_reading(struct connections *connections, struct http_connection *connection); /* head arrived */
void connections_busy(struct connections *connections, struct http_connection *connection);    /* body arrived */
void connections_idle(struct connections *connections, struct http_connection *connection);    /* answered */

#endif
