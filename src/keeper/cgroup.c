/* SPDX-License-Identifier: Apache-2.0 */
/* A controller works for our sub-cgroups only when it stands in cgroup.subtree_control of the tree, and the kernel
 * takes it there only while no process lives in the tree itself. In a tree delegated to us (systemd: Delegate=yes)
 * the processes are moved into a leaf; any other tree is left as it is, and limits are refused with the reason. */
#include "keeper/cgroup.h"

#include "base/mem.h"
#include "base/str.h"
#include "keeper/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CPU_PERCENT_MAX = 1000000 }; /* ten thousand processors */

#define LEAF_NAME "horae-leaf"

static const char *const CONTROLLERS[] = {"memory", "cpu", "pids"};

/* ---- small files ---- */

static bool join(char out[CGROUP_PATH_MAX], const char *folder, const char *name)
{
    int n = snprintf(out, CGROUP_PATH_MAX, "%s/%s", folder, name);
    return n > 0 && n < CGROUP_PATH_MAX;
}

static bool read_in(const char *folder, const char *name, char *out, size_t capacity)
{
    char path[CGROUP_PATH_MAX];
    return join(path, folder, name) && file_read_text(path, out, capacity);
}

static bool write_in(const char *folder, const char *name, const char *text)
{
    char path[CGROUP_PATH_MAX];
    int fd = join(path, folder, name) ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1; /* a fake tree has no files */
    if (fd < 0)
        return false;
    bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return good;
}

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

static bool find_own(struct cgroup_tree *tree)
{
    char mount[CGROUP_PATH_MAX], text[CGROUP_PATH_MAX];
    if (!find_mount(mount) || !file_read_text("/proc/self/cgroup", text, sizeof text)) {
        (void)snprintf(tree->reason, sizeof tree->reason, "cgroup v2 is not mounted on this machine");
        return false;
    }
    struct str rest = str_of(text), line;
    while (str_split(&rest, '\n', &line))
        if (str_starts_with(line, "0::/")) {
            const size_t leaf = strlen("/" LEAF_NAME);
            int length = (int)(line.n - 3);
            if (line.n - 3 >= leaf && str_equal((struct str){line.p + line.n - leaf, leaf}, "/" LEAF_NAME))
                length -= (int)leaf; /* our server was moved there by a keeper before us */
            int n = snprintf(tree->root, sizeof tree->root, "%s%.*s", mount, length, line.p + 3);
            if (n > 0 && (size_t)n < sizeof tree->root)
                return true;
        }
    (void)snprintf(tree->reason, sizeof tree->reason, "this process is in no cgroup v2");
    tree->root[0] = '\0';
    return false;
}

static bool is_delegated(const char *root)
{
    char value[8];
    return getxattr(root, "user.delegate", value, sizeof value) > 0 ||
           getxattr(root, "trusted.delegate", value, sizeof value) > 0;
}

/* True when all controllers are on, or could be switched on. */
static bool look_at(struct cgroup_tree *tree)
{
    char there[256], on[256], inside[256];
    if (!read_in(tree->root, "cgroup.controllers", there, sizeof there) ||
        !read_in(tree->root, "cgroup.subtree_control", on, sizeof on)) {
        (void)snprintf(tree->reason, sizeof tree->reason, "cannot read the controllers of the cgroup %.300s", tree->root);
        return false;
    }
    bool all_on = true;
    for (size_t i = 0; i < ARRAY_LEN(CONTROLLERS); i++) {
        if (!has_word(there, CONTROLLERS[i])) {
            (void)snprintf(tree->reason, sizeof tree->reason, "the cgroup %.300s has no %s controller", tree->root,
                           CONTROLLERS[i]);
            return false;
        }
        all_on &= has_word(on, CONTROLLERS[i]);
    }
    if (access(tree->root, W_OK) != 0) {
        (void)snprintf(tree->reason, sizeof tree->reason, "the cgroup %.300s may not be written", tree->root);
        return false;
    }
    bool occupied = read_in(tree->root, "cgroup.procs", inside, sizeof inside) && inside[0];
    if (!all_on && occupied && !is_delegated(tree->root)) {
        (void)snprintf(tree->reason, sizeof tree->reason,
                       "the cgroup %.200s is not delegated to horae (with systemd: Delegate=yes)", tree->root);
        return false;
    }
    return true;
}

bool cgroup_find(struct cgroup_tree *tree)
{
    *tree = (struct cgroup_tree){0};
    const char *given = getenv("HORAE_CGROUP_ROOT");
    if (given && given[0])
        (void)str_copy(tree->root, sizeof tree->root, given, strlen(given));
    else if (!find_own(tree))
        return false;
    if (look_at(tree))
        return true;
    tree->root[0] = '\0';
    return false;
}

/* ---- what a former keeper left ---- */

static void remove_leftovers(const struct cgroup_tree *tree)
{
    DIR *folder = opendir(tree->root);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[CGROUP_PATH_MAX];
        if (strncmp(entry->d_name, tree->prefix, strlen(tree->prefix)) != 0 || !join(path, tree->root, entry->d_name))
            continue;
        (void)write_in(path, "cgroup.kill", "1");
        (void)rmdir(path); /* what is dying now goes next time */
    }
    (void)closedir(folder);
}

