/* SPDX-License-Identifier: Apache-2.0 */
#include "db/pg_url.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const struct {
    const char *url, *conninfo, *file, *name; /* conninfo NULL: refused */
} cases[] = {
    {"postgres://u@h/d", "postgres://u@h/d", NULL, "postgres://u@h/d"},
    {"postgresql://u:secret@h:1,g:2/d", "postgresql://u:secret@h:1,g:2/d", NULL, "postgresql://u@h:1,g:2/d"},
    {"postgres://u@h/d?password_file=/a%20b%2Fc", "postgres://u@h/d", "/a b/c", "postgres://u@h/d"},
    {"postgres://u@h/d?sslmode=require&password_file=/a&connect_timeout=3", "postgres://u@h/d?sslmode=require&connect_timeout=3",
     "/a", "postgres://u@h/d"},
    {"postgres://u@h/d?password_file=/a&password_file=/b", "postgres://u@h/d", "/b", "postgres://u@h/d"},
    {"postgres://u:secret@[::1]:5/d?password=secret", "postgres://u:secret@[::1]:5/d?password=secret", NULL,
     "postgres://u@[::1]:5/d"},
    {"postgres:///d?host=/run/postgresql", "postgres:///d?host=/run/postgresql", NULL, "postgres:///d"},
    {"postgres://u:secret@h:port/d", NULL, NULL, "postgres://u@h:port/d"},
    {"postgres://u:sec/ret@h/d", NULL, NULL, "postgres://u@h/d"},
    {"postgres://u:sec%ret@h/d", NULL, NULL, "postgres://u@h/d"},
    {"postgres://u@h/d?nonsense=secret", NULL, NULL, "postgres://u@h/d"},
    {"postgres://u@h/d?password_file=", NULL, NULL, "postgres://u@h/d"},
};

static void urls_are_understood_or_refused_without_showing_a_password(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pg_url url;
        struct err err = {.message = ""};
        enum err_code code = pg_url_parse(cases[i].url, &url, &err);
        if (code != (cases[i].conninfo ? OK : ERR_INVALID))
            fail_msg("%s: %d %s", cases[i].url, (int)code, err.message);
        assert_null(strstr(err.message, "secret"));
        if (code == OK) {
            assert_string_equal(url.conninfo, cases[i].conninfo);
            assert_string_equal(url.password_file ? url.password_file : "", cases[i].file ? cases[i].file : "");
            pg_url_release(&url);
        }
        char *name = pg_url_name(cases[i].url);
        assert_string_equal(name, cases[i].name);
        free(name);
    }
}

static void the_password_is_the_first_line_of_its_file(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"secret", "secret"}, {"se cret\r\nmore\n", "se cret"}, {"", NULL}, {"\nsecret", NULL}};
    char path[] = "/tmp/horae-password-XXXXXX", password[PG_PASSWORD_SIZE];
    struct pg_url url = {.password_file = path};
    struct err err;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, texts[i][0], strlen(texts[i][0]), 0), strlen(texts[i][0]));
        assert_int_equal(pg_url_password(&url, password, &err), texts[i][1] ? OK : ERR_UNAVAILABLE);
        if (texts[i][1])
            assert_string_equal(password, texts[i][1]);
    }
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(pg_url_password(&url, password, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_understood_or_refused_without_showing_a_password),
        cmocka_unit_test(the_password_is_the_first_line_of_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
