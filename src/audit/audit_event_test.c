/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { NOW_S = 1800000000 };
#define NOW_MS (NOW_S * (int64_t)1000)
#define UID "0190b8a0-0000-7000-8000-000000000001"
#define USER "\"user\":{\"uid\":\"u\",\"username\":\"n\",\"type\":\"user\"}"
#define RESOURCE "\"resource\":{\"type\":\"pod\",\"identifier\":\"p-1\"}"
#define GOOD "\"action\":\"created\"," RESOURCE "," USER

static enum err_code read_with(const char *text, const char *what, const struct audit_types *types, struct audit_event **ret,
                               struct err *err)
{
    struct json_doc *doc;
    enum err_code code = json_parse_exact(text, strlen(text), &doc, err);
    if (code != OK)
        return code;
    code = audit_event_read(json_root(doc), what, types, NOW_MS, ret, err);
    json_doc_free(doc);
    return code;
}

static char *written(const struct audit_event *event)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
    audit_event_write(event, &w);
    return buf_take(&out);
}

static void bad_events_are_refused_by_name(void **state) /* AUD-32, DATA-30 to DATA-35 */
{
    (void)state;
    static const struct {
        const char *text, *param;
    } cases[] = {
        {"[]", "body"},
        {"{}", "action"},
        {"{" RESOURCE "," USER "}", "action"},
        {"{\"action\":\"created\"," USER "}", "resource"},
        {"{\"action\":\"created\"," RESOURCE "}", "user"},
        {"{\"action\":\"Created\"," RESOURCE "," USER "}", "action"},
        {"{\"action\":\"modified\"," RESOURCE "," USER "}", "action"},
        {"{\"action\":\"\"," RESOURCE "," USER "}", "action"},
        {"{\"action\":\"created \"," RESOURCE "," USER "}", "action"},
        {"{\"action\":\"read\",\"resource\":{\"type\":\"Pod\",\"identifier\":\"x\"}," USER "}", "resource.type"},
        {"{\"action\":\"read\",\"resource\":{\"type\":\"pod\",\"identifier\":\"\"}," USER "}", "resource.identifier"},
        {"{\"action\":\"read\",\"resource\":{\"type\":\"pod\"}," USER "}", "resource.identifier"},
        {"{\"action\":\"read\",\"resource\":{\"identifier\":\"x\"}," USER "}", "resource.type"},
        {"{\"action\":\"read\",\"resource\":{\"type\":\"pod\",\"identifier\":\"x\",\"data\":{\"a\":1}}," USER "}",
         "resource.data"},
        {"{\"action\":\"read\"," RESOURCE ",\"user\":{\"uid\":\"\",\"username\":\"n\",\"type\":\"user\"}}", "user.uid"},
        {"{\"action\":\"read\"," RESOURCE ",\"user\":{\"uid\":\"u\",\"username\":\"\",\"type\":\"user\"}}", "user.username"},
        {"{\"action\":\"read\"," RESOURCE ",\"user\":{\"uid\":\"u\",\"username\":\"n\",\"type\":\"User\"}}", "user.type"},
        {"{" GOOD ",\"resource_type\":\"service\"}", "resource_type"},
        {"{" GOOD ",\"id\":\"1\"}", "id"},
        {"{" GOOD ",\"id\":\"0190b8a0-0000-7000-8000-00000000000g\"}", "id"},
        {"{" GOOD ",\"timestamp\":0}", "timestamp"},
        {"{" GOOD ",\"timestamp\":-1}", "timestamp"},
        {"{" GOOD ",\"timestamp\":1.5}", "timestamp"},
        {"{" GOOD ",\"timestamp\":99999999999999999999}", "timestamp"},
        {"{" GOOD ",\"timestamp\":1800086400001}", "timestamp"},
        {"{" GOOD ",\"status\":\"ok\"}", "status"},
        {"{" GOOD ",\"client_ip\":\"0123456789012345678901234567890123456789012345\"}", "client_ip"},
        {"{" GOOD ",\"request_method\":\"POSTPOSTPOSTPOSTP\"}", "request_method"},
        {"{" GOOD ",\"data\":{\"a\":{}}}", "data"},
        {"{" GOOD ",\"data\":[]}", "data"},
        {"{" GOOD ",\"created\":1}", "created"},
        {"{" GOOD ",\"action\":\"read\"}", "action"},
    };
    struct audit_event *event;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(read_with(cases[i].text, "", NULL, &event, &err), ERR_INVALID);
        assert_string_equal(err.param, cases[i].param);
    }
    assert_int_equal(read_with("{" GOOD ",\"id\":\"1\"}", "events[7]", NULL, &event, &err), ERR_INVALID);
    assert_string_equal(err.param, "events[7].id");
    assert_int_equal(read_with("{\"action\":\"read\"," RESOURCE ",\"user\":{}}", "events[7]", NULL, &event, &err), ERR_INVALID);
    assert_string_equal(err.param, "events[7].user.uid");
    assert_int_equal(read_with("3", "events[0]", NULL, &event, &err), ERR_INVALID);
    assert_string_equal(err.param, "events[0]");
}

