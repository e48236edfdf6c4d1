/* SPDX-License-Identifier: Apache-2.0 */
/* Actions, resource types and principal types of audit events, all from audit_values.def. Names match exactly: case counts,
 * nothing is trimmed, there are no aliases, and the empty name is none (DATA-35). Pure. */
#ifndef HORAE_AUDIT_AUDIT_VALUES_H
#define HORAE_AUDIT_AUDIT_VALUES_H

#include "base/str.h"

/* Which objects an event has (AUD-02), as bits. */
enum { AUDIT_OLD = 1, AUDIT_NEW = 2 };

enum audit_action {
#define ACTION(id, name, objects) AUDIT_ACTION_##id,
#include "audit/audit_values.def"
    AUDIT_ACTION_COUNT
};

enum audit_resource_type {
#define RESOURCE_TYPE(id, name) AUDIT_RESOURCE_##id,
#include "audit/audit_values.def"
    AUDIT_RESOURCE_COUNT
};

enum audit_principal_type {
#define PRINCIPAL_TYPE(id, name) AUDIT_PRINCIPAL_##id,
#include "audit/audit_values.def"
    AUDIT_PRINCIPAL_COUNT
};

extern const char *const audit_action_names[AUDIT_ACTION_COUNT];
extern const char *const audit_resource_names[AUDIT_RESOURCE_COUNT];
extern const char *const audit_principal_names[AUDIT_PRINCIPAL_COUNT];

/* False: no such name. */
bool audit_action_from(struct str name, enum audit_action *ret);
bool audit_resource_from(struct str name, enum audit_resource_type *ret);
bool audit_principal_from(struct str name, enum audit_principal_type *ret);

unsigned audit_action_objects(enum audit_action action); /* AUDIT_OLD, AUDIT_NEW, both or 0 */

#endif
