/* SPDX-License-Identifier: Apache-2.0 */
/* What is told and what is counted (CRON-50, CRON-51), the words of the setting, the waits between attempts. */
#include "alert/alert_rules.h"
#include "alert/alerts.h"
#include "base/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define START INT64_C(1800000000000000)

static bool tell(struct alert_memory *memory, enum alert_kind kind, bool resolved, int64_t now_us, int64_t *repeats)
{
    *repeats = -1;
    return alert_decide(memory, kind, resolved, 1, now_us, repeats);
}

static void repeats_within_a_minute_are_counted_in_the_next(void **state)
{
    (void)state;
    struct alert_memory memory = {0};
    int64_t repeats;
    assert_true(tell(&memory, ALERT_EXECUTION_FAILED, false, START, &repeats));
    assert_int_equal(repeats, 0);
    assert_false(tell(&memory, ALERT_EXECUTION_FAILED, false, START, &repeats));
    assert_false(tell(&memory, ALERT_EXECUTION_FAILED, false, START + ALERT_QUIET_US - 1, &repeats));
    assert_true(tell(&memory, ALERT_EXECUTION_FAILED, false, START + ALERT_QUIET_US, &repeats));
    assert_int_equal(repeats, 2);
    assert_false(tell(&memory, ALERT_EXECUTION_FAILED, false, START + ALERT_QUIET_US + 1, &repeats));
    assert_true(tell(&memory, ALERT_EXECUTION_FAILED, false, START + 10 * ALERT_QUIET_US, &repeats));
    assert_int_equal(repeats, 1);
}

static void several_at_once_are_one_and_its_repeats(void **state)
{
    (void)state;
    struct alert_memory memory = {0};
    int64_t repeats;
    assert_true(alert_decide(&memory, ALERT_AUDIT_DROPPED, false, 5, START, &repeats));
    assert_int_equal(repeats, 4);
    assert_false(alert_decide(&memory, ALERT_AUDIT_DROPPED, false, 7, START + 1, &repeats));
    assert_true(alert_decide(&memory, ALERT_AUDIT_DROPPED, false, 2, START + ALERT_QUIET_US, &repeats));
    assert_int_equal(repeats, 8);
}

static void a_condition_is_told_once_until_it_is_over(void **state)
{
    (void)state;
    struct alert_memory memory = {0};
    int64_t repeats;
    assert_true(tell(&memory, ALERT_EXECUTIONS_FAILING, false, START, &repeats));
    assert_false(tell(&memory, ALERT_EXECUTIONS_FAILING, false, START + 5 * ALERT_QUIET_US, &repeats));
    assert_false(tell(&memory, ALERT_EXECUTIONS_FAILING, false, START + 9 * ALERT_QUIET_US, &repeats));
    assert_true(tell(&memory, ALERT_EXECUTIONS_FAILING, true, START + 9 * ALERT_QUIET_US, &repeats));
    assert_int_equal(repeats, 2);
    assert_false(tell(&memory, ALERT_EXECUTIONS_FAILING, true, START + 9 * ALERT_QUIET_US, &repeats));
    assert_true(tell(&memory, ALERT_EXECUTIONS_FAILING, false, START + 9 * ALERT_QUIET_US + 1, &repeats));
    assert_int_equal(repeats, 0);
}

static void a_condition_that_comes_and_goes_is_told_once_a_minute(void **state)
{
    (void)state;
    struct alert_memory memory = {0};
    int64_t repeats;
    assert_true(tell(&memory, ALERT_STORE_FAILURE, false, START, &repeats));
    assert_true(tell(&memory, ALERT_STORE_FAILURE, true, START + 1, &repeats));
    assert_false(tell(&memory, ALERT_STORE_FAILURE, false, START + 2, &repeats));
    assert_false(tell(&memory, ALERT_STORE_FAILURE, true, START + 3, &repeats)); /* nobody heard of it */
    assert_true(tell(&memory, ALERT_STORE_FAILURE, false, START + ALERT_QUIET_US, &repeats));
    assert_int_equal(repeats, 1);
}

static void a_clock_that_is_set_back_silences_nothing(void **state)
{
    (void)state;
    struct alert_memory memory = {0};
    int64_t repeats;
    assert_true(tell(&memory, ALERT_EXECUTION_TIMEOUT, false, START, &repeats));
    assert_true(tell(&memory, ALERT_EXECUTION_TIMEOUT, false, START - 1, &repeats));
    assert_false(tell(&memory, ALERT_EXECUTION_TIMEOUT, false, START, &repeats));
}

static void the_words_of_the_setting(void **state)
{
    (void)state;
    unsigned kinds = 0;
    assert_true(alert_kinds_add(&kinds, str_of("none")));
    assert_int_equal(kinds, 0);
    assert_true(alert_kinds_add(&kinds, str_of("store_failure")));
    assert_true(alert_kinds_add(&kinds, str_of("execution_failed")));
    assert_int_equal(kinds, 1u << ALERT_STORE_FAILURE | 1u << ALERT_EXECUTION_FAILED);
    assert_false(alert_kinds_add(&kinds, str_of("Store_failure")));
    assert_false(alert_kinds_add(&kinds, str_of("")));
    assert_true(alert_kinds_add(&kinds, str_of("all")));
    assert_int_equal(kinds, (1u << ALERT_KIND_COUNT) - 1);
}

static void waits_grow_to_their_cap_and_differ(void **state)
{
    (void)state;
    const struct retry_backoff backoff = {5000, ALERT_RETRY_CAP_MS, ALERT_RETRY_JITTER};
    int64_t spread = ALERT_RETRY_CAP_MS * ALERT_RETRY_JITTER / 100, different = 0;
    for (int attempt = 1; attempt <= 20; attempt++) {
        int64_t plain = attempt < 11 ? INT64_C(5000) << (attempt - 1) : ALERT_RETRY_CAP_MS;
        plain = plain < ALERT_RETRY_CAP_MS ? plain : ALERT_RETRY_CAP_MS;
        int64_t wait = retry_backoff_ms(&backoff, attempt, 7);
        assert_in_range(wait, plain - plain / 10, plain + plain / 10);
        assert_true(wait <= ALERT_RETRY_CAP_MS + spread);
        different += wait != retry_backoff_ms(&backoff, attempt, 8);
    }
    assert_true(different > 10); /* rows that failed together do not come back together */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(repeats_within_a_minute_are_counted_in_the_next),
                                       cmocka_unit_test(several_at_once_are_one_and_its_repeats),
                                       cmocka_unit_test(a_condition_is_told_once_until_it_is_over),
                                       cmocka_unit_test(a_condition_that_comes_and_goes_is_told_once_a_minute),
                                       cmocka_unit_test(a_clock_that_is_set_back_silences_nothing),
                                       cmocka_unit_test(the_words_of_the_setting),
                                       cmocka_unit_test(waits_grow_to_their_cap_and_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
