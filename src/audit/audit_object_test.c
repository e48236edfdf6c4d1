/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_object.h"

#include "audit/json_encoded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define M JSON_MARKER
#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

struct object_case {
    size_t limit;
    const char *text, *object, *paths;
};

static void check(const struct object_case *c, const struct audit_rules *given)
{
    struct audit_rules rules = *given;
    struct audit_object object;
    struct buf paths;
    rules.limit = c->limit;
    audit_object_make(c->text, strlen(c->text), &rules, &object);
    buf_init(&paths, 1 << 20);
    audit_paths_write(&object.paths, &paths);
    if (strcmp(object.text, c->object) != 0)
        print_error("%s\n", c->text);
    assert_string_equal(object.text, c->object);
    assert_string_equal(paths.data, c->paths);
    assert_int_equal(object.truncated, strcmp(c->paths, "[]") != 0);
    assert_int_equal(object.length, strlen(c->object));
    buf_release(&paths);
    audit_object_release(&object);
}

static void check_all(const struct object_case *cases, size_t count)
{
    const struct audit_rules rules = {.limit = 0};
    for (size_t i = 0; i < count; i++)
        check(&cases[i], &rules);
}

#define CHECK_ALL(...) \
    do { \
        static const struct object_case all_of_them[] = {__VA_ARGS__}; \
        check_all(all_of_them, ARRAY_LEN(all_of_them)); \
    } while (0)

static void the_form_is_canonical(void **state) /* AUD-04 */
{
    (void)state;
    CHECK_ALL(
        {0, " { \"b\" : [ 1 , 2 ] ,\n\t\"a\":null}\r\n", "{\"b\":[1,2],\"a\":null}", "[]"},
        {0, "[-0, 1.0, 1E400, 1e+5, 12345678901234567890123, 0.10]", "[-0,1.0,1E400,1e+5,12345678901234567890123,0.10]", "[]"},
        {0, "[true, false, null, {}, [], \"\"]", "[true,false,null,{},[],\"\"]", "[]"},
        {0, "\"\\u0061\\/\\u00e9\\uD83D\\uDE00\\u20AC\"", "\"a/\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac\"", "[]"},
        {0, "\"\\u0022\\u005C\\u000A\\u0008\\u001F\\u007f\"", "\"\\\"\\\\\\n\\b\\u001f\x7f\"", "[]"},
        {0, "[\"\\uD800\", \"\\uDE00\\uD83D\", \"\\ud800\\u0041\", \"\\ud83d\\ud83d\\ude00\"]",
         "[\"\\ud800\",\"\\ude00\\ud83d\",\"\\ud800A\",\"\\ud83d\xf0\x9f\x98\x80\"]", "[]"},
        {0, "{\"a\":1,\"a\":2,\"\":3}", "{\"a\":1,\"a\":2,\"\":3}", "[]"}, {0, "{\"\\u0061\\/\":1}", "{\"a/\":1}", "[]"},
        {0, "5", "5", "[]"}, {0, " \"a\" ", "\"a\"", "[]"});
}

static void what_is_no_json_is_one_string(void **state) /* AUD-11 */
{
    (void)state;
    static const struct {
        const char *text, *object;
    } cases[] = {
        {"", "\"\""},
        {" ", "\" \""},
        {"hello \"you\"\n", "\"hello \\\"you\\\"\\n\""},
        {"{\"a\":1,}", "\"{\\\"a\\\":1,}\""},
        {"[1] 2", "\"[1] 2\""},
        {"a\xff z", "\"a\xef\xbf\xbd z\""},
        {"\xe4\xbd", "\"\xef\xbf\xbd\""},
        {"\xf0\x9f\x98z", "\"\xef\xbf\xbdz\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\"\xff\"", "\"\\\"\xef\xbf\xbd\\\"\""},
        {"{\"secret\":\"\xff\"}", "\"{\\\"secret\\\":\\\"***\\\"}\""},
    };
    static const char *const more[] = {"{",
                                       "[",
                                       "]",
                                       "[1,]",
                                       "[,1]",
                                       "[1 2]",
                                       "{\"a\"}",
                                       "{\"a\":}",
                                       "{1:2}",
                                       "{\"a\" 1}",
                                       "{\"a\":1 \"b\":2}",
                                       "[1}",
                                       "{\"a\":1]",
                                       "01",
                                       "+1",
                                       "1.",
                                       ".5",
                                       "1e",
                                       "-",
                                       "1e+",
                                       "--1",
                                       "0x1",
                                       "NaN",
                                       "Infinity",
                                       "tru",
                                       "True",
                                       "nul",
                                       "\"",
                                       "\"a",
                                       "\"\\",
                                       "\"\\x\"",
                                       "\"\\u12\"",
                                       "\"\\u12g4\"",
                                       "\"\\ud800\\u\"",
                                       "\"\t\"",
                                       "'a'",
                                       "\xef\xbb\xbf{}",
                                       "[1]x",
                                       "\"a\"\"b\""};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct audit_object object;
        audit_object_make(cases[i].text, strlen(cases[i].text), NULL, &object);
        assert_string_equal(object.text, cases[i].object);
        assert_true(object.raw);
        audit_object_release(&object);
    }
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        struct audit_object object;
        audit_object_make(more[i], strlen(more[i]), NULL, &object);
        if (!object.raw)
            print_error("%s\n", more[i]);
        assert_true(object.raw && !object.truncated && object.text[0] == '"');
        audit_object_release(&object);
    }
    CHECK_ALL({32, "no JSON, but long enough to be cut", "\"no JSON, but lon" M "\"", "[\"$\"]"});
}

