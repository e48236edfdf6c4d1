/* SPDX-License-Identifier: Apache-2.0 */
/* The pure rules of the scheduler: overlap (SCH-03), retry (SCH-45), states (DATA-14), settling of slots (rulings,
 * Occurrences), clock jumps. */
#include "base/clock.h"
#include "base/compiler.h"
#include "base/mem.h"
#include "base/retry.h"
#include "sched/clock_jump.h"
#include "sched/execution_state.h"
#include "sched/overlap.h"
#include "sched/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void overlap_is_decided_by_the_table(void **state)
{
    (void)state;
    static const struct {
        struct overlap_input in;
        enum overlap_action action;
        enum verdict verdict;
        enum verdict_reason reason;
    } cases[] = {
        {{OVERLAP_POLICY_SKIP, 0, 0, 1}, OVERLAP_START, 0, 0},
        {{OVERLAP_POLICY_SKIP, 1, 0, 1}, OVERLAP_DROP, VERDICT_SKIPPED, REASON_OVERLAP},
        {{OVERLAP_POLICY_SKIP, 1, 0, 2}, OVERLAP_START, 0, 0},
        {{OVERLAP_POLICY_QUEUE_ONE, 1, 0, 1}, OVERLAP_QUEUE, 0, 0},
        {{OVERLAP_POLICY_QUEUE_ONE, 1, 1, 1}, OVERLAP_DROP, VERDICT_COALESCED, REASON_OVERLAP},
        {{OVERLAP_POLICY_QUEUE_ALL, 1, 50, 1}, OVERLAP_QUEUE, 0, 0},
        {{OVERLAP_POLICY_QUEUE_ALL, 1, OVERLAP_QUEUE_MAX, 1}, OVERLAP_DROP, VERDICT_SKIPPED, REASON_LIMIT},
        {{OVERLAP_POLICY_CANCEL_RUNNING, 1, 0, 1}, OVERLAP_CANCEL_AND_START, 0, 0},
        {{OVERLAP_POLICY_ALLOW, 1, 0, 2}, OVERLAP_START, 0, 0},
        {{OVERLAP_POLICY_ALLOW, 2, 0, 2}, OVERLAP_DROP, VERDICT_SKIPPED, REASON_LIMIT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct overlap_decision decision = overlap_decide(&cases[i].in);
        assert_int_equal(decision.action, cases[i].action);
        if (decision.action == OVERLAP_DROP) {
            assert_int_equal(decision.verdict, cases[i].verdict);
            assert_int_equal(decision.reason, cases[i].reason);
        }
    }
}

static void retries_back_off_exponentially_up_to_the_cap(void **state)
{
    (void)state;
    const struct retry_backoff plain = {1000, 300000, 0}, jittered = {1000, 300000, 10};
    assert_int_equal(retry_backoff_ms(&plain, 1, 1), 1000);
    assert_int_equal(retry_backoff_ms(&plain, 2, 1), 2000);
    assert_int_equal(retry_backoff_ms(&plain, 5, 1), 16000);
    assert_int_equal(retry_backoff_ms(&plain, 10, 1), 300000);
    assert_int_equal(retry_backoff_ms(&plain, 1000, 1), 300000);
    for (uint64_t seed = 0; seed < 1000; seed++) {
        int64_t ms = retry_backoff_ms(&jittered, 3, seed);
        assert_true(ms >= 3600 && ms <= 4400);
        assert_int_equal(ms, retry_backoff_ms(&jittered, 3, seed));
    }
}

static void states_move_as_allowed_and_terminal_ones_never(void **state)
{
    (void)state;
    for (int from = 0; from < EXECUTION_STATE_COUNT; from++)
        for (int to = 0; to < EXECUTION_STATE_COUNT; to++) {
            bool allowed = execution_transition_allowed((enum execution_state)from, (enum execution_state)to);
            if (execution_state_is_terminal((enum execution_state)from))
                assert_false(allowed);
            if (from == EXECUTION_RUNNING)
                assert_int_equal(allowed, to > EXECUTION_RUNNING);
        }
    assert_true(execution_transition_allowed(EXECUTION_PENDING, EXECUTION_RUNNING));
    assert_true(execution_transition_allowed(EXECUTION_PENDING, EXECUTION_CANCELLED));
    assert_false(execution_transition_allowed(EXECUTION_PENDING, EXECUTION_SUCCESS));
    assert_false(execution_transition_allowed(EXECUTION_PENDING, EXECUTION_TIMEOUT));
}

/* ---- settling ---- */

struct sums {
    int64_t by_verdict[VERDICT_COUNT], fires, last_us, last_fire_us;
};

static void on_run(void *arg, const struct settle_run *run)
{
    struct sums *sums = arg;
    assert_true(run->count > 0 && run->first_us > sums->last_us && run->last_us >= run->first_us);
    sums->by_verdict[run->verdict] += run->count;
    sums->last_us = run->last_us;
}

static void on_fire(void *arg, const struct settle_fire *fire)
{
    struct sums *sums = arg;
    assert_true(fire->slot_us > sums->last_us);
    sums->fires++;
    sums->last_us = sums->last_fire_us = fire->slot_us;
}

static struct schedule every_minute(void)
{
    struct schedule s;
    struct sched_task task = {
        .name = (char *)(uintptr_t) "t", .cron_expr = (char *)(uintptr_t) "* * * * *", .is_recurring = true};
    schedule_from_task(&task, &s);
    return s;
}

static struct sums settle(const struct schedule *s, const struct settle_policy *policy, int64_t from_s, int64_t to_s,
                          int64_t down_s)
{
    struct sums sums = {.last_us = INT64_MIN};
    schedule_settle(s, policy, from_s * US_PER_S, to_s * US_PER_S, down_s * US_PER_S, on_run, on_fire, &sums);
    int64_t sum = sums.fires;
    for (int v = 0; v < VERDICT_COUNT; v++)
        sum += sums.by_verdict[v];
    assert_int_equal(sum, schedule_count(s, from_s * US_PER_S + 1, to_s * US_PER_S + 1));
    return sums;
}

static void every_slot_gets_one_verdict_whatever_the_policy(void **state)
{
    (void)state;
    struct schedule s = every_minute();
    const int64_t hour = 3600, day = 86400;
    struct settle_policy policy = {.misfire = MISFIRE_RUN_ONCE, .enabled = true};
    struct sums sums = settle(&s, &policy, 0, hour, 0);
    assert_int_equal(sums.fires, 60);
    sums = settle(&s, &policy, 0, 365 * day, 365 * day); /* a year of down time: one catch-up with the latest slot */
    assert_int_equal(sums.fires, 1);
    assert_int_equal(sums.last_fire_us, 365 * day * US_PER_S);
    assert_int_equal(sums.by_verdict[VERDICT_COALESCED], 365 * 1440 - 1);
    policy.misfire = MISFIRE_SKIP;
    sums = settle(&s, &policy, 0, hour + 120, hour);
    assert_int_equal(sums.by_verdict[VERDICT_MISSED], 60);
    assert_int_equal(sums.fires, 2);
    policy.misfire = MISFIRE_RUN_ALL;
    sums = settle(&s, &policy, 0, 30 * day, 30 * day);
    assert_int_equal(sums.fires, SCHEDULE_RUN_ALL_MAX);
    policy.start_deadline_us = 120 * US_PER_S;
    sums = settle(&s, &policy, 0, hour, hour);
    assert_int_equal(sums.fires, 3); /* the last two minutes, and the slot on the edge */
    policy = (struct settle_policy){.misfire = MISFIRE_RUN_ONCE, .enabled = false};
    sums = settle(&s, &policy, 0, hour, 0);
    assert_int_equal(sums.by_verdict[VERDICT_SKIPPED], 60);
    sums = settle(&s, &policy, 30, 59, 0); /* no slot inside */
    assert_int_equal(sums.last_us, INT64_MIN);
}

static void intervals_stay_on_their_lattice(void **state)
{
    (void)state;
    struct schedule s;
    struct sched_task task = {.is_recurring = true, .interval_s = 90, .created_at_us = 1000123};
    schedule_from_task(&task, &s);
    assert_int_equal(schedule_next(&s, 0), 91000123);
    assert_int_equal(schedule_next(&s, 91000123), 181000123);
    assert_int_equal(schedule_prev(&s, 181000123), 91000123);
    assert_int_equal(schedule_prev(&s, 91000123), SCHEDULE_NEVER);
    assert_int_equal(schedule_count(&s, 0, 91000123 + 90 * INT64_C(1000000) * 10), 10);
}

static void clock_jumps_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(clock_jump_classify(US_PER_S, US_PER_S), CLOCK_NORMAL);
    assert_int_equal(clock_jump_classify(US_PER_S, US_PER_S + 1000), CLOCK_NORMAL);
    assert_int_not_equal(clock_jump_classify(US_PER_S, INT64_C(86400) * US_PER_S), CLOCK_NORMAL);
    assert_int_not_equal(clock_jump_classify(US_PER_S, -INT64_C(86400) * US_PER_S), CLOCK_NORMAL);
    assert_true(clock_jump_is_downtime(clock_jump_classify(US_PER_S, INT64_C(86400) * US_PER_S)));
    assert_false(clock_jump_is_downtime(clock_jump_classify(US_PER_S, -INT64_C(86400) * US_PER_S)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlap_is_decided_by_the_table),
        cmocka_unit_test(retries_back_off_exponentially_up_to_the_cap),
        cmocka_unit_test(states_move_as_allowed_and_terminal_ones_never),
        cmocka_unit_test(every_slot_gets_one_verdict_whatever_the_policy),
        cmocka_unit_test(intervals_stay_on_their_lattice),
        cmocka_unit_test(clock_jumps_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
