/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of routes: every change is recorded (AUD-40), and docs/openapi.yaml against the tables of routes, in both directions: every route with its permission, parameters and body
 * is described, and nothing else is (API-01). */
#include "access/access.h"
#include "alert/alert_api.h"
#include "app/assets.h"
#include "app/probes.h"
#include "audit/audit_request.h"
#include "base/json.h"
#include "base/mem.h"
#include "http/http_server.h"
#include "sched/sched_api.h"
#include "trail/audit_api.h"
#include "trail/ingest_api.h"
#include "trail/verify_api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char *const methods[HTTP_METHOD_COUNT] = {"get", "post", "put", "patch", "delete"};

struct fixture {
    struct json_doc *doc;
    struct http_routes groups[HTTP_ROUTE_GROUPS_MAX];
    size_t count;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct err err;
    assert_int_equal(json_parse((const char *)asset_openapi_json, asset_openapi_json_size, &f.doc, &err), OK);
    f.groups[f.count++] = probes_routes(NULL);
    f.groups[f.count++] = access_routes(NULL);
    f.groups[f.count++] = ingest_routes(NULL);
    f.groups[f.count++] = audit_routes(NULL);
    f.groups[f.count++] = verify_routes(NULL);
    f.groups[f.count++] = alert_routes(NULL);
    f.count += sched_api_routes(NULL, f.groups + f.count);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    json_doc_free(((struct fixture *)*state)->doc);
    return 0;
}

/* A reference is replaced by what it points to. */
static const struct json *resolve(const struct fixture *f, const struct json *node)
{
    const struct json *reference = node ? json_member(node, "$ref") : NULL;
    if (!reference)
        return node;
    struct str rest = json_get_text(reference), part;
    const struct json *found = json_root(f->doc);
    assert_true(str_split(&rest, '/', &part) && str_equal(part, "#"));
    while (str_split(&rest, '/', &part)) {
        char name[128];
        (void)str_copy(name, sizeof name, part.p, part.n);
        found = json_member(found, name);
        assert_non_null(found);
    }
    return found;
}

static const struct json *operation_of(const struct fixture *f, const struct http_route *route, const struct json **ret_item)
{
    *ret_item = json_member(json_member(json_root(f->doc), "paths"), route->path);
    const struct json *operation = *ret_item ? json_member(*ret_item, methods[route->method]) : NULL;
    if (!operation)
        fail_msg("%s %s is not described", methods[route->method], route->path);
    return operation;
}

static bool is_spec(const struct http_param_spec *specs, struct str name)
{
    for (; specs && specs->name; specs++)
        if (str_equal(name, specs->name))
            return true;
    return false;
}

/* Parameters of the query, of the operation and its path; each must be in the route's table. Returns how many. */
static size_t count_described(const struct fixture *f, const struct json *holder, const struct http_route *route)
{
    const struct json *list = json_member(holder, "parameters"), *item;
    struct json_walk walk = {0};
    size_t count = 0;
    while (list && json_walk_array(list, &walk, &item)) {
        const struct json *parameter = resolve(f, item);
        struct str name = json_get_text(json_member(parameter, "name"));
        if (!str_equal(json_get_text(json_member(parameter, "in")), "query"))
            continue;
        if (!is_spec(route->params, name))
            fail_msg("%s: the parameter %.*s is described, but not known", route->path, (int)name.n, name.p);
        count++;
    }
    return count;
}

static size_t count_specs(const struct http_param_spec *specs)
{
    size_t count = 0;
    for (; specs && specs[count].name; count++)
        ;
    return count;
}

static const char *permission_name(unsigned permission)
{
    static const struct {
        unsigned permission;
        const char *name;
    } names[] = {{HTTP_PUBLIC, "public"},       {HTTP_MAY_SELF, "self"},   {HTTP_MAY_READ, "read"},
                 {HTTP_MAY_OPERATE, "operate"}, {HTTP_MAY_AUDIT, "audit"}, {HTTP_MAY_ADMIN, "admin"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].permission == permission)
            return names[i].name;
    return "?";
}

static void check_route(const struct fixture *f, const struct http_route *route)
{
    const struct json *item, *operation = operation_of(f, route, &item), *body = json_member(operation, "requestBody");
    size_t described = count_described(f, operation, route) + count_described(f, item, route);
    if (described != count_specs(route->params))
        fail_msg("%s: %zu parameters are known, %zu described", route->path, count_specs(route->params), described);
    struct str permission = json_get_text(json_member(operation, "x-permission"));
    if (!str_equal(permission, permission_name(route->permission)))
        fail_msg("%s needs %s, described is %.*s", route->path, permission_name(route->permission), (int)permission.n,
                 permission.p);
    const struct json *security = json_member(operation, "security");
    assert_int_equal(security != NULL && json_count(security) == 0, route->permission == HTTP_PUBLIC);
    assert_int_equal(body != NULL, (route->flags & HTTP_JSON_BODY) != 0);
    assert_int_equal(body && json_member(body, "required"), (route->flags & HTTP_BODY_REQUIRED) != 0);
}

static void every_route_is_described(void **state)
{
    const struct fixture *f = *state;
    for (size_t g = 0; g < f->count; g++)
        for (size_t i = 0; i < f->groups[g].count; i++)
            check_route(f, &f->groups[g].rows[i]);
}

static bool is_route(const struct fixture *f, struct str path, const char *method)
{
    for (size_t g = 0; g < f->count; g++)
        for (size_t i = 0; i < f->groups[g].count; i++) {
            const struct http_route *route = &f->groups[g].rows[i];
            if (str_equal(path, route->path) && strcmp(methods[route->method], method) == 0)
                return true;
        }
    return false;
}

