/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"
#include "cli/json_difference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void check(const char *old_text, const char *new_text, bool changes_only, const char *expected)
{
    struct json_doc *docs[2] = {NULL, NULL};
    struct err err;
    struct buf out;
    buf_init(&out, 1 << 20);
    if (old_text)
        assert_int_equal(json_parse_exact(old_text, strlen(old_text), &docs[0], &err), OK);
    if (new_text)
        assert_int_equal(json_parse_exact(new_text, strlen(new_text), &docs[1], &err), OK);
    json_difference(&out, docs[0] ? json_root(docs[0]) : NULL, docs[1] ? json_root(docs[1]) : NULL, changes_only);
    assert_string_equal(out.data ? out.data : "", expected);
    buf_release(&out);
    json_doc_free(docs[0]);
    json_doc_free(docs[1]);
}

static void changes(void **state)
{
    (void)state;
    check("{\"a\":1,\"b\":{\"c\":[1,2]},\"d\":null}", "{\"a\":1.0,\"b\":{\"c\":[1,3,4]},\"e\":\"x\"}", false,
          "- a: 1\n+ a: 1.0\n  b.c[0]: 1\n- b.c[1]: 2\n+ b.c[1]: 3\n- d: null\n+ b.c[2]: 4\n+ e: \"x\"\n");
    check("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true, "");
    check("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", false, "  a: 1\n  b: 2\n");
}

static void one_alone(void **state)
{
    (void)state;
    check(NULL, "{\"a\":{\"x.y\":1,\"\":2,\"z\":{}}}", false, "+ a[\"x.y\"]: 1\n+ a[\"\"]: 2\n+ a.z: {}\n");
    check("[1,[]]", NULL, false, "- [0]: 1\n- [1]: []\n");
    check("\"text\"", "7", false, "- $: \"text\"\n+ $: 7\n");
    check(NULL, NULL, false, "");
}

static void depth_is_no_matter(void **state)
{
    (void)state;
    enum { DEPTH = 20000 };
    static char text[2 * DEPTH + 2], expected[3 * DEPTH + 16];
    memset(text, '[', DEPTH);
    text[DEPTH] = '1';
    memset(text + DEPTH + 1, ']', DEPTH);
    for (int i = 0; i < DEPTH; i++)
        memcpy(expected + 2 + 3 * i, "[0]", 3);
    memcpy(expected, "+ ", 2);
    memcpy(expected + 2 + 3 * DEPTH, ": 1\n", 5);
    check(NULL, text, false, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes), cmocka_unit_test(one_alone),
                                       cmocka_unit_test(depth_is_no_matter)};
    return cmocka_run_group_tests_name("cli: differences", tests, NULL, NULL);
}
