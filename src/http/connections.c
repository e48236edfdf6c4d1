/* SPDX-License-Identifier: Apache-2.0 */
#include "http/connections.h"

#include "http/http_server.h"

#include <sys/socket.h>

enum { SWEEP_US = 5 * US_PER_S };

/* 0: no limit. */
static const int64_t max_age_s[CONNECTION_STEPS] = {
    [CONNECTION_IDLE] = HTTP_IDLE_MAX_S,
    [CONNECTION_READING] = HTTP_BODY_TIME_MAX_S,
    [CONNECTION_WRITING] = HTTP_WRITE_MAX_S,
    [CONNECTION_LINGERING] = HTTP_LINGER_MAX_S,
};

static struct connection_age *of_node(struct list_node *node)
{
    return CONTAINER_OF(node, struct connection_age, node);
}

/* Its loop sees the end of the connection and closes; the descriptor stays valid until then. */
static void cut(struct connection_age *age)
{
    (void)shutdown(age->fd, SHUT_RDWR);
}

static size_t cut_older(struct connections *c, enum connection_step step, int64_t before_us)
{
    size_t cuts = 0;
    for (struct list_node *node = list_first(&c->steps[step]); node && of_node(node)->since_us < before_us;
         node = list_next(&c->steps[step], node), cuts++)
        cut(of_node(node));
    return cuts;
}

static size_t sweep(struct connections *c)
{
    int64_t now = clock_mono(c->clock).us;
    size_t cuts = 0;
    for (int step = 0; step < CONNECTION_STEPS; step++)
        if (max_age_s[step])
            cuts += cut_older(c, (enum connection_step)step, now - max_age_s[step] * US_PER_S);
    return cuts;
}

size_t connections_sweep(struct connections *connections)
{
    mutex_lock(&connections->mutex);
    size_t cuts = sweep(connections);
    mutex_unlock(&connections->mutex);
    return cuts;
}

static void sweep_on(void *arg)
{
    struct connections *c = arg;
    mutex_lock(&c->mutex);
    while (!c->stopping) {
        if (!c->count) {
            condition_wait(&c->wake, &c->mutex);
            continue;
        }
        (void)sweep(c);
        (void)condition_wait_for(&c->wake, &c->mutex, SWEEP_US);
    }
    mutex_unlock(&c->mutex);
}

void connections_init(struct connections *connections, size_t max, const struct clock *clock)
{
    *connections = (struct connections){.max = max, .clock = clock};
    mutex_init(&connections->mutex);
    condition_init(&connections->wake);
    for (int step = 0; step < CONNECTION_STEPS; step++)
        list_init(&connections->steps[step]);
}

void connections_start(struct connections *connections)
{
    thread_start(&connections->sweeper, "horae-http-age", sweep_on, connections);
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

static void leave(struct connections *c, struct connection_age *age)
{
    list_remove(&c->steps[age->step], &age->node);
}

static void enter(struct connections *c, struct connection_age *age, enum connection_step step)
{
    age->step = step;
    age->since_us = clock_mono(c->clock).us;
    list_push_back(&c->steps[step], &age->node);
}

static bool cut_oldest_idle(struct connections *c)
{
    struct list_node *node = list_first(&c->steps[CONNECTION_IDLE]);
    if (!node)
        return false;
    cut(of_node(node));
    leave(c, of_node(node)); /* not a second time: it counts as lingering until its loop has closed it */
    enter(c, of_node(node), CONNECTION_LINGERING);
    return true;
}

bool connections_close_oldest(struct connections *connections)
{
    mutex_lock(&connections->mutex);
    bool cut_one = cut_oldest_idle(connections);
    mutex_unlock(&connections->mutex);
    return cut_one;
}

bool connections_add(struct connections *connections, struct connection_age *age, int fd)
{
    *age = (struct connection_age){.fd = fd};
    mutex_lock(&connections->mutex);
    /* those that were cut a moment ago still count */
    bool room =
        connections->count < connections->max + connections->steps[CONNECTION_LINGERING].count || cut_oldest_idle(connections);
    if (room) {
        if (!connections->count++)
            condition_signal(&connections->wake);
        enter(connections, age, CONNECTION_IDLE);
    }
    mutex_unlock(&connections->mutex);
    return room;
}

void connections_remove(struct connections *connections, struct connection_age *age)
{
    mutex_lock(&connections->mutex);
    leave(connections, age);
    connections->count--;
    mutex_unlock(&connections->mutex);
}

void connections_enter(struct connections *connections, struct connection_age *age, enum connection_step step)
{
    mutex_lock(&connections->mutex);
    leave(connections, age);
    enter(connections, age, step);
    mutex_unlock(&connections->mutex);
}
