/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's thread posts orders (start, signal); the I/O thread writes them to the keeper and turns the
 * keeper's messages into ends of attempts. Orders given while no keeper answers wait for the next one. */
#include "sched/handler_command.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/panic.h"
#include "base/queue.h"
#include "base/str.h"
#include "base/thread.h"
#include "sched/command_environment.h"
#include "sched/output_text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ORDERS_MAX = 65536, LOGS_PER_FOLDER = 10000, RECONNECT_MS = 200, FLUSH_TRIES = 20, FLUSH_MS = 50, MESSAGE_MAX = 512 };

enum order_kind { ORDER_START, ORDER_SIGNAL, ORDER_ACK };

struct order {
    struct list_node node;
    enum order_kind kind;
    struct handler_job *job; /* ORDER_START: owned */
    int64_t execution_id;
    int32_t attempt;
    int signo;
};

struct handler_command {
    struct attempt_sink sink;
    struct handler_command_options options;
    char *data_dir;
    struct queue orders; /* any thread */
    int wake_fd;
    struct thread thread;
    /* I/O thread only */
    struct keeper *keeper;
    bool connected, adopted;
    struct int_map jobs; /* execution id → job that runs */
    struct list held;    /* orders for the time when a keeper answers */
    _Atomic bool stopping;
    int64_t known; /* commands that the keeper has, as far as we were told */
    struct metric *children;
    struct mutex mutex; /* guards all below */
    struct keeper_abilities abilities;
};

bool handler_command_log_path(const char *data_dir, int64_t execution_id, char *out, size_t capacity, bool make)
{
    long long folder = (long long)(execution_id / LOGS_PER_FOLDER);
    if (make) {
        (void)snprintf(out, capacity, "%s/logs", data_dir);
        (void)mkdir(out, 0700);
        (void)snprintf(out, capacity, "%s/logs/%lld", data_dir, folder);
        if (mkdir(out, 0700) != 0 && errno != EEXIST)
            return false;
    }
    int n = snprintf(out, capacity, "%s/logs/%lld/%lld.log", data_dir, folder, (long long)execution_id);
    return n > 0 && (size_t)n < capacity;
}

/* ---- orders: scheduler's thread ---- */

static void wake(struct handler_command *command)
{
    uint64_t one = 1;
    (void)!write(command->wake_fd, &one, sizeof one);
}

static enum err_code post(struct handler_command *command, const struct order *order, struct err *err)
{
    struct order *copy = xmalloc(sizeof *copy);
    *copy = *order;
    if (queue_push(&command->orders, &copy->node)) {
        wake(command);
        return OK;
    }
    free(copy);
    return err_set(err, ERR_LIMIT, NULL, "too many commands wait for the keeper");
}

static enum err_code command_start(void *context, struct handler_job *job, struct err *err)
{
    struct order order = {.kind = ORDER_START, .job = job, .execution_id = job->execution_id, .attempt = job->attempt};
    return post(context, &order, err);
}

static void command_stop(void *context, int64_t execution_id, int32_t attempt, bool force)
{
    struct order order = {
        .kind = ORDER_SIGNAL, .execution_id = execution_id, .attempt = attempt, .signo = force ? SIGKILL : SIGTERM};
    struct err err;
    if (post(context, &order, &err) != OK)
        log_warn("command", "cannot signal execution %lld: %s", (long long)execution_id, err.message);
}

/* The end is on disk: the keeper may forget it. Until then it repeats it to every server that connects. */
static void command_recorded(void *context, int64_t execution_id, int32_t attempt)
{
    struct order order = {.kind = ORDER_ACK, .execution_id = execution_id, .attempt = attempt};
    struct err err;
    (void)post(context, &order, &err); /* a lost one is given again when the end is repeated */
}

/* ---- ends: I/O thread ---- */

static void note_known(struct handler_command *command, int64_t known)
{
    command->known = known > 0 ? known : 0;
    metric_set(command->children, command->known);
}

static void forget_job(struct handler_command *command, int64_t id)
{
    handler_job_free(int_map_remove(&command->jobs, id));
}

static void end_with(struct handler_command *command, int64_t id, int attempt, const char *message, bool interrupted)
{
    bool ignored = false;
    struct attempt_result result = {.interrupted = interrupted,
                                    .error_message = output_text_begin(message, strlen(message), MESSAGE_MAX, true, &ignored),
                                    .finished_us = clock_wall(command->options.clock).us};
    forget_job(command, id);
    command->sink.ended(command->sink.context, id, attempt, &result);
}

