/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one row of cli_commands.def per command. Exit codes: 0 done, 1 failed, 2 usage, 3 server
 * unreachable, 4 not allowed (contract section 2). */
#ifndef HORAE_CLI_CLI_H
#define HORAE_CLI_CLI_H

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_UNREACHABLE = 3, CLI_DENIED = 4 };

/* argv[0] is the command's name ("cron", "task", …), not the program's. Returns the exit code. */
typedef int (*cli_main_fn)(int argc, char **argv);

struct cli_command {
    const char *name, *summary;
    cli_main_fn main;
};

/* Dispatches argv[1]; `serve` is the application's own command, shown first in the help. */
int cli_run(int argc, char **argv, const struct cli_command *serve);

int cli_audit(int argc, char **argv);
int cli_config(int argc, char **argv);
int cli_cron(int argc, char **argv);
int cli_task(int argc, char **argv);
int cli_execution(int argc, char **argv);
int cli_import(int argc, char **argv);
int cli_lock(int argc, char **argv);
int cli_instance(int argc, char **argv);
int cli_token(int argc, char **argv);
int cli_user(int argc, char **argv);
int cli_store(int argc, char **argv);

#endif
