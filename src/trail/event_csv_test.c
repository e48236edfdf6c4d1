/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"
#include "trail/event_csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void check(const char *event, const char *expected)
{
    struct buf out;
    struct err err;
    buf_init(&out, 65536);
    assert_int_equal(event_csv_line(&out, str_of(event), &err), OK);
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

static void every_member_has_its_column(void **state)
{
    (void)state;
    struct buf head;
    buf_init(&head, 65536);
    event_csv_head(&head);
    assert_string_equal(head.data, "id,timestamp,time,action,status,resource_type,resource_id,resource_data,user_uid,username,"
                                   "user_type,space_path,client_ip,user_agent,request_method,request_id,subsystem,error_message,"
                                   "data,old_object,new_object,truncated_fields,created_at\r\n");
    buf_release(&head);
    check(
        "{\"id\":\"i\",\"timestamp\":1500,\"action\":\"a\",\"resource_type\":\"t\",\"resource\":{\"type\":\"t\",\"identifier\":"
        "\"r\",\"data\":{\"k\":\"v\"}},\"user\":{\"uid\":\"u\",\"username\":\"n\",\"type\":\"user\"},\"space_path\":\"/s\",\"diff_"
        "object\":{\"old_object\":\"{}\",\"new_object\":\"{\\\"n\\\":1.50}\",\"old_object_truncated\":true,\"truncated_fields\":[\"x\"]},"
        "\"client_ip\":\"::1\",\"user_agent\":\"g\",\"request_method\":\"PUT\",\"request_id\":\"q\",\"data\":{\"d\":\"e\"},"
        "\"status\":\"failure\",\"error_message\":\"m\",\"subsystem\":\"http\",\"created_at\":\"c\"}",
        "i,1500,1970-01-01T00:00:01.500Z,a,failure,t,r,\"{\"\"k\"\":\"\"v\"\"}\",u,n,user,/s,::1,g,PUT,q,http,m,"
        "\"{\"\"d\"\":\"\"e\"\"}\",{},\"{\"\"n\"\":1.50}\",\"[\"\"x\"\"]\",c\r\n");
    check("{}", ",,,,,,,,,,,,,,,,,,,,,,\r\n");
    check("{\"diff_object\":{\"truncated_fields\":[]}}", ",,,,,,,,,,,,,,,,,,,,,,\r\n");
}

static void formulas_are_text(void **state)
{
    (void)state;
    static const char *const starts[] = {"=1+1", "+1", "-1", "@x", "\\tx", "\\rx"};
    static const char *const fields[] = {"\"'=1+1\"", "\"'+1\"", "\"'-1\"", "\"'@x\"", "\"'\tx\"", "\"'\rx\""};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        struct buf event, expected;
        buf_init(&event, 256);
        buf_init(&expected, 256);
        buf_printf(&event, "{\"id\":\"%s\"}", starts[i]);
        buf_printf(&expected, "%s,,,,,,,,,,,,,,,,,,,,,,\r\n", fields[i]);
        check(event.data, expected.data);
        buf_release(&event);
        buf_release(&expected);
    }
    check("{\"id\":\"a=b\"}", "a=b,,,,,,,,,,,,,,,,,,,,,,\r\n");
}

static void what_separates_is_quoted(void **state)
{
    (void)state;
    check("{\"id\":\"a,b\"}", "\"a,b\",,,,,,,,,,,,,,,,,,,,,,\r\n");
    check("{\"id\":\"say \\\"x\\\"\"}", "\"say \"\"x\"\"\",,,,,,,,,,,,,,,,,,,,,,\r\n");
    check("{\"id\":\"two\\nlines\"}", "\"two\nlines\",,,,,,,,,,,,,,,,,,,,,,\r\n");
    check("{\"id\":\"\\\"\"}", "\"\"\"\",,,,,,,,,,,,,,,,,,,,,,\r\n");
    check("{\"id\":\"=\\\"\"}", "\"'=\"\"\",,,,,,,,,,,,,,,,,,,,,,\r\n");
}

static void what_is_no_event_is_said(void **state)
{
    (void)state;
    struct buf out;
    struct err err;
    buf_init(&out, 65536);
    assert_int_equal(event_csv_line(&out, str_of("{"), &err), ERR_CORRUPT);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_member_has_its_column), cmocka_unit_test(formulas_are_text),
                                       cmocka_unit_test(what_separates_is_quoted), cmocka_unit_test(what_is_no_event_is_said)};
    return cmocka_run_group_tests_name("trail: CSV", tests, NULL, NULL);
}
