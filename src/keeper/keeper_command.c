/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a command: RUNNING, REAPED (its first process is gone; its streams may still carry bytes, and one that was
 * told to end may have left others, which get their grace), ENDED (all is known; kept until the server acknowledges
 * it). One that could not be started is ENDED from the beginning. */
#include "keeper/keeper_daemon.h"

#include "base/mem.h"
#include "base/panic.h"
#include "keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void finish(struct command *command);
static void look_at_rest(struct command *command);

/* ---- the table ---- */

struct command *command_find(const struct daemon *daemon, int64_t id, int32_t attempt)
{
    struct command *command = int_map_get(&daemon->by_id, id);
    while (command && command->attempt != attempt)
        command = command->other_attempt;
    return command;
}

static struct command *command_new(struct daemon *daemon, const struct keeper_start *start)
{
    static const size_t tail_max[2] = {KEEPER_RESULT_MAX, KEEPER_STACK_MAX};
    static const enum keeper_stream kinds[2] = {KEEPER_STDOUT, KEEPER_STDERR};
    struct command *command = xcalloc(1, sizeof *command);
    command->daemon = daemon;
    command->id = start->id;
    command->attempt = start->attempt;
    command->percent = -1;
    command->limited = cgroup_is_wanted(&start->limits);
    command->started_us = clock_wall(daemon->clock).us;
    command->progress.source.fd = -1;
    command->progress.command = command;
    for (size_t i = 0; i < 2; i++) {
        struct stream *stream = &command->streams[i];
        stream->source.fd = -1;
        stream->command = command;
        stream->kind = kinds[i];
        tail_init(&stream->tail, tail_max[i]);
    }
    log_writer_init(&command->log, start->log_path, start->log_limit, start->attempt);
    command->other_attempt = int_map_put(&daemon->by_id, command->id, command);
    list_push_back(&daemon->commands, &command->node);
    return command;
}

static void leave_table(struct command *command)
{
    struct int_map *by_id = &command->daemon->by_id;
    struct command *first = int_map_get(by_id, command->id);
    if (first == command) {
        (void)int_map_remove(by_id, command->id);
        if (command->other_attempt)
            (void)int_map_put(by_id, command->id, command->other_attempt);
        return;
    }
    while (first->other_attempt != command)
        first = first->other_attempt;
    first->other_attempt = command->other_attempt;
}

void command_free(struct command *command)
{
    struct daemon *daemon = command->daemon;
    for (size_t i = 0; i < ARRAY_LEN(command->streams); i++)
        tail_release(&command->streams[i].tail, &daemon->tails);
    log_writer_release(&command->log);
    free(command->failure);
    free(command->mark);
    free(command->cgroup.path);
    free(command);
}

void command_forget(struct command *command)
{
    struct daemon *daemon = command->daemon;
    if (command->state != COMMAND_ENDED)
        return;
    leave_table(command);
    if (list_contains_node(&command->to_tell))
        list_remove(&daemon->to_tell, &command->to_tell);
    if (command->timer.position)
        heap_remove(&daemon->timers, &command->timer);
    list_remove(&daemon->commands, &command->node);
    list_push_back(&daemon->trash, &command->node); /* events of its pipes may still be in the batch */
}

/* ---- start ---- */

PRINTF_LIKE(2, 3) static void fail_start(struct command *command, const char *format, ...)
{
    char text[KEEPER_FAILURE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!command->failure)
        command->failure = xstrdup(text);
}

static void fail_spawn(struct command *command, const struct spawn_failure *failure)
{
    bool has_no_interpreter = failure->error == ENOENT && strchr(failure->name, '/') &&
                              strcmp(failure->what, "cannot run") == 0 && access(failure->name, F_OK) == 0;
    if (has_no_interpreter)
        fail_start(command, "cannot run %.300s: the interpreter that it names does not exist", failure->name);
    else if (failure->name[0])
        fail_start(command, "%s %.300s: %s", failure->what, failure->name, strerror(failure->error));
    else
        fail_start(command, "%s: %s", failure->what, strerror(failure->error));
}

