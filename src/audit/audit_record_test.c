/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_record.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define NOW INT64_C(1772936400123) /* 2026-03-08T02:20:00.123Z */
#define ID "018f3a5e-7b1c-7d2e-8f3a-5b6c7d8e9f00"

static struct audit_event *full_event(void)
{
    struct audit_event *e = audit_event_new(AUDIT_ACTION_UPDATED, AUDIT_RESOURCE_SCHEDULED_TASK, "t\"1");
    assert_true(uuid_parse(ID, strlen(ID), &e->id));
    e->has_id = true;
    e->timestamp_ms = NOW - 1000;
    audit_event_set_user(e, AUDIT_PRINCIPAL_USER, "u1", "Ann");
    audit_event_set(e, AUDIT_TEXT_SPACE_PATH, "a/b");
    audit_event_set(e, AUDIT_TEXT_CLIENT_IP, "192.0.2.1");
    audit_event_set(e, AUDIT_TEXT_USER_AGENT, "curl");
    audit_event_set(e, AUDIT_TEXT_METHOD, "PUT");
    audit_event_set(e, AUDIT_TEXT_REQUEST_ID, "r-1");
    audit_event_set(e, AUDIT_TEXT_SUBSYSTEM, "http");
    audit_event_set_object(e, AUDIT_OLD_OBJECT, "{\"n\": 1}", 8);
    audit_event_set_object(e, AUDIT_NEW_OBJECT, "{\"n\":2,\"token\":\"x\"}", 19);
    audit_event_put(e, "key", "value");
    audit_event_fail(e, "no");
    return e;
}

static void check_text(const struct audit_event *e, const struct audit_rules *rules, const char *expected)
{
    struct audit_record r;
    audit_record_make(e, rules, NOW, &r);
    char *text = strndup(r.event.p, r.event.n);
    assert_string_equal(text, expected);
    free(text);
    audit_record_release(&r);
}

static void an_event_is_written_in_its_order(void **state) /* DATA-30, AUD-01 */
{
    (void)state;
    struct audit_event *e = full_event();
    check_text(e, NULL,
               "{\"id\":\"" ID "\",\"timestamp\":1772936399123,\"action\":\"updated\",\"resource_type\":\"scheduledTask\","
               "\"resource\":{\"type\":\"scheduledTask\",\"identifier\":\"t\\\"1\"},"
               "\"user\":{\"uid\":\"u1\",\"username\":\"Ann\",\"type\":\"user\"},\"space_path\":\"a/b\","
               "\"diff_object\":{\"old_object\":\"{\\\"n\\\":1}\",\"new_object\":\"{\\\"n\\\":2,\\\"token\\\":\\\"***\\\"}\","
               "\"old_object_truncated\":false,\"new_object_truncated\":false,\"truncated_fields\":[],"
               "\"old_truncated_fields\":[],\"new_truncated_fields\":[]},"
               "\"client_ip\":\"192.0.2.1\",\"user_agent\":\"curl\",\"request_method\":\"PUT\",\"request_id\":\"r-1\","
               "\"data\":{\"key\":\"value\"},\"status\":\"failure\",\"error_message\":\"no\",\"subsystem\":\"http\","
               "\"created_at\":\"2026-03-08T02:20:00.123Z\"}");
    audit_event_free(e);
}

static void a_small_event_has_what_is_required(void **state) /* DATA-30, DATA-36 */
{
    (void)state;
    struct audit_event *e = audit_event_new(AUDIT_ACTION_STARTED, AUDIT_RESOURCE_SERVER, "");
    struct audit_record r;
    e->has_id = uuid_parse(ID, strlen(ID), &e->id);
    audit_event_set_user(e, AUDIT_PRINCIPAL_ANONYMOUS, "", "");
    check_text(e, NULL,
               "{\"id\":\"" ID "\",\"timestamp\":1772936400123,\"action\":\"started\",\"resource_type\":\"server\","
               "\"resource\":{\"type\":\"server\",\"identifier\":\"unknown\"},"
               "\"user\":{\"uid\":\"anonymous\",\"username\":\"anonymous\",\"type\":\"anonymous\"},"
               "\"client_ip\":\"\",\"status\":\"success\",\"created_at\":\"2026-03-08T02:20:00.123Z\"}");
    e->has_id = false;
    audit_record_make(e, NULL, NOW, &r);
    assert_memory_not_equal(&r.id, &e->id, sizeof r.id);
    assert_false(r.has_id);
    assert_int_equal(r.timestamp_ms, NOW);
    assert_int_equal(r.client_ip.n, 0);
    audit_record_release(&r);
    audit_event_free(e);
}

