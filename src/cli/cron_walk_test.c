/* SPDX-License-Identifier: Apache-2.0 */
/* The model of cron against what Debian 12's cron (3.0pl1-162) did when it was run with a faked clock through these changes,
 * and against what its crontab command says about schedules. */
#include "cli/cron_walk.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

/* "HH:MM" of each start between two instants, blank-separated, by the walk's own zone. */
static void walk_text(const char *schedule, const char *zone, int64_t from_s, int64_t to_s, char *out, size_t capacity)
{
    struct walk_schedule parsed;
    struct walk walk;
    int64_t at;
    int times;
    size_t n = 0;
    assert_null(walk_read(schedule, &parsed));
    out[0] = '\0';
    walk_begin(&walk, &parsed, zone, from_s);
    while (walk_next(&walk, to_s, &at, &times)) {
        time_t t = (time_t)at;
        struct tm parts;
        (void)localtime_r(&t, &parts);
        for (int i = 0; i < times; i++)
            n += (size_t)snprintf(out + n, capacity - n, "%s%02d:%02d%s", n ? " " : "", parts.tm_hour, parts.tm_min,
                                  parts.tm_isdst ? "d" : "");
    }
    walk_end(&walk);
}

struct observed {
    const char *schedule, *starts;
};

static void check_observed(const struct observed *cases, size_t count, const char *zone, int64_t from_s, int64_t to_s)
{
    char starts[1000];
    for (size_t i = 0; i < count; i++) {
        walk_text(cases[i].schedule, zone, from_s, to_s, starts, sizeof starts);
        if (strcmp(starts, cases[i].starts) != 0)
            print_error("%s in %s: %s, observed %s\n", cases[i].schedule, zone, starts, cases[i].starts);
        assert_string_equal(starts, cases[i].starts);
    }
}

static void a_clock_set_ahead(void **state)
{
    (void)state;
    static const struct observed new_york[] = {
        {"30 2 * * *", "03:00d"},
        {"0,30 2 * * *", "03:00d 03:00d"},
        {"0 1-3 * * *", "03:00d 03:00d"},
        {"15 0-23 * * *", "03:00d 03:15d"},
        {"*/20 * * * *", "01:40 03:00d 03:20d 03:40d 04:00d"},
        {"*/20 2 * * *", ""},
        {"0 * * * *", "03:00d 04:00d"},
        {"@hourly", "03:00d 04:00d"},
        {"0 3 * * *", "03:00d"},
        {"30 1 * * *", "01:30"},
        {"50-10 * * * *", ""},
    };
    /* 2026-03-08 01:25 to 04:00 of New York, 2026-03-07 23:40 to 2026-03-08 01:20 of Havana */
    check_observed(new_york, ARRAY_LEN(new_york), "America/New_York", 1772951100, 1772956800);
    static const struct observed havana[] = {{"@daily", "01:00d"},
                                             {"0 0 * * *", "01:00d"},
                                             {"0 0,1 * * *", "01:00d 01:00d"},
                                             {"*/30 0 * * *", ""},
                                             {"@hourly", "01:00d"}};
    check_observed(havana, ARRAY_LEN(havana), "America/Havana", 1772944800, 1772947200);
}

static void a_clock_set_back(void **state)
{
    (void)state;
    static const struct observed new_york[] = {
        {"30 2 * * *", "02:30"},
        {"0,30 2 * * *", "02:00 02:30"},
        {"0 1-3 * * *", "01:00d 02:00 03:00"},
        {"15 0-23 * * *", "01:15d 02:15"},
        {"*/20 * * * *", "01:00d 01:20d 01:40d 01:00 01:20 01:40 02:00 02:20 02:40 03:00"},
        {"*/20 2 * * *", "02:00 02:20 02:40"},
        {"0 * * * *", "01:00d 01:00 02:00 03:00"},
        {"30 1 * * *", "01:30d"},
    };
    check_observed(new_york, ARRAY_LEN(new_york), "America/New_York", 1793508900, 1793520000); /* 2026-11-01 00:55 to 03:00 */
}

