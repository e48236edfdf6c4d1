/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `horae store` that have files of their own. */
#ifndef HORAE_CLI_STORE_COMMANDS_H
#define HORAE_CLI_STORE_COMMANDS_H

#include "base/err.h"
#include "cli/options.h"

/* horae store copy FROM TO, with --data and --to-data; horae store migrate. Their exit codes. */
int store_transfer(const struct options *options);
int store_upgrade(const char *url, bool dry_run);

/* What was done to a store while no server ran, for its audit log: the next start takes it over. `files`: store_files. `former`: where
 * what was replaced is kept, "" = nowhere. */
enum err_code store_note(const char *files, const char *operation, const char *from, const char *former, struct err *err);

#endif
