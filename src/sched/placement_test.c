/* SPDX-License-Identifier: Apache-2.0 */
/* Where attempts go (SCH-05, SCH-06): labels, shares, ties, and what is told when nobody fits. */
#include "sched/placement.h"

#include "base/compiler.h"
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

enum { NOW = 1000, SILENT = 100, ROUNDS = 2000, MEMBERS = 7 };

static char disk[] = "disk", fast[] = "fast", slow[] = "slow", zone[] = "zone", east[] = "east";
static const struct sched_label disk_fast = {disk, fast}, disk_slow = {disk, slow};
static const struct sched_label both[] = {{disk, fast}, {zone, east}};

static struct roster_member *add(struct roster *roster, struct roster_news news, int running)
{
    if (!news.heard_us)
        news.heard_us = NOW;
    assert_int_equal(roster_put(roster, &news, NULL), OK);
    for (int i = 0; i < running; i++)
        roster_begin(roster_find(roster, news.id));
    return roster_find(roster, news.id);
}

static void goes_to(const struct roster *roster, const struct sched_label *wanted, size_t count, const char *id)
{
    struct placement placement = placement_decide(roster, wanted, count, NOW, SILENT);
    assert_int_equal(placement.reason, PLACEMENT_FOUND);
    assert_string_equal(placement.member->id, id);
}

static void waits(const struct roster *roster, const struct sched_label *wanted, size_t count, enum placement_reason reason)
{
    struct placement placement = placement_decide(roster, wanted, count, NOW, SILENT);
    assert_null(placement.member);
    assert_int_equal(placement.reason, reason);
}

static void a_task_goes_where_all_its_labels_are(void **state)
{
    (void)state;
    struct roster roster;
    roster_init(&roster);
    add(&roster, (struct roster_news){.id = "a", .capacity = 9, .labels = &disk_slow, .label_count = 1}, 0);
    add(&roster, (struct roster_news){.id = "b", .capacity = 9, .labels = &disk_fast, .label_count = 1}, 5);
    goes_to(&roster, NULL, 0, "a");
    goes_to(&roster, &disk_fast, 1, "b");      /* another value of the name is no match, however idle */
    waits(&roster, both, 2, PLACEMENT_LABELS); /* one of two is not all */
    add(&roster, (struct roster_news){.id = "c", .capacity = 9, .labels = both, .label_count = 2}, 8);
    goes_to(&roster, both, 2, "c");
    goes_to(&roster, &disk_fast, 1, "b"); /* more labels than asked for are no hindrance, but b has more room */
    roster_release(&roster);
}

static void the_least_share_of_capacity_wins_and_the_first_by_id_of_equals(void **state)
{
    (void)state;
    struct roster roster;
    roster_init(&roster);
    add(&roster, (struct roster_news){.id = "large", .capacity = 100}, 10);
    add(&roster, (struct roster_news){.id = "small", .capacity = 4}, 1);
    goes_to(&roster, NULL, 0, "large"); /* 10 % before 25 %, though more run there */
    add(&roster, (struct roster_news){.id = "large", .capacity = 100}, 15);
    goes_to(&roster, NULL, 0, "large"); /* 25 % both */
    add(&roster, (struct roster_news){.id = "large", .capacity = 100}, 1);
    goes_to(&roster, NULL, 0, "small");
    roster_release(&roster);
}

static void who_fits_nobody_is_told_the_nearest_reason(void **state)
{
    (void)state;
    struct roster roster;
    roster_init(&roster);
    waits(&roster, NULL, 0, PLACEMENT_NO_INSTANCE);
    add(&roster, (struct roster_news){.id = "a", .capacity = 1}, 0);
    waits(&roster, &disk_fast, 1, PLACEMENT_LABELS);
    add(&roster, (struct roster_news){.id = "b", .capacity = 1, .labels = both, .label_count = 2, .heard_us = NOW - SILENT - 1},
        0);
    waits(&roster, &disk_fast, 1, PLACEMENT_SILENT);
    add(&roster, (struct roster_news){.id = "c", .capacity = 1, .labels = both, .label_count = 2, .draining = true}, 0);
    waits(&roster, &disk_fast, 1, PLACEMENT_DRAINING);
    struct roster_member *full =
        add(&roster, (struct roster_news){.id = "d", .capacity = 1, .labels = both, .label_count = 2}, 1);
    waits(&roster, &disk_fast, 1, PLACEMENT_CAPACITY);
    roster_end(full);
    goes_to(&roster, &disk_fast, 1, "d");
    for (int i = 0; i < PLACEMENT_REASON_COUNT; i++)
        assert_string_not_equal(placement_reason_name((enum placement_reason)i), "unknown");
    roster_release(&roster);
}

static void fill_at_random(struct roster *roster)
{
    for (int i = 0; i < MEMBERS; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "m%d", i);
        int capacity = 1 + (int)(id_random_fast() % 9);
        struct roster_news news = {.id = id,
                                   .capacity = capacity,
                                   .labels = both,
                                   .label_count = id_random_fast() % 3,
                                   .draining = id_random_fast() % 5 == 0,
                                   .heard_us = NOW - (int64_t)(id_random_fast() % (2 * SILENT))};
        add(roster, news, (int)(id_random_fast() % (unsigned)(capacity + 1)));
    }
}

static bool may_take(const struct roster_member *member, size_t wanted_count)
{
    return member->label_count >= wanted_count && !member->draining && member->heard_us >= NOW - SILENT &&
           member->running < member->capacity;
}

/* Attempts are handed out until nobody takes one: each goes to a member that may have it while none with a lesser share may. */
static void nobody_is_passed_over_and_nobody_gets_too_much(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct roster roster;
        roster_init(&roster);
        fill_at_random(&roster);
        size_t wanted = id_random_fast() % 3;
        struct placement placement;
        while ((placement = placement_decide(&roster, both, wanted, NOW, SILENT)).member) {
            assert_true(may_take(placement.member, wanted));
            for (size_t i = 0; i < roster.count; i++)
                if (may_take(&roster.members[i], wanted))
                    assert_true(placement.member->running * roster.members[i].capacity <=
                                roster.members[i].running * placement.member->capacity);
            roster_begin(placement.member);
        }
        for (size_t i = 0; i < roster.count; i++)
            assert_false(may_take(&roster.members[i], wanted));
        roster_release(&roster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_goes_where_all_its_labels_are),
        cmocka_unit_test(the_least_share_of_capacity_wins_and_the_first_by_id_of_equals),
        cmocka_unit_test(who_fits_nobody_is_told_the_nearest_reason),
        cmocka_unit_test(nobody_is_passed_over_and_nobody_gets_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
