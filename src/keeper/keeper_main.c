/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper: `keeper [--daemon] [--idle-ms N] [--files N] DATA_DIR`. One thread waits for the server, for output, for the end
 * of children and for timers. SIGTERM kills all commands and ends it; SIGINT and SIGHUP, which a terminal sends to
 * everything it knows, are ignored. Exactly one per data directory (keeper.lock). */
#include "base/mem.h"
#include "base/str.h"
#include "keeper/keeper_daemon.h"
#include "keeper/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS_AT_ONCE = 256, BACKLOG = 8, WAIT_MS_MAX = 3600000 };

struct arguments {
    const char *data_dir;
    int64_t idle_ms;
    int64_t files; /* soft limit of commands, 0 = as it was given to us */
    bool detach;
};

/* ---- what all parts use ---- */

int64_t daemon_now_us(const struct daemon *daemon)
{
    return clock_mono(daemon->clock).us;
}

bool daemon_watch(struct daemon *daemon, struct source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) == 0;
}

void daemon_unwatch(struct daemon *daemon, struct source *source)
{
    (void)epoll_ctl(daemon->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    (void)close(source->fd);
    source->fd = -1;
}

/* ---- setting up ---- */

static enum launch_status take_lock(struct daemon *daemon, const char *data_dir, char *text, size_t capacity)
{
    char pid[24];
    if (chdir(data_dir) != 0) {
        (void)snprintf(text, capacity, "cannot change to the data directory %.300s: %s", data_dir, strerror(errno));
        return LAUNCH_FAILED;
    }
    daemon->lock_fd = open(KEEPER_LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (daemon->lock_fd < 0) {
        (void)snprintf(text, capacity, "cannot open %s/" KEEPER_LOCK_NAME ": %s", data_dir, strerror(errno));
        return LAUNCH_FAILED;
    }
    if (flock(daemon->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        (void)snprintf(text, capacity, "another keeper runs for %.300s", data_dir);
        return LAUNCH_ALREADY_RUNS;
    }
    int n = snprintf(pid, sizeof pid, "%d\n", (int)daemon->pid);
    (void)!ftruncate(daemon->lock_fd, 0);
    (void)!write(daemon->lock_fd, pid, (size_t)n);
    return LAUNCH_READY;
}

/* The path is relative to the data directory, where we are: sun_path holds 107 bytes only. */
static bool listen_here(struct daemon *daemon)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = KEEPER_SOCKET_NAME};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    (void)unlink(KEEPER_SOCKET_NAME); /* of a keeper that was killed: we have the lock */
    mode_t before = umask(0177);
    bool good = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0;
    (void)umask(before);
    daemon->listener = (struct source){peer_accept, fd};
    return good && daemon_watch(daemon, &daemon->listener, EPOLLIN);
}

static void signals_ready(struct source *source, uint32_t events)
{
    struct daemon *daemon = CONTAINER_OF(source, struct daemon, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info)
        daemon->done |= info.ssi_signo == SIGTERM;
    commands_reap(daemon);
    if (daemon->done) /* not reaped: the server shall see all of them lost, not those lost that died a moment later */
        commands_kill_all(daemon);
}

static bool take_signals(struct daemon *daemon)
{
    static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ};
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        (void)signal(ignored[i], SIG_IGN);
    sigset_t taken;
    (void)sigemptyset(&taken);
    (void)sigaddset(&taken, SIGCHLD);
    (void)sigaddset(&taken, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &taken, NULL);
    daemon->signals = (struct source){signals_ready, signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK)};
    return daemon->signals.fd >= 0 && daemon_watch(daemon, &daemon->signals, EPOLLIN);
}

/* Each command takes up to four descriptors of ours. */
static void raise_files(struct daemon *daemon, int64_t soft)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    daemon->files_soft = soft && (uint64_t)soft < files.rlim_cur ? (uint64_t)soft : files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    daemon->files_max = files.rlim_max;
}

static void daemon_init(struct daemon *daemon, const struct arguments *arguments)
{
    *daemon = (struct daemon){.clock = clock_real(),
                              .pid = getpid(),
                              .lock_fd = -1,
                              .listener.fd = -1,
                              .signals.fd = -1,
                              .epoll_fd = -1,
                              .null_fd = -1,
                              .guard.fd = -1,
                              .files_soft = 1024,
                              .files_max = 1024,
                              .tails.max = TAILS_BYTES_MAX,
                              .idle_exit_us = arguments->idle_ms * US_PER_MS};
    list_init(&daemon->commands);
    list_init(&daemon->to_tell);
    list_init(&daemon->trash);
    list_init(&daemon->peers);
    list_init(&daemon->dead_peers);
    int_map_init(&daemon->by_id);
    int_map_init(&daemon->by_pid);
    heap_init(&daemon->timers);
    daemon->stack = xmalloc(SPAWN_STACK_BYTES);
    daemon->block = xmalloc(READ_BYTES);
}

static void empty_trash(struct daemon *daemon)
{
    for (struct list_node *node; (node = list_pop_front(&daemon->trash));)
        command_free(CONTAINER_OF(node, struct command, node));
    for (struct list_node *node; (node = list_pop_front(&daemon->dead_peers));)
        peer_free(CONTAINER_OF(node, struct peer, node));
}

