/* SPDX-License-Identifier: Apache-2.0 */
/* The step from the keeper into a command: clone without copying memory, set up, exec. */
#ifndef HORAE_KEEPER_CHILD_H
#define HORAE_KEEPER_CHILD_H

#include "keeper/user.h"

#include <stdbool.h>
#include <stdint.h>

struct spawn_plan {
    char *const *argv, *const *env;
    const char *cwd;         /* "/" when there is none */
    const struct user *user; /* NULL = as the keeper */
    int fds[4];              /* become 0 … 3; each is 4 or more */
    int cgroup_fd;           /* folder of the cgroup in which it shall be born, −1 = the keeper's own */
    uint64_t files_soft;     /* RLIMIT_NOFILE of the command */
    pid_t keeper;
    char *stack; /* of the child until exec */
    size_t stack_size;
};

struct spawn_failure {
    const char *what; /* literal: "cannot run" */
    const char *name; /* of the file or folder, "" = none; borrowed from the plan */
    int error;        /* errno */
};

/* The pid; the child leads a group of its own by then, and the new program is loaded. −1: `failure`
 * says why, and no child is left. Blocks until exec. */
pid_t spawn(const struct spawn_plan *plan, struct spawn_failure *failure);

#endif
