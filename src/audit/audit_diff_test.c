/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LISTS ",\"truncated_fields\":[],\"old_truncated_fields\":[],\"new_truncated_fields\":[]}"
#define WHOLE "\"old_object_truncated\":false,\"new_object_truncated\":false" LISTS

#define LEFT_OUT(names) \
    "\"old_object_truncated\":false,\"new_object_truncated\":false,\"truncated_fields\":[]," \
    "\"old_truncated_fields\":[],\"new_truncated_fields\":[],\"left_out\":[" names "]}"

static void each_action_has_its_objects(void **state) /* AUD-01, AUD-02, AUD-03 */
{
    (void)state;
    static const struct {
        enum audit_action action;
        const char *old_object, *new_object, *expected;
    } cases[] = {
        {AUDIT_ACTION_CREATED, "{\"a\":1}", "{\"a\":2}", "{\"new_object\":\"{\\\"a\\\":2}\"," LEFT_OUT("\"old_object\"")},
        {AUDIT_ACTION_CREATED, NULL, "{\"a\":2}", "{\"new_object\":\"{\\\"a\\\":2}\"," WHOLE},
        {AUDIT_ACTION_DELETED, "{\"a\":1}", "{\"a\":2}", "{\"old_object\":\"{\\\"a\\\":1}\"," LEFT_OUT("\"new_object\"")},
        {AUDIT_ACTION_DELETED, "{\"a\":1}", NULL, "{\"old_object\":\"{\\\"a\\\":1}\"," WHOLE},
        {AUDIT_ACTION_UPDATED, "[1]", "[2]", "{\"old_object\":\"[1]\",\"new_object\":\"[2]\"," WHOLE},
        {AUDIT_ACTION_UPDATED, NULL, "[2]", "{\"new_object\":\"[2]\"," WHOLE},
        {AUDIT_ACTION_UPDATED, "", NULL, "{\"old_object\":\"\\\"\\\"\"," WHOLE},
        {AUDIT_ACTION_READ, "[1]", "[2]", "{" LEFT_OUT("\"old_object\",\"new_object\"")},
        {AUDIT_ACTION_UPDATED, "[\"" X50 "\"]", "[\"" X50 "\",1]",
         "{\"old_object\":\"[\\\"xxxxxxxxxxxxxx...[truncated]\\\"]\",\"new_object\":\"[\\\"xxxxxxxxxxxx...[truncated]\\\",1]\","
         "\"old_object_truncated\":true,\"new_object_truncated\":true,\"truncated_fields\":[\"[0]\"],\"old_truncated_fields\":[\"[0]\"],"
         "\"new_truncated_fields\":[\"[0]\"]}"},
        {AUDIT_ACTION_UPDATED, "[1]", "{\"a\":\"" X50 "\"}",
         "{\"old_object\":\"[1]\",\"new_object\":\"{\\\"a\\\":\\\"xxxxxxxxxx...[truncated]\\\"}\",\"old_object_truncated\":false,"
         "\"new_object_truncated\":true,\"truncated_fields\":[\"a\"],\"old_truncated_fields\":[],\"new_truncated_fields\":[\"a\"]}"},
    };
    const struct audit_rules rules = {.limit = 32};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct audit_diff diff;
        struct json_writer w;
        struct buf out;
        audit_diff_make(cases[i].action, str_of(cases[i].old_object), str_of(cases[i].new_object), &rules, &diff);
        buf_init(&out, 4096);
        json_writer_init(&w, &out);
        audit_diff_write(&diff, &w);
        assert_string_equal(out.data, cases[i].expected);
        buf_release(&out);
        audit_diff_release(&diff);
    }
}

static void names_match_exactly(void **state) /* DATA-32 to DATA-35 */
{
    (void)state;
    static const char *const bad[] = {"",       "Created",  "created ", " created",  "CREATED",
                                      "create", "modified", "creat",    "forcepush", "force_push"};
    enum audit_action action = AUDIT_ACTION_READ;
    enum audit_resource_type resource;
    enum audit_principal_type principal;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(audit_action_from(str_of(bad[i]), &action) || audit_resource_from(str_of(bad[i]), &resource) ||
                     audit_principal_from(str_of(bad[i]), &principal));
    assert_false(audit_action_from((struct str){"read\0", 5}, &action));
    assert_int_equal(action, AUDIT_ACTION_READ);
    for (size_t i = 0; i < AUDIT_ACTION_COUNT; i++)
        assert_true(audit_action_from(str_of(audit_action_names[i]), &action) && (size_t)action == i);
    for (size_t i = 0; i < AUDIT_RESOURCE_COUNT; i++)
        assert_true(audit_resource_from(str_of(audit_resource_names[i]), &resource) && (size_t)resource == i);
    for (size_t i = 0; i < AUDIT_PRINCIPAL_COUNT; i++)
        assert_true(audit_principal_from(str_of(audit_principal_names[i]), &principal) && (size_t)principal == i);
    assert_true(audit_action_from(str_of("forcePush"), &action) && action == AUDIT_ACTION_FORCE_PUSH);
    assert_true(audit_resource_from(str_of("scheduledTask"), &resource) && resource == AUDIT_RESOURCE_SCHEDULED_TASK);
    assert_true(audit_principal_from(str_of("anonymous"), &principal) && principal == AUDIT_PRINCIPAL_ANONYMOUS);
    assert_int_equal(AUDIT_ACTION_COUNT, 12 + 7);
    assert_int_equal(AUDIT_RESOURCE_COUNT, 17 + 8);
    assert_int_equal(AUDIT_PRINCIPAL_COUNT, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_action_has_its_objects),
        cmocka_unit_test(names_match_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
