/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text_width.h"

#include "base/compiler.h"
#include "cli/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void widths_are_those_of_terminals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {{"", 0},         {"abc", 3},      {"备份", 4}, {"e\xcc\x81", 1}, /* e and an accent */
                 {"ａｂ", 4},     {"é", 1},        {"한국", 4}, {"カナ", 4},      {"👍🏽", 2}, {"a\xe2\x80\x8b", 1},
                 {"\xff\xfe", 2}, {"\xe5\xa4", 1}, {"…", 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(text_width(cases[i].text, strlen(cases[i].text)), cases[i].width);
}

static void fitting_never_cuts_a_character(void **state)
{
    (void)state;
    static const char text[] = "a备e\xcc\x81z";
    static const size_t expected[] = {0, 1, 1, 4, 7, 8, 8}; /* bytes that fit into 0, 1, 2 … columns */
    for (size_t columns = 0; columns < ARRAY_LEN(expected); columns++)
        assert_int_equal(text_fitting(text, strlen(text), columns), expected[columns]);
}

static void control_characters_become_blanks(void **state)
{
    (void)state;
    char text[] = "a\x1b[1m\r\n\tb\x7f\xc2\x85\xc2\xa9";
    text_tame(text, "\n");
    assert_string_equal(text, "a [1m \n b   \xc2\xa9");
}

static void the_nearest_name_is_near_enough(void **state)
{
    (void)state;
    static const struct {
        const char *given, *expected;
    } cases[] = {{"tsak", "task"},           {"taks", "task"}, {"tas", "task"}, {"execution", "execution"},
                 {"exectuion", "execution"}, {"x", NULL},      {"user", NULL},  {"", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct nearest near = {.name = NULL};
        nearest_offer(&near, cases[i].given, "task");
        nearest_offer(&near, cases[i].given, "execution");
        if (cases[i].expected)
            assert_string_equal(near.name, cases[i].expected);
        else
            assert_null(near.name);
    }
    assert_int_equal(nearest_distance("a name that is much longer than any command has", "b"), NEAREST_NAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_are_those_of_terminals),
        cmocka_unit_test(fitting_never_cuts_a_character),
        cmocka_unit_test(control_characters_become_blanks),
        cmocka_unit_test(the_nearest_name_is_near_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
