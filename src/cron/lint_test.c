/* SPDX-License-Identifier: Apache-2.0 */
/* Section 10: what each warning is about, what it says in particular, and that ordinary schedules have none. */
#include "cron/cron.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const int64_t new_year_2026 = 1767225600;

static size_t lint(const char *text, const char *zone, struct cron_warning *out, size_t cap)
{
    struct cron_options options = {.zone = zone};
    struct cron_schedule s;
    assert_true(cron_parse(text, strlen(text), &options, &s, NULL));
    return cron_lint(&s, new_year_2026, out, cap);
}

static void ordinary_schedules_have_no_warning(void **state)
{
    (void)state;
    static const char *const plain[] = {"*/5 0 * * *", "0 9 * * 1-5",     "0 12 * * *",        "0 0 1 * *",    "0 0 12 * * MON",
                                        "@every 90m",  "0 0 30 1,3-12 *", "30 2 * * * 0 2026", "*/15 * * * *", "0 0 L * *"};
    struct cron_warning warnings[CRON_WARNINGS_MAX];
    for (size_t i = 0; i < COUNT(plain); i++)
        if (lint(plain[i], "UTC", warnings, CRON_WARNINGS_MAX) > 0)
            fail_msg("%s: %s", plain[i], warnings[0].message);
}

static void each_warning_names_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *zone, *codes, *says;
    } cases[] = {
        {"*/7 * * * *", "UTC", "uneven-minutes", "the last interval has 4 minutes"},
        {"0 */5 * * *", "UTC", "uneven-hours", "the last interval has 4 hours"},
        {"*/25 * * * * *", "UTC", "uneven-seconds seconds", "the last interval has 10 seconds"},
        {"*/10 * * * * *", "UTC", "seconds", "10-second period"},
        {"* * * * * *", "UTC", "every-second", "a 0 in the first field"},
        {"* 3 * * *", "UTC", "every-minute", "from 03:00 to 03:59"},
        {"0 0 13 * 5", "UTC", "day-or", "a + before the weekday means both"},
        {"0 0 */2 * 1", "UTC", "day-rule", "a step over the day-of-month field"},
        {"0 0 1-7 * */2", "UTC", "day-rule", "a step over the weekday field"},
        {"0 0 1-31 * 1", "UTC", "day-rule", "the day-of-month field names every day"},
        {"0 0 1 * 0-6", "UTC", "day-rule", "the weekday field names every day"},
        {"0 0 31 * *", "UTC", "short-months", "without a day 31"},
        {"0 0 29 2 *", "UTC", "short-months", "without a day 29"},
        {"0 12 1 * ? 5", "UTC", "like-aws", "dialect aws"},
        {"*/5 * * * * 0", "UTC", "seconds like-croniter", "5-second period"},
        {"@every 1h", "UTC", "every-hour", "@hourly"},
        {"@every 24h", "UTC", "every-day", "@daily"},
        {"@every 168h", "UTC", "every-week", "@weekly"},
        {"30 2 * * *", "America/New_York", "clock-change", "on 8 March 2026 this runs at 03:00 instead of 02:30"},
        {"30 1,2 * * *", "America/New_York", "clock-change clock-change", "8 March 2026"},
        {"30 1 * * *", "America/New_York", "clock-change", "comes twice on 1 November 2026"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cron_warning warnings[CRON_WARNINGS_MAX];
        char codes[200] = "";
        size_t count = lint(cases[i].text, cases[i].zone, warnings, CRON_WARNINGS_MAX);
        for (size_t w = 0; w < count; w++)
            (void)snprintf(codes + strlen(codes), sizeof codes - strlen(codes), "%s%s", w ? " " : "", warnings[w].code);
        assert_string_equal(codes, cases[i].codes);
        if (!strstr(warnings[0].message, cases[i].says))
            fail_msg("%s: %s", cases[i].text, warnings[0].message);
    }
}

static void no_more_than_there_is_room_for(void **state)
{
    (void)state;
    struct cron_warning warnings[2] = {{.code = "", .message = ""}, {.code = "untouched", .message = ""}};
    assert_int_equal(lint("*/25 * * * * *", "UTC", warnings, 1), 1);
    assert_string_equal(warnings[0].code, "uneven-seconds");
    assert_string_equal(warnings[1].code, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_schedules_have_no_warning),
        cmocka_unit_test(each_warning_names_its_reason),
        cmocka_unit_test(no_more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
