/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"
#include "base/id.h"
#include "base/text_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static bool find(const char *needle, const char *text)
{
    struct needle n;
    needle_init(&n, str_of(needle));
    return needle_in(&n, str_of(text));
}

static void letters_match_in_either_case(void **state)
{
    (void)state;
    assert_true(find("zebra", "a ZeBrA b"));
    assert_true(find("ZEBRA", "zebra"));
    assert_true(find("@home", "AT @HOME"));
    assert_false(find("@home", "`home")); /* differs from @ in the bit of the case alone */
    assert_false(find("[x]", "{x}"));
    assert_true(find("stra\xc3\x9f"
                     "e",
                     "STRA\xc3\x9f"
                     "E"));
    assert_false(find("\xc3\xa4", "\xc3\x84")); /* only ASCII letters */
}

static void ends_and_lengths(void **state)
{
    (void)state;
    assert_true(find("a", "a"));
    assert_false(find("ab", "a"));
    assert_false(find("a", ""));
    assert_true(find("end", "at the end"));
    assert_true(find("at", "at the end"));
    assert_true(find("aab", "aaaaaaab"));
    assert_false(find("zq", "zzzzzzzz_q"));
}

/* Against the plainest search there is. */
static bool find_plainly(struct str needle, struct str text)
{
    for (size_t at = 0; at + needle.n <= text.n; at++) {
        struct str part = {text.p + at, needle.n};
        char copy[8] = "";
        (void)str_copy(copy, sizeof copy, needle.p, needle.n);
        if (str_equal_ignoring_case(part, copy))
            return true;
    }
    return false;
}

static void random_texts(void **state)
{
    (void)state;
    static const char letters[] = "aAbB{[";
    size_t found = 0;
    for (int round = 0; round < 20000; round++) {
        char text[24], wanted[4];
        size_t n = id_random_fast() % sizeof text, m = 1 + id_random_fast() % sizeof wanted;
        for (size_t i = 0; i < n; i++)
            text[i] = letters[id_random_fast() % 6];
        for (size_t i = 0; i < m; i++)
            wanted[i] = letters[id_random_fast() % 6];
        struct needle needle;
        needle_init(&needle, (struct str){wanted, m});
        bool expected = find_plainly((struct str){wanted, m}, (struct str){text, n});
        assert_int_equal(needle_in(&needle, (struct str){text, n}), expected);
        found += expected;
    }
    assert_true(found > 1000 && found < 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(letters_match_in_either_case), cmocka_unit_test(ends_and_lengths),
                                       cmocka_unit_test(random_texts)};
    return cmocka_run_group_tests_name("base: text search", tests, NULL, NULL);
}
