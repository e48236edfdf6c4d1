/* SPDX-License-Identifier: Apache-2.0 */
/* Output as text: no half characters at either end, and what is no text is replaced. */
#include "sched/output_text.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct output_case {
    const char *bytes;
    size_t length, max;
    bool partial;
    const char *expected;
    bool cut;
};

static void check(const struct output_case *cases, size_t count, char *(*keep)(const char *, size_t, size_t, bool, bool *))
{
    for (size_t i = 0; i < count; i++) {
        const struct output_case *c = &cases[i];
        bool cut = false;
        char *text = keep(c->bytes, c->length, c->max, c->partial, &cut);
        if ((text == NULL) != (c->expected == NULL) || (text && strcmp(text, c->expected) != 0) || cut != c->cut)
            fail_msg("case %zu gives \"%s\", cut %d", i, text ? text : "nothing", cut);
        free(text);
    }
}

static void ends_begin_with_a_character(void **state)
{
    static const struct output_case cases[] = {
        {"", 0, 8, false, NULL, false},
        {"abc", 3, 8, false, "abc", false},
        {"abc", 3, 2, false, "bc", true},
        {"a\0b", 3, 16, false,
         "a\xEF\xBF\xBD"
         "b",
         false},
        {"\xC3\xA4\xC3\xB6", 4, 3, false, "\xC3\xB6", true},
        {"\xA4\xC3\xB6", 3, 8, true, "\xC3\xB6", true},               /* the rest of a character before */
        {"\xA4\xC3\xB6", 3, 8, false, "\xEF\xBF\xBD\xC3\xB6", false}, /* nothing was before: a stray byte */
        {"\x80\x80\x80\x80", 4, 12, true, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", false},
        {"\x80\x80\x80\x80", 4, 7, true, "\xEF\xBF\xBD\xEF\xBF\xBD", true}, /* replaced ones count with their length */
        {"\x80", 1, 8, true, NULL, true},
    };
    (void)state;
    check(cases, ARRAY_LEN(cases), output_text_end);
}

static void beginnings_end_with_a_character(void **state)
{
    static const struct output_case cases[] = {
        {"", 0, 8, true, NULL, false},
        {"abc", 3, 2, false, "ab", true},
        {"\xC3\xA4\xC3", 3, 8, true, "\xC3\xA4", false},
        {"\xC3\xA4\xC3", 3, 8, false, "\xC3\xA4\xEF\xBF\xBD", false},
        {"\xE4\xB8\xAD\xE4\xB8", 5, 8, true, "\xE4\xB8\xAD", false},
        {"\xC3\xA4\xC3\xB6", 4, 3, false, "\xC3\xA4", true},
        {"\xFF\xFF", 2, 5, false, "\xEF\xBF\xBD", true},
    };
    (void)state;
    check(cases, ARRAY_LEN(cases), output_text_begin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_begin_with_a_character),
        cmocka_unit_test(beginnings_end_with_a_character),
    };
    return cmocka_run_group_tests_name("sched: output as text", tests, NULL, NULL);
}
