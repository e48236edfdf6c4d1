/* SPDX-License-Identifier: Apache-2.0 */
/* The trail with faults put in where its statements would run (AUD-33 to AUD-37, RET-05). */
#include "base/mem.h"
#include "base/panic.h"
#include "db/store.h"
#include "db/store_fault.h"
#include "trail/pending_store.h"
#include "trail/trail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_MS INT64_C(86400000)
enum { BATCHES_MAX = 64, WAIT_US = 30000000, STEP_US = 1000 };

struct fixture {
    char folder[40], segments[64], key[64], url[64];
    struct store *store;
    struct segment_place *place;
    struct trail *trail;
    struct store_fault fault;
    atomic_int inserts;       /* into audit_events so far */
    int bad_inserts[4];       /* which of them fail, from 1; 0: none */
    atomic_bool commits_fail; /* every COMMIT of a segment */
    int64_t segment_events;
    size_t queue_events;
    atomic_int done, failed;
};

/* ---- the trail under test ---- */

static enum err_code before_statement(void *arg, const char *what, struct err *err)
{
    struct fixture *f = arg;
    if (atomic_load(&f->commits_fail) && strncmp(what, "COMMIT", 6) == 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "no room");
    if (strncmp(what, "INSERT INTO audit_events", 24) != 0)
        return OK;
    int number = atomic_fetch_add(&f->inserts, 1) + 1;
    for (size_t i = 0; i < ARRAY_LEN(f->bad_inserts); i++)
        if (f->bad_inserts[i] == number)
            return err_set(err, ERR_CONFLICT, NULL, "a bad event");
    return OK;
}

static void open_trail(struct fixture *f)
{
    struct err err;
    struct store_options store = {.url = f->url, .readers = 4, .relaxed = true};
    assert_int_equal(store_open(&store, &f->store, &err), OK);
    f->fault = (struct store_fault){before_statement, f};
    struct trail_options options = {.store = f->store,
                                    .clock = clock_real(),
                                    .place = f->place,
                                    .folder = f->segments,
                                    .key_path = f->key,
                                    .relaxed = true,
                                    .segment_events = f->segment_events,
                                    .queue_events = f->queue_events,
                                    .fault = &f->fault};
    if (trail_open(&options, &f->trail, &err) != OK)
        fail_msg("%s", err.message);
}

static void close_trail(struct fixture *f)
{
    trail_stop(f->trail);
    store_close(f->store);
    trail_free(f->trail);
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/horae-trail-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->url, sizeof f->url, "sqlite:%s/t.db", f->folder);
    (void)snprintf(f->segments, sizeof f->segments, "%s/t.db-audit", f->folder);
    (void)snprintf(f->key, sizeof f->key, "%s/audit.key", f->folder);
    f->place = segment_place_files(f->segments);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[80];
    (void)snprintf(command, sizeof command, "rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    segment_place_free(f->place);
    free(f);
    return 0;
}

/* ---- events ---- */

static struct audit_event *make_event(int64_t age_ms, const struct uuid *id)
{
    struct audit_event *event = audit_event_new(AUDIT_ACTION_CREATED, AUDIT_RESOURCE_POD, "p");
    if (age_ms)
        event->timestamp_ms = clock_wall(clock_real()).us / US_PER_MS - age_ms;
    if (id) {
        event->id = *id;
        event->has_id = true;
    }
    return event;
}

static void batch_done(struct trail_batch *batch, enum err_code code, const struct err *err)
{
    struct fixture *f = batch->arg;
    (void)err;
    for (size_t i = 0; i < batch->count; i++)
        audit_record_release(&batch->records[i]);
    atomic_fetch_add(code == OK ? &f->done : &f->failed, 1);
    free(batch->records);
    free(batch);
}