static void a_string_document_is_the_text_in_it(void **state) /* rulings, section 4 */
{
    (void)state;
    static const struct object_case cases[] = {
        {0, "\"{\\\"a\\\": 1}\"", "{\"a\":1}", "[]"},
        {0, "\"[1, \\\"\\\\ud800\\\"]\"", "[1,\"\\ud800\"]", "[]"},
        {0, "\"{\\\"token\\\": 1}\"", "{\"token\":\"***\"}", "[]"},
        {0, "\"hello\"", "\"hello\"", "[]"},
        {0, "\"\\ud800\"", "\"\\ud800\"", "[]"},
        {0, "\"\\\"once\\\"\"", "\"once\"", "[]"},
        {32, "\"{\\\"a\\\":\\\"" X50 "\\\"}\"", "{\"a\":\"xxxxxxxxxx" M "\"}", "[\"a\"]"},
        {32, "\"" X50 "\"", "\"xxxxxxxxxxxxxxxx" M "\"", "[\"$\"]"},
    };
    const struct audit_rules rules = {.in_document = true};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(&cases[i], &rules);
    struct audit_object object;
    audit_object_make("\"hello\"", 7, &rules, &object);
    assert_true(object.raw);
    audit_object_release(&object);
}

static void redacted_values_are_gone_before_measuring(void **state) /* AUD-13 */
{
    (void)state;
    static const struct object_case kept = {0, "{\"password\":1,\"data\":\"{\\\"token\\\":2}\"}",
                                            "{\"password\":1,\"data\":\"{\\\"token\\\":2}\"}", "[]"};
    const struct audit_rules no_redaction = {.no_redaction = true};
    CHECK_ALL({0, "{\"password\":\"a\",\"API_Key\":1,\"Set-Cookie\":null,\"_secret_\":{\"a\":[1]},\"pass\\u0077d\":[]}",
               "{\"password\":\"***\",\"API_Key\":\"***\",\"Set-Cookie\":\"***\",\"_secret_\":\"***\",\"passwd\":\"***\"}", "[]"},
              {0, "{\"passwords\":1,\"my_token\":2,\"\":3,\"--\":4}", "{\"passwords\":1,\"my_token\":2,\"\":3,\"--\":4}", "[]"},
              {0, "[{\"headers\":{\"Authorization\":\"x\"}},{\"env\":{\"SECRET\":\"y\",\"HOME\":\"/\"}}]",
               "[{\"headers\":{\"Authorization\":\"***\"}},{\"env\":{\"SECRET\":\"***\",\"HOME\":\"/\"}}]", "[]"},
              {0, "{\"data\":\" {\\\"env\\\": {\\\"TOKEN\\\": \\\"x\\\"}}\"}",
               "{\"data\":\"{\\\"env\\\":{\\\"TOKEN\\\":\\\"***\\\"}}\"}", "[]"},
              {0, "{\"data\":\"{\\\"a\\\": 1}\"}", "{\"data\":\"{\\\"a\\\": 1}\"}", "[]"},
              {0, "{\"token\":1,\"token\":2}", "{\"token\":\"***\",\"token\":\"***\"}", "[]"},
              {32, "{\"token\":\"" X50 "\"}", "{\"token\":\"***\"}", "[]"});
    check(&kept, &no_redaction);
    static const char *const names[] = {"password",    "passwd",     "secret",      "token",         "apiKey",
                                        "access_key",  "secret-key", "PRIVATEKEY",  "authorization", "cookie",
                                        "Set-Cookie",  "credential", "credentials", "client_secret", "refreshToken",
                                        "accessToken", "session_id"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_true(audit_name_is_redacted(&audit_default_names, str_of(names[i])));
    static const struct str own[] = {{"colour", 6}};
    const struct audit_names configured = {own, 1};
    static const struct object_case changed = {0, "{\"Colour\":1,\"token\":2}", "{\"Colour\":\"***\",\"token\":2}", "[]"};
    check(&changed, &(struct audit_rules){.names = &configured});
}

static void strings_are_cut_evenly_at_boundaries(void **state) /* AUD-05, AUD-06, AUD-07 */
{
    (void)state;
    CHECK_ALL(
        {60, "{\"a\":\"" X50 "\",\"b\":1.0,\"c\":\"0123456789abcd\"}",
         "{\"a\":\"xxxxxxxxx" M "\",\"b\":1.0,\"c\":\"0123456789abcd\"}", "[\"a\"]"},
        {52, "[\"" X50 "\",\"0123456789abcde\",\"" X50 "\"]", "[\"" M "\",\"" M "\",\"" M "\"]", "[\"[0]\",\"[1]\",\"[2]\"]"},
        {55, "[\"" X50 "\",\"0123456789abcde\",\"" X50 "\"]", "[\"x" M "\",\"0123456789abcde\",\"x" M "\"]", "[\"[0]\",\"[2]\"]"},
        /* 2, 3 and 4 bytes: one byte less than a whole character takes it away */
        {36,
         "[\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"]",
         "[\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9" M "\"]", "[\"[0]\"]"},
        {35,
         "[\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"]",
         "[\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9" M "\"]", "[\"[0]\"]"},
        {32,
         "[\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"]",
         "[\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80" M "\"]", "[\"[0]\"]"},
        /* a pair of escapes is one character */
        {33,
         "[\"x\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00\\ud83d\\ude00\"]",
         "[\"x\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80" M "\"]", "[\"[0]\"]"},
        /* escapes of 2 and of 6 bytes are not divided; an escaped backslash begins nothing */
        {33, "[\"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"]",
         "[\"\\\\\\\\\\\\\\\\\\\\\\\\\\\\" M "\"]", "[\"[0]\"]"},
        {32, "[\"xxxxxx\\u0001\\u0002\\u0003\\u0004\"]", "[\"xxxxxx\\u0001" M "\"]", "[\"[0]\"]"},
        {32, "[\"\\\\u0001\\\\u0002\\\\u0003\\\\u0004\\\\u0005\"]", "[\"\\\\u0001\\\\u0002" M "\"]", "[\"[0]\"]"},
        {32, "[\"\\\\\\u0001\\u0002\\u0003\\u0004\\u0005\"]", "[\"\\\\\\u0001\\u0002" M "\"]", "[\"[0]\"]"},
        {32, "[\"xxxxxx\\ud800\\ud800\\ud800\\ud800\"]", "[\"xxxxxx\\ud800" M "\"]", "[\"[0]\"]"});
}

