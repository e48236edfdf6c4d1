/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HORAE_CLI_EXECUTION_LOGS_H
#define HORAE_CLI_EXECUTION_LOGS_H

#include "cli/subcommand.h"

extern const struct option_spec execution_log_specs[];

/* horae execution logs ID */
int execution_logs(const struct client *client, const struct options *options);
/* The output of an execution as it comes until it ends; 1 when it did not succeed. `stream` and `tail` may be NULL. */
int execution_follow(const struct client *client, const char *id, const char *stream, const char *tail);

#endif
