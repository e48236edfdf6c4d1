/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/json_write.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct sample {
    struct str text;
    int64_t number, at_us;
    bool flag;
    int choice;
    const struct json *list;
};

static const char *const choices[] = {"one", "two"};
static const struct json_field fields[] = {
    {"text", FIELD_TEXT, offsetof(struct sample, text), 1, 5, .nullable = true},
    {"number", FIELD_INT, offsetof(struct sample, number), -10, 10},
    {"at", FIELD_TIME, offsetof(struct sample, at_us)},
    {"flag", FIELD_BOOL, offsetof(struct sample, flag)},
    {"choice", FIELD_CHOICE, offsetof(struct sample, choice), 0, 2, choices},
    {"list", FIELD_ARRAY, offsetof(struct sample, list), 1, 2},
    {"ignored", FIELD_IGNORED, 0},
};

static enum err_code read_text(const char *text, struct sample *out, uint64_t *present, uint64_t *null, struct err *err)
{
    struct json_doc *doc;
    enum err_code code = json_parse(text, strlen(text), &doc, err);
    if (code != OK)
        return code;
    code = json_read_fields(json_root(doc), "", fields, ARRAY_LEN(fields), out, present, null, err);
    json_doc_free(doc);
    return code;
}

static void fields_are_read_into_the_struct(void **state)
{
    (void)state;
    struct sample s = {.number = 7};
    struct err err;
    uint64_t present, null;
    assert_int_equal(
        read_text("{\"at\":\"1970-01-01T00:00:01.5Z\",\"flag\":true,\"choice\":\"two\",\"text\":null,\"ignored\":[1]}", &s,
                  &present, &null, &err),
        OK);
    assert_int_equal(s.at_us, 1500000);
    assert_true(s.flag);
    assert_int_equal(s.choice, 1);
    assert_int_equal(s.number, 7);
    assert_int_equal(null, 1);
    assert_int_equal(present & 2, 0);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *param;
    } cases[] = {
        {"{\"text\":\"\"}", "text"},
        {"{\"text\":\"123456\"}", "text"},
        {"{\"text\":1}", "text"},
        {"{\"text\":\"a\\u0000b\"}", "text"},
        {"{\"number\":11}", "number"},
        {"{\"number\":1.5}", "number"},
        {"{\"number\":99999999999999999999}", "number"},
        {"{\"number\":null}", "number"},
        {"{\"at\":\"soon\"}", "at"},
        {"{\"at\":-1}", "at"},
        {"{\"at\":253402300800000}", "at"},
        {"{\"at\":\"2026\\u000001-01T00:00:00Z\"}", "at"},
        {"{\"a\\nb\":1}", "a?b"},
        {"{\"flag\":1}", "flag"},
        {"{\"choice\":\"three\"}", "choice"},
        {"{\"list\":[]}", "list"},
        {"{\"list\":[1,2,3]}", "list"},
        {"{\"other\":1}", "other"},
        {"{\"flag\":true,\"flag\":true}", "flag"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sample s = {.number = 0};
        struct err err;
        assert_int_equal(read_text(cases[i].text, &s, NULL, NULL, &err), ERR_INVALID);
        assert_string_equal(err.param, cases[i].param);
        assert_string_equal(err_api_code(&err), "INVALID_PARAMETER");
    }
}

static void texts_that_are_not_json_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "{\"a\":1,}", "nul", "\"\xff\"", "1 2", "[1]]", "{'a':1}", "\"\\ud800\""};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json_doc *doc;
        struct err err;
        assert_int_equal(json_parse(bad[i], strlen(bad[i]), &doc, &err), ERR_INVALID);
        assert_string_equal(err.api_code, "INVALID_JSON");
    }
}

/* The depth is that of brackets outside of text, whatever the text quotes. */
static void text_that_nests_too_deep_is_refused(void **state)
{
    (void)state;
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        char text[400], brackets[JSON_DEPTH_MAX + 2] = "", ends[JSON_DEPTH_MAX + 2] = "";
        memset(brackets, '[', (size_t)depth);
        memset(ends, ']', (size_t)depth);
        (void)snprintf(text, sizeof text, "%s\"\\\"[[{\\\\\",\"]]\"%s", brackets, ends);
        struct json_doc *doc = NULL;
        struct err err;
        enum err_code code = json_parse(text, strlen(text), &doc, &err);
        assert_int_equal(code, depth > JSON_DEPTH_MAX ? ERR_INVALID : OK);
        json_doc_free(doc);
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_put_text(&w, "t", "quote \" slash \\ line\n\x01 \xe4\xbd\xa0 \xff");
    json_put_text(&w, "u", "\xff\xc3\xa9\"\x01"); /* what stands behind a character of several bytes is escaped, too */
    json_key(&w, "list");
    json_begin_array(&w);
    json_int(&w, INT64_MIN);
    json_number(&w, 0.25);
    json_null(&w);
    json_end_array(&w);
    json_put_time_or_null(&w, "never", 0, 3);
    json_end_object(&w);
    struct json_doc *doc;
    struct err err;
    assert_int_equal(json_parse(out.data, out.len, &doc, &err), OK);
    assert_true(str_equal(json_get_text(json_member(json_root(doc), "u")), "\xef\xbf\xbd\xc3\xa9\"\x01"));
    assert_true(
        str_equal(json_get_text(json_member(json_root(doc), "t")), "quote \" slash \\ line\n\x01 \xe4\xbd\xa0 \xef\xbf\xbd"));
    assert_true(json_is_null(json_member(json_root(doc), "never")));
    assert_int_equal(json_count(json_member(json_root(doc), "list")), 3);
    json_doc_free(doc);
    buf_release(&out);
}

static void a_full_buffer_says_so_and_drops_the_rest(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10);
    buf_add_text(&out, "12345678");
    assert_false(out.failed);
    buf_add_text(&out, "901");
    assert_true(out.failed);
    buf_add_char(&out, '9'); /* there would be room for it */
    assert_string_equal(out.data, "12345678");
    buf_clear(&out);
    buf_add_text(&out, "1234567890"); /* all of it, and the NUL */
    assert_false(out.failed);
    assert_string_equal(out.data, "1234567890");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_into_the_struct),          cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(texts_that_are_not_json_are_refused),      cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_full_buffer_says_so_and_drops_the_rest), cmocka_unit_test(text_that_nests_too_deep_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
