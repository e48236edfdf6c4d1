/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HORAE_CLI_TASK_TRIGGER_H
#define HORAE_CLI_TASK_TRIGGER_H

#include "cli/subcommand.h"

extern const struct option_spec task_trigger_specs[];
extern const struct resource task_resource;

/* horae task trigger ID: one run, or with --bulk as many as a file lists. */
int task_trigger(const struct client *client, const struct options *options);

#endif
