/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/cgroup.h"

#include "base/mem.h"
#include "base/str.h"
#include "keeper/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CPU_PERCENT_MAX = 1000000, /* ten thousand processors */
    MOVE_ROUNDS_MAX = 10,      /* what forks while it is moved is moved in the next round */
};

bool cgroup_is_wanted(const struct keeper_limits *limits)
{
    return limits->memory_bytes > 0 || limits->cpu_percent > 0 || limits->pids > 0;
}

static bool set_limits(const char *path, const struct keeper_limits *limits, const char **ret_file)
{
    char text[64];
    if (limits->memory_bytes > 0) {
        (void)snprintf(text, sizeof text, "%lld", (long long)limits->memory_bytes);
        (void)file_write_in(path, "memory.oom.group", "1"); /* older kernels have none */
        (void)file_write_in(path, "memory.swap.max", "0");  /* nor machines without swap */
        if (!file_write_in(path, *ret_file = "memory.max", text))
            return false;
    }
    if (limits->cpu_percent > 0) {
        int64_t percent = limits->cpu_percent < CPU_PERCENT_MAX ? limits->cpu_percent : CPU_PERCENT_MAX;
        (void)snprintf(text, sizeof text, "%lld 100000", (long long)percent * 1000);
        if (!file_write_in(path, *ret_file = "cpu.max", text))
            return false;
    }
    if (limits->pids > 0) {
        (void)snprintf(text, sizeof text, "%lld", (long long)limits->pids);
        if (!file_write_in(path, *ret_file = "pids.max", text))
            return false;
    }
    return true;
}

bool cgroup_make(const struct cgroup_tree *tree, struct cgroup *cgroup, int64_t id, int32_t attempt,
                 const struct keeper_limits *limits, int *ret_fd, char reason[CGROUP_REASON_MAX])
{
    char path[CGROUP_PATH_MAX], name[96];
    bool limited = cgroup_is_wanted(limits);
    if (limited ? !tree->limits : !tree->trees) {
        (void)snprintf(reason, CGROUP_REASON_MAX, "%s", limited ? tree->no_limits : tree->no_trees);
        return false;
    }
    (void)snprintf(name, sizeof name, "%s%lld-%d", tree->prefix, (long long)id, (int)attempt);
    const char *file = "cgroup.subtree_control";
    int fd = -1;
    if ((!limited || cgroup_tree_switch_on(tree)) && file_join(path, sizeof path, tree->root, file = name) &&
        (mkdir(path, 0755) == 0 || errno == EEXIST) && set_limits(path, limits, &file))
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)snprintf(reason, CGROUP_REASON_MAX, "cannot write %s in the cgroup %.200s: %s", file, tree->root, strerror(errno));
        if (file != name)
            (void)rmdir(path);
        return false;
    }
    cgroup->path = xstrdup(path);
    *ret_fd = fd;
    return true;
}

void cgroup_kill(const struct cgroup *cgroup)
{
    if (cgroup->path)
        (void)file_write_in(cgroup->path, "cgroup.kill", "1");
}

/* The number after `word` in a file of lines "word number"; 0 when there is none. */
static int64_t read_number(const struct cgroup *cgroup, const char *file, const char *wanted)
{
    char text[512];
    if (!cgroup->path || !file_read_in(cgroup->path, file, text, sizeof text))
        return 0;
    struct str rest = str_of(text), line, word;
    while (str_split(&rest, '\n', &line)) {
        int64_t number = 0;
        if (str_split(&line, ' ', &word) && str_equal(word, wanted) && str_to_int(line, 0, INT64_MAX, &number))
            return number;
    }
    return 0;
}

bool cgroup_is_empty(const struct cgroup *cgroup)
{
    return read_number(cgroup, "cgroup.events", "populated") == 0;
}

bool cgroup_oom_killed(const struct cgroup *cgroup)
{
    return read_number(cgroup, "memory.events", "oom_kill") > 0;
}

void cgroup_move_all(const char *from, const char *to)
{
    char pids[CGROUP_PATH_MAX];
    if (!file_read_in(from, "cgroup.procs", pids, sizeof pids))
        return;
    struct str rest = str_of(pids), pid;
    while (str_split(&rest, '\n', &pid)) {
        char text[24];
        if (pid.n && pid.n < sizeof text) {
            (void)str_copy(text, sizeof text, pid.p, pid.n);
            (void)file_write_in(to, "cgroup.procs", text);
        }
    }
}

void cgroup_remove(struct cgroup *cgroup)
{
    char own[CGROUP_PATH_MAX];
    if (cgroup->path && rmdir(cgroup->path) != 0 && errno == EBUSY && cgroup_own(own))
        for (int round = 0; round < MOVE_ROUNDS_MAX; round++) {
            cgroup_move_all(cgroup->path, own);
            if (rmdir(cgroup->path) == 0 || errno != EBUSY)
                break;
        }
    free(cgroup->path);
    cgroup->path = NULL;
}
