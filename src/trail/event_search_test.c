/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to many segments against a walk over all events (AUD-42, API-20): every combination of filters, pages by number and
 * by cursor, totals, free text, ids. */
#include "base/compiler.h"
#include "trail/event_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <strings.h>
#include <cmocka.h>

#include "db/store_test_kit.h"
#include "trail/segment_test_kit.h"

enum { ROUNDS = 600, BASE_MS = 1000 };

struct fixture {
    struct store_kit store; /* of a server: with the segments in its database */
    struct segment_kit kit;
    struct readers *readers;
    struct event_source source;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct segment_place *place = NULL;
    if (store_kit_engine != KIT_SQLITE) {
        store_kit_open(&f.store);
        place = segment_place_new(&(struct segment_place_options){.url = f.store.url, .relaxed = true});
        assert_null(segment_place_folder(place));
    }
    kit_open(&f.kit, place);
    for (int i = 0; i < 9; i++) /* some overlap, some do not, two share their times; one is a late one */
        kit_add_segment(&f.kit, 60 + 25 * i, BASE_MS + (i == 6 ? 30 : i == 8 ? 200 : 25 * i + (i > 2 ? 50 : 0)), i < 7);
    f.readers = readers_new(f.kit.place);
    f.source = kit_source(&f.kit, f.readers);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    readers_free(f->readers);
    kit_close(&f->kit);
    if (store_kit_engine != KIT_SQLITE)
        store_kit_close(&f->store);
    return 0;
}

/* ---- the model ---- */

static bool passes(const struct kit_event *event, const struct event_filter *filter, const char *wanted)
{
    for (int i = 0; i < EVENT_STATUS; i++)
        if (filter->texts[i] && (!event->texts[i] || strcmp(filter->texts[i], event->texts[i]) != 0))
            return false;
    return (filter->failure < 0 || filter->failure == event->failure) && event->place.timestamp_ms >= filter->from_ms &&
           event->place.timestamp_ms <= filter->to_ms && (!wanted || strcasestr(event->event, wanted));
}

static size_t expect(const struct fixture *f, const struct event_filter *filter, const char *wanted, const char **ret)
{
    size_t n = 0;
    for (size_t i = 0; i < f->kit.count; i++)
        if (passes(&f->kit.events[i], filter, wanted))
            ret[n++] = f->kit.events[i].event;
    return n;
}

static struct event_filter random_filter(void)
{
    struct event_filter filter = {.failure = -1, .from_ms = INT64_MIN, .to_ms = INT64_MAX};
    for (int i = 0; i < EVENT_STATUS; i++)
        if (id_random_fast() % 4 == 0)
            filter.texts[i] = kit_values[i][id_random_fast() % 2];
    if (id_random_fast() % 3 == 0)
        filter.failure = id_random_fast() % 2;
    if (id_random_fast() % 2)
        filter.from_ms = BASE_MS + (int64_t)(id_random_fast() % 300) - 20;
    if (id_random_fast() % 2)
        filter.to_ms = BASE_MS + (int64_t)(id_random_fast() % 300) - 20;
    return filter;
}

static const struct event_filter everything = {.failure = -1, .from_ms = INT64_MIN, .to_ms = INT64_MAX};

/* ---- what is answered ---- */

struct answer {
    const char *const *expected;
    size_t count, at, room;
};

static bool check_row(void *arg, struct str event)
{
    struct answer *answer = arg;
    if (!answer->room)
        return false;
    answer->room--;
    assert_true(answer->at < answer->count);
    assert_true(str_equal(event, answer->expected[answer->at]));
    answer->at++;
    return true;
}

static void check_cursors(const struct fixture *f, struct event_request *request, struct answer *answer)
{
    struct event_page page = {.more = true};
    struct err err;
    char cursor[EVENT_CURSOR_LEN];
    answer->at = 0;
    for (int pages = 0; page.more; pages++) {
        answer->room = id_random_fast() % 8 ? SIZE_MAX : 1 + id_random_fast() % 5;
        assert_int_equal(event_search(&f->source, request, check_row, answer, &page, &err), OK);
        event_cursor_write(&page.next, cursor);
        request->has_after = true;
        if (page.more)
            assert_true(event_cursor_read(cursor, &request->after));
        assert_true(pages < 3000);
    }
    assert_int_equal(answer->at, answer->count);
}

