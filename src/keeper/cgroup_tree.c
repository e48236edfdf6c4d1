/* SPDX-License-Identifier: Apache-2.0 */
/* Ending whole trees needs only a cgroup that we may write and a kernel with cgroup.kill (5.14). A controller works for
 * our sub-cgroups only when it stands in cgroup.subtree_control of the tree, and the kernel takes it there only while
 * no process lives in the tree itself. In a tree delegated to us (systemd: Delegate=yes) the processes are moved into a
 * leaf; any other tree is left as it is, and limits are refused with the reason. */
#include "keeper/cgroup.h"

#include "base/mem.h"
#include "base/str.h"
#include "keeper/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LEAF_NAME "horae-leaf"

static const char *const CONTROLLERS[] = {"memory", "cpu", "pids"};

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += length) {
        bool begins = p == text || p[-1] == ' ' || p[-1] == '\n';
        bool ends = p[length] == '\0' || p[length] == ' ' || p[length] == '\n';
        if (begins && ends)
            return true;
    }
    return false;
}

/* ---- finding the tree ---- */

/* Where cgroup v2 is mounted, from /proc/mounts: device, folder, type. */
static bool find_mount(char out[CGROUP_PATH_MAX])
{
    auto_free char *text = xmalloc(FILES_TEXT_MAX);
    if (!file_read_text("/proc/mounts", text, FILES_TEXT_MAX))
        return false;
    struct str rest = str_of(text), line, device, folder, type;
    while (str_split(&rest, '\n', &line)) {
        if (!str_split(&line, ' ', &device) || !str_split(&line, ' ', &folder) || !str_split(&line, ' ', &type))
            continue;
        if (str_equal(type, "cgroup2") && folder.n < CGROUP_PATH_MAX) {
            (void)str_copy(out, CGROUP_PATH_MAX, folder.p, folder.n);
            return true;
        }
    }
    return false;
}

bool cgroup_own(char out[CGROUP_PATH_MAX])
{
    char mount[CGROUP_PATH_MAX], text[CGROUP_PATH_MAX];
    if (!find_mount(mount) || !file_read_text("/proc/self/cgroup", text, sizeof text))
        return false;
    struct str rest = str_of(text), line;
    while (str_split(&rest, '\n', &line))
        if (str_starts_with(line, "0::/")) {
            int n = snprintf(out, CGROUP_PATH_MAX, "%s%.*s", mount, (int)(line.n - 3), line.p + 3);
            return n > 0 && n < CGROUP_PATH_MAX;
        }
    return false;
}

/* A server that a keeper before us moved into the leaf starts its keeper there: the tree is above it. */
static void leave_leaf(char *path)
{
    size_t length = strlen(path), leaf = strlen("/" LEAF_NAME);
    if (length > leaf && strcmp(path + length - leaf, "/" LEAF_NAME) == 0)
        path[length - leaf] = '\0';
}

static bool refuse_both(struct cgroup_tree *tree, const char *reason)
{
    (void)snprintf(tree->no_limits, sizeof tree->no_limits, "%s", reason);
    (void)snprintf(tree->no_trees, sizeof tree->no_trees, "%s", reason);
    tree->root[0] = '\0';
    return false;
}

static bool find_root(struct cgroup_tree *tree)
{
    const char *given = getenv("HORAE_CGROUP_ROOT");
    char mount[CGROUP_PATH_MAX], reason[CGROUP_REASON_MAX];
    if (given && given[0])
        (void)str_copy(tree->root, sizeof tree->root, given, strlen(given));
    else if (!find_mount(mount))
        return refuse_both(tree, "cgroup v2 is not mounted on this machine");
    else if (!cgroup_own(tree->root))
        return refuse_both(tree, "this process is in no cgroup v2");
    else
        leave_leaf(tree->root);
    if (access(tree->root, W_OK) == 0)
        return true;
    (void)snprintf(reason, sizeof reason, "the cgroup %.300s may not be written", tree->root);
    return refuse_both(tree, reason);
}

/* ---- what it can do ---- */

static bool is_delegated(const char *root)
{
    char value[8];
    return getxattr(root, "user.delegate", value, sizeof value) > 0 ||
           getxattr(root, "trusted.delegate", value, sizeof value) > 0;
}