static void every_description_has_a_route(void **state)
{
    const struct fixture *f = *state;
    struct json_walk walk = {0};
    struct str path;
    const struct json *item;
    size_t seen = 0, routes = 0;
    while (json_walk_object(json_member(json_root(f->doc), "paths"), &walk, &path, &item))
        for (int m = 0; m < HTTP_METHOD_COUNT; m++) {
            if (!json_member(item, methods[m]))
                continue;
            if (!is_route(f, path, methods[m]))
                fail_msg("%s %.*s is described, but there is no such route", methods[m], (int)path.n, path.p);
            seen++;
        }
    for (size_t g = 0; g < f->count; g++)
        routes += f->groups[g].count;
    assert_int_equal(seen, routes);
}

/* ---- audit ---- */

/* Calls that are no GET and leave no event when they are carried out. */
static const struct {
    enum http_method method;
    const char *path, *why;
} not_recorded[] = {
    {HTTP_POST, "/api/v1/auth/refresh", "AUD-40 names token refresh among what is skipped"},
    {HTTP_POST, "/api/v1/audit/events", "it is the recording"},
};

static bool is_exception(const struct http_route *route)
{
    for (size_t i = 0; i < ARRAY_LEN(not_recorded); i++)
        if (route->method == not_recorded[i].method && strcmp(route->path, not_recorded[i].path) == 0)
            return true;
    return false;
}

static void every_change_is_recorded(void **state) /* AUD-40, AUD-41 */
{
    const struct fixture *f = *state;
    size_t exceptions = 0;
    for (size_t g = 0; g < f->count; g++)
        for (size_t i = 0; i < f->groups[g].count; i++) {
            const struct http_route *route = &f->groups[g].rows[i];
            enum audit_action action = AUDIT_ACTION_COUNT;
            enum audit_resource_type type = AUDIT_RESOURCE_COUNT;
            bool recorded = audit_route_pair(route->audits, &action, &type);
            exceptions += is_exception(route);
            if (route->method != HTTP_GET && recorded == is_exception(route))
                fail_msg("%s %s %s", methods[route->method], route->path,
                         recorded ? "is recorded, although it is listed as an exception"
                                  : "changes something and has no audit action");
            if (recorded)
                assert_true(action < AUDIT_ACTION_COUNT && type < AUDIT_RESOURCE_COUNT);
        }
    assert_int_equal(exceptions, ARRAY_LEN(not_recorded)); /* none is left of a route that is gone */
}

/* The verbs of paths mean what they say, whatever the method is. */
static void actions_come_from_operations(void **state) /* AUD-41 */
{
    static const struct {
        const char *ending;
        enum audit_action action;
    } verbs[] = {{"/enable", AUDIT_ACTION_ENABLED},
                 {"/disable", AUDIT_ACTION_DISABLED},
                 {"/trigger", AUDIT_ACTION_TRIGGERED},
                 {"/cancel", AUDIT_ACTION_CANCELLED},
                 {"/executions/{id}/retry", AUDIT_ACTION_TRIGGERED},
                 {"/release", AUDIT_ACTION_REVOKED},
                 {"/auth/login", AUDIT_ACTION_LOGIN},
                 {"/auth/logout", AUDIT_ACTION_LOGOUT}};
    const struct fixture *f = *state;
    size_t seen = 0;
    for (size_t g = 0; g < f->count; g++)
        for (size_t i = 0; i < f->groups[g].count; i++)
            for (size_t v = 0; v < ARRAY_LEN(verbs); v++) {
                const struct http_route *route = &f->groups[g].rows[i];
                enum audit_action action;
                enum audit_resource_type type;
                size_t n = strlen(route->path), ending = strlen(verbs[v].ending);
                if (n < ending || strcmp(route->path + n - ending, verbs[v].ending) != 0)
                    continue;
                assert_true(audit_route_pair(route->audits, &action, &type));
                assert_int_equal(action, verbs[v].action);
                seen++;
            }
    assert_int_equal(seen, ARRAY_LEN(verbs));
}

/* The enumeration of a schema against a table of names, in its order. */
static void check_names(const struct json *schema, const char *const *names, size_t count)
{
    const struct json *list = json_member(schema, "enum");
    assert_non_null(list);
    assert_int_equal(json_count(list), count);
    for (size_t i = 0; i < count; i++)
        assert_true(str_equal(json_get_text(json_item(list, i)), names[i]));
}

static void enumerations_of_events_are_those_of_the_table(void **state) /* DATA-32 to DATA-35 */
{
    const struct fixture *f = *state;
    const struct json *schemas = json_member(json_member(json_root(f->doc), "components"), "schemas");
    check_names(json_member(schemas, "AuditAction"), audit_action_names, AUDIT_ACTION_COUNT);
    check_names(json_item(json_member(json_member(schemas, "AuditResourceType"), "anyOf"), 0), audit_resource_names,
                AUDIT_RESOURCE_COUNT);
    check_names(json_member(schemas, "AuditPrincipalType"), audit_principal_names, AUDIT_PRINCIPAL_COUNT);
    check_names(json_member(schemas, "AuditStatus"), audit_status_names, ARRAY_LEN(audit_status_names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_change_is_recorded), cmocka_unit_test(actions_come_from_operations),
                                       cmocka_unit_test(every_route_is_described),
                                       cmocka_unit_test(every_description_has_a_route),
                                       cmocka_unit_test(enumerations_of_events_are_those_of_the_table)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
