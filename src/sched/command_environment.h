/* SPDX-License-Identifier: Apache-2.0 */
/* What a command's process is given: arguments, folder, user and exactly this environment (rulings section 1): PATH,
 * HOME, LANG, TZ, the task's `env`, and the HORAE_ variables; nothing else of the server's. */
#ifndef HORAE_SCHED_COMMAND_ENVIRONMENT_H
#define HORAE_SCHED_COMMAND_ENVIRONMENT_H

#include "base/mem.h"
#include "keeper/keeper.h"
#include "sched/handler.h"

struct command_start {
    struct keeper_start message; /* points into what follows and into the job's data */
    struct arena arena;
    void *data; /* the parsed task data */
};

/* Resolves the user (names stay out of the keeper). The message borrows from `ret` until release. Any thread. */
enum err_code command_start_prepare(const struct handler_job *job, struct command_start *ret, struct err *err);
void command_start_release(struct command_start *start);

#endif
