/* SPDX-License-Identifier: Apache-2.0 */
/* For the keeper's tests: a data directory of its own, a connection, and a record of everything the callbacks said.
 * Every wait has a generous end and no test looks at how long something took. */
#ifndef HORAE_KEEPER_KEEPER_TEST_KIT_H
#define HORAE_KEEPER_KEEPER_TEST_KIT_H

#include "keeper/keeper.h"
#include "keeper/keeper_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/types.h>

#include <cmocka.h>

enum { KIT_COMMANDS_MAX = 2048, KIT_WAIT_MS = 30000 };

struct kit_record {
    int64_t id, pid, started_us, finished_us;
    int32_t attempt;
    int started, failed, exited, progress, outputs, lost; /* how often */
    int last_percent, exit_code, signo;
    bool oom_killed, stdout_truncated, stderr_truncated;
    char *out, *err_text; /* owned tails */
    size_t out_length, err_length;
    char message[512];
};

struct kit {
    char dir[3000], executable[3100], log_path[3100];
    struct keeper *keeper;
    pid_t keeper_pid;
    struct kit_record records[KIT_COMMANDS_MAX];
    size_t count;
    int connections, disconnections, exits;
    struct keeper_listing listing[KIT_COMMANDS_MAX]; /* of the last connection */
    size_t listed;
    bool acknowledges; /* ends are acknowledged as they come (the default) */
};

/* cmocka's set-up and tear-down: *state is a connected struct kit; afterwards no process is left. */
int kit_setup(void **state);
int kit_teardown(void **state);
struct kit *kit_new(const char *subfolder); /* not connected; `subfolder` NULL = none */
bool kit_free(struct kit *kit);             /* ends the keeper; false when that had something to complain about */
void kit_open(struct kit *kit);
void kit_connect(struct kit *kit); /* must work */
void kit_forget(struct kit *kit);  /* what was told about all commands up to now */
void kit_close(struct kit *kit, bool shutdown);
pid_t kit_read_pid(const struct kit *kit); /* from keeper.lock */

/* A start with sane defaults: `sh -c script`, a PATH, the kit's log. */
struct keeper_start kit_shell(struct kit *kit, int64_t id, char *argv[4], const char *script);
void kit_start(struct kit *kit, const struct keeper_start *start);
/* Starts `sh -c script` and waits for its end. */
struct kit_record *kit_run(struct kit *kit, int64_t id, const char *script);
struct kit_record *kit_find(struct kit *kit, int64_t id, int32_t attempt); /* made when missing */
/* Dispatches until the counter has reached `least`; fails the test after KIT_WAIT_MS. */
void kit_wait(struct kit *kit, const int *counter, int least);
void kit_pause(int ms);       /* between looks at something */
bool kit_is_alive(pid_t pid); /* exists and is no zombie */
void kit_wait_gone(pid_t pid);
/* Waits for the file and reads a number from it. */
pid_t kit_wait_pid_file(const struct kit *kit, const char *name);
/* All text of one stream in the log; the caller frees. Checks that offsets join when `gapless`. */
char *kit_read_log(const char *path, enum keeper_stream stream, bool gapless);
/* A connected socket to the keeper, past the client. */
int kit_raw_socket(const struct kit *kit);

#endif
