/* SPDX-License-Identifier: Apache-2.0 */
/* What Debian 12's cron makes of the same lines was observed by running it. */
#include "cli/crontab_parse.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct reports {
    char text[4096];
    int errors;
};

static void take_report(void *arg, int line, bool is_error, const char *message)
{
    struct reports *reports = arg;
    size_t n = strlen(reports->text);
    (void)snprintf(reports->text + n, sizeof reports->text - n, "%d %s\n", line, message);
    reports->errors += is_error;
}

static struct crontab parse(const char *text, bool system, struct reports *reports)
{
    struct crontab crontab;
    *reports = (struct reports){.errors = 0};
    crontab_parse(text, strlen(text), system, take_report, reports, &crontab);
    return crontab;
}

static const char *value_of(const struct crontab_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->env_count; i++)
        if (strcmp(entry->env[i].name, name) == 0)
            return entry->env[i].value;
    return NULL;
}

static void percent_signs_are_those_of_cron(void **state)
{
    (void)state;
    static const struct {
        const char *text, *command, *input; /* input NULL: none */
    } cases[] = {{"cat > o%line%", "cat > o", "line\n"},
                 {"cat%line one%line \\% two", "cat", "line one\nline % two\n"},
                 {"cat%", "cat", NULL},
                 {"cat%%", "cat", "\n"},
                 {"cat%x\\\\%y\\z%%", "cat", "x\\%y\\z\n\n"},
                 {"printf 'a\\\\%b'", "printf 'a\\\\", "b'\n"},
                 {"printf '%%s'", "printf '", "\ns'\n"},
                 {"date +\\%F\\%T", "date +%F%T", NULL},
                 {"echo a\\b\\", "echo a\\b\\", NULL},
                 {"x%a\\", "x", "a\\\n"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[200];
        struct reports reports;
        (void)snprintf(line, sizeof line, "* * * * * %s", cases[i].text);
        struct crontab crontab = parse(line, false, &reports);
        assert_int_equal(crontab.count, 1);
        assert_string_equal(crontab.entries[0].text, cases[i].text);
        assert_string_equal(crontab.entries[0].command, cases[i].command);
        if (cases[i].input)
            assert_string_equal(crontab.entries[0].stdin_text, cases[i].input);
        else
            assert_null(crontab.entries[0].stdin_text);
        crontab_release(&crontab);
    }
}

static void environment_lines_are_those_of_cron(void **state)
{
    (void)state;
    static const struct {
        const char *line, *name, *value; /* name NULL: it is no environment line */
    } cases[] = {{"A=b", "A", "b"},       {"  A = b c \t", "A", "b c"}, {"A=\" b \"", "A", " b "}, {"A=''", "A", ""},
                 {"A=", "A", ""},         {"\"A B\" = c", "A B", "c"},  {"'A'='b'", "A", "b"},     {"A=b=c", "A", "b=c"},
                 {"A=it's", "A", "it's"}, {"A=b # c", "A", "b # c"},    {"A=\"b\" c", NULL, NULL}, {"A=\"b\" \"c\"", NULL, NULL},
                 {"A=\"b", NULL, NULL},   {"A B=c", NULL, NULL},        {"=c", NULL, NULL},        {"\"\"=c", NULL, NULL},
                 {"'A=B'=c", NULL, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];
        struct reports reports;
        (void)snprintf(text, sizeof text, "%s\n* * * * * x\n", cases[i].line);
        struct crontab crontab = parse(text, false, &reports);
        assert_int_equal(crontab.count, 1);
        assert_int_equal(reports.errors, cases[i].name ? 0 : 1);
        if (cases[i].name)
            assert_string_equal(value_of(&crontab.entries[0], cases[i].name), cases[i].value);
        assert_int_equal(crontab.entries[0].env_count, cases[i].name ? 1 : 0);
        crontab_release(&crontab);
    }
}

static void the_environment_holds_from_its_line_on(void **state)
{
    (void)state;
    struct reports reports;
    struct crontab crontab =
        parse("\xef\xbb\xbf# with a mark\r\n0 1 * * * a\r\nX=1\r\nCRON_TZ=Europe/Paris\r\nMAILTO=me\r\n@daily b\r\n"
              "X=2\nCRON_TZ=''\nMAILTO=\n\t- 5\t4  * * *\tc d ",
              false, &reports);
    assert_int_equal(crontab.count, 3);
    assert_int_equal(reports.errors, 0);
    assert_non_null(strstr(reports.text, "5 MAILTO"));
    const struct crontab_entry *e = crontab.entries;
    assert_int_equal(e[0].line, 2);
    assert_string_equal(e[0].command, "a");
    assert_int_equal(e[0].env_count, 0);
    assert_string_equal(e[1].schedule, "@daily");
    assert_string_equal(value_of(&e[1], "X"), "1");
    assert_string_equal(value_of(&e[1], "MAILTO"), "me");
    assert_string_equal(e[1].timezone, "Europe/Paris");
    assert_string_equal(e[2].schedule, "5 4 * * *");
    assert_string_equal(e[2].command, "c d ");
    assert_string_equal(value_of(&e[2], "X"), "2");
    assert_string_equal(value_of(&e[2], "MAILTO"), "");
    assert_null(e[2].timezone);
    assert_int_equal(e[2].line, 10);
    crontab_release(&crontab);
}

static void equal_entries_are_numbered(void **state)
{
    (void)state;
    struct reports reports;
    struct crontab crontab =
        parse("@daily a x\n@daily  a x\n@hourly a x\n@daily b x\n@daily a x\n@daily a x%i\n", false, &reports);
    static const int ordinals[] = {0, 1, 0, 0, 2, 0};
    assert_int_equal(crontab.count, ARRAY_LEN(ordinals));
    for (size_t i = 0; i < crontab.count; i++)
        assert_int_equal(crontab.entries[i].ordinal, ordinals[i]);
    crontab_release(&crontab);
    crontab = parse("@daily a x\n@daily b x\n@daily a y\n@daily a x\n-@daily DOM\\u z\n", true, &reports);
    static const int system_ordinals[] = {0, 0, 0, 1, 0};
    assert_int_equal(crontab.count, ARRAY_LEN(system_ordinals));
    for (size_t i = 0; i < crontab.count; i++)
        assert_int_equal(crontab.entries[i].ordinal, system_ordinals[i]);
    assert_string_equal(crontab.entries[4].user, "DOM\\u");
    crontab_release(&crontab);
}

static void lines_that_cannot_be_taken_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        bool system;
    } cases[] = {{"* * * *\n", "1 a schedule has five fields", false},   {"\n\n* * * * *  \n", "3 the command is missing", false},
                 {"@daily\n", "1 the command is missing", false},        {"- \n", "1 a schedule has five fields", false},
                 {"* * * * * root\n", "1 the command is missing", true}, {"* * * * *\n", "1 the user is missing", true},
                 {"* * * * * a\xe9\n", "1 the line holds bytes", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reports reports;
        struct crontab crontab = parse(cases[i].text, cases[i].system, &reports);
        assert_int_equal(crontab.count, 0);
        assert_int_equal(reports.errors, 1);
        assert_non_null(strstr(reports.text, cases[i].message));
        crontab_release(&crontab);
    }
}

