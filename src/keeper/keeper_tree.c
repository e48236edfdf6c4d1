/* SPDX-License-Identifier: Apache-2.0 */
/* All that a command has started: held by a cgroup, or else looked for in /proc. What a run that was told to end has
 * left is ended with it; what a run that ended by itself leaves in the background lives on outside. */
#include "keeper/keeper_daemon.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static const char MARK[] = "HORAE_EXECUTION_UID=";

static char *find_mark(char *const *env)
{
    for (; *env; env++)
        if (strncmp(*env, MARK, sizeof MARK - 1) == 0)
            return xstrdup(*env);
    return NULL;
}

bool tree_prepare(struct command *command, const struct keeper_start *start, int *ret_cgroup_fd, char *reason)
{
    bool made = cgroup_make(&command->daemon->cgroups, &command->cgroup, command->id, command->attempt, &start->limits,
                            ret_cgroup_fd, reason);
    if (!made)
        command->mark = find_mark(start->env);
    return made || !cgroup_is_wanted(&start->limits);
}

bool tree_is_held(const struct command *command)
{
    return command->cgroup.path && command->daemon->cgroups.trees;
}

/* Hundreds of commands may be told to end at once: they share a table, if only it is younger than what they ask about. */
static struct process_table *current_table(struct daemon *daemon, int64_t since_us)
{
    int64_t now = daemon_now_us(daemon);
    if (daemon->processes_read_us <= since_us || now - daemon->processes_read_us >= TREE_LOOK_MS * US_PER_MS) {
        process_table_read(&daemon->processes);
        daemon->processes_read_us = now;
    }
    return &daemon->processes;
}

static bool search_and_kill(struct command *command)
{
    struct daemon *daemon = command->daemon;
    const struct process_marks marks = {.leader = command->pid, .adopter = daemon->pid, .environment = command->mark};
    bool found = process_table_search(current_table(daemon, command->tree_since_us), &marks, true) > 0;
    if (found)
        command->tree_since_us = daemon_now_us(daemon);
    return found;
}

bool tree_group_lives(const struct command *command)
{
    return kill(-command->pid, 0) == 0 || errno == EPERM;
}

bool tree_end(struct command *command)
{
    bool found = kill(-command->pid, SIGKILL) == 0 || errno == EPERM;
    if (!tree_is_held(command)) {
        cgroup_kill(&command->cgroup); /* one that only limits: a tree without controllers may be a fake one (tests) */
        return !search_and_kill(command) && !found;
    }
    if (cgroup_is_empty(&command->cgroup))
        return !found;
    cgroup_kill(&command->cgroup);
    return false;
}
