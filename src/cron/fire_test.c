/* SPDX-License-Identifier: Apache-2.0 */
/* Section 4: next, prev, count and matches are views of one set, across every change of odd zones, under every policy. */
#include "cron/cron.h"
#include "cron/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { DAY = 86400, FIRES_MAX = 4096 };

static const char *const zones[] = {"UTC",
                                    "America/New_York",
                                    "Australia/Lord_Howe",
                                    "Antarctica/Troll",
                                    "Pacific/Chatham",
                                    "Pacific/Apia",
                                    "Pacific/Kiritimati",
                                    "Pacific/Kwajalein",
                                    "America/Sao_Paulo",
                                    "Africa/Cairo",
                                    "America/Scoresbysund",
                                    "Africa/Casablanca",
                                    "Europe/Dublin",
                                    "Asia/Pyongyang",
                                    "America/St_Johns",
                                    "Africa/Monrovia"};
static const char *const expressions[] = {"*/20 * * * *", "30 0-3 * * *",  "0 0 * * *",      "0,30 1,2 * * *",
                                          "15 2 * * *",   "7 */2 * * 0,1", "0 30 2 L * * *", "50 59 23 * * *"};

static struct cron_schedule parsed(const char *text, const char *zone, int gap, int fold)
{
    struct cron_options options = {.zone = zone, .gap = (enum cron_gap)gap, .fold = (enum cron_fold)fold};
    struct cron_schedule s;
    assert_true(cron_parse(text, strlen(text), &options, &s, NULL));
    return s;
}

static size_t fires_forward(const struct cron_schedule *s, int64_t from, int64_t to, int64_t *out)
{
    size_t count = 0;
    for (int64_t at = from - 1; (at = cron_next(s, at)) != CRON_NEVER && at < to;) {
        assert_true(count < FIRES_MAX && (count == 0 || at > out[count - 1]));
        out[count++] = at;
    }
    return count;
}

/* All views of [from, to). */
static void check_views(const struct cron_schedule *s, int64_t from, int64_t to)
{
    static int64_t fires[FIRES_MAX];
    const size_t count = fires_forward(s, from, to, fires);
    assert_int_equal(cron_count(s, from, to), count);
    int64_t at = to;
    for (size_t i = count; i-- > 0;) {
        at = cron_prev(s, at);
        assert_int_equal(at, fires[i]);
        assert_true(cron_matches(s, at));
        assert_int_equal(cron_count(s, from, at), i);
        assert_int_equal(cron_next(s, at - 1), at);
        assert_int_equal(cron_prev(s, at + 1), at);
    }
    at = cron_prev(s, at);
    assert_true(at == CRON_NEVER || at < from);
    for (int64_t probe = from; probe < to; probe += 457) /* a prime, so that all minutes are met */
        assert_int_equal(cron_matches(s, probe), cron_count(s, probe, probe + 1));
}

static void views_agree(void **state)
{
    (void)state;
    for (size_t z = 0; z < ARRAY_LEN(zones); z++) {
        const struct zone_table *rules = zone_rules(zone_find(zones[z], strlen(zones[z])));
        struct zone_segment g;
        size_t met = 0;
        for (int64_t at = -2000000000; at < 2200000000; at = g.end_s, met++) {
            zone_segment_at(rules, at, &g);
            if (g.end_s == ZONE_TIME_MAX)
                break;
            const int policy = (int)(met % 16); /* each zone meets each pair of policies */
            const char *text = expressions[met / 3 % ARRAY_LEN(expressions)];
            const struct cron_schedule s = parsed(text, zones[z], policy / 4, policy % 4);
            check_views(&s, g.end_s - 2 * DAY, g.end_s + 2 * DAY);
        }
    }
}

/* The worked examples' two days under each pair of policies: how many fires, and how many of them catch up. */
static void catch_ups_are_told_apart(void **state)
{
    (void)state;
    static const int catch_ups[4] = {1, 0, 1, 1}; /* by gap: auto, skip, shift_forward, run_at_edge */
    static const int passes[4] = {1, 1, 1, 2};    /* by fold: auto, first, last, both */
    const int64_t gap_at = 1710054000, fold_at = 1730613600;
    for (int policy = 0; policy < 16; policy++) {
        const struct cron_schedule lost = parsed("30 2 * * *", "America/New_York", policy / 4, policy % 4);
        const struct cron_schedule twice = parsed("30 1 * * *", "America/New_York", policy / 4, policy % 4);
        const int64_t fire = cron_next(&lost, gap_at - 1);
        const int64_t caught = policy / 4 == CRON_GAP_SHIFT_FORWARD ? gap_at + 1800 : gap_at;
        assert_int_equal(cron_count(&lost, gap_at - 7200, gap_at + 7200), catch_ups[policy / 4]);
        assert_int_equal(cron_is_catch_up(&lost, caught), catch_ups[policy / 4]);
        assert_int_equal(fire == caught, catch_ups[policy / 4]);
        assert_false(cron_is_catch_up(&lost, cron_next(&lost, gap_at + 7200)));
        assert_int_equal(cron_count(&twice, fold_at - 7200, fold_at + 7200), passes[policy % 4]);
    }
}

/* Every text function tells the length of the whole text and never writes beyond its room. */
static void texts_are_bounded(void **state)
{
    (void)state;
    const struct cron_schedule s = parsed("TZ=Europe/Paris */7 8-18/2 15W,L-3 * +MON-FRI#2", NULL, 0, 0);
    char whole[512], part[512];
    const size_t length = cron_canonical(&s, whole, sizeof whole), described = cron_describe(&s, "zh", NULL, 0);
    assert_int_equal(strlen(whole), length);
    assert_int_equal(cron_describe(&s, "zh", whole, sizeof whole), described);
    for (size_t room = 0; room < length + 3; room++) {
        memset(part, 'x', sizeof part);
        assert_int_equal(cron_canonical(&s, part, room), length);
        assert_int_equal(part[room], 'x');
        if (room > 0)
            assert_int_equal(strlen(part), room - 1 < length ? room - 1 : length);
    }
}

static void equal_means_the_same_fires(void **state)
{
    (void)state;
    static const char *const same[][2] = {{"0 0 * * 7", "0 0 * * SUN"}, {"0 0 0 * * *", "0 0 * * *"}, {"@daily", "00 0 ? * ?"}};
    static const char *const other[][2] = {
        {"30 1 * * *", "30-30 1 * * *"}, {"0 0 13 * 5", "0 0 13 * +5"}, {"0 0 * * 1", "TZ=Asia/Tokyo 0 0 * * 1"}};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        const struct cron_schedule a = parsed(same[i][0], "UTC", 0, 0), b = parsed(same[i][1], "UTC", 0, 0);
        assert_true(cron_equal(&a, &b));
    }
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        const struct cron_schedule a = parsed(other[i][0], "UTC", 0, 0), b = parsed(other[i][1], "UTC", 0, 0);
        assert_false(cron_equal(&a, &b));
    }
    assert_true(sizeof(struct cron_schedule) <= 112); /* section 9: 64 to 96 bytes, here with zone, anchor and period of @every */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_agree),
        cmocka_unit_test(catch_ups_are_told_apart),
        cmocka_unit_test(texts_are_bounded),
        cmocka_unit_test(equal_means_the_same_fires),
    };
    return cmocka_run_group_tests_name("cron fire", tests, NULL, NULL);
}