static void on_start_failed(void *arg, int64_t id, int attempt, const char *message)
{
    struct handler_command *command = arg;
    end_with(command, id, attempt, message, false);
    note_known(command, command->known - 1);
}

static char *exit_message(const struct keeper_exit *end)
{
    char text[200];
    if (end->oom_killed)
        (void)snprintf(text, sizeof text, "killed by SIGKILL: the memory limit was reached");
    else if (end->signo)
        (void)snprintf(text, sizeof text, "killed by SIG%s", sigabbrev_np(end->signo) ? sigabbrev_np(end->signo) : "?");
    else
        (void)snprintf(text, sizeof text, "exit status %d", end->exit_code);
    return xstrdup(text);
}

static void on_exited(void *arg, const struct keeper_exit *end)
{
    struct handler_command *command = arg;
    bool ignored = false;
    struct attempt_result result = {
        .success = !end->signo && end->exit_code == 0 && !end->oom_killed,
        .started_us = end->started_us,
        .finished_us = end->finished_us,
        .result_truncated = end->stdout_truncated,
    };
    result.result =
        output_text_end(end->stdout_tail, end->stdout_length, KEEPER_RESULT_MAX, end->stdout_truncated, &result.result_truncated);
    result.error_stack = output_text_end(end->stderr_tail, end->stderr_length, KEEPER_STACK_MAX, end->stderr_truncated, &ignored);
    if (!result.success)
        result.error_message = exit_message(end);
    forget_job(command, end->id);
    command->sink.ended(command->sink.context, end->id, end->attempt, &result);
    note_known(command, command->known - 1);
}

static void on_progress(void *arg, int64_t id, int attempt, int percent)
{
    struct handler_command *command = arg;
    command->sink.progress(command->sink.context, id, attempt, percent);
}

static void on_lost(void *arg, int64_t id, int attempt)
{
    struct handler_command *command = arg;
    end_with(command, id, attempt, "interrupted: its keeper was killed, and the command with it", true);
    note_known(command, command->known - 1);
}

static void on_started(void *arg, int64_t id, int attempt, int64_t pid, int64_t started_us)
{
    (void)arg, (void)id, (void)attempt, (void)pid, (void)started_us;
}

static void on_output(void *arg, int64_t id, int attempt)
{
    (void)arg, (void)id, (void)attempt; /* followers look at the log themselves */
}

/* To the log once per keeper: who it is, and whether what forks away from a command can be held. */
static void note_keeper(struct handler_command *command)
{
    const struct keeper_info *info = keeper_info(command->keeper);
    const struct keeper_abilities *abilities = &info->abilities;
    mutex_lock(&command->mutex);
    command->abilities = *abilities;
    mutex_unlock(&command->mutex);
    log_info("command", "the keeper is process %lld; all that a command starts %s%s; limits %s%s", (long long)info->pid,
             abilities->trees ? "is held by a cgroup" : "is searched for in /proc when it has to end: ", abilities->no_trees,
             abilities->limits ? "can be set" : "cannot be set: ", abilities->no_limits);
}

static bool is_listed(const struct keeper_listing *listing, size_t count, const struct handler_job *job)
{
    for (size_t i = 0; i < count; i++)
        if (listing[i].id == job->execution_id && listing[i].attempt == job->attempt)
            return true;
    return false;
}

/* A keeper that was replaced under us lost what it ran. */
static void end_unlisted(struct handler_command *command, const struct keeper_listing *listing, size_t count)
{
    size_t cursor = 0;
    for (struct handler_job *job; (job = int_map_next(&command->jobs, &cursor));)
        if (!is_listed(listing, count, job)) {
            end_with(command, job->execution_id, job->attempt, "interrupted: its keeper was killed, and the command with it",
                     true);
            cursor = 0; /* the map changed */
        }
}

static void adopt(struct handler_command *command, const struct keeper_listing *listing, size_t count)
{
    command->adopted = true;
    struct adopted_attempt *attempts = xcalloc(count, sizeof *attempts);
    for (size_t i = 0; i < count; i++)
        attempts[i] = (struct adopted_attempt){listing[i].id, listing[i].attempt, listing[i].started_us, listing[i].exited};
    command->sink.adopt(command->sink.context, attempts, count);
    free(attempts);
}

static void on_connected(void *arg, const struct keeper_listing *listing, size_t count)
{
    struct handler_command *command = arg;
    note_known(command, (int64_t)count); /* ended ones are reported next and leave then */
    note_keeper(command);
    command->connected = true;
    if (command->adopted)
        end_unlisted(command, listing, count);
    else
        adopt(command, listing, count);
}