static void limits_are_kept(void **state)
{
    (void)state;
    struct reports reports = {.errors = 0};
    struct crontab crontab;
    size_t size = CRONTAB_LINE_MAX + 100;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, 'x', size);
    memcpy(text, "* * * * * ", 10);
    crontab_parse(text, CRONTAB_LINE_MAX, false, take_report, &reports, &crontab);
    assert_int_equal(crontab.count, 1);
    assert_int_equal(strlen(crontab.entries[0].command), CRONTAB_LINE_MAX - 10);
    crontab_release(&crontab);
    crontab_parse(text, CRONTAB_LINE_MAX + 1, false, take_report, &reports, &crontab);
    assert_int_equal(crontab.count, 0);
    assert_int_equal(reports.errors, 1);
    crontab_release(&crontab);
    text[20] = '\0';
    crontab_parse(text, 30, false, take_report, &reports, &crontab);
    assert_int_equal(crontab.count, 0);
    crontab_release(&crontab);
    free(text);

    char many[CRONTAB_ENV_MAX * 8 + 20] = "";
    for (int i = 0; i <= CRONTAB_ENV_MAX; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "V%d=x\n", i);
    crontab = parse(many, false, &reports);
    assert_int_equal(reports.errors, 1);
    assert_non_null(strstr(reports.text, "101 more than 100"));
    crontab_release(&crontab);

    static char entries[(CRONTAB_ENTRIES_MAX + 1) * 10 + 1];
    for (size_t i = 0; i <= CRONTAB_ENTRIES_MAX; i++)
        memcpy(entries + i * 10, "@hourly x\n", 10);
    crontab = parse(entries, false, &reports);
    assert_int_equal(crontab.count, CRONTAB_ENTRIES_MAX);
    assert_int_equal(reports.errors, 1);
    assert_int_equal(crontab.entries[CRONTAB_ENTRIES_MAX - 1].ordinal, CRONTAB_ENTRIES_MAX - 1);
    crontab_release(&crontab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_signs_are_those_of_cron),        cmocka_unit_test(environment_lines_are_those_of_cron),
        cmocka_unit_test(the_environment_holds_from_its_line_on), cmocka_unit_test(equal_entries_are_numbered),
        cmocka_unit_test(lines_that_cannot_be_taken_are_named),   cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
