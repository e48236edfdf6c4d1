/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups from /etc/passwd and /etc/group. The C library's look-up loads modules at run time, which a
 * static executable cannot; users of other sources (LDAP) are given by number. */
#ifndef HORAE_KEEPER_USER_H
#define HORAE_KEEPER_USER_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

enum { USER_GROUPS_MAX = 1024 };

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX]; /* `gid` first */
    size_t group_count;
};

/* `name`: a name of /etc/passwd, or a number (then without further groups unless the number stands there).
 * ERR_NOT_FOUND: no such user. */
enum err_code user_find(const char *name, struct user *ret, struct err *err);

#endif