static bool submit(struct fixture *f, size_t count, int64_t age_ms, const struct uuid *id, bool patient)
{
    struct trail_batch *batch = xcalloc(1, sizeof *batch);
    *batch = (struct trail_batch){
        .records = xcalloc(count, sizeof(struct audit_record)), .count = count, .patient = patient, .done = batch_done, .arg = f};
    for (size_t i = 0; i < count; i++) {
        struct audit_event *event = make_event(age_ms, id);
        audit_record_make(event, NULL, clock_wall(clock_real()).us / US_PER_MS, &batch->records[i]);
        audit_event_free(event);
    }
    if (trail_submit(f->trail, batch))
        return true;
    int failed = atomic_load(&f->failed);
    batch_done(batch, ERR_LIMIT, NULL);
    atomic_store(&f->failed, failed);
    return false;
}

static enum err_code put(struct db *tx, void *arg, struct err *err)
{
    struct audit_event *event = make_event(0, NULL);
    audit_event_put_int(event, "number", *(int *)arg);
    enum err_code code = audit_put(tx, event, clock_wall(clock_real()).us, err);
    audit_event_free(event);
    return code;
}

static void change(struct fixture *f, int number)
{
    struct err err;
    assert_int_equal(store_write(f->store, put, &number, &err), OK);
    trail_wake(f->trail);
}

/* ---- what is there ---- */

static void wait_for(const atomic_int *value, int wanted)
{
    for (int waited = 0; atomic_load(value) < wanted; waited += STEP_US) {
        assert_true(waited < WAIT_US);
        (void)usleep(STEP_US);
    }
}

static void wait_for_written(struct fixture *f, int64_t wanted)
{
    for (int waited = 0; trail_figures(f->trail).written < wanted; waited += STEP_US) {
        assert_true(waited < WAIT_US);
        (void)usleep(STEP_US);
    }
}

static int64_t count_events(struct fixture *f, size_t *ret_segments)
{
    struct trail_segments *all = trail_segments(f->trail, INT64_MIN, INT64_MAX);
    int64_t sum = 0;
    for (size_t i = 0; i < all->count; i++)
        sum += all->items[i].count;
    *ret_segments = all->count;
    free(all);
    return sum;
}

static void expect(struct fixture *f, int64_t events, size_t segments)
{
    size_t found;
    assert_int_equal(count_events(f, &found), events);
    assert_int_equal(found, segments);
}

/* ---- tests ---- */

static void a_bad_event_harms_no_others(void **state)
{
    struct fixture *f = *state;
    open_trail(f);
    f->bad_inserts[0] = 2; /* of all together */
    f->bad_inserts[1] = 4; /* then by itself */
    assert_true(submit(f, 1, 0, NULL, false) && submit(f, 1, 0, NULL, false) && submit(f, 3, 0, NULL, false));
    trail_start(f->trail);
    wait_for(&f->done, 2);
    wait_for(&f->failed, 1);
    expect(f, 4, 1);
    f->bad_inserts[0] = atomic_load(&f->inserts) + 1;
    f->bad_inserts[1] = f->bad_inserts[0] + 1;
    trail_post(f->trail, make_event(0, NULL)); /* whom nobody waits for: it is counted */
    for (int waited = 0; trail_figures(f->trail).dropped < 1; waited += STEP_US) {
        assert_true(waited < WAIT_US);
        (void)usleep(STEP_US);
    }
    expect(f, 4, 1);
    close_trail(f);
}

static void a_batch_is_stored_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    open_trail(f);
    f->bad_inserts[0] = 3;
    f->bad_inserts[1] = 6;
    assert_true(submit(f, 3, 0, NULL, false));
    trail_start(f->trail);
    wait_for(&f->failed, 1);
    expect(f, 0, 0);
    close_trail(f);
}

static void own_events_wait_until_there_is_room(void **state)
{
    struct fixture *f = *state;
    open_trail(f);
    trail_start(f->trail);
    change(f, 0);
    wait_for_written(f, 1);
    atomic_store(&f->commits_fail, true);
    for (int i = 1; i < 20; i++)
        change(f, i);
    assert_true(submit(f, 1, 0, NULL, false));
    wait_for(&f->failed, 1);
    assert_true(trail_figures(f->trail).failing);
    expect(f, 1, 1);
    atomic_store(&f->commits_fail, false);
    wait_for_written(f, 20);
    expect(f, 20, 1);
    assert_int_equal(trail_figures(f->trail).dropped, 0);
    close_trail(f);
}