static void paths_name_what_was_cut(void **state) /* AUD-08 */
{
    (void)state;
    CHECK_ALL({70, "{\"metadata\":{\"annotations\":{\"largeAnnotation\":\"" X50 "\"}}}",
               "{\"metadata\":{\"annotations\":{\"largeAnnotation\":\"xxxxx" M "\"}}}",
               "[\"metadata.annotations.largeAnnotation\"]"},
              {60, "{\"items\":[1,2,[],{\"config\":\"" X50 "\"}]}", "{\"items\":[1,2,[],{\"config\":\"xxxxxxxxxxxxxx" M "\"}]}",
               "[\"items[3].config\"]"},
              {110, "{\"a.b\":\"" X50 "\",\"\":{\"c\":\"" X50 "\"},\"[\":[{\"]\":\"" X50 "\"}],\"\\\"\":\"" X50 "\"}",
               "{\"a.b\":\"xx" M "\",\"\":{\"c\":\"xx" M "\"},\"[\":[{\"]\":\"xx" M "\"}],\"\\\"\":\"xx" M "\"}",
               "[\"[\\\"a.b\\\"]\",\"[\\\"\\\"].c\",\"[\\\"[\\\"][0][\\\"]\\\"]\",\"[\\\"\\\\\\\"\\\"]\"]"},
              {50, "{\"a\":\"" X50 "\",\"a\":\"" X50 "\"}", "{\"a\":\"xxx" M "\",\"a\":\"xxx" M "\"}", "[\"a\"]"},
              {60, "{\"\\ud800\\n\":[[\"" X50 "\"]]}", "{\"\\ud800\\n\":[[\"xxxxxxxxxxxxxxxxxxxxxxxxxxx" M "\"]]}",
               "[\"\\ud800\\n[0][0]\"]"},
              {40, "\"" X50 "\"", "\"xxxxxxxxxxxxxxxxxxxxxxxx" M "\"", "[\"$\"]"});
}

