/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups on a folder of plain files (HORAE_CGROUP_ROOT): what is written where, and what is said when something is missing.
 * Whether the kernel obeys is shown by the keeper's tests on machines with a tree that may be written. */
#include "keeper/cgroup.h"
#include "keeper/files.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

static int make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/horae-cgroup-XXXXXX");
    return mkdtemp(root) && setenv("HORAE_CGROUP_ROOT", root, 1) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *what, int kind, struct FTW *place)
{
    (void)what, (void)kind, (void)place;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void assert_file(const char *folder, const char *name, const char *expected)
{
    char text[256];
    assert_true(file_read_in(folder, name, text, sizeof text));
    assert_string_equal(text, expected);
}

static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static void what_a_tree_lacks_is_named(void **state)
{
    (void)state;
    struct cgroup_tree tree;
    cgroup_tree_find(&tree);
    assert_false(tree.limits || tree.trees);
    assert_says(tree.no_limits, "cannot read the controllers");
    assert_says(tree.no_trees, "has no cgroup.kill");
    assert_true(file_write_in(root, "cgroup.subtree_control", ""));
    assert_true(file_write_in(root, "cgroup.controllers", "cpuset cpu memory rpids"));
    cgroup_tree_find(&tree);
    assert_false(tree.limits);
    assert_says(tree.no_limits, "has no pids controller");
    assert_true(file_write_in(root, "cgroup.controllers", "cpuset cpu memory pids\n"));
    assert_true(file_write_in(root, "cgroup.procs", "1\n"));
    cgroup_tree_find(&tree);
    assert_false(tree.limits); /* somebody lives there, and it was not given to us */
    assert_says(tree.no_limits, "is not delegated");
    assert_int_equal(setenv("HORAE_CGROUP_ROOT", "/nowhere/at/all", 1), 0);
    cgroup_tree_find(&tree);
    assert_string_equal(tree.root, "");
    assert_says(tree.no_limits, "may not be written");
    assert_string_equal(tree.no_trees, tree.no_limits);
}

/* A tree with all controllers, in which nobody lives. */
static struct cgroup_tree good_tree(void)
{
    struct cgroup_tree tree;
    assert_true(file_write_in(root, "cgroup.controllers", "cpu memory pids\n"));
    assert_true(file_write_in(root, "cgroup.subtree_control", ""));
    cgroup_tree_init(&tree, "/some/data");
    assert_true(tree.limits);
    return tree;
}

static void limits_are_written_to_the_command_s_own_group(void **state)
{
    (void)state;
    struct cgroup_tree tree = good_tree();
    struct cgroup group = {NULL};
    const struct keeper_limits limits = {.memory_bytes = 1 << 20, .cpu_percent = 2000000, .pids = 7};
    char reason[CGROUP_REASON_MAX];
    int fd = -1;
    assert_true(cgroup_make(&tree, &group, 12, 1, &limits, &fd, reason));
    assert_int_equal(close(fd), 0);
    assert_file(root, "cgroup.subtree_control", "+memory +cpu +pids");
    assert_file(group.path, "memory.max", "1048576");
    assert_file(group.path, "memory.oom.group", "1");
    assert_file(group.path, "cpu.max", "1000000000 100000"); /* no more than ten thousand processors */
    assert_file(group.path, "pids.max", "7");
    cgroup_kill(&group);
    assert_file(group.path, "cgroup.kill", "1");
    cgroup_remove(&group);
    assert_null(group.path);
}

static void a_limit_that_cannot_be_set_is_named(void **state)
{
    (void)state;
    struct cgroup_tree tree = good_tree();
    struct cgroup group = {NULL};
    const struct keeper_limits limits = {.memory_bytes = 1}, none = {0};
    char folder[200], blocked[300], reason[CGROUP_REASON_MAX];
    int fd = -1;
    (void)snprintf(folder, sizeof folder, "%s/%s5-2", root, tree.prefix);
    (void)snprintf(blocked, sizeof blocked, "%s/memory.max", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(mkdir(blocked, 0755), 0);
    assert_false(cgroup_make(&tree, &group, 5, 2, &limits, &fd, reason));
    assert_says(reason, "cannot write memory.max");
    assert_false(cgroup_make(&tree, &group, 6, 1, &none, &fd, reason)); /* plain files end no trees */
    assert_string_equal(reason, tree.no_trees);
    tree.limits = false;
    (void)snprintf(tree.no_limits, sizeof tree.no_limits, "no limits here");
    assert_false(cgroup_make(&tree, &group, 6, 1, &limits, &fd, reason));
    assert_string_equal(reason, "no limits here");
}

static void events_of_a_group_are_read_line_by_line(void **state)
{
    (void)state;
    const struct cgroup group = {root}, none = {NULL};
    assert_true(cgroup_is_empty(&none) && cgroup_is_empty(&group));
    assert_false(cgroup_oom_killed(&none) || cgroup_oom_killed(&group));
    assert_true(file_write_in(root, "cgroup.events", "frozen 0\npopulated 1\n"));
    assert_true(file_write_in(root, "memory.events", "low 0\noom 3\noom_kill 0\noom_group_kill 2\n"));
    assert_false(cgroup_is_empty(&group) || cgroup_oom_killed(&group));
    assert_true(file_write_in(root, "memory.events", "low 0\noom 3\noom_kill 1\n"));
    assert_true(cgroup_oom_killed(&group));
}

static void only_groups_of_this_data_directory_are_ended(void **state)
{
    (void)state;
    struct cgroup_tree tree = good_tree(), again;
    char left[200], other[200], kill_file[300];
    (void)snprintf(left, sizeof left, "%s/%s1-1", root, tree.prefix);
    (void)snprintf(other, sizeof other, "%s/somebody-else", root);
    (void)snprintf(kill_file, sizeof kill_file, "%s/cgroup.kill", other);
    assert_int_equal(mkdir(left, 0755), 0);
    assert_int_equal(mkdir(other, 0755), 0);
    assert_false(cgroup_tree_end(&tree)); /* it is there as long as something stands in it */
    assert_file(left, "cgroup.kill", "1");
    assert_int_equal(access(kill_file, F_OK), -1);
    cgroup_tree_init(&again, "/other/data");
    assert_string_not_equal(again.prefix, tree.prefix);
    assert_true(cgroup_tree_end(&again));
}

static void what_lives_in_a_group_can_move(void **state)
{
    (void)state;
    char to[200];
    (void)snprintf(to, sizeof to, "%s/to", root);
    assert_int_equal(mkdir(to, 0755), 0);
    cgroup_move_all(root, to); /* no cgroup.procs: nothing to move */
    assert_true(file_write_in(root, "cgroup.procs", "4321\n8765\n"));
    cgroup_move_all(root, to);
    assert_file(to, "cgroup.procs", "8765"); /* one write each, the last one stays in a plain file */
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        IN_ROOT(what_a_tree_lacks_is_named),
        IN_ROOT(limits_are_written_to_the_command_s_own_group),
        IN_ROOT(a_limit_that_cannot_be_set_is_named),
        IN_ROOT(events_of_a_group_are_read_line_by_line),
        IN_ROOT(only_groups_of_this_data_directory_are_ended),
        IN_ROOT(what_lives_in_a_group_can_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
