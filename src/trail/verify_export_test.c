/* SPDX-License-Identifier: Apache-2.0 */
/* Exports that were tampered with. */
#include "trail/verify_export.h"

#include "trail/checkpoint_file.h"
#include "trail/export_line.h"
#include "trail/segment_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "trail/verify_test_kit.h"

enum { LINES = SEGMENTS * EVENTS };

/* The lines of the template's log; the last one is the manifest. */
struct lines {
    char *items[LINES + 2]; /* owned, without their ends */
    size_t count;
};

static void export_segment(const struct log *log, int64_t number, struct export_part *part, struct buf *out)
{
    struct db *db;
    struct segment_scan scan;
    struct segment_row row;
    bool more = true;
    assert_int_equal(segment_open_reader(log->kit.place, number, &db, NULL), OK);
    assert_int_equal(segment_read_meta(db, &part->meta, NULL), OK);
    segment_store_scan(db, 1, &scan);
    struct audit_hash before = part->meta.genesis;
    while (segment_store_next(&scan, &row, &more, NULL) == OK && more) {
        const struct export_chain chain = {number, row.seq, row.hash, before};
        export_line_write(out, row.record.event, &chain);
        before = row.hash;
    }
    part->first_seq = 1;
    part->last_seq = part->meta.count;
    segment_close_reader(log->kit.place, db);
}

static void make_lines(struct lines *lines, bool filtered)
{
    struct export_part parts[SEGMENTS];
    struct export_manifest manifest = {.filtered = filtered, .events = LINES, .parts = parts, .count = SEGMENTS};
    struct buf out;
    struct str rest, line;
    *lines = (struct lines){.count = 0};
    buf_init(&out, 1 << 20);
    for (int64_t n = 1; n <= SEGMENTS; n++)
        export_segment(&template, n, &parts[n - 1], &out);
    export_manifest_write(&out, &manifest, &template.kit.key);
    rest = (struct str){out.data, out.len - 1};
    while (str_split(&rest, '\n', &line))
        lines->items[lines->count++] = xstrndup(line.p, line.n);
    assert_int_equal(lines->count, LINES + 1);
    buf_release(&out);
}

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
}

static enum err_code run(const struct lines *lines, const struct checkpoint *outside, size_t outside_count,
                         struct verify_result *ret, struct err *err)
{
    uint8_t key[AUDIT_PUBLIC_BYTES];
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < lines->count; i++)
        (void)fprintf(file, "%s\n", lines->items[i]);
    (void)fflush(file);
    (void)lseek(fileno(file), 0, SEEK_SET);
    const struct verify_export_options options = {.fd = fileno(file), .outside = outside, .outside_count = outside_count};
    const enum err_code code = verify_export(&options, ret, key, err);
    if (code == OK && ret->ok)
        assert_memory_equal(key, template.kit.key.public_key, sizeof key);
    (void)fclose(file);
    return code;
}

static void expect_lines(struct lines *lines, const char *what, enum verify_reason reason, int64_t segment, int64_t seq,
                         bool has_id)
{
    struct verify_result result;
    struct err err;
    if (run(lines, NULL, 0, &result, &err) != OK)
        fail_msg("%s: %s", what, err.message);
    const struct verify_bad *bad = &result.first_bad;
    if (result.ok || bad->reason != reason || bad->segment != segment || bad->seq != seq || bad->has_id != has_id)
        fail_msg("%s: %s at %lld.%lld, id %d: %s", what, result.ok ? "all well" : verify_reason_name(bad->reason),
                 (long long)bad->segment, (long long)bad->seq, bad->has_id, bad->detail);
    verify_result_release(&result);
    free_lines(lines);
}

static void take_out(struct lines *lines, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++)
        free(lines->items[i]);
    memmove(&lines->items[at], &lines->items[at + count], (lines->count - at - count) * sizeof lines->items[0]);
    lines->count -= count;
}

static void put_in(struct lines *lines, size_t at, const char *line)
{
    memmove(&lines->items[at + 1], &lines->items[at], (lines->count - at) * sizeof lines->items[0]);
    lines->items[at] = xstrdup(line);
    lines->count++;
}

