/* SPDX-License-Identifier: Apache-2.0 */
/* Who is connected: keeps the number of connections below the limit by closing the oldest idle one, and closes those that
 * take too long over one step (slow senders, slow readers). The clock of a step starts when it begins, so that a trickle of
 * bytes does not extend it. A thread that sleeps while nobody is connected. Thread-safe. */
#ifndef HORAE_HTTP_CONNECTIONS_H
#define HORAE_HTTP_CONNECTIONS_H

#include "base/list.h"
#include "base/thread.h"

enum connection_step {
    CONNECTION_IDLE,      /* no complete request head: new, or between two requests */
    CONNECTION_READING,   /* a body is on its way */
    CONNECTION_BUSY,      /* the server's turn: as long as it takes */
    CONNECTION_WRITING,   /* the client does not take the answer; begins anew with every byte that it takes */
    CONNECTION_LINGERING, /* answered for the last time; waits for the client to close */
    CONNECTION_STEPS
};

/* Part of a connection; linked while it is open. */
struct connection_age {
    struct list_node node;
    int fd;
    int64_t since_us; /* monotonic: of the step it is in */
    enum connection_step step;
};

struct connections {
    struct mutex mutex; /* guards all below */
    struct condition wake;
    struct list steps[CONNECTION_STEPS]; /* oldest first */
    size_t count, max;
    const struct clock *clock;
    struct thread sweeper;
    bool stopping;
};

void connections_init(struct connections *connections, size_t max, const struct clock *clock);
void connections_start(struct connections *connections); /* the thread that sweeps */
void connections_stop(struct connections *connections);
/* False when there is no room and nobody idle to make some: the caller closes it. */
bool connections_add(struct connections *connections, struct connection_age *age, int fd) MUST_CHECK;
/* Before the descriptor is closed. */
void connections_remove(struct connections *connections, struct connection_age *age);
void connections_enter(struct connections *connections, struct connection_age *age, enum connection_step step);
/* Closes what is too old; returns how many. */
size_t connections_sweep(struct connections *connections);
/* Makes room when descriptors have run out: closes the oldest idle one. False: there is none. */
bool connections_close_oldest(struct connections *connections);

#endif