/* A server that ends without room leaves them in the store: the next one moves them, once. */
static void own_events_survive_the_server(void **state)
{
    struct fixture *f = *state;
    open_trail(f);
    trail_start(f->trail);
    change(f, 0);
    wait_for_written(f, 1);
    atomic_store(&f->commits_fail, true);
    for (int i = 1; i < 2500; i++) /* more than are read at once */
        change(f, i);
    close_trail(f);
    atomic_store(&f->commits_fail, false);
    for (int round = 0; round < 2; round++) {
        open_trail(f);
        trail_start(f->trail);
        close_trail(f);
    }
    open_trail(f);
    expect(f, 2500, 1);
    close_trail(f);
}

static void the_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    f->queue_events = 16;
    open_trail(f);
    assert_true(submit(f, 10, 0, NULL, false));
    assert_false(submit(f, 7, 0, NULL, false));
    assert_true(submit(f, 6, 0, NULL, false));
    assert_false(submit(f, 1, 0, NULL, false));
    trail_post(f->trail, make_event(0, NULL));
    assert_int_equal(trail_figures(f->trail).dropped, 1);
    assert_true(submit(f, 5, 0, NULL, true));
    assert_int_equal(trail_figures(f->trail).queued, 21);
    trail_start(f->trail);
    wait_for(&f->done, 3);
    assert_true(submit(f, 100, 0, NULL, false)); /* larger than the queue: when nothing else waits */
    trail_stop(f->trail);                        /* AUD-37: what waits is stored */
    expect(f, 121, 1);
    assert_int_equal(trail_figures(f->trail).queued, 0);
    assert_false(submit(f, 1, 0, NULL, false));
    store_close(f->store);
    trail_free(f->trail);
}

static void segments_end_when_they_are_full_and_are_sealed(void **state)
{
    struct fixture *f = *state;
    f->segment_events = 10;
    open_trail(f);
    trail_start(f->trail);
    for (int i = 1; i <= 25; i++) {
        assert_true(submit(f, 1, 0, NULL, false));
        wait_for(&f->done, i);
    }
    expect(f, 25, 3);
    for (int waited = 0, sealed = 0; sealed < 2; waited += STEP_US) {
        struct trail_segments *all = trail_segments(f->trail, INT64_MIN, INT64_MAX);
        sealed = 0;
        for (size_t i = 0; i < all->count; i++)
            sealed += all->items[i].state == SEGMENT_SEALED;
        free(all);
        assert_true(waited < WAIT_US);
        (void)usleep(STEP_US);
    }
    close_trail(f);
    open_trail(f);
    trail_start(f->trail);
    assert_true(submit(f, 5, 0, NULL, false)); /* goes on with the third */
    wait_for(&f->done, 26);
    expect(f, 30, 3);
    close_trail(f);
}

static void late_events_lie_by_their_day(void **state)
{
    struct fixture *f = *state;
    open_trail(f);
    trail_start(f->trail);
    int done = 0;
    for (int round = 0; round < 3; round++)
        for (int day = 0; day < 3; day++) {
            assert_true(submit(f, 2, day * 5 * DAY_MS, NULL, false));
            wait_for(&f->done, ++done);
        }
    expect(f, 18, 3);
    close_trail(f);
    open_trail(f);
    trail_start(f->trail);
    assert_true(submit(f, 2, 5 * DAY_MS, NULL, false));
    wait_for(&f->done, ++done);
    expect(f, 20, 3);
    close_trail(f);
}