static void objects_that_do_not_belong_are_left_out(void **state) /* AUD-02 */
{
    (void)state;
    static const struct {
        enum audit_action action;
        bool old_object, new_object;
    } cases[] = {{AUDIT_ACTION_CREATED, false, true},
                 {AUDIT_ACTION_DELETED, true, false},
                 {AUDIT_ACTION_READ, false, false},
                 {AUDIT_ACTION_UPDATED, true, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct audit_event *e = full_event();
        struct audit_record r;
        e->action = cases[i].action;
        audit_record_make(e, NULL, NOW, &r);
        assert_int_equal(memmem(r.event.p, r.event.n, "\"old_object\":", 13) != NULL, cases[i].old_object);
        assert_int_equal(memmem(r.event.p, r.event.n, "\"new_object\":", 13) != NULL, cases[i].new_object);
        assert_int_equal(memmem(r.event.p, r.event.n, "\"left_out\":", 11) != NULL, !cases[i].old_object || !cases[i].new_object);
        audit_record_release(&r);
        audit_event_free(e);
    }
}

static void has(const struct audit_event *e, const struct audit_rules *rules, const char *part, bool expected)
{
    struct audit_record r;
    audit_record_make(e, rules, NOW, &r);
    if ((memmem(r.event.p, r.event.n, part, strlen(part)) != NULL) != expected)
        fail_msg("%.*s", (int)r.event.n, r.event.p);
    audit_record_release(&r);
}

static void secrets_and_raw_objects(void **state) /* AUD-11, AUD-13 */
{
    (void)state;
    const struct audit_rules open = {.no_redaction = true};
    struct audit_event *e = full_event();
    audit_event_put(e, "Api-Key", "k1");
    audit_event_put(e, "body", "{\"password\":\"k2\"}");
    audit_event_put(e, "plain", "{[");
    has(e, NULL, "\"Api-Key\":\"***\"", true);
    has(e, NULL, "\"body\":\"{\\\"password\\\":\\\"***\\\"}\"", true);
    has(e, NULL, "\"plain\":\"{[\"", true);
    has(e, NULL, "k1", false);
    has(e, NULL, "k2", false);
    has(e, &open, "\"Api-Key\":\"k1\"", true);
    has(e, &open, "\"body\":\"{\\\"password\\\":\\\"k2\\\"}\"", true);
    has(e, NULL, "object_encoding", false);
    audit_event_put(e, "object_encoding", "mine");
    has(e, NULL, "\"object_encoding\":\"mine\"", true);
    audit_event_set_object(e, AUDIT_NEW_OBJECT, "no JSON", 7);
    has(e, NULL, "\"new_object\":\"\\\"no JSON\\\"\"", true);
    has(e, NULL, "\"object_encoding\":\"raw\"}", true);
    has(e, NULL, "mine", false);
    audit_event_free(e);
}

static void equal_columns(const struct str a, const struct str b)
{
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
}

static void a_record_comes_back_from_its_text(void **state)
{
    (void)state;
    struct audit_event *e = full_event();
    struct audit_record r, again;
    struct audit_hash before = {{1}}, a, b;
    audit_event_set(e, AUDIT_TEXT_REQUEST_ID, "bad \xff\xe4\xbd byte");
    audit_event_set(e, AUDIT_TEXT_RESOURCE_ID, "line\nline");
    audit_record_make(e, NULL, NOW, &r);
    assert_int_equal(audit_record_from_text(r.event, &again, NULL), OK);
    assert_memory_equal(&r.id, &again.id, sizeof r.id);
    assert_int_equal(again.timestamp_ms, NOW - 1000);
    assert_true(again.failure);
    equal_columns(again.resource_id, (struct str){"line\nline", 9});
    equal_columns(again.request_id, r.request_id);
    equal_columns(again.space_path, r.space_path);
    audit_record_hash(&before, 7, &r, &a);
    audit_record_hash(&before, 7, &again, &b);
    assert_memory_equal(&a, &b, sizeof a);
    audit_record_release(&again);
    audit_record_release(&r);
    audit_event_free(e);
}

static void what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "5",
        "{\"id\":\"" ID
        "\",\"timestamp\":1,\"action\":\"read\",\"resource_type\":\"pod\",\"user\":{\"uid\":\"u\"},\"status\":\"success\"}",
        "{\"id\":\"" ID "\",\"timestamp\":1,\"action\":\"read\",\"resource_type\":\"pod\",\"resource\":{\"identifier\":\"x\"},"
        "\"user\":{\"uid\":\"u\"},\"status\":\"odd\"}",
        "{\"id\":\"" ID
        "\",\"timestamp\":\"1\",\"action\":\"read\",\"resource_type\":\"pod\",\"resource\":{\"identifier\":\"x\"},"
        "\"user\":{\"uid\":\"u\"},\"status\":\"success\"}",
        "{\"id\":\"x\",\"timestamp\":1,\"action\":\"read\",\"resource_type\":\"pod\",\"resource\":{\"identifier\":\"x\"},"
        "\"user\":{\"uid\":\"u\"},\"status\":\"success\"}",
        "{\"id\":\"" ID "\",\"timestamp\":1,\"action\":5,\"resource_type\":\"pod\",\"resource\":{\"identifier\":\"x\"},"
        "\"user\":{\"uid\":\"u\"},\"status\":\"success\"}",
        "{\"id\":\"" ID "\",\"timestamp\":1,\"action\":\"read\",\"resource_type\":\"pod\",\"resource\":[],"
        "\"user\":{\"uid\":\"u\"},\"status\":\"success\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct audit_record r;
        assert_int_equal(audit_record_from_text(str_of(texts[i]), &r, NULL), ERR_INVALID);
        assert_null(r.owned);
    }
}

