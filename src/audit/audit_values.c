/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_values.h"

const char *const audit_action_names[AUDIT_ACTION_COUNT] = {
#define ACTION(id, name, objects) name,
#include "audit/audit_values.def"
};

const char *const audit_resource_names[AUDIT_RESOURCE_COUNT] = {
#define RESOURCE_TYPE(id, name) name,
#include "audit/audit_values.def"
};

const char *const audit_principal_names[AUDIT_PRINCIPAL_COUNT] = {
#define PRINCIPAL_TYPE(id, name) name,
#include "audit/audit_values.def"
};

static const unsigned objects_of[AUDIT_ACTION_COUNT] = {
#define ACTION(id, name, objects) objects,
#include "audit/audit_values.def"
};

/* The row of the name, or `count`. */
static size_t find(const char *const *names, size_t count, struct str name)
{
    size_t i = 0;
    while (i < count && !str_equal(name, names[i]))
        i++;
    return i;
}

bool audit_action_from(struct str name, enum audit_action *ret)
{
    const size_t i = find(audit_action_names, AUDIT_ACTION_COUNT, name);
    if (i < AUDIT_ACTION_COUNT)
        *ret = (enum audit_action)i;
    return i < AUDIT_ACTION_COUNT;
}

bool audit_resource_from(struct str name, enum audit_resource_type *ret)
{
    const size_t i = find(audit_resource_names, AUDIT_RESOURCE_COUNT, name);
    if (i < AUDIT_RESOURCE_COUNT)
        *ret = (enum audit_resource_type)i;
    return i < AUDIT_RESOURCE_COUNT;
}

bool audit_principal_from(struct str name, enum audit_principal_type *ret)
{
    const size_t i = find(audit_principal_names, AUDIT_PRINCIPAL_COUNT, name);
    if (i < AUDIT_PRINCIPAL_COUNT)
        *ret = (enum audit_principal_type)i;
    return i < AUDIT_PRINCIPAL_COUNT;
}

unsigned audit_action_objects(enum audit_action action)
{
    return objects_of[action];
}
