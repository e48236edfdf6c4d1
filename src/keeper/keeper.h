/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper: a small static executable of its own that starts commands, each in a process group of its own, drains
 * their output into logs, and outlives the server. A server killed with SIGKILL leaves its commands running; the next
 * one connects and learns what lives and what ended meanwhile (SCH-70, rulings section 3). This header is the
 * server's side. A `struct keeper` belongs to one thread; its callbacks run inside keeper_connect and
 * keeper_dispatch on that thread. */
#ifndef HORAE_KEEPER_KEEPER_H
#define HORAE_KEEPER_KEEPER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    KEEPER_RESULT_MAX = 65536,    /* last bytes of standard output that an exit carries */
    KEEPER_STACK_MAX = 10240,     /* last bytes of standard error */
    KEEPER_MESSAGE_MAX = 1 << 20, /* bytes of one message; a larger start is refused with ERR_LIMIT */
    KEEPER_CHILDREN_MAX = 10000,  /* live and unacknowledged commands of one keeper */
};

struct keeper;

enum { KEEPER_REASON_MAX = 400 };

/* What a keeper can do on this machine, and why not. */
struct keeper_abilities {
    bool limits; /* `limits` of a command can be kept (cgroup v2 with its controllers) */
    bool trees;  /* all that a command starts is held together (cgroup.kill); else it is searched for in /proc */
    char no_limits[KEEPER_REASON_MAX], no_trees[KEEPER_REASON_MAX]; /* reasons; "" when it can */
};

struct keeper_info {
    int64_t pid; /* 0 = unknown */
    struct keeper_abilities abilities;
};

struct keeper_exit {
    int64_t id;
    int32_t attempt;
    int exit_code, signo; /* signo 0: it exited by itself */
    bool oom_killed;
    int64_t started_us, finished_us;       /* wall time */
    const char *stdout_tail, *stderr_tail; /* borrowed during the callback; any bytes */
    size_t stdout_length, stderr_length;
    bool stdout_truncated, stderr_truncated; /* bytes before the tail exist */
};

struct keeper_listing {
    int64_t id;
    int32_t attempt;
    bool exited; /* ended while no server was connected: its `exited` callback follows */
    int64_t pid, started_us;
};

struct keeper_callbacks {
    void *arg;
    /* After a connection: everything the keeper knows, live and ended but unacknowledged. */
    void (*connected)(void *arg, const struct keeper_listing *listing, size_t count);
    void (*disconnected)(void *arg); /* the keeper went away; its commands die with it (parent-death signal, cgroup) */
    void (*started)(void *arg, int64_t id, int attempt, int64_t pid, int64_t started_us);
    /* The command could not be started: `message` names what (no such file, no such user, a limit). Acknowledge it. */
    void (*start_failed)(void *arg, int64_t id, int attempt, const char *message);
    /* The process ended and both streams are drained. Repeated after a reconnect until it is acknowledged. */
    void (*exited)(void *arg, const struct keeper_exit *end);
    void (*progress)(void *arg, int64_t id, int attempt, int percent); /* a line `progress N` on descriptor 3 */
    void (*output)(void *arg, int64_t id, int attempt);                /* the log grew; at most every 100 ms per command */
    /* Known (ordered or listed) but its end cannot be told: after `disconnected` when the keeper has died, before
     * `connected` when the keeper that is found does not list it. Once; needs no acknowledgement. */
    void (*lost)(void *arg, int64_t id, int attempt);
};

struct keeper_limits {
    int64_t memory_bytes, cpu_percent, pids; /* 0 = none */
};

struct keeper_start {
    int64_t id;
    int32_t attempt;
    char *const *argv;      /* NULL-terminated; argv[0] is looked up in the PATH of `env` */
    char *const *env;       /* NULL-terminated NAME=VALUE; the whole environment */
    const char *cwd;        /* NULL = "/" */
    const char *user;       /* NULL = as the server; needs root */
    const char *stdin_data; /* NULL = /dev/null */
    size_t stdin_length;
    const char *log_path; /* appended to; framed, see keeper_log.h */
    int64_t log_limit;    /* bytes kept, the end; the log rotates beneath it */
    struct keeper_limits limits;
};

/* Writes the embedded executable to DATA_DIR/keeper-<hash> (mode 0700) unless it is there already; `path` gets it.
 * Removes those of other versions. */
enum err_code keeper_install(const char *data_dir, char *path, size_t capacity, struct err *err);

/* Prepares; connects nothing. `executable` from keeper_install. The socket is DATA_DIR/keeper.sock (0600). */
enum err_code keeper_open(const char *data_dir, const char *executable, const struct keeper_callbacks *callbacks,
                          struct keeper **ret, struct err *err);
/* The soft limit of open files that commands get, when this process has raised its own; 0 = as this process. */
void keeper_set_files(struct keeper *keeper, uint64_t soft);
/* Connects to a living keeper; with `spawn`, starts one when there is none (double fork, session of its own, all
 * descriptors closed). ERR_NOT_FOUND: none lives and spawn is false. ERR_CONFLICT: one lives that speaks no version of
 * the protocol that we do; the message says what to do. Blocks at most 5 s. Calls `connected`. */
enum err_code keeper_connect(struct keeper *keeper, bool spawn, struct err *err);
/* Of the keeper of the last connection. */
const struct keeper_info *keeper_info(const struct keeper *keeper);
/* Orders are buffered (bounded by 64 MiB: ERR_LIMIT) and leave with keeper_dispatch when the socket is full. */
enum err_code keeper_start(struct keeper *keeper, const struct keeper_start *start, struct err *err);
/* To the process group; SIGKILL to all that the command has started. Unknown ids are ignored. */
enum err_code keeper_signal(struct keeper *keeper, int64_t id, int32_t attempt, int signo, struct err *err);
/* The end is safe in the store: the keeper may forget it. */
enum err_code keeper_ack(struct keeper *keeper, int64_t id, int32_t attempt, struct err *err);
int keeper_poll_fd(const struct keeper *keeper);       /* -1 when not connected */
short keeper_poll_events(const struct keeper *keeper); /* POLLIN, and POLLOUT while orders wait */
/* Reads and writes what is ready; calls callbacks. After `disconnected` the error says why. */
enum err_code keeper_dispatch(struct keeper *keeper, short revents, struct err *err);
/* Closes the connection. With `shutdown_when_idle` the keeper exits once nothing runs and nothing is unacknowledged;
 * otherwise it waits for the next server. NULL is fine. */
void keeper_close(struct keeper *keeper, bool shutdown_when_idle);

/* What a keeper can do where this process stands. */
void keeper_look_around(struct keeper_abilities *ret);

#endif
