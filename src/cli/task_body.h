/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a task from options and files: one table of option = member. */
#ifndef HORAE_CLI_TASK_BODY_H
#define HORAE_CLI_TASK_BODY_H

#include "base/buf.h"
#include "cli/options.h"

enum { TASK_FILE_MAX = 1 << 20 };

extern const struct option_spec task_create_specs[], task_update_specs[];

/* Appends the body of a create, or of an update (a merge patch). False: what is wrong stands on standard error. */
bool task_body_build(const struct options *options, bool update, struct buf *out);

/* The text is a decimal integer; else an error that names the option. */
bool check_number(const char *option, const char *text);

#endif
