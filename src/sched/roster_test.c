/* SPDX-License-Identifier: Apache-2.0 */
/* The leader's list of instances (SCH-75): order, what news changes and what it leaves, limits. */
#include "sched/roster.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static char gpu[] = "gpu", yes[] = "yes", zone[] = "zone", east[] = "east";
static const struct sched_label two[] = {{gpu, yes}, {zone, east}};

static struct roster_news news_of(const char *id)
{
    return (struct roster_news){.id = id, .capacity = 4, .heard_us = 100};
}

static void put(struct roster *roster, const struct roster_news *news)
{
    struct err err = {0};
    assert_int_equal(roster_put(roster, news, &err), OK);
}

static void members_are_sorted_and_found_by_id(void **state)
{
    (void)state;
    static const char *const ids[] = {"m", "b", "z", "a", "mm"}, *const sorted[] = {"a", "b", "m", "mm", "z"};
    struct roster roster;
    roster_init(&roster);
    assert_null(roster_find(&roster, "a"));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct roster_news news = news_of(ids[i]);
        put(&roster, &news);
    }
    assert_int_equal(roster.count, ARRAY_LEN(ids));
    for (size_t i = 0; i < roster.count; i++) {
        assert_string_equal(roster.members[i].id, sorted[i]);
        assert_ptr_equal(roster_find(&roster, sorted[i]), &roster.members[i]);
    }
    assert_true(roster_remove(&roster, "m"));
    assert_false(roster_remove(&roster, "m"));
    assert_null(roster_find(&roster, "m"));
    assert_string_equal(roster_find(&roster, "mm")->id, "mm");
    roster_release(&roster);
}

/* A restart with other settings must not forget what runs there, or a member would get more than it can carry. */
static void news_replaces_what_is_offered_and_keeps_what_runs(void **state)
{
    (void)state;
    struct roster roster;
    roster_init(&roster);
    struct roster_news news = news_of("a");
    news.labels = two;
    news.label_count = 2;
    put(&roster, &news);
    roster_begin(roster_find(&roster, "a"));
    roster_begin(roster_find(&roster, "a"));
    news = (struct roster_news){.id = "a", .labels = two + 1, .label_count = 1, .capacity = 1, .heard_us = 200, .draining = true};
    put(&roster, &news);
    struct roster_member *member = roster_find(&roster, "a");
    assert_int_equal(roster.count, 1);
    assert_int_equal(member->running, 2);
    assert_int_equal(member->capacity, 1);
    assert_true(member->draining);
    assert_int_equal(member->label_count, 1);
    assert_string_equal(member->labels[0].name, "zone");
    assert_ptr_not_equal(member->labels[0].name, zone);
    roster_end(member);
    assert_int_equal(member->running, 1);
    roster_release(&roster);
}

static void a_member_is_silent_after_its_time_and_old_news_is_no_sign_of_life(void **state)
{
    (void)state;
    struct roster roster;
    roster_init(&roster);
    struct roster_news news = news_of("a");
    put(&roster, &news);
    news.heard_us = 50;
    put(&roster, &news);
    assert_true(roster_find(&roster, "a")->heard_us == 100);
    assert_false(roster_is_silent(roster_find(&roster, "a"), 110, 10));
    assert_true(roster_is_silent(roster_find(&roster, "a"), 111, 10));
    news.heard_us = 111;
    put(&roster, &news);
    assert_false(roster_is_silent(roster_find(&roster, "a"), 111, 10));
    roster_release(&roster);
}

static void refuse(struct roster *roster, struct roster_news news, enum err_code code, const char *param)
{
    struct err err = {0};
    size_t count = roster->count;
    assert_int_equal(roster_put(roster, &news, &err), code);
    assert_string_equal(err.param, param);
    assert_true(err.message[0] != 0);
    assert_int_equal(roster->count, count);
}

static void what_is_outside_its_limits_is_refused_by_name(void **state)
{
    (void)state;
    char longest[LEASE_HOLDER_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[LEASE_HOLDER_MAX + 1] = 0;
    struct roster roster;
    roster_init(&roster);
    refuse(&roster, news_of(""), ERR_INVALID, "id");
    refuse(&roster, news_of(NULL), ERR_INVALID, "id");
    refuse(&roster, news_of(longest), ERR_INVALID, "id");
    refuse(&roster, (struct roster_news){.id = "a", .capacity = 0}, ERR_INVALID, "capacity");
    refuse(&roster, (struct roster_news){.id = "a", .capacity = ROSTER_CAPACITY_MAX + 1}, ERR_INVALID, "capacity");
    refuse(&roster, (struct roster_news){.id = "a", .capacity = 1, .labels = two, .label_count = TASK_LABELS_MAX + 1},
           ERR_INVALID, "labels");
    longest[LEASE_HOLDER_MAX] = 0;
    struct roster_news news = {.id = longest, .capacity = ROSTER_CAPACITY_MAX};
    put(&roster, &news);
    roster_release(&roster);
}

static void a_full_roster_takes_news_of_those_it_has_and_nobody_else(void **state)
{
    (void)state;
    struct roster roster;
    roster_init(&roster);
    for (int i = 0; i < ROSTER_MAX; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "i%d", i);
        struct roster_news news = news_of(id);
        put(&roster, &news);
    }
    refuse(&roster, news_of("one-more"), ERR_LIMIT, "");
    struct roster_news known = news_of("i7");
    known.capacity = 9;
    put(&roster, &known);
    assert_int_equal(roster_find(&roster, "i7")->capacity, 9);
    assert_true(roster_remove(&roster, "i8"));
    known.id = "one-more";
    put(&roster, &known);
    assert_int_equal(roster.count, ROSTER_MAX);
    roster_release(&roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_sorted_and_found_by_id),
        cmocka_unit_test(news_replaces_what_is_offered_and_keeps_what_runs),
        cmocka_unit_test(a_member_is_silent_after_its_time_and_old_news_is_no_sign_of_life),
        cmocka_unit_test(what_is_outside_its_limits_is_refused_by_name),
        cmocka_unit_test(a_full_roster_takes_news_of_those_it_has_and_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
