/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/export_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "trail/chain_test_kit.h"

#define EVENT "{\"id\":\"x\",\"data\":{\"a\":\"},\\\"chain\\\":{\\\"segment\\\":1\"}}"

static void a_line_is_read_as_written(void **state)
{
    (void)state;
    const struct export_chain chain = {3, 17, {{1, 2}}, {{3}}};
    struct export_chain again = {0};
    struct buf out;
    struct str event;
    buf_init(&out, 4096);
    export_line_write(&out, str_of(EVENT), &chain);
    assert_int_equal(out.data[out.len - 1], '\n');
    assert_true(export_line_read(out.data, out.len - 1, &event, &again));
    assert_true(str_equal(event, EVENT));
    assert_memory_equal(&again, &chain, sizeof chain);
    buf_release(&out);
}

static void other_lines_are_none(void **state)
{
    (void)state;
    const struct export_chain chain = {3, 17, {{1, 2}}, {{3}}};
    struct export_chain again;
    struct buf out;
    struct str event;
    buf_init(&out, 4096);
    export_line_write(&out, str_of(EVENT), &chain);
    const size_t begin = strlen(EVENT) - 1;
    for (size_t n = 0; n < out.len - 1; n++) { /* any end of it missing */
        auto_free char *copy = xstrndup(out.data, n);
        assert_false(export_line_read(copy, n, &event, &again));
    }
    for (size_t i = begin; i < out.len - 1; i++) { /* any byte of the member that is something else */
        auto_free char *copy = xstrndup(out.data, out.len - 1);
        copy[i] = '~';
        assert_false(export_line_read(copy, out.len - 1, &event, &again));
    }
    buf_release(&out);
}

static void a_manifest_is_signed(void **state)
{
    (void)state;
    struct segment_kit kit;
    struct export_part parts[2] = {{.first_seq = 1, .last_seq = 2}, {.first_seq = 1, .last_seq = 3}};
    struct export_manifest manifest = {.filtered = false, .events = 5, .parts = parts, .count = 2}, again;
    struct buf out;
    struct err err;
    segment_kit_open(&kit);
    for (int i = 0; i < 2; i++) {
        struct segment *segment = segment_kit_create(&kit, i + 1, NULL);
        parts[i].meta = *segment_meta(segment);
        segment_close(segment);
    }
    buf_init(&out, 1 << 16);
    export_manifest_write(&out, &manifest, &kit.key);
    assert_true(export_line_is_manifest((struct str){out.data, out.len - 1}));
    assert_false(export_line_is_manifest(str_of(EVENT)));
    assert_int_equal(export_manifest_read((struct str){out.data, out.len - 1}, &again, &err), OK);
    assert_true(!again.filtered && again.events == 5 && again.count == 2);
    assert_memory_equal(again.public_key, kit.key.public_key, sizeof again.public_key);
    assert_memory_equal(again.parts, parts, sizeof parts);
    free(again.parts);
    for (size_t i = 0; i < out.len - 1; i++) {
        out.data[i] ^= 1;
        assert_int_equal(export_manifest_read((struct str){out.data, out.len - 1}, &again, &err), ERR_INVALID);
        out.data[i] ^= 1;
    }
    for (size_t n = 0; n < out.len - 1; n++)
        assert_int_equal(export_manifest_read((struct str){out.data, n}, &again, &err), ERR_INVALID);
    buf_release(&out);
    segment_kit_close(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read_as_written),
        cmocka_unit_test(other_lines_are_none),
        cmocka_unit_test(a_manifest_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