static void every_column_counts_for_the_hash(void **state)
{
    (void)state;
    struct audit_event *e = full_event();
    struct audit_record r;
    struct audit_hash before = {{0}}, other = {{1}}, plain, h;
    audit_record_make(e, NULL, NOW, &r);
    audit_record_hash(&before, 7, &r, &plain);
    audit_record_hash(&other, 7, &r, &h);
    assert_memory_not_equal(&plain, &h, sizeof h);
    audit_record_hash(&before, 8, &r, &h);
    assert_memory_not_equal(&plain, &h, sizeof h);
    struct str *columns[] = {&r.action,     &r.resource_type, &r.resource_id, &r.user_uid, &r.client_ip,
                             &r.request_id, &r.subsystem,     &r.space_path,  &r.event};
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        columns[i]->n--;
        audit_record_hash(&before, 7, &r, &h);
        assert_memory_not_equal(&plain, &h, sizeof h);
        columns[i]->n++;
    }
    r.id.b[15] ^= 1;
    audit_record_hash(&before, 7, &r, &h);
    assert_memory_not_equal(&plain, &h, sizeof h);
    r.id.b[15] ^= 1;
    r.timestamp_ms++;
    audit_record_hash(&before, 7, &r, &h);
    assert_memory_not_equal(&plain, &h, sizeof h);
    r.timestamp_ms--;
    r.failure = false;
    audit_record_hash(&before, 7, &r, &h);
    assert_memory_not_equal(&plain, &h, sizeof h);
    r.failure = true;
    audit_record_hash(&before, 7, &r, &h);
    assert_memory_equal(&plain, &h, sizeof h);
    r.request_id.n--; /* what one column loses another cannot take up */
    r.subsystem = (struct str){r.subsystem.p - 1, r.subsystem.n + 1};
    audit_record_hash(&before, 7, &r, &h);
    assert_memory_not_equal(&plain, &h, sizeof h);
    audit_record_release(&r);
    audit_event_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_written_in_its_order),        cmocka_unit_test(a_small_event_has_what_is_required),
        cmocka_unit_test(objects_that_do_not_belong_are_left_out), cmocka_unit_test(secrets_and_raw_objects),
        cmocka_unit_test(a_record_comes_back_from_its_text),       cmocka_unit_test(what_is_no_event_is_refused),
        cmocka_unit_test(every_column_counts_for_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
