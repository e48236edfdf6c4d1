/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HORAE_CLI_TASK_EDIT_H
#define HORAE_CLI_TASK_EDIT_H

#include "cli/subcommand.h"

/* GET, editor, PUT; a task that somebody else has changed meanwhile is not overwritten. `print` shows what became of it. */
int task_edit(const struct client *client, const char *id, void (*print)(const struct answer *answer));

#endif