static void containers_lose_their_ends_when_strings_are_not_enough(void **state) /* AUD-09 */
{
    (void)state;
    CHECK_ALL({32, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]", "[1,2,3,4,5,6,7,\"" M "\"]", "[\"$\"]"},
              {44, "{\"k\":1,\"list\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}", "{\"k\":1,\"list\":[1,2,3,4,5,\"" M "\"]}",
               "[\"list\"]"},
              {32, "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6}", "{\"a\":1,\"b\":2,\"" M "\":4}", "[\"$\"]"},
              {51, "[\"" X50 "\",\"0123456789abcde\",\"" X50 "\"]", "[\"" M "\",\"" M "\"]", "[\"$\",\"[0]\"]"},
              {32, "{\"" X50 "\":1}", "{\"" M "\":1}", "[\"$\"]"},
              {44, "{\"in\":{\"" X50 "\":1,\"b\":2}}", "{\"in\":{\"" M "\":2}}", "[\"in\"]"},
              {32, "123456789012345678901234567890123", "\"" M "\"", "[\"$\"]"},
              {80, "[{\"id\":1,\"name\":\"" X50 "\"},{\"id\":2,\"name\":\"" X50 "\"},{\"id\":3,\"name\":\"" X50 "\"}]",
               "[{\"id\":1,\"name\":\"" M "\"},\"" M "\"]", "[\"$\",\"[0].name\"]"});
}

static char *repeated(const char *begin, const char *part, size_t count, const char *end)
{
    struct buf out;
    buf_init(&out, AUDIT_INPUT_MAX + 1);
    buf_add_text(&out, begin);
    for (size_t i = 0; i < count; i++)
        buf_add_text(&out, part);
    buf_add_text(&out, end);
    assert_false(out.failed);
    return buf_take(&out);
}

/* Cuts at the default limit; the result must be JSON of at most that, and a fixed point. */
static void check_large(const char *text, bool truncated, const char *first_path)
{
    struct audit_object object, again;
    audit_object_make(text, strlen(text), NULL, &object);
    assert_true(object.length <= AUDIT_LIMIT_DEFAULT);
    assert_int_equal(object.truncated, truncated);
    assert_false(object.raw);
    if (first_path) {
        assert_true(object.paths.count > 0);
        assert_true(str_equal(object.paths.items[0], first_path));
    }
    audit_object_make(object.text, object.length, NULL, &again);
    assert_string_equal(again.text, object.text);
    assert_false(again.truncated || again.raw);
    audit_object_release(&again);
    audit_object_release(&object);
}

static void the_limit_is_inclusive(void **state) /* AUD-03 */
{
    (void)state;
    char *text = repeated("{\"a\":\"", "x", AUDIT_LIMIT_DEFAULT - 8, "\"}");
    check_large(text, false, NULL);
    free(text);
    text = repeated("{\"a\":\"", "x", AUDIT_LIMIT_DEFAULT - 7, "\"}");
    check_large(text, true, "a");
    free(text);
    text = repeated("{ \"a\" : \"", "\\u0078", AUDIT_LIMIT_DEFAULT - 8, "\" }"); /* AUD-04: the spelling does not count */
    check_large(text, false, NULL);
    free(text);
}