static void what_is_read_is_written(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"action\":\"created\",\"resource_type\":\"pod\",\"resource\":{\"type\":\"pod\",\"identifier\":\"p-1\"}," USER
        ",\"status\":\"success\"}",
        "{\"id\":\"" UID "\",\"timestamp\":1800086400000,\"action\":\"forcePush\",\"resource_type\":\"scheduledTask\","
        "\"resource\":{\"type\":\"scheduledTask\",\"identifier\":\"a/b\",\"data\":{\"name\":\"n\",\"\":\"\"}}," USER
        ",\"space_path\":\"/s\",\"client_ip\":\"::1\",\"user_agent\":\"curl\",\"request_method\":\"POST\",\"request_id\":\"r\","
        "\"subsystem\":\"database\",\"error_message\":\"no\",\"status\":\"failure\",\"data\":{\"k\":\"v\"},"
        "\"old_object\":{\"n\":1.000000000000000000001e+400,\"z\":-0},\"new_object\":\"{\\\"a\\\":\\\"\\\\ud800\\\"}\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct audit_event *event;
        struct err err;
        assert_int_equal(read_with(texts[i], "", NULL, &event, &err), OK);
        char *text = written(event);
        assert_string_equal(text, texts[i]);
        free(text);
        audit_event_free(event);
    }
}

static void depth_has_no_limit_here(void **state) /* AUD-10: the object's rules cut it, nothing recurses */
{
    (void)state;
    enum { DEPTH = 100000 };
    struct buf text;
    struct audit_event *event;
    struct err err;
    buf_init(&text, 1 << 20);
    buf_add_text(&text, "{" GOOD ",\"new_object\":");
    for (int i = 0; i < DEPTH; i++)
        buf_add_char(&text, '[');
    for (int i = 0; i < DEPTH; i++)
        buf_add_char(&text, ']');
    buf_add_char(&text, '}');
    assert_int_equal(read_with(text.data, "", NULL, &event, &err), OK);
    assert_int_equal(event->object_lengths[AUDIT_NEW_OBJECT], 2 * DEPTH);
    audit_event_free(event);
    buf_release(&text);
}

static void later_options_win_and_are_cut(void **state) /* AUD-30 */
{
    (void)state;
    char agent[AUDIT_USER_AGENT_MAX + 10];
    struct audit_event *event = audit_event_new(AUDIT_ACTION_UPDATED, AUDIT_RESOURCE_USER, "u-1");
    audit_event_put(event, "k", "1");
    audit_event_put_int(event, "n", -5);
    audit_event_put(event, "k", "2");
    audit_event_set(event, AUDIT_TEXT_REQUEST_ID, "a");
    audit_event_set(event, AUDIT_TEXT_REQUEST_ID, "");
    memset(agent, 'x', sizeof agent);
    memcpy(agent + AUDIT_USER_AGENT_MAX - 1, "\xC3\xA9", 3);
    audit_event_set(event, AUDIT_TEXT_USER_AGENT, agent);
    assert_int_equal(strlen(event->texts[AUDIT_TEXT_USER_AGENT]), AUDIT_USER_AGENT_MAX - 1);
    audit_event_set(event, AUDIT_TEXT_USER_AGENT, NULL);
    audit_event_fail(event, "no");
    char *text = written(event);
    assert_string_equal(
        text, "{\"action\":\"updated\",\"resource_type\":\"user\",\"resource\":{\"type\":\"user\",\"identifier\":\"u-1\"},"
              "\"user\":{\"uid\":\"system\",\"username\":\"system\",\"type\":\"service\"},"
              "\"error_message\":\"no\",\"status\":\"failure\",\"data\":{\"k\":\"2\",\"n\":\"-5\"}}");
    free(text);
    audit_event_free(event);
}

static void types_of_a_configuration(void **state) /* DATA-33 */
{
    (void)state;
    static const char *const own[] = {"invoice", "vmImage2"}, *const bad[] = {"",    "Invoice", "in voice", "in_voice",
                                                                              "2nd", "pod",     "é"};
    const struct audit_types types = {own, ARRAY_LEN(own)};
    struct audit_event *event;
    struct err err;
    const char *text = "{\"action\":\"read\",\"resource\":{\"type\":\"invoice\",\"identifier\":\"x\"}," USER "}";
    assert_int_equal(read_with(text, "", &types, &event, &err), OK);
    assert_string_equal(event->resource_type, "invoice");
    audit_event_free(event);
    assert_int_equal(read_with(text, "", NULL, &event, &err), ERR_INVALID);
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        assert_int_equal(audit_type_check(own[i], &err), OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(audit_type_check(bad[i], &err), ERR_INVALID);
}

/* A header may hold any bytes; what replaces them is longer, and the event must still be one that can be read (DATA-30). */
static void texts_that_are_no_utf8_are_cut_as_they_are_kept(void **state)
{
    (void)state;
    char agent[AUDIT_USER_AGENT_MAX + 1];
    struct audit_event *event = audit_event_new(AUDIT_ACTION_CREATED, AUDIT_RESOURCE_POD, "p-1"), *copy;
    struct err err;
    memset(agent, 0xff, sizeof agent - 1);
    agent[0] = 'h';
    agent[sizeof agent - 1] = '\0';
    audit_event_set(event, AUDIT_TEXT_USER_AGENT, agent);
    audit_event_set(event, AUDIT_TEXT_REQUEST_ID, "r\xff");
    assert_string_equal(event->texts[AUDIT_TEXT_REQUEST_ID], "r\xEF\xBF\xBD");
    auto_free char *text = written(event);
    assert_int_equal(read_with(text, "", NULL, &copy, &err), OK);
    assert_int_equal(strlen(copy->texts[AUDIT_TEXT_USER_AGENT]), 1 + (AUDIT_USER_AGENT_MAX - 1) / 3 * 3);
    audit_event_free(copy);
    audit_event_free(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_events_are_refused_by_name), cmocka_unit_test(what_is_read_is_written),
        cmocka_unit_test(depth_has_no_limit_here),        cmocka_unit_test(later_options_win_and_are_cut),
        cmocka_unit_test(types_of_a_configuration),       cmocka_unit_test(texts_that_are_no_utf8_are_cut_as_they_are_kept),
    };
    return cmocka_run_group_tests_name("audit_event", tests, NULL, NULL);
}
