/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void uids_carry_their_row_and_sort_by_time(void **state)
{
    (void)state;
    char before[UUID_TEXT_LEN + 1] = "", text[UUID_TEXT_LEN + 1];
    for (int64_t i = 1; i < 2000; i++) {
        struct uuid uid = uuid_v7_numbered(1700000000000000 + i * 1000, i * 12345), parsed;
        assert_int_equal(uuid_number(&uid), i * 12345);
        uuid_format(&uid, text);
        assert_int_equal(text[14], '7');
        assert_true(strchr("89ab", text[19]) != NULL);
        assert_true(strncmp(before, text, 13) < 0);
        memcpy(before, text, sizeof text);
        assert_true(uuid_parse(text, UUID_TEXT_LEN, &parsed));
        assert_memory_equal(&parsed, &uid, sizeof uid);
    }
    struct uuid parsed;
    assert_false(uuid_parse("01a20d75-160c-74d2-baae-92df640c717", 35, &parsed));
    assert_false(uuid_parse("01a20d75-160c-74d2-baae_92df640c717c", 36, &parsed));
}

static void times_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-03-08T03:00:00-04:00", 1772953200000000},
                {"2000-02-29T12:00:00.25Z", 951825600250000},
                {"1500", 1500000},
                {"1969-12-31T23:59:59Z", -1000000}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t us;
        assert_true(time_parse(good[i].text, strlen(good[i].text), &us));
        assert_int_equal(us, good[i].us);
    }
    static const char *const bad[] = {"",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-30T00:00:00Z",
                                      "2026-01-01 00:00",
                                      "2026-01-01T25:00:00Z",
                                      "2026-01-01T00:00:00",
                                      "1e3",
                                      "9999-12-31T23:59:59-00:01", /* year 10000 */
                                      "0000-01-01T00:00:00Z",
                                      "2026-01-01T00:00:00+99:00"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t us;
        assert_false(time_parse(bad[i], strlen(bad[i]), &us));
    }
    char text[40];
    (void)time_format_utc(951825600250000, 3, text, sizeof text);
    assert_string_equal(text, "2000-02-29T12:00:00.250Z");
}

static void maps_hold_what_was_put(void **state)
{
    (void)state;
    static char keys[3000][8];
    struct map map;
    struct int_map numbers;
    map_init(&map);
    int_map_init(&numbers);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%d", i);
        assert_null(map_put(&map, str_of(keys[i]), keys[i]));
        assert_null(int_map_put(&numbers, i * 64 + 1, keys[i]));
    }
    for (int i = 0; i < 3000; i += 3) {
        assert_ptr_equal(map_remove(&map, str_of(keys[i])), keys[i]);
        assert_ptr_equal(int_map_remove(&numbers, i * 64 + 1), keys[i]);
    }
    for (int i = 0; i < 3000; i++) {
        assert_ptr_equal(map_get(&map, str_of(keys[i])), i % 3 ? keys[i] : NULL);
        assert_ptr_equal(int_map_get(&numbers, i * 64 + 1), i % 3 ? keys[i] : NULL);
    }
    size_t cursor = 0, count = 0;
    while (map_next(&map, &cursor))
        count++;
    assert_int_equal(count, 2000);
    map_release(&map);
    int_map_release(&numbers);
}

static void numbers_and_utf8_are_read_strictly(void **state)
{
    (void)state;
    int64_t n;
    assert_true(str_to_int(str_of("-10"), -10, 10, &n));
    assert_int_equal(n, -10);
    static const char *const bad[] = {"", " 1", "1 ", "+1", "0x1", "11", "-11", "99999999999999999999", "1.0"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(str_to_int(str_of(bad[i]), -10, 10, &n));
    assert_true(str_is_utf8("\xf4\x8f\xbf\xbf", 4));
    assert_false(str_is_utf8("\xf4\x90\x80\x80", 4));
    assert_false(str_is_utf8("\xc0\x80", 2));
    assert_false(str_is_utf8("\xed\xa0\x80", 3));
    assert_int_equal(str_utf8_cut("a\xe4\xbd\xa0", 4, 3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uids_carry_their_row_and_sort_by_time),
        cmocka_unit_test(times_are_read_and_written),
        cmocka_unit_test(maps_hold_what_was_put),
        cmocka_unit_test(numbers_and_utf8_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
