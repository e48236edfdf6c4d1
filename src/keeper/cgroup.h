/* SPDX-License-Identifier: Apache-2.0 */
/* Limits by cgroup v2: one sub-cgroup per command that has limits, below a tree that we may write. The tree is
 * HORAE_CGROUP_ROOT when that is set (tests, unusual set-ups), else the cgroup of this process. */
#ifndef HORAE_KEEPER_CGROUP_H
#define HORAE_KEEPER_CGROUP_H

#include "keeper/keeper.h"

#include <sys/types.h>

enum { CGROUP_PATH_MAX = 4096, CGROUP_REASON_MAX = 400 };

struct cgroup_tree {
    char root[CGROUP_PATH_MAX]; /* "" = no limits here; `reason` says why */
    char prefix[32];            /* of the names of our sub-cgroups: differs per data directory */
    char reason[CGROUP_REASON_MAX];
};

struct cgroup {
    char *path; /* owned; NULL = the command has none */
};

/* Finds the tree and looks whether it can be used; changes nothing. */
bool cgroup_find(struct cgroup_tree *tree);
/* As cgroup_find, and prepares: names ours after `data_dir`, removes what a former keeper left. */
void cgroup_tree_init(struct cgroup_tree *tree, const char *data_dir);

bool cgroup_is_wanted(const struct keeper_limits *limits);
/* Makes the sub-cgroup and sets the limits. False: `reason` names what is missing. `*ret_procs_fd`: where the child
 * writes its pid; the caller closes it. */
bool cgroup_make(struct cgroup_tree *tree, struct cgroup *cgroup, int64_t id, int32_t attempt, const struct keeper_limits *limits,
                 int *ret_procs_fd, char reason[CGROUP_REASON_MAX]);
/* SIGKILL to everything inside. */
void cgroup_kill(const struct cgroup *cgroup);
bool cgroup_oom_killed(const struct cgroup *cgroup);
/* Removes it when it is empty; what is not empty goes when the next keeper starts. */
void cgroup_remove(struct cgroup *cgroup);

#endif
