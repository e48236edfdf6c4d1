/* SPDX-License-Identifier: Apache-2.0 */
/* The search for what a command started, where no cgroup holds it together: its group, its descendants, and orphans that
 * carry a mark in their environment. A process that leaves the group *and* loses its parent *and* drops the mark is not
 * found. */
#ifndef HORAE_KEEPER_PROCESSES_H
#define HORAE_KEEPER_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid, parent, group;
    bool ours; /* scratch of a search */
};

struct process_table {
    struct process *rows; /* by pid; owned */
    size_t count, capacity;
};

/* What belongs to a command. */
struct process_marks {
    pid_t leader;            /* and number of the group that it began with */
    pid_t adopter;           /* whose child an orphan becomes; 0 = any: all environments are looked at */
    const char *environment; /* an entry NAME=VALUE that its processes carry; NULL = none */
};

/* All living processes (no zombies) as /proc tells them. */
void process_table_read(struct process_table *table);
void process_table_release(struct process_table *table);
/* How many of them belong to the command; with `kill_them` each gets SIGKILL. */
size_t process_table_search(struct process_table *table, const struct process_marks *marks, bool kill_them);

#endif
