/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HORAE_ACCESS_ROLES_H
#define HORAE_ACCESS_ROLES_H

#include <stdbool.h>

enum role {
#define ROLE(id, name, permissions) ROLE_##id,
#include "access/roles.def"
#undef ROLE
    ROLE_COUNT
};

extern const char *const role_names[ROLE_COUNT];
bool role_from_name(const char *name, enum role *ret);
unsigned role_permissions(enum role role); /* enum http_permission */

#endif
