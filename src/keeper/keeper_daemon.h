/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the keeper's process: one thread, one epoll loop, everything owned by `struct daemon`. Who lives where:
 * keeper_main.c the process and its loop, keeper_peer.c connections and messages, keeper_command.c the life of a
 * command, keeper_tree.c all that it has started, keeper_report.c what is told about it, child.c the step into the
 * child, guard.c the watch over groups. */
#ifndef HORAE_KEEPER_KEEPER_DAEMON_H
#define HORAE_KEEPER_KEEPER_DAEMON_H

#include "base/clock.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "keeper/cgroup.h"
#include "keeper/guard.h"
#include "keeper/keeper_protocol.h"
#include "keeper/log_writer.h"
#include "keeper/processes.h"
#include "keeper/tail.h"

#include <sys/types.h>

enum {
    IDLE_EXIT_MS = 60000,       /* nothing lives, nothing is unacknowledged, nobody is connected */
    DRAIN_AFTER_EXIT_MS = 1000, /* background processes may hold the streams that long */
    TREE_LOOK_MS = 10,          /* between looks at what is left of a run that was told to end */
    TREE_WAIT_MS = 5000,        /* after SIGKILL: what does not die then hangs in the kernel */
    OUTPUT_EVERY_MS = 100,
    PEERS_MAX = 8,              /* connections that have not said HELLO yet, and the server */
    PEER_BACKLOG_MAX = 1 << 20, /* unsent bytes above which nothing new is put in */
    READ_BYTES = 65536,
    SPAWN_STACK_BYTES = 65536,
    FILES_RESERVED = 256, /* descriptors that commands leave for connections, logs and small files */
    PROGRESS_LINE_MAX = 64,
    TAILS_BYTES_MAX = 256 << 20, /* all tails together; beyond it they do not grow (the log has everything) */
};

/* Something that epoll watches. `fd` −1: closed, whatever is still in the batch of events. */
struct source {
    void (*ready)(struct source *source, uint32_t events);
    int fd;
};

enum command_state { COMMAND_RUNNING, COMMAND_REAPED, COMMAND_ENDED };

/* What the server has not been told yet, in the order of telling. */
enum { SAY_STARTED = 1, SAY_PROGRESS = 2, SAY_OUTPUT = 4, SAY_END = 8 };

struct stream {
    struct source source;
    struct command *command;
    enum keeper_stream kind;
    struct tail tail;
};

struct progress {
    struct source source;
    struct command *command;
    char line[PROGRESS_LINE_MAX];
    size_t length;
    bool skip; /* a line longer than the limit: until its end */
};

struct command {
    struct list_node node;    /* daemon.commands or daemon.trash */
    struct list_node to_tell; /* daemon.to_tell */
    struct heap_node timer;
    struct daemon *daemon;
    struct command *other_attempt; /* the next one with the same id */
    int64_t id;
    int32_t attempt;
    enum command_state state;
    unsigned say;
    pid_t pid;                       /* and its process group; 0 = never started */
    int64_t started_us, finished_us; /* wall */
    int status;                      /* as waitpid tells it */
    int percent;                     /* −1 = none told */
    bool limited, end_asked, kill_asked, oom_killed;
    char *failure;            /* owned; why it could not be started */
    char *mark;               /* owned; entry of its environment by which its processes are found, NULL = none needed */
    struct stream streams[2]; /* standard output, standard error */
    struct progress progress;
    struct log_writer log;
    bool log_lost;
    struct cgroup cgroup;
    int64_t drain_until_us, output_due_us, output_told_us; /* monotonic; 0 = none */
    int64_t tree_look_us, tree_until_us, tree_since_us;    /* next look, last one, when something was there; as above */
};

struct peer {
    struct source source;
    struct daemon *daemon;
    struct list_node node;
    bool said_hello, broken; /* broken: writing failed; what it sent is still read */
    bool waits_for_room;     /* EPOLLOUT is asked for */
    struct buf in, out;
    size_t sent; /* of `out` */
};

struct daemon {
    const struct clock *clock;
    int epoll_fd, null_fd, lock_fd;
    pid_t pid;
    struct source listener, signals;
    struct list commands; /* living ones in the order of their starts, then ended ones in the order of their ends */
    struct list to_tell;
    struct list trash; /* freed after the batch of events */
    struct int_map by_id, by_pid;
    struct heap timers; /* keys: monotonic microseconds */
    struct list peers;
    struct list dead_peers;
    struct peer *server; /* NULL = nobody */
    struct tail_budget tails;
    struct guard guard;
    struct cgroup_tree cgroups;
    struct process_table processes;
    int64_t processes_read_us; /* monotonic */
    uint64_t files_soft;       /* RLIMIT_NOFILE as the server had it: commands get it back */
    uint64_t files_max;        /* ours */
    char *stack;               /* of the child between clone and exec */
    char *block;               /* READ_BYTES, for reading streams */
    int64_t idle_since_us;     /* monotonic; 0 = not idle */
    int64_t idle_exit_us;
    bool shutdown_when_idle, done;
};

/* keeper_main.c */
bool daemon_watch(struct daemon *daemon, struct source *source, uint32_t events);
void daemon_unwatch(struct daemon *daemon, struct source *source); /* closes it, too */
int64_t daemon_now_us(const struct daemon *daemon);                /* monotonic */

/* keeper_command.c */
void command_start(struct daemon *daemon, const struct keeper_start *start);
struct command *command_find(const struct daemon *daemon, int64_t id, int32_t attempt);
void command_signal(struct command *command, int signo);
void command_forget(struct command *command); /* acknowledged; does nothing while it lives */
void command_timer(struct command *command, int64_t now_us);
/* Takes the states of all children that have ended. */
void commands_reap(struct daemon *daemon);
void commands_kill_all(struct daemon *daemon);
void command_free(struct command *command);
void command_set_timer(struct command *command);

/* keeper_tree.c */
/* Before the start: a cgroup (its folder goes to `*ret_cgroup_fd`, the caller closes it) or a mark. False: it wants
 * limits that cannot be set, for `reason` (CGROUP_REASON_MAX). */
bool tree_prepare(struct command *command, const struct keeper_start *start, int *ret_cgroup_fd, char *reason);
bool tree_is_held(const struct command *command); /* by a cgroup: looking costs little */
bool tree_group_lives(const struct command *command);
/* SIGKILL to all that is left. True when there was nothing; else look again soon. */
bool tree_end(struct command *command);

/* keeper_stream.c: descriptors of a command */
bool streams_open(struct command *command, int ret_child[3], int *ret_errno);
/* Reads what is there; `last` also closes what stays open. True when both streams are closed. */
bool streams_drain(struct command *command, bool last);

/* keeper_command.c, called by streams when one was closed */
void command_stream_closed(struct command *command);

/* keeper_report.c */
void report(struct command *command, unsigned what);
void report_output(struct command *command);
/* LISTING, and everything that has to be repeated. A new server has said HELLO. */
void report_everything(struct daemon *daemon);
void report_refused(struct daemon *daemon, int64_t id, int32_t attempt, const char *why);
/* Moves what waits into the server's buffer as far as there is room. */
void report_pump(struct daemon *daemon);

/* keeper_peer.c */
void peer_accept(struct source *listener, uint32_t events);
/* Carries out the whole messages at the front of `in`; false: the connection ends. */
bool peer_take_messages(struct peer *peer);
void peer_flush(struct peer *peer);
void peer_close(struct peer *peer);
void peer_free(struct peer *peer);

#endif
