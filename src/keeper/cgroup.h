/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups (cgroup v2): one sub-cgroup per command, below a tree that we may write. It holds whatever the command
 * starts, however that forks away, so that all of it can be ended; and it carries the command's limits where the tree
 * has the controllers. The tree is HORAE_CGROUP_ROOT when that is set (tests, unusual set-ups), else the cgroup of
 * this process. cgroup_tree.c finds and prepares the tree, cgroup.c is about one command's. */
#ifndef HORAE_KEEPER_CGROUP_H
#define HORAE_KEEPER_CGROUP_H

#include "keeper/keeper.h"

#include <sys/types.h>

enum { CGROUP_PATH_MAX = 4096, CGROUP_REASON_MAX = KEEPER_REASON_MAX };

struct cgroup_tree {
    char root[CGROUP_PATH_MAX]; /* "" = none that we may write; both reasons say why */
    char prefix[48];            /* of the names of our sub-cgroups: differs per data directory and keeper */
    bool limits, trees;         /* it can limit; it can end whole trees (cgroup.kill) */
    char no_limits[CGROUP_REASON_MAX], no_trees[CGROUP_REASON_MAX];
};

struct cgroup {
    char *path; /* owned; NULL = the command has none */
};

/* Finds the tree and looks what it can do. Makes an empty sub-cgroup for a moment and changes nothing else. */
void cgroup_tree_find(struct cgroup_tree *tree);
/* As cgroup_tree_find, and prepares: names ours after `data_dir` and this process, ends what former keepers left. */
void cgroup_tree_init(struct cgroup_tree *tree, const char *data_dir);
/* SIGKILL to everything in sub-cgroups of this keeper, which are removed. False: something is still dying there; call again. */
bool cgroup_tree_end(const struct cgroup_tree *tree);
/* Switches the controllers on for sub-cgroups; what stands in the way moves into a leaf where the tree is ours. */
bool cgroup_tree_switch_on(const struct cgroup_tree *tree);
/* The cgroup in which this process stands. */
bool cgroup_own(char out[CGROUP_PATH_MAX]);

bool cgroup_is_wanted(const struct keeper_limits *limits);
/* Makes the sub-cgroup and sets the limits, if any. False: `reason` names what is missing. `*ret_fd`: its folder, for
 * the start of the command; the caller closes it. */
bool cgroup_make(const struct cgroup_tree *tree, struct cgroup *cgroup, int64_t id, int32_t attempt,
                 const struct keeper_limits *limits, int *ret_fd, char reason[CGROUP_REASON_MAX]);
/* SIGKILL to everything inside. */
void cgroup_kill(const struct cgroup *cgroup);
bool cgroup_is_empty(const struct cgroup *cgroup); /* also when there is none */
bool cgroup_oom_killed(const struct cgroup *cgroup);
/* What stands in the folder of one cgroup moves to that of another; what refuses stays. */
void cgroup_move_all(const char *from, const char *to);
/* Removes it. What still lives inside moves to the cgroup of this process. */
void cgroup_remove(struct cgroup *cgroup);

#endif