static void on_disconnected(void *arg)
{
    struct handler_command *command = arg;
    command->connected = false;
}

/* ---- the I/O thread ---- */

static void give_start(struct handler_command *command, struct handler_job *job)
{
    struct err err;
    struct command_start start;
    char log_path[4096];
    if (!handler_command_log_path(command->data_dir, job->execution_id, log_path, sizeof log_path, true))
        (void)err_set(&err, ERR_UNAVAILABLE, NULL, "cannot make the folder of %s: %s", log_path, strerror(errno));
    else if (command_start_prepare(job, &start, &err) == OK) {
        start.message.log_path = log_path;
        start.message.log_limit = command->options.log_bytes;
        enum err_code code = keeper_start(command->keeper, &start.message, &err);
        command_start_release(&start);
        if (code == OK) {
            handler_job_free(int_map_put(&command->jobs, job->execution_id, job));
            note_known(command, command->known + 1);
            return;
        }
    }
    int64_t id = job->execution_id;
    int32_t attempt = job->attempt;
    handler_job_free(job);
    end_with(command, id, attempt, err.message, false);
}

static void carry_out(struct handler_command *command, struct order *order)
{
    struct err err;
    enum err_code code = OK;
    switch (order->kind) {
    case ORDER_START: give_start(command, order->job); break;
    case ORDER_SIGNAL: code = keeper_signal(command->keeper, order->execution_id, order->attempt, order->signo, &err); break;
    case ORDER_ACK: code = keeper_ack(command->keeper, order->execution_id, order->attempt, &err); break;
    }
    if (code != OK)
        log_warn("command", "the keeper was not told about execution %lld: %s", (long long)order->execution_id, err.message);
    free(order);
}

/* ERR_NOT_FOUND: no keeper lives, and none shall be started. Before the adoption that says that nothing lives. */
static enum err_code ensure_connected(struct handler_command *command, bool spawn, struct err *err)
{
    if (command->connected)
        return OK;
    enum err_code code = keeper_connect(command->keeper, spawn, err);
    if (code == ERR_NOT_FOUND && !command->adopted)
        adopt(command, NULL, 0);
    else if (code != OK && code != ERR_NOT_FOUND)
        log_warn("command", "no keeper: %s", err->message);
    return code;
}

/* Only a start is worth a new keeper: one that is gone needs no signals and no acknowledgements. */
static bool wants_keeper(const struct handler_command *command)
{
    for (struct list_node *node = list_first(&command->held); node; node = list_next(&command->held, node))
        if (CONTAINER_OF(node, struct order, node)->kind == ORDER_START)
            return true;
    return false;
}

/* Nobody could take them: an end with a reason, which may be tried again, instead of a wait without end. */
static void refuse_held(struct handler_command *command, const struct err *err)
{
    char text[MESSAGE_MAX];
    (void)snprintf(text, sizeof text, "cannot be started: %s", err->message);
    for (struct list_node *node; (node = list_pop_front(&command->held));) {
        struct order *order = CONTAINER_OF(node, struct order, node);
        if (order->kind == ORDER_START) {
            handler_job_free(order->job);
            end_with(command, order->execution_id, order->attempt, text, false);
        }
        free(order);
    }
}

static void take_orders(struct handler_command *command)
{
    struct err err;
    (void)queue_take_all(&command->orders, &command->held, 0);
    if (!command->held.count)
        return;
    bool spawn = wants_keeper(command);
    enum err_code code = ensure_connected(command, spawn, &err);
    if (code != OK && spawn) {
        refuse_held(command, &err);
        return;
    }
    if (code != OK && (command->known > 0 || !command->adopted))
        return; /* tried again soon */
    for (struct list_node *node; (node = list_pop_front(&command->held));) {
        if (code == OK)
            carry_out(command, CONTAINER_OF(node, struct order, node));
        else /* without a keeper and without runs, signals and acknowledgements are for nobody */
            free(CONTAINER_OF(node, struct order, node));
    }
}

static void wait_and_dispatch(struct handler_command *command)
{
    bool retry = !command->connected && (command->held.count || command->known > 0 || !command->adopted);
    struct pollfd fds[2] = {{.fd = command->wake_fd, .events = POLLIN}, {.fd = -1}};
    if (command->connected)
        fds[1] = (struct pollfd){.fd = keeper_poll_fd(command->keeper), .events = keeper_poll_events(command->keeper)};
    if (poll(fds, 2, retry ? RECONNECT_MS : -1) < 0)
        return;
    uint64_t count;
    if (fds[0].revents)
        (void)!read(command->wake_fd, &count, sizeof count);
    struct err err;
    if (fds[1].revents && keeper_dispatch(command->keeper, fds[1].revents, &err) != OK)
        log_warn("command", "connection to the keeper: %s", err.message);
    if (retry && !command->stopping)
        (void)ensure_connected(command, command->adopted, &err);
}

