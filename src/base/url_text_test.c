/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct {
    const char *text, *shown;
} cases[] = {
    {"", ""},
    {"no url: at all@", "no url: at all@"},
    {"sqlite:/data/horae.db", "sqlite:/data/horae.db"},
    {"postgres://host:5432/db", "postgres://host:5432/db"},
    {"postgres://user@host:5432/db", "postgres://user@host:5432/db"},
    {"postgres://user:secret@host:5432/db", "postgres://user:***@host:5432/db"},
    {"redis://:secret@host", "redis://:***@host"},
    {"postgres://user:s@e:c/r?e@t@host/db", "postgres://user:***@host/db"}, /* not written as it must be */
    {"postgres://user@host/db?sslmode=require&password=secret&x=1", "postgres://user@host/db?sslmode=require&password=***&x=1"},
    {"postgres://host/db?sslpassword=secret", "postgres://host/db?sslpassword=***"},
    {"postgres://host/db?password_file=/run/secrets/pw", "postgres://host/db?password_file=/run/secrets/pw"},
    {"postgres://host/db?password=&password", "postgres://host/db?password=***&password"},
};

static void what_is_secret_is_hidden_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 1000);
        url_text_hide(cases[i].text, &out);
        assert_string_equal(out.data ? out.data : "", cases[i].shown);
        buf_release(&out);
    }
}

/* An argument has the room that it has: what does not fit is cut. */
static void in_place_nothing_of_the_secret_is_left(void **state)
{
    (void)state;
    char text[] = "postgres://u:p@host/db", longer[] = "postgres://u:a-long-password@host/db", plain[] = "postgres://u@host/db";
    assert_true(url_text_hide_in_place(text));
    assert_string_equal(text, "postgres://u:***@host/");
    assert_true(url_text_hide_in_place(longer));
    assert_string_equal(longer, "postgres://u:***@host/db");
    for (size_t i = strlen(longer); i < sizeof longer; i++)
        assert_int_equal(longer[i], 0);
    assert_false(url_text_hide_in_place(plain));
    assert_string_equal(plain, "postgres://u@host/db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_secret_is_hidden_and_nothing_else),
        cmocka_unit_test(in_place_nothing_of_the_secret_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
