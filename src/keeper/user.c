/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/user.h"

#include "base/mem.h"
#include "base/str.h"
#include "keeper/files.h"

#include <string.h>

enum { ID_MAX = 0x7FFFFFFF };

/* name:password:uid:gid:… */
static bool parse_user(struct str line, struct str *ret_name, int64_t *ret_uid, int64_t *ret_gid)
{
    struct str password, uid, gid;
    return str_split(&line, ':', ret_name) && str_split(&line, ':', &password) && str_split(&line, ':', &uid) &&
           str_split(&line, ':', &gid) && str_to_int(uid, 0, ID_MAX, ret_uid) && str_to_int(gid, 0, ID_MAX, ret_gid);
}

/* By name, else by number; the name that was found goes to `ret_name` (a view into `text`). */
static bool find_user(const char *text, const char *wanted, struct user *ret, struct str *ret_name)
{
    int64_t number = -1, uid, gid;
    (void)str_to_int(str_of(wanted), 0, ID_MAX, &number);
    struct str rest = str_of(text), line, name;
    bool found = false;
    while (str_split(&rest, '\n', &line)) {
        if (!parse_user(line, &name, &uid, &gid))
            continue;
        bool by_name = str_equal(name, wanted);
        if (!by_name && (found || uid != number))
            continue;
        ret->uid = (uid_t)uid;
        ret->gid = (gid_t)gid;
        *ret_name = name;
        found = true;
        if (by_name)
            break;
    }
    if (!found && number >= 0) {
        ret->uid = (uid_t)number;
        ret->gid = (gid_t)number;
        *ret_name = (struct str){"", 0};
    }
    return found || number >= 0;
}

static bool is_member(struct str members, struct str name)
{
    struct str member;
    while (str_split(&members, ',', &member))
        if (member.n == name.n && memcmp(member.p, name.p, name.n) == 0)
            return true;
    return false;
}

/* name:password:gid:member,member */
static void add_groups(const char *text, struct str user_name, struct user *user)
{
    struct str rest = str_of(text), line, name, password, gid;
    int64_t number;
    while (user->group_count < USER_GROUPS_MAX && str_split(&rest, '\n', &line)) {
        if (!str_split(&line, ':', &name) || !str_split(&line, ':', &password) || !str_split(&line, ':', &gid))
            continue;
        if (str_to_int(gid, 0, ID_MAX, &number) && (gid_t)number != user->gid && is_member(line, user_name))
            user->groups[user->group_count++] = (gid_t)number;
    }
}

enum err_code user_find(const char *name, struct user *ret, struct err *err)
{
    auto_free char *users = xmalloc(FILES_TEXT_MAX);
    auto_free char *groups = xmalloc(FILES_TEXT_MAX);
    struct str found;
    if (!file_read_text("/etc/passwd", users, FILES_TEXT_MAX))
        users[0] = '\0';
    if (!find_user(users, name, ret, &found))
        return err_set(err, ERR_NOT_FOUND, NULL, "no such user: %s", name);
    ret->groups[0] = ret->gid;
    ret->group_count = 1;
    if (found.n && file_read_text("/etc/group", groups, FILES_TEXT_MAX))
        add_groups(groups, found, ret);
    return OK;
}