/* A file in memory: the command reads at its own pace, and we keep nothing. */
static int open_stdin(struct command *command, const struct keeper_start *start)
{
    if (!start->stdin_data)
        return fcntl(command->daemon->null_fd, F_DUPFD_CLOEXEC, 4);
    int fd = memfd_create("stdin", MFD_CLOEXEC);
    size_t written = 0;
    while (fd >= 0 && written < start->stdin_length) {
        ssize_t n = write(fd, start->stdin_data + written, start->stdin_length - written);
        if (n <= 0) {
            (void)close(fd);
            return -1;
        }
        written += (size_t)n;
    }
    if (fd >= 0)
        (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

static bool find_user(struct command *command, const struct keeper_start *start, struct user *ret)
{
    struct err err;
    if (user_find(start->user, ret, &err) != OK) {
        fail_start(command, "%s", err.message);
        return false;
    }
    if (geteuid() != 0 && ret->uid != geteuid()) {
        fail_start(command, "cannot become the user %.200s: the server does not run as root", start->user);
        return false;
    }
    return true;
}

static void spawn_with(struct command *command, const struct keeper_start *start, const struct user *user, int fds[5])
{
    struct daemon *daemon = command->daemon;
    const struct spawn_plan plan = {.argv = start->argv,
                                    .env = start->env,
                                    .cwd = start->cwd ? start->cwd : "/",
                                    .user = geteuid() == 0 ? user : NULL, /* else it is ourselves (find_user) */
                                    .fds = {fds[0], fds[1], fds[2], fds[3]},
                                    .cgroup_fd = fds[4],
                                    .files_soft = daemon->files_soft,
                                    .keeper = daemon->pid,
                                    .stack = daemon->stack,
                                    .stack_size = SPAWN_STACK_BYTES};
    struct spawn_failure failure;
    command->started_us = clock_wall(daemon->clock).us;
    pid_t pid = spawn(&plan, &failure);
    if (pid < 0) {
        fail_spawn(command, &failure);
        return;
    }
    command->pid = pid;
    (void)int_map_put(&daemon->by_pid, pid, command);
    guard_add(&daemon->guard, pid, command->mark);
}

static void prepare_and_spawn(struct command *command, const struct keeper_start *start, const struct user *user)
{
    int fds[5] = {-1, -1, -1, -1, -1}; /* 0 … 3 of the child, its cgroup */
    int error = 0;
    char reason[CGROUP_REASON_MAX];
    if (!streams_open(command, fds + 1, &error))
        fail_start(command, "cannot make its pipes: %s", strerror(error));
    else if ((fds[0] = open_stdin(command, start)) < 0)
        fail_start(command, "cannot make its standard input: %s", strerror(errno));
    else if (!tree_prepare(command, start, &fds[4], reason))
        fail_start(command, "limits cannot be set: %s", reason);
    else
        spawn_with(command, start, user, fds);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
}

void command_start(struct daemon *daemon, const struct keeper_start *start)
{
    struct command *known = command_find(daemon, start->id, start->attempt);
    if (known) { /* the order was repeated: so is the answer */
        report(known, known->state == COMMAND_ENDED ? SAY_END : SAY_STARTED);
        return;
    }
    if (daemon->commands.count >= KEEPER_CHILDREN_MAX) {
        report_refused(daemon, start->id, start->attempt,
                       "the keeper already has 10000 commands that run or wait to be acknowledged");
        return;
    }
    struct command *command = command_new(daemon, start);
    auto_free struct user *user = start->user ? xmalloc(sizeof *user) : NULL;
    if (!user || find_user(command, start, user))
        prepare_and_spawn(command, start, user);
    if (command->failure)
        finish(command);
    else
        report(command, SAY_STARTED);
}

/* ---- signals ---- */

void command_signal(struct command *command, int signo)
{
    if (command->state == COMMAND_ENDED)
        return;
    command->end_asked |= signo == SIGTERM || signo == SIGKILL;
    if (signo == SIGKILL) {
        command->kill_asked = true;
        (void)tree_end(command);
        look_at_rest(command);
        return;
    }
    (void)kill(-command->pid, signo);
    if (signo == SIGTERM || signo == SIGHUP || signo == SIGINT)
        (void)kill(-command->pid, SIGCONT); /* a stopped process would not see it */
}

void commands_kill_all(struct daemon *daemon)
{
    for (struct list_node *node = list_first(&daemon->commands), *next; node; node = next) {
        next = list_next(&daemon->commands, node); /* one that ends moves to the end of the list */
        command_signal(CONTAINER_OF(node, struct command, node), SIGKILL);
    }
}

/* ---- end ---- */

static void finish(struct command *command)
{
    struct daemon *daemon = command->daemon;
    (void)streams_drain(command, true);
    command->state = COMMAND_ENDED;
    command->drain_until_us = command->output_due_us = command->tree_look_us = 0;
    command_set_timer(command);
    if (!command->finished_us)
        command->finished_us = clock_wall(daemon->clock).us;
    if (command->pid)
        guard_remove(&daemon->guard, command->pid);
    cgroup_remove(&command->cgroup);
    if (command->log.fd >= 0) { /* thousands may wait for their acknowledgement */
        (void)close(command->log.fd);
        command->log.fd = -1;
    }
    list_remove(&daemon->commands, &command->node); /* ended ones stand in the order of their ends */
    list_push_back(&daemon->commands, &command->node);
    report(command, SAY_END);
}

void command_stream_closed(struct command *command)
{
    if (command->state == COMMAND_REAPED && !command->tree_look_us && command->streams[0].source.fd < 0 &&
        command->streams[1].source.fd < 0)
        finish(command);
}

/* A run that was told to end is over when nothing of it is left. First its group, which heard the signal and has its
 * grace until the order to kill comes; then what has left the group, which heard nothing and has no run any more. */
static void look_at_rest(struct command *command)
{
    if (command->state != COMMAND_REAPED)
        return;
    int64_t now = daemon_now_us(command->daemon);
    bool has_grace = tree_group_lives(command) && !command->kill_asked;
    if (!has_grace && !command->tree_until_us)
        command->tree_until_us = now + TREE_WAIT_MS * US_PER_MS;
    if (!has_grace && (tree_end(command) || now >= command->tree_until_us)) {
        command->finished_us = clock_wall(command->daemon->clock).us;
        finish(command);
        return;
    }
    command->tree_look_us = now + TREE_LOOK_MS * US_PER_MS;
    command_set_timer(command);
}

static void note_reaped(struct command *command, int status)
{
    struct daemon *daemon = command->daemon;
    (void)int_map_remove(&daemon->by_pid, command->pid);
    command->state = COMMAND_REAPED;
    command->status = status;
    command->finished_us = clock_wall(daemon->clock).us;
    command->oom_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && cgroup_oom_killed(&command->cgroup);
    command->tree_since_us = daemon_now_us(daemon);
    if (command->limited) /* limits end with the command: nothing may live on inside */
        command->kill_asked = true;
    bool drained = streams_drain(command, false);
    if ((command->end_asked || command->limited) && tree_is_held(command))
        look_at_rest(command);
    else if (command->end_asked || command->limited) { /* others may end with it: one search serves all */
        command->tree_look_us = command->tree_since_us + TREE_LOOK_MS * US_PER_MS;
        command_set_timer(command);
    } else if (drained)
        finish(command);
    else {
        command->drain_until_us = daemon_now_us(daemon) + DRAIN_AFTER_EXIT_MS * US_PER_MS;
        command_set_timer(command);
    }
}

static void guard_again(struct daemon *daemon)
{
    guard_gone(&daemon->guard);
    if (!guard_start(&daemon->guard, &daemon->cgroups))
        return;
    size_t cursor = 0;
    for (struct command *command; (command = int_map_next(&daemon->by_pid, &cursor));)
        guard_add(&daemon->guard, command->pid, command->mark);
}

/* The state is looked at first and taken second: as long as it is not taken, its number names no other group. */
void commands_reap(struct daemon *daemon)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        int status = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        pid_t pid = info.si_pid;
        struct command *command = int_map_get(&daemon->by_pid, pid);
        if (command && command->kill_asked)
            (void)kill(-pid, SIGKILL); /* what was started between the order and the death */
        if (waitpid(pid, &status, WNOHANG) != pid)
            return;
        if (command)
            note_reaped(command, status);
        else if (pid == daemon->guard.pid)
            guard_again(daemon);
    }
}

/* ---- timers ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return !a || (b && b < a) ? b : a;
}

void command_set_timer(struct command *command)
{
    int64_t due = earlier(earlier(command->drain_until_us, command->output_due_us), command->tree_look_us);
    struct heap *timers = &command->daemon->timers;
    if (due)
        heap_set(timers, &command->timer, due);
    else if (command->timer.position)
        heap_remove(timers, &command->timer);
}

void command_timer(struct command *command, int64_t now_us)
{
    if (command->output_due_us && command->output_due_us <= now_us) {
        command->output_due_us = 0;
        report(command, SAY_OUTPUT);
    }
    if (command->drain_until_us && command->drain_until_us <= now_us)
        finish(command);
    else if (command->tree_look_us && command->tree_look_us <= now_us)
        look_at_rest(command);
    else
        command_set_timer(command);
}