void cgroup_tree_init(struct cgroup_tree *tree, const char *data_dir)
{
    if (!cgroup_find(tree))
        return;
    (void)snprintf(tree->prefix, sizeof tree->prefix, "horae-%08x-", (unsigned)file_hash(data_dir, strlen(data_dir)));
    remove_leftovers(tree);
}

/* ---- one command ---- */

bool cgroup_is_wanted(const struct keeper_limits *limits)
{
    return limits->memory_bytes > 0 || limits->cpu_percent > 0 || limits->pids > 0;
}

static void move_into_leaf(const struct cgroup_tree *tree)
{
    char leaf[CGROUP_PATH_MAX], pids[CGROUP_PATH_MAX];
    if (!join(leaf, tree->root, LEAF_NAME) || (mkdir(leaf, 0755) != 0 && errno != EEXIST))
        return;
    if (!read_in(tree->root, "cgroup.procs", pids, sizeof pids))
        return;
    struct str rest = str_of(pids), pid;
    while (str_split(&rest, '\n', &pid)) {
        char text[24];
        if (pid.n && pid.n < sizeof text) {
            (void)str_copy(text, sizeof text, pid.p, pid.n);
            (void)write_in(leaf, "cgroup.procs", text);
        }
    }
}

static bool switch_on(const struct cgroup_tree *tree)
{
    char on[256];
    for (int round = 0; round < 2; round++) {
        bool all = read_in(tree->root, "cgroup.subtree_control", on, sizeof on);
        for (size_t i = 0; i < ARRAY_LEN(CONTROLLERS); i++)
            all = all && has_word(on, CONTROLLERS[i]);
        if (all || write_in(tree->root, "cgroup.subtree_control", "+memory +cpu +pids"))
            return true;
        if (errno != EBUSY || !is_delegated(tree->root))
            return false;
        move_into_leaf(tree);
    }
    return false;
}

static bool set_limits(const char *path, const struct keeper_limits *limits, const char **ret_file)
{
    char text[64];
    if (limits->memory_bytes > 0) {
        (void)snprintf(text, sizeof text, "%lld", (long long)limits->memory_bytes);
        (void)write_in(path, "memory.oom.group", "1"); /* older kernels have none */
        (void)write_in(path, "memory.swap.max", "0");  /* nor machines without swap */
        if (!write_in(path, *ret_file = "memory.max", text))
            return false;
    }
    if (limits->cpu_percent > 0) {
        int64_t percent = limits->cpu_percent < CPU_PERCENT_MAX ? limits->cpu_percent : CPU_PERCENT_MAX;
        (void)snprintf(text, sizeof text, "%lld 100000", (long long)percent * 1000);
        if (!write_in(path, *ret_file = "cpu.max", text))
            return false;
    }
    if (limits->pids > 0) {
        (void)snprintf(text, sizeof text, "%lld", (long long)limits->pids);
        if (!write_in(path, *ret_file = "pids.max", text))
            return false;
    }
    return true;
}

bool cgroup_make(struct cgroup_tree *tree, struct cgroup *cgroup, int64_t id, int32_t attempt, const struct keeper_limits *limits,
                 int *ret_procs_fd, char reason[CGROUP_REASON_MAX])
{
    char path[CGROUP_PATH_MAX], procs[CGROUP_PATH_MAX], name[96];
    if (!tree->root[0]) {
        (void)snprintf(reason, CGROUP_REASON_MAX, "%s", tree->reason);
        return false;
    }
    (void)snprintf(name, sizeof name, "%s%lld-%d", tree->prefix, (long long)id, (int)attempt);
    const char *file = "cgroup.subtree_control";
    int fd = -1;
    if (switch_on(tree) && join(path, tree->root, file = name) && (mkdir(path, 0755) == 0 || errno == EEXIST) &&
        set_limits(path, limits, &file) && join(procs, path, file = "cgroup.procs"))
        fd = open(procs, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        (void)snprintf(reason, CGROUP_REASON_MAX, "cannot write %s in the cgroup %.200s: %s", file, tree->root, strerror(errno));
        if (file != name)
            (void)rmdir(path);
        return false;
    }
    cgroup->path = xstrdup(path);
    *ret_procs_fd = fd;
    return true;
}

void cgroup_kill(const struct cgroup *cgroup)
{
    if (cgroup->path)
        (void)write_in(cgroup->path, "cgroup.kill", "1");
}

bool cgroup_oom_killed(const struct cgroup *cgroup)
{
    char text[512];
    if (!cgroup->path || !read_in(cgroup->path, "memory.events", text, sizeof text))
        return false;
    struct str rest = str_of(text), line, word;
    while (str_split(&rest, '\n', &line)) {
        int64_t count = 0;
        if (str_split(&line, ' ', &word) && str_equal(word, "oom_kill") && str_to_int(line, 0, INT64_MAX, &count))
            return count > 0;
    }
    return false;
}

void cgroup_remove(struct cgroup *cgroup)
{
    if (cgroup->path)
        (void)rmdir(cgroup->path);
    free(cgroup->path);
    cgroup->path = NULL;
}
