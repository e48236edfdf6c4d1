/* SPDX-License-Identifier: Apache-2.0 */
/* The guard: a child of the keeper that knows the living commands and ends all that they have started when the keeper
 * is gone. The parent-death signal reaches a command's first process only; `sh -c 'work; more'` would leave `work`
 * behind. Should the guard itself be killed, the keeper makes a new one. */
#ifndef HORAE_KEEPER_GUARD_H
#define HORAE_KEEPER_GUARD_H

#include "keeper/cgroup.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct guard {
    pid_t pid; /* 0 = none */
    int fd;    /* writing end; its closing is the alarm */
};

bool guard_start(struct guard *guard, const struct cgroup_tree *tree);
/* `mark`: see process_marks, NULL = none. */
void guard_add(const struct guard *guard, pid_t group, const char *mark);
void guard_remove(const struct guard *guard, pid_t group);
/* It was reaped: forgets it, so that guard_start can follow. */
void guard_gone(struct guard *guard);

#endif