static void command_main(void *arg)
{
    struct handler_command *command = arg;
    while (!command->stopping) {
        take_orders(command);
        wait_and_dispatch(command);
    }
}

enum err_code handler_command_attach(struct handler_command *command, const struct attempt_sink *sink, struct err *err)
{
    command->sink = *sink;
    enum err_code code = ensure_connected(command, false, err);
    if (code == ERR_CONFLICT)
        return code;
    if (code == ERR_NOT_FOUND && !command->abilities.trees)
        log_warn("command",
                 "what a command starts will be searched for in /proc when it has to end, since %s; a process that"
                 " forks away and drops its environment can escape",
                 command->abilities.no_trees);
    thread_start(&command->thread, "horae-io", command_main, command);
    return OK;
}

void handler_command_abilities(struct handler_command *command, struct keeper_abilities *ret)
{
    mutex_lock(&command->mutex);
    *ret = command->abilities;
    mutex_unlock(&command->mutex);
}

enum err_code handler_command_new(const struct handler_command_options *options, struct handler_command **ret, struct err *err)
{
    struct handler_command *command = xcalloc(1, sizeof *command);
    command->options = *options;
    command->data_dir = realpath(options->data_dir, NULL); /* the keeper stands in another folder */
    if (!command->data_dir)
        command->data_dir = xstrdup(options->data_dir);
    queue_init(&command->orders, ORDERS_MAX);
    int_map_init(&command->jobs);
    command->children = metric_get(METRIC_GAUGE, "horae_children", "Commands that run under the keeper.", "");
    list_init(&command->held);
    mutex_init(&command->mutex);
    keeper_look_around(&command->abilities);
    command->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(command->wake_fd >= 0);
    const struct keeper_callbacks callbacks = {.arg = command,
                                               .started = on_started,
                                               .start_failed = on_start_failed,
                                               .exited = on_exited,
                                               .progress = on_progress,
                                               .output = on_output,
                                               .lost = on_lost,
                                               .connected = on_connected,
                                               .disconnected = on_disconnected};
    char executable[4096];
    enum err_code code = keeper_install(command->data_dir, executable, sizeof executable, err);
    if (code == OK)
        code = keeper_open(command->data_dir, executable, &callbacks, &command->keeper, err);
    if (code != OK) {
        handler_command_free(command, false);
        return code;
    }
    keeper_set_files(command->keeper, options->files);
    *ret = command;
    return OK;
}

struct handler handler_command_handler(struct handler_command *command)
{
    return (struct handler){
        .type = "command", .start = command_start, .stop = command_stop, .recorded = command_recorded, .context = command};
}

/* The last acknowledgements: a keeper that has them all can end. */
static void flush_orders(struct handler_command *command)
{
    struct err err;
    take_orders(command);
    for (int i = 0; i < FLUSH_TRIES && command->connected && keeper_poll_events(command->keeper) & POLLOUT; i++) {
        struct pollfd fd = {.fd = keeper_poll_fd(command->keeper), .events = POLLOUT};
        if (poll(&fd, 1, FLUSH_MS) <= 0 || keeper_dispatch(command->keeper, fd.revents, &err) != OK)
            return;
    }
}

void handler_command_free(struct handler_command *command, bool handover)
{
    if (!command)
        return;
    command->stopping = true;
    wake(command);
    thread_join(&command->thread);
    flush_orders(command);
    if (command->keeper)
        keeper_close(command->keeper, !handover);
    queue_close(&command->orders);
    (void)queue_take_all(&command->orders, &command->held, 0);
    for (struct list_node *node; (node = list_pop_front(&command->held));) {
        struct order *order = CONTAINER_OF(node, struct order, node);
        handler_job_free(order->kind == ORDER_START ? order->job : NULL);
        free(order);
    }
    size_t cursor = 0;
    for (struct handler_job *job; (job = int_map_next(&command->jobs, &cursor)); cursor--)
        forget_job(command, job->execution_id);
    int_map_release(&command->jobs);
    queue_release(&command->orders);
    mutex_release(&command->mutex);
    (void)close(command->wake_fd);
    free(command->data_dir);
    free(command);
}
