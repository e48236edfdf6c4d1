/* SPDX-License-Identifier: Apache-2.0 */
/* What the server is told. A command carries a set of things still to be told rather than a queue of messages, so a
 * server that does not read costs no memory, and repeating everything to the next one is setting the set again. */
#include "keeper/keeper_daemon.h"

#include <string.h>
#include <sys/wait.h>

void report(struct command *command, unsigned what)
{
    struct daemon *daemon = command->daemon;
    if (!daemon->server)
        return; /* the next one gets a listing */
    command->say |= what;
    if (!list_contains_node(&command->to_tell))
        list_push_back(&daemon->to_tell, &command->to_tell);
}

void report_output(struct command *command)
{
    int64_t now = daemon_now_us(command->daemon);
    if (!command->daemon->server || command->output_due_us || (command->say & SAY_OUTPUT))
        return;
    if (now - command->output_told_us >= OUTPUT_EVERY_MS * US_PER_MS) {
        report(command, SAY_OUTPUT);
        return;
    }
    command->output_due_us = command->output_told_us + OUTPUT_EVERY_MS * US_PER_MS;
    command_set_timer(command);
}

/* ---- messages ---- */

static size_t begin(const struct command *command, struct buf *out, enum keeper_message type)
{
    size_t at = message_begin(out, type);
    put_i64(out, command->id);
    put_i32(out, command->attempt);
    return at;
}

static void put_started(const struct command *command, struct buf *out)
{
    size_t at = begin(command, out, KEEPER_MESSAGE_STARTED);
    put_i64(out, command->pid);
    put_i64(out, command->started_us);
    message_end(out, at);
}

static void put_progress(const struct command *command, struct buf *out)
{
    size_t at = begin(command, out, KEEPER_MESSAGE_PROGRESS);
    put_i32(out, command->percent);
    message_end(out, at);
}

static void put_output(struct command *command, struct buf *out)
{
    command->output_told_us = daemon_now_us(command->daemon);
    message_end(out, begin(command, out, KEEPER_MESSAGE_OUTPUT));
}

static void put_tail(const struct tail *tail, struct buf *out)
{
    put_u32(out, (uint32_t)tail->length);
    tail_append_to(tail, out);
    buf_add_char(out, '\0');
}

static void put_exited(const struct command *command, struct buf *out)
{
    bool by_signal = WIFSIGNALED(command->status);
    size_t at = begin(command, out, KEEPER_MESSAGE_EXITED);
    put_i32(out, by_signal ? 0 : WEXITSTATUS(command->status));
    put_i32(out, by_signal ? WTERMSIG(command->status) : 0);
    put_bool(out, command->oom_killed);
    put_bool(out, command->streams[0].tail.cut);
    put_bool(out, command->streams[1].tail.cut);
    put_i64(out, command->started_us);
    put_i64(out, command->finished_us);
    put_tail(&command->streams[0].tail, out);
    put_tail(&command->streams[1].tail, out);
    message_end(out, at);
}

static void put_failed(const struct command *command, struct buf *out)
{
    size_t at = begin(command, out, KEEPER_MESSAGE_START_FAILED);
    put_text(out, command->failure, strlen(command->failure));
    message_end(out, at);
}

static void tell(struct command *command, struct buf *out)
{
    if (command->say & SAY_STARTED)
        put_started(command, out);
    if (command->say & SAY_PROGRESS)
        put_progress(command, out);
    if (command->say & SAY_OUTPUT)
        put_output(command, out);
    if (command->say & SAY_END) {
        if (command->failure)
            put_failed(command, out);
        else
            put_exited(command, out);
    }
    command->say = 0;
}

void report_pump(struct daemon *daemon)
{
    struct peer *server = daemon->server;
    if (!server)
        return;
    while (server->out.len - server->sent < PEER_BACKLOG_MAX) {
        struct list_node *node = list_pop_front(&daemon->to_tell);
        if (!node)
            break;
        tell(CONTAINER_OF(node, struct command, to_tell), &server->out);
    }
    peer_flush(server);
}

void report_refused(struct daemon *daemon, int64_t id, int32_t attempt, const char *why)
{
    struct buf *out = &daemon->server->out;
    size_t at = message_begin(out, KEEPER_MESSAGE_START_FAILED);
    put_i64(out, id);
    put_i32(out, attempt);
    put_text(out, why, strlen(why));
    message_end(out, at);
}

/* ---- a new server ---- */

static void put_listing(const struct daemon *daemon, struct buf *out)
{
    const struct cgroup_tree *tree = &daemon->cgroups;
    size_t at = message_begin(out, KEEPER_MESSAGE_LISTING);
    put_bool(out, tree->limits);
    put_bool(out, tree->trees);
    put_text(out, tree->no_limits, strlen(tree->no_limits));
    put_text(out, tree->no_trees, strlen(tree->no_trees));
    put_u32(out, (uint32_t)daemon->commands.count);
    for (struct list_node *node = list_first(&daemon->commands); node; node = list_next(&daemon->commands, node)) {
        const struct command *command = CONTAINER_OF(node, struct command, node);
        put_i64(out, command->id);
        put_i32(out, command->attempt);
        put_bool(out, command->state == COMMAND_ENDED);
        put_i64(out, command->pid);
        put_i64(out, command->started_us);
    }
    message_end(out, at);
}

void report_everything(struct daemon *daemon)
{
    while (list_pop_front(&daemon->to_tell))
        continue;
    put_listing(daemon, &daemon->server->out);
    for (struct list_node *node = list_first(&daemon->commands); node; node = list_next(&daemon->commands, node)) {
        struct command *command = CONTAINER_OF(node, struct command, node);
        command->say = 0;
        if (command->state == COMMAND_ENDED)
            report(command, SAY_END);
        else if (command->percent >= 0)
            report(command, SAY_PROGRESS);
    }
}