static void an_export_is_in_order(void **state)
{
    (void)state;
    struct lines lines;
    struct verify_result result;
    make_lines(&lines, false);
    assert_int_equal(run(&lines, template.checkpoints, template.checkpoint_count, &result, NULL), OK);
    assert_true(result.ok);
    assert_int_equal(result.checked, LINES);
    assert_int_equal(result.head_count, SEGMENTS);
    verify_result_release(&result);
    free_lines(&lines);
}

static void a_filtered_one_is_refused(void **state)
{
    (void)state;
    struct lines lines;
    struct verify_result result;
    struct err err;
    make_lines(&lines, true);
    assert_int_equal(run(&lines, NULL, 0, &result, &err), ERR_INVALID);
    assert_string_equal(err.api_code, "FILTERED_EXPORT");
    take_out(&lines, 3, 4);
    assert_int_equal(run(&lines, NULL, 0, &result, &err), ERR_INVALID);
    assert_string_equal(err.api_code, "FILTERED_EXPORT");
    free_lines(&lines);
}

static void lines_that_were_changed(void **state)
{
    (void)state;
    struct lines lines;
    for (size_t at = 0; at < LINES; at += 7) {
        make_lines(&lines, false);
        char *value = strstr(lines.items[at], "\"created\"");
        assert_non_null(value);
        memcpy(value, "\"deleted\"", 9);
        expect_lines(&lines, "an event", VERIFY_CHANGED, (int64_t)at / EVENTS + 1, (int64_t)at % EVENTS + 1, true);
        make_lines(&lines, false);
        char *hash = strstr(lines.items[at], "\"hash\":\"") + 8;
        *hash = *hash == '0' ? '1' : '0';
        expect_lines(&lines, "a hash", VERIFY_CHANGED, (int64_t)at / EVENTS + 1, (int64_t)at % EVENTS + 1, true);
    }
    make_lines(&lines, false);
    lines.items[12][0] = '[';
    expect_lines(&lines, "no event any more", VERIFY_CHANGED, 2, 3, false);
}

static void lines_that_are_missing(void **state)
{
    (void)state;
    struct lines lines;
    make_lines(&lines, false);
    take_out(&lines, 0, 1);
    expect_lines(&lines, "the first", VERIFY_REMOVED, 1, 1, false);
    make_lines(&lines, false);
    take_out(&lines, 13, 2);
    expect_lines(&lines, "in the middle", VERIFY_REMOVED, 2, 4, false);
    make_lines(&lines, false);
    take_out(&lines, 9, 1);
    expect_lines(&lines, "the last of a segment", VERIFY_REMOVED, 1, 10, false);
    make_lines(&lines, false);
    take_out(&lines, 10, 10);
    expect_lines(&lines, "a segment", VERIFY_REMOVED, 2, 1, false);
    make_lines(&lines, false);
    take_out(&lines, LINES - 1, 1);
    expect_lines(&lines, "the last", VERIFY_TRUNCATED, 3, 10, false);
    make_lines(&lines, false);
    take_out(&lines, LINES, 1);
    expect_lines(&lines, "the manifest", VERIFY_TRUNCATED, 3, 11, false);
    make_lines(&lines, false);
    take_out(&lines, 25, LINES - 24);
    expect_lines(&lines, "the end", VERIFY_TRUNCATED, 3, 6, false);
}

static void lines_that_were_put_in_or_moved(void **state)
{
    (void)state;
    struct lines lines;
    make_lines(&lines, false);
    put_in(&lines, 5, lines.items[4]);
    expect_lines(&lines, "a line twice", VERIFY_INSERTED, 1, 5, true);
    make_lines(&lines, false);
    put_in(&lines, 5, lines.items[5]);
    memcpy(strstr(lines.items[5], "\"created\""), "\"deleted\"", 9);
    expect_lines(&lines, "one that is made up", VERIFY_INSERTED, 1, 6, true);
    make_lines(&lines, false);
    put_in(&lines, LINES + 1, lines.items[4]);
    expect_lines(&lines, "behind the end", VERIFY_INSERTED, 3, 11, false);
    make_lines(&lines, false);
    put_in(&lines, LINES, lines.items[4]);
    expect_lines(&lines, "before the end", VERIFY_INSERTED, 1, 5, true);
    make_lines(&lines, false);
    char *third = lines.items[2];
    lines.items[2] = lines.items[6];
    lines.items[6] = third;
    expect_lines(&lines, "two swapped", VERIFY_REORDERED, 1, 3, true);
}

