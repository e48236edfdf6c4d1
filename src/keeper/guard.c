/* SPDX-License-Identifier: Apache-2.0 */
/* The pipe carries one 32-bit number per order: a group to add, or, negative, to remove. */
#include "keeper/guard.h"

#include "base/compiler.h"
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GUARD_PIPE_FD = 3, ORDERS_AT_ONCE = 256 };

static void kill_groups(const struct int_map *groups)
{
    for (size_t i = 0; i < groups->capacity; i++)
        if (groups->slots[i].value)
            (void)kill((pid_t)-groups->slots[i].key, SIGKILL);
}

static void take_order(struct int_map *groups, int32_t order)
{
    if (order > 1)
        (void)int_map_put(groups, order, groups); /* a set: any value serves */
    else if (order < -1)
        (void)int_map_remove(groups, -(int64_t)order);
}

NO_RETURN static void guard_main(int pipe_fd)
{
    (void)setsid(); /* whoever signals the keeper's group does not reach it */
    (void)prctl(PR_SET_NAME, "horae-guard");
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    (void)dup2(pipe_fd, GUARD_PIPE_FD);
    (void)syscall(SYS_close_range, GUARD_PIPE_FD + 1, ~0U, 0);
    struct int_map groups;
    int_map_init(&groups);
    int32_t orders[ORDERS_AT_ONCE];
    for (;;) {
        ssize_t n = read(GUARD_PIPE_FD, orders, sizeof orders); /* whole orders: writes of 4 bytes are atomic */
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        for (size_t i = 0; i < (size_t)n / sizeof *orders; i++)
            take_order(&groups, orders[i]);
    }
    kill_groups(&groups);
    _exit(0);
}

bool guard_start(struct guard *guard)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        guard_main(ends[0]);
    (void)close(ends[0]);
    if (pid < 0) {
        (void)close(ends[1]);
        return false;
    }
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK); /* a guard that was stopped must not stop the keeper */
    *guard = (struct guard){.pid = pid, .fd = ends[1]};
    return true;
}

static void give_order(const struct guard *guard, int32_t order)
{
    if (guard->pid)
        (void)!write(guard->fd, &order, sizeof order);
}

void guard_add(const struct guard *guard, pid_t group)
{
    give_order(guard, group);
}

void guard_remove(const struct guard *guard, pid_t group)
{
    give_order(guard, -group);
}

void guard_gone(struct guard *guard)
{
    (void)close(guard->fd);
    *guard = (struct guard){.fd = -1};
}