static void check_pages(const struct fixture *f, struct event_request *request, struct answer *answer)
{
    struct event_page page = {.more = true};
    struct err err;
    answer->room = SIZE_MAX;
    for (answer->at = 0; page.more; request->offset += request->limit) {
        assert_int_equal(event_search(&f->source, request, check_row, answer, &page, &err), OK);
        if (page.unfinished) /* a machine that is busy beyond measure: such pages are not numbered */
            return;
        assert_int_equal(page.more, answer->at < answer->count);
    }
    assert_int_equal(answer->at, answer->count);
    request->offset = (int64_t)answer->count + 7; /* behind the end */
    assert_int_equal(event_search(&f->source, request, check_row, answer, &page, &err), OK);
    assert_false(page.more);
    request->offset = 0;
}

static void check_total(const struct fixture *f, const struct event_filter *filter, size_t expected)
{
    struct row_count total;
    struct err err;
    assert_int_equal(event_search_count(&f->source, filter, &total, &err), OK);
    if (total.is_lower_bound) /* a busy machine */
        assert_true(total.total <= (int64_t)expected);
    else
        assert_int_equal(total.total, expected);
}

static void random_filters(void **state)
{
    const struct fixture *f = *state;
    const char **expected = xcalloc(f->kit.count, sizeof(char *));
    size_t matched = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct event_request request = {.filter = random_filter(), .limit = 1 + (int)(id_random_fast() % 100)};
        struct answer answer = {.expected = expected};
        answer.count = expect(f, &request.filter, NULL, expected);
        matched += answer.count;
        check_total(f, &request.filter, answer.count);
        check_pages(f, &request, &answer);
        check_cursors(f, &request, &answer);
    }
    assert_true(matched > ROUNDS);
    free(expected);
}

static void no_filter_at_all(void **state)
{
    const struct fixture *f = *state;
    const char **expected = xcalloc(f->kit.count, sizeof(char *));
    struct event_request request = {.filter = everything, .limit = 100};
    struct answer answer = {.expected = expected};
    answer.count = expect(f, &request.filter, NULL, expected);
    assert_int_equal(answer.count, f->kit.count);
    check_total(f, &request.filter, f->kit.count);
    check_pages(f, &request, &answer); /* among them some that leave whole segments out */
    check_cursors(f, &request, &answer);
    free(expected);
}

static void free_text(void **state)
{
    static const char *const texts[] = {"needle", "NEEDLE, \xC3\xBC", "plain \"TEXT\"", "\\\"text",
                                        "word",   "\"data\":{",       "nothing"};
    const struct fixture *f = *state;
    const char **expected = xcalloc(f->kit.count, sizeof(char *));
    for (int round = 0; round < ROUNDS / 3; round++) {
        const char *wanted = texts[(size_t)round % ARRAY_LEN(texts)];
        struct event_text text;
        struct event_request request = {.filter = random_filter(), .text = &text, .limit = 1 + (int)(id_random_fast() % 100)};
        struct answer answer = {.expected = expected};
        if (round < (int)ARRAY_LEN(texts))
            request.filter = everything;
        event_text_init(&text, wanted);
        answer.count = expect(f, &request.filter, strcmp(wanted, texts[2]) == 0 ? "plain \\\"text\\\"" : wanted, expected);
        if (round < (int)ARRAY_LEN(texts) - 1)
            assert_true(answer.count > 0);
        check_cursors(f, &request, &answer);
    }
    free(expected);
}

static void take_id(void *arg, struct str event)
{
    assert_true(str_equal(event, arg));
}

static void ids(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct uuid other = uuid_v7((BASE_MS + 20) * 1000);
    for (size_t i = 0; i < f->kit.count; i += 7)
        assert_int_equal(event_search_find(&f->source, &f->kit.events[i].id, take_id, f->kit.events[i].event, &err), OK);
    assert_int_equal(event_search_find(&f->source, &other, take_id, NULL, &err), ERR_NOT_FOUND);
}

static void a_segment_that_went_meanwhile_has_no_events(void **state)
{
    struct fixture *f = *state;
    struct segment_meta *segments = xcalloc(f->source.count + 1, sizeof *segments);
    const char **expected = xcalloc(f->kit.count, sizeof(char *));
    struct event_request request = {.filter = everything, .limit = 50};
    struct answer answer = {.expected = expected};
    memcpy(segments + 1, f->source.segments, f->source.count * sizeof *segments);
    segments[0] =
        (struct segment_meta){.number = 99, .state = SEGMENT_SEALED, .count = 5, .min_ms = BASE_MS, .max_ms = BASE_MS + 9000};
    struct fixture with = {.kit = f->kit, .source = {f->readers, segments, f->source.count + 1}};
    answer.count = expect(f, &request.filter, NULL, expected);
    check_cursors(&with, &request, &answer);
    free(expected);
    free(segments);
}