static void other_files_and_keys_are_refused(void **state)
{
    (void)state;
    struct lines lines = {.items = {xstrdup("{\"a\":1}")}, .count = 1};
    struct verify_result result;
    struct segment_kit other;
    struct checkpoint c = template.checkpoints[0];
    assert_int_equal(run(&lines, NULL, 0, &result, NULL), ERR_INVALID);
    free_lines(&lines);
    lines.count = 0;
    assert_int_equal(run(&lines, NULL, 0, &result, NULL), ERR_INVALID);
    make_lines(&lines, false);
    lines.items[LINES][20] ^= 1;
    assert_int_equal(run(&lines, NULL, 0, &result, NULL), ERR_INVALID);
    free_lines(&lines);
    segment_kit_open(&other);
    checkpoint_sign(&c, &other.key);
    make_lines(&lines, false);
    assert_int_equal(run(&lines, &c, 1, &result, NULL), ERR_INVALID);
    c.head.b[0] ^= 1; /* the same place, another chain: signed by the key, of a log that was replaced */
    c.genesis.b[0] ^= 1;
    checkpoint_sign(&c, &template.kit.key);
    assert_int_equal(run(&lines, &c, 1, &result, NULL), OK);
    assert_false(result.ok);
    verify_result_release(&result);
    free_lines(&lines);
    segment_kit_close(&other);
}

static void checkpoints_are_read_as_they_are_kept(void **state)
{
    (void)state;
    struct checkpoint_list list;
    struct buf text;
    struct json_writer w;
    const struct checkpoint *given = template.checkpoints;
    buf_init(&text, 1 << 20);
    json_writer_init(&w, &text);
    json_begin_object(&w); /* as the API answers */
    json_key(&w, "data");
    json_begin_array(&w);
    for (size_t i = 0; i < 3; i++)
        checkpoint_write(&given[i], template.kit.key.public_key, &w);
    json_end_array(&w);
    json_end_object(&w);
    assert_int_equal(checkpoint_file_read((struct str){text.data, text.len}, &list, NULL), OK);
    assert_int_equal(list.count, 3);
    assert_memory_equal(list.items, given, 3 * sizeof given[0]);
    assert_memory_equal(list.public_key, template.kit.key.public_key, sizeof list.public_key);
    checkpoint_list_release(&list);
    buf_clear(&text);
    for (size_t i = 0; i < 2; i++) { /* a line each */
        json_writer_init(&w, &text);
        checkpoint_write(&given[i], template.kit.key.public_key, &w);
        buf_add_text(&text, "\n\n");
    }
    assert_int_equal(checkpoint_file_read((struct str){text.data, text.len}, &list, NULL), OK);
    assert_int_equal(list.count, 2);
    checkpoint_list_release(&list);
    char *reason = strstr(text.data, "why");
    assert_non_null(reason);
    *reason = 'W';
    assert_int_equal(checkpoint_file_read((struct str){text.data, text.len}, &list, NULL), ERR_INVALID);
    checkpoint_list_release(&list);
    static const char *const others[] = {"", "{}", "[]", "{\"data\":[]}", "{\"data\":[1]}", "x", "{\"id\":1}", "null"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(checkpoint_file_read(str_of(others[i]), &list, NULL), ERR_INVALID);
        checkpoint_list_release(&list);
    }
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_is_in_order),
        cmocka_unit_test(a_filtered_one_is_refused),
        cmocka_unit_test(lines_that_were_changed),
        cmocka_unit_test(lines_that_are_missing),
        cmocka_unit_test(lines_that_were_put_in_or_moved),
        cmocka_unit_test(other_files_and_keys_are_refused),
        cmocka_unit_test(checkpoints_are_read_as_they_are_kept),
    };
    return cmocka_run_group_tests(tests, make_template, remove_template);
}
