/* SPDX-License-Identifier: Apache-2.0 */
/* Task type `command`: starts processes through the keeper, follows them, adopts what a former server left running.
 * One I/O thread owns the connection to the keeper. */
#ifndef HORAE_SCHED_HANDLER_COMMAND_H
#define HORAE_SCHED_HANDLER_COMMAND_H

#include "base/clock.h"
#include "keeper/keeper.h"
#include "sched/attempt_sink.h"
#include "sched/handler.h"

struct handler_command;

struct handler_command_options {
    const char *data_dir;
    const struct clock *clock;
    int64_t log_bytes; /* kept per execution; the end */
    uint64_t files;    /* soft limit of open files for commands, 0 = as this process */
};

enum err_code handler_command_new(const struct handler_command_options *options, struct handler_command **ret, struct err *err);
/* Connects to a living keeper, tells the sink, which is copied, what it still runs (adopt), and starts the thread. One that
 * lives and does not answer is waited for by the thread: until then nothing is said about what was running.
 * ERR_CONFLICT: the keeper of another version runs there; nothing was changed. */
enum err_code handler_command_attach(struct handler_command *command, const struct attempt_sink *sink, struct err *err);
/* What the keeper can do; before the first one was met, what it could do here. Any thread. */
void handler_command_abilities(struct handler_command *command, struct keeper_abilities *ret);
struct handler handler_command_handler(struct handler_command *command);
/* After the scheduler has stopped. With `handover`, the keeper and what it runs go on. */
void handler_command_free(struct handler_command *command, bool handover);

/* Folder of an execution's log: DIR/logs/<id / 10000>; made when missing. `out` gets the path of its log file. */
bool handler_command_log_path(const char *data_dir, int64_t execution_id, char *out, size_t capacity, bool make);

#endif