static void cursors_are_read_as_they_were_written(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "1",
                                      "17",
                                      "1.1.1",
                                      "2.1.1.1",
                                      "1.1.0.1",
                                      "1.1.1.1 ",
                                      "1.01.1.1",
                                      "1.-1.1.1",
                                      "1.1.1.1.1",
                                      "1.11111111111111111.1.1",
                                      "1.A.1.1"};
    struct event_place place = {-5, 3, INT64_MAX}, again;
    char text[EVENT_CURSOR_LEN];
    event_cursor_write(&place, text);
    assert_true(event_cursor_read(text, &again));
    assert_memory_equal(&place, &again, sizeof place);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(event_cursor_read(bad[i], &again));
}

/* ---- plans ---- */

/* Fails when a statement reads a sealed segment from end to end, or sorts; returns the steps of the plan. */
static int check_plan(struct db *db, const char *text, unsigned mask, bool keys)
{
    static struct db_sql explained[4096]; /* identity of statements */
    static size_t count;
    struct buf sql;
    struct db_stmt *st;
    struct err err;
    bool row = false;
    int steps = 0;
    buf_init(&sql, 4096);
    buf_printf(&sql, "EXPLAIN QUERY PLAN %s", text);
    struct db_sql *mine = &explained[count++];
    mine->text = buf_take(&sql);
    assert_int_equal(db_prepare(db, mine, &st, &err), OK);
    while (db_step(st, &row, &err) == OK && row) {
        const char *detail = db_text(st, 3, NULL);
        if (strncmp(detail, "SEARCH ", 7) != 0 || strstr(detail, "TEMP B-TREE"))
            fail_msg("%s: %s", detail, text);
        if (mask && steps == 0 && !strstr(detail, "=?"))
            fail_msg("no filter is found by its index: %s: %s", detail, text);
        if (keys && !strstr(detail, "COVERING INDEX"))
            fail_msg("events are read for their keys: %s: %s", detail, text);
        steps++;
    }
    free((char *)(uintptr_t)mine->text);
    return steps;
}

static void sealed_segments_are_read_by_an_index(void **state)
{
    struct fixture *f = *state;
    struct db *db;
    struct err err;
    assert_int_equal(segment_open_reader(f->kit.place, 1, &db, &err), OK);
    for (unsigned mask = 0; mask < 1u << EVENT_COLUMNS; mask++)
        for (int question = 0; question < EVENT_QUESTIONS; question++)
            assert_true(check_plan(db, event_query_sql_of((enum event_question)question, true, mask)->text, mask,
                                   question != EVENT_TEXTS) > 0);
    segment_close_reader(f->kit.place, db);
}

static void open_segments_are_read_by_time(void **state)
{
    struct fixture *f = *state;
    struct db *db;
    struct err err;
    assert_int_equal(segment_open_reader(f->kit.place, 9, &db, &err), OK);
    for (unsigned mask = 0; mask < 1u << EVENT_COLUMNS; mask++)
        assert_int_equal(check_plan(db, event_query_sql_of(EVENT_KEYS, false, mask)->text, 0, true), 1);
    segment_close_reader(f->kit.place, db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_filters),
        cmocka_unit_test(no_filter_at_all),
        cmocka_unit_test(free_text),
        cmocka_unit_test(ids),
        cmocka_unit_test(a_segment_that_went_meanwhile_has_no_events),
        cmocka_unit_test(cursors_are_read_as_they_were_written),
    };
    const struct CMUnitTest plans[] = {
        cmocka_unit_test(sealed_segments_are_read_by_an_index),
        cmocka_unit_test(open_segments_are_read_by_time),
    };
    int failed = cmocka_run_group_tests_name("trail: questions", tests, set_up, tear_down) +
                 cmocka_run_group_tests_name("trail: plans of questions", plans, set_up, tear_down);
    store_kit_engine = KIT_POSTGRES;
    return failed + cmocka_run_group_tests_name("trail: questions to a server", tests, set_up, tear_down);
}
