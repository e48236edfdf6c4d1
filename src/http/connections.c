/* SPDX-License-Identifier: Apache-2.0 */
#include "http/connections.h"

#include "base/mem.h"
#include "http/http_server.h"

#include <sys/socket.h>

enum { SWEEP_US = 5 * US_PER_S };

static struct http_connection *of_node(struct list_node *node)
{
    return CONTAINER_OF(node, struct http_connection, node);
}

static void leave_list(struct connections *c, struct http_connection *connection)
{
    if (connection->state == CONNECTION_IDLE)
        list_remove(&c->idle, &connection->node);
    else if (connection->state == CONNECTION_READING)
        list_remove(&c->reading, &connection->node);
}

/* The library sees the end of the stream and closes; the descriptor stays valid until then. It counts no more from now on, so
 * that each that comes in a burst makes room for itself. */
static void cut(struct connections *c, struct http_connection *connection)
{
    (void)shutdown(connection->fd, SHUT_RDWR);
    leave_list(c, connection);
    connection->state = CONNECTION_CUT;
    c->open--;
}

static void cut_older(struct connections *c, struct list *list, int64_t before_us)
{
    while (list->count && of_node(list_first(list))->since_us < before_us)
        cut(c, of_node(list_first(list)));
}

static void sweep(void *arg)
{
    struct connections *c = arg;
    mutex_lock(&c->mutex);
    while (!c->stopping) {
        if (!c->open) {
            condition_wait(&c->wake, &c->mutex);
            continue;
        }
        int64_t now = clock_mono(c->clock).us;
        cut_older(c, &c->idle, now - (int64_t)HTTP_IDLE_MAX_S * US_PER_S);
        cut_older(c, &c->reading, now - (int64_t)HTTP_BODY_TIME_MAX_S * US_PER_S);
        (void)condition_wait_for(&c->wake, &c->mutex, SWEEP_US);
    }
    mutex_unlock(&c->mutex);
}

void connections_init(struct connections *connections, size_t max, const struct clock *clock)
{
    *connections = (struct connections){.max = max, .clock = clock};
    mutex_init(&connections->mutex);
    condition_init(&connections->wake);
    list_init(&connections->idle);
    list_init(&connections->reading);
    thread_start(&connections->sweeper, "horae-http-age", sweep, connections);
}

void connections_stop(struct connections *connections)
{
    mutex_lock(&connections->mutex);
    connections->stopping = true;
    condition_broadcast(&connections->wake);
    mutex_unlock(&connections->mutex);
    thread_join(&connections->sweeper);
    condition_release(&connections->wake);
    mutex_release(&connections->mutex);
}

static void enter(struct connections *c, struct http_connection *connection, enum connection_state state)
{
    connection->state = state;
    connection->since_us = clock_mono(c->clock).us;
    if (state == CONNECTION_IDLE)
        list_push_back(&c->idle, &connection->node);
    else if (state == CONNECTION_READING)
        list_push_back(&c->reading, &connection->node);
}

struct http_connection *connections_add(struct connections *connections, int fd)
{
    struct http_connection *connection = xcalloc(1, sizeof *connection);
    connection->fd = fd;
    mutex_lock(&connections->mutex);
    if (connections->open >= connections->max && connections->idle.count)
        cut(connections, of_node(list_first(&connections->idle)));
    if (!connections->open++)
        condition_signal(&connections->wake);
    enter(connections, connection, CONNECTION_IDLE);
    mutex_unlock(&connections->mutex);
    return connection;
}

void connections_remove(struct connections *connections, struct http_connection *connection)
{
    mutex_lock(&connections->mutex);
    leave_list(connections, connection);
    connections->open -= connection->state != CONNECTION_CUT;
    mutex_unlock(&connections->mutex);
    free(connection);
}

static void move(struct connections *c, struct http_connection *connection, enum connection_state state)
{
    mutex_lock(&c->mutex);
    leave_list(c, connection);
    if (connection->state != CONNECTION_CUT)
        enter(c, connection, state);
    mutex_unlock(&c->mutex);
}

void connections_reading(struct connections *connections, struct http_connection *connection)
{
    move(connections, connection, CONNECTION_READING);
}

void connections_busy(struct connections *connections, struct http_connection *connection)
{
    move(connections, connection, CONNECTION_BUSY);
}

void connections_idle(struct connections *connections, struct http_connection *connection)
{
    move(connections, connection, CONNECTION_IDLE);
}
