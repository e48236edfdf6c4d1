/* SPDX-License-Identifier: Apache-2.0 */
/* The pipe carries orders of one size, small enough to be written whole or not at all. */
#include "keeper/guard.h"

#include "base/compiler.h"
#include "base/map.h"
#include "base/mem.h"
#include "keeper/processes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    GUARD_PIPE_FD = 3,
    GUARD_READY_FD,
    GUARD_FDS,
    READY_WAIT_MS = 2000,
    ORDERS_AT_ONCE = 64,
    MARK_SIZE = 60,
    SEARCHES_MAX = 100,
    SEARCH_EVERY_MS = 10
};

struct guard_order {
    int32_t group;        /* negative: to remove */
    char mark[MARK_SIZE]; /* "" = none */
};

static void kill_groups(const struct int_map *groups)
{
    for (size_t i = 0; i < groups->capacity; i++)
        if (groups->slots[i].value)
            (void)kill((pid_t)-groups->slots[i].key, SIGKILL);
}

/* Where no cgroups hold them: what has left its group, until none is found. Orphans of a keeper that is gone may have
 * become anybody's children. */
static void kill_escaped(const struct int_map *groups)
{
    struct process_table table = {0};
    size_t found = 1;
    for (int searches = 0; found && searches < SEARCHES_MAX; searches++) {
        found = 0;
        process_table_read(&table);
        for (size_t i = 0; i < groups->capacity; i++) {
            const char *mark = groups->slots[i].value;
            const struct process_marks marks = {.leader = (pid_t)groups->slots[i].key,
                                                .environment = mark && mark[0] ? mark : NULL};
            found += mark ? process_table_search(&table, &marks, true) : 0;
        }
        if (found)
            (void)poll(NULL, 0, SEARCH_EVERY_MS);
    }
    process_table_release(&table);
}

static void take_order(struct int_map *groups, const struct guard_order *order)
{
    if (order->group > 1)
        free(int_map_put(groups, order->group, xstrndup(order->mark, strnlen(order->mark, MARK_SIZE - 1))));
    else if (order->group < -1)
        free(int_map_remove(groups, -(int64_t)order->group));
}

/* Keeps the two pipes alone: above all not the keeper's lock, which would outlive the keeper in here. */
static void leave_descriptors(int orders_fd, int ready_fd)
{
    int orders = fcntl(orders_fd, F_DUPFD, GUARD_FDS), ready = fcntl(ready_fd, F_DUPFD, GUARD_FDS);
    (void)dup2(orders, GUARD_PIPE_FD);
    (void)dup2(ready, GUARD_READY_FD);
    (void)syscall(SYS_close_range, GUARD_FDS, ~0U, 0);
    (void)!write(GUARD_READY_FD, "", 1);
    (void)close(GUARD_READY_FD);
}

NO_RETURN static void guard_main(int orders_fd, int ready_fd, const struct cgroup_tree *tree)
{
    (void)setsid(); /* whoever signals the keeper's group does not reach it */
    (void)prctl(PR_SET_NAME, "horae-guard");
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    leave_descriptors(orders_fd, ready_fd);
    struct int_map groups;
    int_map_init(&groups);
    struct guard_order orders[ORDERS_AT_ONCE];
    for (;;) {
        ssize_t n = read(GUARD_PIPE_FD, orders, sizeof orders); /* whole ones */
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        for (size_t i = 0; i < (size_t)n / sizeof *orders; i++)
            take_order(&groups, &orders[i]);
    }
    kill_groups(&groups);
    for (int i = 0; !cgroup_tree_end(tree) && tree->trees && i < SEARCHES_MAX; i++)
        (void)poll(NULL, 0, SEARCH_EVERY_MS);
    if (!tree->trees)
        kill_escaped(&groups);
    _exit(0);
}

static void close_both(const int ends[2])
{
    (void)close(ends[0]);
    (void)close(ends[1]);
}

bool guard_start(struct guard *guard, const struct cgroup_tree *tree)
{
    int orders[2], ready[2];
    if (pipe2(orders, O_CLOEXEC) != 0)
        return false;
    if (pipe2(ready, O_CLOEXEC) != 0) {
        close_both(orders);
        return false;
    }
    pid_t pid = fork();
    if (pid == 0)
        guard_main(orders[0], ready[1], tree);
    (void)close(ready[1]);
    struct pollfd wait = {.fd = ready[0], .events = POLLIN};
    if (pid > 0)
        (void)poll(&wait, 1, READY_WAIT_MS);
    (void)close(ready[0]);
    if (pid < 0) {
        close_both(orders);
        return false;
    }
    (void)close(orders[0]);
    (void)fcntl(orders[1], F_SETFL, O_NONBLOCK); /* a guard that was stopped must not stop the keeper */
    *guard = (struct guard){.pid = pid, .fd = orders[1]};
    return true;
}

static void give_order(const struct guard *guard, const struct guard_order *order)
{
    if (guard->pid)
        (void)!write(guard->fd, order, sizeof *order);
}

void guard_add(const struct guard *guard, pid_t group, const char *mark)
{
    struct guard_order order = {.group = group};
    if (mark && strlen(mark) < sizeof order.mark)
        memcpy(order.mark, mark, strlen(mark));
    give_order(guard, &order);
}

void guard_remove(const struct guard *guard, pid_t group)
{
    const struct guard_order order = {.group = -group};
    give_order(guard, &order);
}

void guard_gone(struct guard *guard)
{
    (void)close(guard->fd);
    *guard = (struct guard){.fd = -1};
}