static void an_id_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct uuid ids[40];
    f->segment_events = 10;
    open_trail(f);
    trail_start(f->trail);
    int done = 0;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        id_random_bytes(ids[i].b, sizeof ids[i].b);
        assert_true(submit(f, 2, 0, &ids[i], false)); /* twice in a batch */
        assert_true(submit(f, 1, 0, &ids[i], false)); /* and in another of the same commit */
    }
    wait_for(&f->done, done = 2 * ARRAY_LEN(ids));
    expect(f, ARRAY_LEN(ids), 4);
    close_trail(f);
    open_trail(f);
    trail_start(f->trail);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_true(submit(f, 1, 0, &ids[i], false));
    wait_for(&f->done, done + (int)ARRAY_LEN(ids));
    expect(f, ARRAY_LEN(ids), 4);
    close_trail(f);
}

static void copy(const char *from, const char *to)
{
    char command[200];
    (void)snprintf(command, sizeof command, "cp %s %s", from, to);
    assert_int_equal(system(command), 0);
}

/* The tombstone is written and the file is not removed; a file is made and holds nothing yet. */
/* How many checkpoints say that a segment was sealed. */
static enum err_code count_sealed(struct db *db, void *arg, struct err *err)
{
    static const struct db_sql sql = {"SELECT count(*) FROM audit_checkpoints WHERE kind = 'sealed'"};
    return db_read_number(db, &sql, arg, err);
}

/* Retention ends the open segment of old events, and nobody builds indexes for it before it goes. */
static void what_is_dropped_is_not_sealed_first(void **state)
{
    struct fixture *f = *state;
    struct trail_purge purged;
    struct err err;
    int64_t sealed = -1;
    open_trail(f);
    trail_start(f->trail);
    assert_true(submit(f, 3, 0, NULL, false) && submit(f, 7, 100 * DAY_MS, NULL, false));
    wait_for(&f->done, 2);
    assert_int_equal(trail_purge(f->trail, clock_wall(clock_real()).us / US_PER_MS - 90 * DAY_MS, &purged, &err), OK);
    assert_int_equal(purged.segments, 1);
    assert_int_equal(store_read(f->store, count_sealed, &sealed, &err), OK);
    assert_int_equal(sealed, 0);
    close_trail(f);
}

static void crashes_in_the_middle_are_made_good(void **state)
{
    struct fixture *f = *state;
    char first[SEGMENT_PATH_SIZE], second[SEGMENT_PATH_SIZE], kept[80];
    struct trail_purge purged;
    struct err err;
    (void)snprintf(kept, sizeof kept, "%s/kept", f->folder);
    segment_path(f->segments, 2, first, sizeof first);
    open_trail(f);
    trail_start(f->trail);
    assert_true(submit(f, 3, 0, NULL, false) && submit(f, 7, 100 * DAY_MS, NULL, false));
    wait_for(&f->done, 2);
    expect(f, 10, 2);
    close_trail(f);
    copy(first, kept);
    open_trail(f);
    trail_start(f->trail);
    assert_int_equal(trail_purge(f->trail, clock_wall(clock_real()).us / US_PER_MS - 90 * DAY_MS, &purged, &err), OK);
    assert_int_equal(purged.events, 7);
    assert_int_equal(purged.segments, 1);
    close_trail(f);
    assert_int_not_equal(access(first, F_OK), 0);
    copy(kept, first);
    segment_path(f->segments, 3, second, sizeof second);
    FILE *file = fopen(second, "w");
    assert_non_null(file);
    (void)fclose(file);
    open_trail(f);
    assert_int_not_equal(access(first, F_OK), 0);
    assert_int_not_equal(access(second, F_OK), 0);
    trail_start(f->trail);
    assert_true(submit(f, 1, 100 * DAY_MS, NULL, false));
    wait_for(&f->done, 3);
    expect(f, 5, 2);                           /* with the event of the purge */
    assert_int_equal(access(second, F_OK), 0); /* the third after all, never the second again */
    assert_int_not_equal(access(first, F_OK), 0);
    close_trail(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_bad_event_harms_no_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_is_stored_whole_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_events_wait_until_there_is_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_events_survive_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_queue_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segments_end_when_they_are_full_and_are_sealed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(late_events_lie_by_their_day, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_id_is_stored_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_dropped_is_not_sealed_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(crashes_in_the_middle_are_made_good, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