static void large_objects_of_every_shape_fit(void **state) /* AUD-09, AUD-14 */
{
    (void)state;
    static const struct {
        const char *begin, *part;
        size_t count;
        const char *end, *path;
    } cases[] = {
        {"[", "123456,", 2000000, "0]", "$"},
        {"{\"a\":[", "1,", 100000, "0]}", "a"},
        {"{", "\"key\":1,", 50000, "\"last\":2}", "$"},
        {"{\"", "k", 100000, "\":1}", "$"},
        {"", "9", 100000, "", "$"},
        {"{\"n\":", "9", 100000, "}", "$"},
        {"[", "{\"a\":[1,2,3],\"b\":{\"c\":true}},", 10000, "0]", "$"},
        {"[", "[[1,2],{}],", 300000, "0]", "$"},
        {"[", "\"", 1, "\"]", NULL},
        {"\"", "\\u0000", 100000, "\"", "$"},
        {"\"", "\\\\", 5000000, "\"", "$"},
        {"[", "\"a string that is long enough to be cut\",", 100000, "0]", "$"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = repeated(cases[i].begin, cases[i].part, cases[i].count, cases[i].end);
        check_large(text, cases[i].path != NULL, cases[i].path);
        free(text);
    }
}

static void only_the_marker_is_left_of_what_is_too_long_to_read(void **state) /* AUD-14 */
{
    (void)state;
    struct audit_object object;
    char *text = repeated("[", "0", AUDIT_INPUT_MAX, "");
    audit_object_make(text, strlen(text), NULL, &object);
    assert_string_equal(object.text, "\"" M "\"");
    assert_true(object.truncated && object.raw && str_equal(object.paths.items[0], "$"));
    audit_object_release(&object);
    free(text);
}

static void depth_is_limited_without_recursion(void **state) /* AUD-10 */
{
    (void)state;
    static const struct object_case cases[] = {
        {0, "[[[1]]]", "[[[1]]]", "[]"},
        {0, "[[[[]],2]]", "[[[\"" M "\"],2]]", "[\"[0][0][0]\"]"},
        {0, "{\"a\":{\"b\":{\"c\":{\"d\":1},\"e\":[1],\"f\":\"x\"}}}",
         "{\"a\":{\"b\":{\"c\":\"" M "\",\"e\":\"" M "\",\"f\":\"x\"}}}", "[\"a.b.c\",\"a.b.e\"]"},
        {0, "[[[{\"a\":\"}\"}]]]", "[[[\"" M "\"]]]", "[\"[0][0][0]\"]"},
        {0, "[[{\"token\":[[1]]}]]", "[[{\"token\":\"***\"}]]", "[]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(&cases[i], &(struct audit_rules){.depth_max = 3});
    const size_t depths[] = {AUDIT_DEPTH_DEFAULT, AUDIT_DEPTH_DEFAULT + 1, 100000, 4000000};
    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        char *begin = repeated("", "[", depths[i], ""), *text = repeated(begin, "]", depths[i], "");
        struct audit_object object;
        audit_object_make(text, strlen(text), NULL, &object);
        assert_int_equal(object.truncated, i > 0);
        assert_int_equal(object.length, 2 * AUDIT_DEPTH_DEFAULT + (i > 0 ? JSON_MARKER_BYTES + 2 : 0));
        audit_object_release(&object);
        text[depths[i]] = '}'; /* deeper parts are checked all the same */
        audit_object_make(text, strlen(text), NULL, &object);
        assert_true(object.raw);
        audit_object_release(&object);
        free(text);
        free(begin);
    }
}

static void the_list_of_paths_is_bounded(void **state) /* AUD-08 */
{
    (void)state;
    struct audit_object object;
    struct buf list;
    char *name = repeated("{\"", "k", 30000, "\":["), *text = repeated(name, "\"a string that is cut\",", 2000, "0]}");
    audit_object_make(text, strlen(text), NULL, &object);
    assert_true(object.truncated && object.paths.full);
    assert_true(str_equal(object.paths.items[object.paths.count - 1], M));
    buf_init(&list, AUDIT_PATHS_BYTES_MAX);
    audit_paths_write(&object.paths, &list);
    assert_false(list.failed);
    buf_release(&list);
    audit_object_release(&object);
    free(text);
    free(name);
}

static void one_list_serves_two_objects(void **state) /* AUD-08 */
{
    (void)state;
    struct audit_paths both, other;
    struct buf out;
    audit_paths_init(&both);
    audit_paths_init(&other);
    audit_paths_add(&both, str_of("a"));
    audit_paths_add(&both, str_of("b[0]"));
    audit_paths_add(&other, str_of("b[0]"));
    audit_paths_add(&other, str_of("c"));
    audit_paths_add_all(&both, &other);
    buf_init(&out, 100);
    audit_paths_write(&both, &out);
    assert_string_equal(out.data, "[\"a\",\"b[0]\",\"c\"]");
    buf_release(&out);
    audit_paths_release(&other);
    audit_paths_release(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_is_canonical),
        cmocka_unit_test(what_is_no_json_is_one_string),
        cmocka_unit_test(a_string_document_is_the_text_in_it),
        cmocka_unit_test(redacted_values_are_gone_before_measuring),
        cmocka_unit_test(strings_are_cut_evenly_at_boundaries),
        cmocka_unit_test(paths_name_what_was_cut),
        cmocka_unit_test(containers_lose_their_ends_when_strings_are_not_enough),
        cmocka_unit_test(the_limit_is_inclusive),
        cmocka_unit_test(large_objects_of_every_shape_fit),
        cmocka_unit_test(only_the_marker_is_left_of_what_is_too_long_to_read),
        cmocka_unit_test(depth_is_limited_without_recursion),
        cmocka_unit_test(the_list_of_paths_is_bounded),
        cmocka_unit_test(one_list_serves_two_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