/* True when all controllers are on, or could be switched on. */
static bool look_for_limits(struct cgroup_tree *tree)
{
    char there[256], on[256], inside[256];
    if (!file_read_in(tree->root, "cgroup.controllers", there, sizeof there) ||
        !file_read_in(tree->root, "cgroup.subtree_control", on, sizeof on)) {
        (void)snprintf(tree->no_limits, sizeof tree->no_limits, "cannot read the controllers of the cgroup %.300s", tree->root);
        return false;
    }
    bool all_on = true;
    for (size_t i = 0; i < ARRAY_LEN(CONTROLLERS); i++) {
        if (!has_word(there, CONTROLLERS[i])) {
            (void)snprintf(tree->no_limits, sizeof tree->no_limits, "the cgroup %.300s has no %s controller", tree->root,
                           CONTROLLERS[i]);
            return false;
        }
        all_on &= has_word(on, CONTROLLERS[i]);
    }
    bool occupied = file_read_in(tree->root, "cgroup.procs", inside, sizeof inside) && inside[0];
    if (!all_on && occupied && !is_delegated(tree->root)) {
        (void)snprintf(tree->no_limits, sizeof tree->no_limits,
                       "the cgroup %.200s is not delegated to horae (with systemd: Delegate=yes)", tree->root);
        return false;
    }
    return true;
}

/* A child that is born inside and ends at once: all that the start of a command needs, tried before it is relied on.
 * Bare system calls, because the server has threads. */
static bool can_be_born_in(int folder_fd)
{
    struct clone_args arguments = {.flags = (uint64_t)CLONE_INTO_CGROUP, .cgroup = (unsigned long long)folder_fd};
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0)
        for (;;)
            (void)syscall(SYS_exit_group, 0);
    int status = 0;
    while (pid > 0 && waitpid((pid_t)pid, &status, __WALL) < 0 && errno == EINTR)
        continue;
    return pid > 0;
}

static bool look_for_trees(struct cgroup_tree *tree)
{
    char path[CGROUP_PATH_MAX], kill_file[CGROUP_PATH_MAX], name[64];
    (void)snprintf(name, sizeof name, "horae-probe-%d", (int)getpid());
    if (!file_join(path, sizeof path, tree->root, name) || !file_join(kill_file, sizeof kill_file, path, "cgroup.kill") ||
        mkdir(path, 0755) != 0) {
        (void)snprintf(tree->no_trees, sizeof tree->no_trees, "cannot make a cgroup in %.300s: %s", tree->root, strerror(errno));
        return false;
    }
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool has_kill = access(kill_file, W_OK) == 0;
    bool works = has_kill && folder >= 0 && can_be_born_in(folder);
    if (!has_kill)
        (void)snprintf(tree->no_trees, sizeof tree->no_trees, "the cgroup %.300s has no cgroup.kill (Linux 5.14)", tree->root);
    else if (!works)
        (void)snprintf(tree->no_trees, sizeof tree->no_trees, "cannot start processes in a cgroup below %.300s: %s", tree->root,
                       strerror(errno));
    if (folder >= 0)
        (void)close(folder);
    (void)rmdir(path);
    return works;
}

void cgroup_tree_find(struct cgroup_tree *tree)
{
    *tree = (struct cgroup_tree){0};
    if (!find_root(tree))
        return;
    tree->limits = look_for_limits(tree);
    tree->trees = look_for_trees(tree);
}

/* ---- what a keeper left ---- */

static bool end_named(const struct cgroup_tree *tree, const char *prefix)
{
    DIR *folder = tree->root[0] ? opendir(tree->root) : NULL;
    bool gone = true;
    if (!folder)
        return true;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[CGROUP_PATH_MAX];
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !file_join(path, sizeof path, tree->root, entry->d_name))
            continue;
        (void)file_write_in(path, "cgroup.kill", "1");
        gone &= rmdir(path) == 0;
    }
    (void)closedir(folder);
    return gone;
}

bool cgroup_tree_end(const struct cgroup_tree *tree)
{
    return end_named(tree, tree->prefix);
}

void cgroup_tree_init(struct cgroup_tree *tree, const char *data_dir)
{
    cgroup_tree_find(tree);
    char family[32];
    (void)snprintf(family, sizeof family, "horae-%08x-", (unsigned)file_hash(data_dir, strlen(data_dir)));
    (void)end_named(tree, family);
    (void)snprintf(tree->prefix, sizeof tree->prefix, "%s%d-", family, (int)getpid());
}

/* ---- controllers ---- */

static void move_into_leaf(const struct cgroup_tree *tree)
{
    char leaf[CGROUP_PATH_MAX];
    if (file_join(leaf, sizeof leaf, tree->root, LEAF_NAME) && (mkdir(leaf, 0755) == 0 || errno == EEXIST))
        cgroup_move_all(tree->root, leaf);
}

bool cgroup_tree_switch_on(const struct cgroup_tree *tree)
{
    char on[256];
    for (int round = 0; round < 2; round++) {
        bool all = file_read_in(tree->root, "cgroup.subtree_control", on, sizeof on);
        for (size_t i = 0; i < ARRAY_LEN(CONTROLLERS); i++)
            all = all && has_word(on, CONTROLLERS[i]);
        if (all || file_write_in(tree->root, "cgroup.subtree_control", "+memory +cpu +pids"))
            return true;
        if (errno != EBUSY || !is_delegated(tree->root))
            return false;
        move_into_leaf(tree);
    }
    return false;
}
