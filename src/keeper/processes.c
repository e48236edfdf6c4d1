/* SPDX-License-Identifier: Apache-2.0 */
/* A table of a moment: what forks meanwhile is found by the next one, so callers repeat until a search finds nothing. */
#include "keeper/processes.h"

#include "base/mem.h"
#include "base/str.h"
#include "keeper/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PID_MAX = 0x7FFFFFFF, STAT_TEXT_MAX = 1024, ENVIRONMENT_MAX = 1 << 20 };

/* "pid (name) state parent group …"; the name may hold anything. */
static bool parse_stat(const char *text, struct process *ret)
{
    const char *rest = strrchr(text, ')');
    char state;
    int parent, group;
    if (!rest || sscanf(rest + 1, " %c %d %d", &state, &parent, &group) != 3 || state == 'Z' || state == 'X')
        return false;
    ret->parent = parent;
    ret->group = group;
    return true;
}

static int compare_pids(const void *a, const void *b)
{
    const struct process *first = a, *second = b;
    return (first->pid > second->pid) - (first->pid < second->pid);
}

void process_table_read(struct process_table *table)
{
    DIR *proc = opendir("/proc");
    table->count = 0;
    if (!proc)
        return;
    for (struct dirent *entry; (entry = readdir(proc));) {
        int64_t pid;
        char path[64], text[STAT_TEXT_MAX];
        if (!str_to_int(str_of(entry->d_name), 1, PID_MAX, &pid))
            continue;
        struct process process = {.pid = (pid_t)pid};
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        if (!file_read_text(path, text, sizeof text) || !parse_stat(text, &process))
            continue;
        if (table->count == table->capacity) {
            table->capacity = table->capacity ? table->capacity * 2 : 256;
            table->rows = xrealloc(table->rows, table->capacity * sizeof *table->rows);
        }
        table->rows[table->count++] = process;
    }
    (void)closedir(proc);
    qsort(table->rows, table->count, sizeof *table->rows, compare_pids);
}

void process_table_release(struct process_table *table)
{
    free(table->rows);
    *table = (struct process_table){0};
}

static const struct process *find(const struct process_table *table, pid_t pid)
{
    const struct process key = {.pid = pid};
    return table->count ? bsearch(&key, table->rows, table->count, sizeof key, compare_pids) : NULL;
}

/* The environment that it was started with; entries end with NUL. */
static bool carries(pid_t pid, const char *entry)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    auto_free char *text = xmalloc(ENVIRONMENT_MAX);
    size_t length = 0;
    ssize_t n;
    while (length < ENVIRONMENT_MAX && (n = read(fd, text + length, ENVIRONMENT_MAX - length)) > 0)
        length += (size_t)n;
    (void)close(fd);
    size_t wanted = strlen(entry) + 1;
    for (const char *at = text, *end = text + length; at < end;) {
        size_t left = (size_t)(end - at), size = strnlen(at, left) + 1;
        if (size == wanted && size <= left && memcmp(at, entry, wanted) == 0)
            return true;
        at += size;
    }
    return false;
}

static bool belongs(const struct process_table *table, const struct process *process, const struct process_marks *marks)
{
    if (process->pid == marks->leader || process->group == marks->leader)
        return true;
    const struct process *parent = find(table, process->parent);
    if (parent && parent->ours)
        return true;
    return marks->environment && (!marks->adopter || process->parent == marks->adopter) &&
           carries(process->pid, marks->environment);
}

size_t process_table_search(struct process_table *table, const struct process_marks *marks, bool kill_them)
{
    size_t found = 0, before;
    for (size_t i = 0; i < table->count; i++)
        table->rows[i].ours = false;
    do { /* until no further descendants turn up */
        before = found;
        for (size_t i = 0; i < table->count; i++) {
            struct process *process = &table->rows[i];
            if (!process->ours && process->pid != getpid() && belongs(table, process, marks)) {
                process->ours = true;
                found++;
                if (kill_them)
                    (void)kill(process->pid, SIGKILL);
            }
        }
    } while (found != before);
    return found;
}