static void large_jumps_are_corrections(void **state)
{
    (void)state;
    char starts[1000];
    /* Apia left out 2011-12-30: cron starts nothing for a day that it takes for a correction. */
    walk_text("30 12 * * *", "Pacific/Apia", 1325152800, 1325152800 + 2 * 86400, starts, sizeof starts);
    assert_string_equal(starts, "12:30d 12:30d");
}

static void schedules_are_read_as_the_crontab_command_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wrong;
    } cases[] = {{"* * * * *", NULL},
                 {"*/70 * * * *", NULL},
                 {"50-10 * * * *", NULL},
                 {"1,2,3-5/2,*/7 * * * *", NULL},
                 {"* * * jan-MAR,dec *", NULL},
                 {"* * * * mon-FRI", NULL},
                 {"* * * * 0-7", NULL},
                 {"05 08 * * *", NULL},
                 {"* * 31 2 *", NULL},
                 {"@midnight", NULL},
                 {"5/10 * * * *", "bad minute"},
                 {"1-5/0 * * * *", "bad minute"},
                 {"5, * * * *", "bad minute"},
                 {",5 * * * *", "bad minute"},
                 {"5-* * * * *", "bad minute"},
                 {"H * * * *", "bad minute"},
                 {"60 * * * *", "bad minute"},
                 {"* 24 * * *", "bad hour"},
                 {"* jan * * *", "bad hour"},
                 {"* * 0 * *", "bad day-of-month"},
                 {"0 0 L * *", "bad day-of-month"},
                 {"0 0 ? * *", "bad day-of-month"},
                 {"* * * 0 *", "bad month"},
                 {"* * * 13 *", "bad month"},
                 {"* * * * monday", "bad day-of-week"},
                 {"* * * * 8", "bad day-of-week"},
                 {"* * * *", "bad day-of-week"},
                 {"@DAILY", "bad time specifier"},
                 {"@every_minute", "bad time specifier"},
                 {"", "bad minute"},
                 {"99999999999 * * * *", "bad minute"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct walk_schedule s;
        const char *wrong = walk_read(cases[i].text, &s);
        if ((wrong == NULL) != (cases[i].wrong == NULL) || (wrong && strcmp(wrong, cases[i].wrong) != 0))
            print_error("%s: %s\n", cases[i].text, wrong ? wrong : "taken");
        if (cases[i].wrong)
            assert_string_equal(wrong, cases[i].wrong);
        else
            assert_null(wrong);
    }
}

static void days_match_both_fields_when_one_begins_with_a_star(void **state)
{
    (void)state;
    struct walk_schedule s;
    char starts[1000];
    /* December 2026 begins with a Tuesday: 1, 8 … are Tuesdays */
    walk_text("0 12 1,2 12 tue", "UTC", 1796083200, 1796083200 + 14 * 86400, starts, sizeof starts);
    assert_string_equal(starts, "12:00 12:00 12:00"); /* 1, 2, 8 */
    walk_text("0 12 */2 12 tue", "UTC", 1796083200, 1796083200 + 14 * 86400, starts, sizeof starts);
    assert_string_equal(starts, "12:00"); /* 1 */
    assert_null(walk_read("50-10 * * * *", &s));
    assert_true(s.backwards);
    assert_null(walk_read("0 0 * * 7", &s));
    assert_int_equal(s.sets[4], 0x81);
    assert_false(walk_follows_clock(&s));
    assert_null(walk_read("5 */2 * * *", &s));
    assert_true(walk_follows_clock(&s));
}

static void the_zone_of_the_program_stays(void **state)
{
    (void)state;
    char starts[100];
    assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
    walk_text("0 0 * * *", "America/New_York", 1772944800, 1772944800, starts, sizeof starts);
    assert_string_equal(getenv("TZ"), "Asia/Tokyo");
    assert_int_equal(unsetenv("TZ"), 0);
    walk_text("0 0 * * *", "America/New_York", 1772944800, 1772944800, starts, sizeof starts);
    assert_null(getenv("TZ"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_set_ahead),
        cmocka_unit_test(a_clock_set_back),
        cmocka_unit_test(large_jumps_are_corrections),
        cmocka_unit_test(schedules_are_read_as_the_crontab_command_does),
        cmocka_unit_test(days_match_both_fields_when_one_begins_with_a_star),
        cmocka_unit_test(the_zone_of_the_program_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
