/* SPDX-License-Identifier: Apache-2.0 */
#include "access/roles.h"

#include "http/http.h"

#include <string.h>

const char *const role_names[ROLE_COUNT] = {
#define ROLE(id, name, permissions) name,
#include "access/roles.def"
#undef ROLE
};

static const unsigned permissions_of[ROLE_COUNT] = {
#define ROLE(id, name, permissions) permissions,
#include "access/roles.def"
#undef ROLE
};

bool role_from_name(const char *name, enum role *ret)
{
    for (int i = 0; i < ROLE_COUNT; i++)
        if (strcmp(name, role_names[i]) == 0) {
            *ret = (enum role)i;
            return true;
        }
    return false;
}

unsigned role_permissions(enum role role)
{
    return permissions_of[role];
}