/* Commands that live are left alone (the guard sees to them); everything else goes. */
static void daemon_release(struct daemon *daemon)
{
    while (daemon->peers.count)
        peer_close(CONTAINER_OF(list_first(&daemon->peers), struct peer, node));
    list_splice(&daemon->trash, &daemon->commands);
    empty_trash(daemon);
    const int fds[] = {daemon->listener.fd, daemon->signals.fd, daemon->epoll_fd,
                       daemon->null_fd,     daemon->guard.fd,   daemon->lock_fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    int_map_release(&daemon->by_id);
    int_map_release(&daemon->by_pid);
    heap_release(&daemon->timers);
    process_table_release(&daemon->processes);
    free(daemon->stack);
    free(daemon->block);
}

static enum launch_status set_up(struct daemon *daemon, const struct arguments *arguments, char *text, size_t capacity)
{
    const char *data_dir = arguments->data_dir;
    enum launch_status status = take_lock(daemon, data_dir, text, capacity);
    if (status != LAUNCH_READY)
        return status;
    if (arguments->detach)
        launch_redirect("keeper.log"); /* before the guard, which keeps what it has */
    (void)prctl(PR_SET_NAME, "horae-keeper");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans of commands come to us to be reaped */
    raise_files(daemon, arguments->files);
    char real[CGROUP_PATH_MAX];
    cgroup_tree_init(&daemon->cgroups, getcwd(real, sizeof real) ? real : data_dir);
    daemon->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    daemon->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (daemon->epoll_fd < 0 || daemon->null_fd < 0 || !take_signals(daemon) || !guard_start(&daemon->guard, &daemon->cgroups) ||
        !listen_here(daemon)) {
        (void)snprintf(text, capacity, "the keeper cannot start in %.300s: %s", data_dir, strerror(errno));
        return LAUNCH_FAILED;
    }
    return LAUNCH_READY;
}

/* ---- the loop ---- */

static void run_timers(struct daemon *daemon)
{
    int64_t now = daemon_now_us(daemon);
    while (heap_min_key(&daemon->timers) <= now)
        command_timer(CONTAINER_OF(heap_pop(&daemon->timers), struct command, timer), now);
}

static void look_whether_idle(struct daemon *daemon)
{
    bool idle = daemon->commands.count == 0 && !daemon->server;
    int64_t now = daemon_now_us(daemon);
    if (!idle) {
        daemon->idle_since_us = 0;
        return;
    }
    if (!daemon->idle_since_us)
        daemon->idle_since_us = now;
    if (daemon->shutdown_when_idle || now - daemon->idle_since_us >= daemon->idle_exit_us)
        daemon->done = true;
}

static int wait_ms(const struct daemon *daemon)
{
    int64_t due = heap_min_key(&daemon->timers);
    if (daemon->idle_since_us && daemon->idle_since_us + daemon->idle_exit_us < due)
        due = daemon->idle_since_us + daemon->idle_exit_us;
    if (due == INT64_MAX)
        return -1;
    int64_t ms = (due - daemon_now_us(daemon) + US_PER_MS - 1) / US_PER_MS;
    return ms < 0 ? 0 : ms > WAIT_MS_MAX ? WAIT_MS_MAX : (int)ms;
}

static void loop(struct daemon *daemon)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    look_whether_idle(daemon);
    while (!daemon->done) {
        int count = epoll_wait(daemon->epoll_fd, events, EVENTS_AT_ONCE, wait_ms(daemon));
        for (int i = 0; i < count; i++) {
            struct source *source = events[i].data.ptr;
            if (source->fd >= 0) /* else it was closed by an event before it */
                source->ready(source, events[i].events);
        }
        run_timers(daemon);
        report_pump(daemon);
        empty_trash(daemon);
        look_whether_idle(daemon);
    }
}

/* ---- the process ---- */

static bool parse(int argc, char **argv, struct arguments *ret)
{
    *ret = (struct arguments){.idle_ms = IDLE_EXIT_MS};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--daemon") == 0)
            ret->detach = true;
        else if (strcmp(argv[i], "--idle-ms") == 0 && i + 1 < argc) {
            if (!str_to_int(str_of(argv[++i]), 0, 86400000, &ret->idle_ms))
                return false;
        } else if (strcmp(argv[i], "--files") == 0 && i + 1 < argc) {
            if (!str_to_int(str_of(argv[++i]), 0, INT64_MAX, &ret->files))
                return false;
        } else if (argv[i][0] == '-' || ret->data_dir)
            return false;
        else
            ret->data_dir = argv[i];
    }
    return ret->data_dir != NULL;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct daemon daemon;
    int word_fd = -1;
    char text[KEEPER_FAILURE_MAX] = "";
    if (!parse(argc, argv, &arguments)) {
        launch_tell(-1, LAUNCH_USAGE, "usage: keeper [--daemon] [--idle-ms N] [--files N] DATA_DIR");
        return LAUNCH_USAGE;
    }
    if (!launch_clean_descriptors() || (arguments.detach && !launch_detach(&word_fd)))
        return LAUNCH_FAILED;
    daemon_init(&daemon, &arguments);
    enum launch_status status = set_up(&daemon, &arguments, text, sizeof text);
    if (status != LAUNCH_READY) {
        launch_tell(word_fd, status, text);
        daemon_release(&daemon);
        return (int)status;
    }
    launch_tell(word_fd, LAUNCH_READY, NULL);
    loop(&daemon);
    (void)unlink(KEEPER_SOCKET_NAME); /* before the lock goes: the next one's socket must not be hit */
    daemon_release(&daemon);
    return 0;
}
