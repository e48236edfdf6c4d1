/* SPDX-License-Identifier: Apache-2.0 */
/* SIGKILL between any two statements: a child works with a trail until it comes to its nth statement, of the store or of a segment,
 * and ends there, for every n. What it was told to be stored is there, once, and the chain verifies (AUD-37, AUD-39). */
#include "base/mem.h"
#include "base/panic.h"
#include "db/db_file.h"
#include "db/store_fault.h"
#include "trail/pending_store.h"
#include "trail/segment_store.h"
#include "trail/trail.h"
#include "trail/verify.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY_MS INT64_C(86400000)
enum { NAMES_MAX = 256, NAME_SIZE = 16, STATEMENTS_MAX = 5000, WAIT_US = 30000000, STEP_US = 500 };

/* What the child says on a pipe: names of events that it was told to be stored. */
struct said {
    char names[NAMES_MAX][NAME_SIZE];
    size_t count;
};

struct work {
    char folder[64], segments[80], key[80], url[80];
    struct store *store;
    struct segment_place *place;
    struct trail *trail;
    struct store_fault fault;
    atomic_int statements;
    int last; /* the one before which it ends; 0 = none */
    int pipe;
    atomic_int done;
};

static enum err_code before_statement(void *arg, const char *what, struct err *err)
{
    struct work *w = arg;
    (void)what, (void)err;
    if (atomic_fetch_add(&w->statements, 1) + 1 == w->last)
        (void)raise(SIGKILL);
    return OK;
}

static void set_paths(struct work *w, const char *folder)
{
    (void)snprintf(w->folder, sizeof w->folder, "%s", folder);
    (void)snprintf(w->url, sizeof w->url, "sqlite:%s/t.db", folder);
    (void)snprintf(w->segments, sizeof w->segments, "%s/t.db-audit", folder);
    (void)snprintf(w->key, sizeof w->key, "%s/audit.key", folder);
}

/* Segments of five events: they are made, ended and sealed all the time. */
static void open_all(struct work *w)
{
    struct err err;
    w->fault = (struct store_fault){before_statement, w};
    w->place = segment_place_files(w->segments);
    const struct store_options store = {.url = w->url, .readers = 2, .relaxed = true, .fault = &w->fault};
    must(store_open(&store, &w->store, &err) == OK);
    const struct trail_options options = {.store = w->store,
                                          .clock = clock_real(),
                                          .place = w->place,
                                          .folder = w->segments,
                                          .key_path = w->key,
                                          .relaxed = true,
                                          .segment_events = 5,
                                          .fault = &w->fault};
    must(trail_open(&options, &w->trail, &err) == OK);
    trail_start(w->trail);
}

static void close_all(struct work *w)
{
    trail_stop(w->trail);
    store_close(w->store);
    trail_free(w->trail);
    segment_place_free(w->place);
}

/* ---- the child ---- */

static void say(const struct work *w, const char *name)
{
    char text[NAME_SIZE] = "";
    (void)snprintf(text, sizeof text, "%s", name);
    must(write(w->pipe, text, sizeof text) == sizeof text);
}

static struct audit_event *make_event(const char *name, int64_t age_ms)
{
    struct audit_event *event = audit_event_new(AUDIT_ACTION_CREATED, AUDIT_RESOURCE_POD, name);
    event->timestamp_ms = clock_wall(clock_real()).us / US_PER_MS - age_ms;
    return event;
}

static enum err_code put(struct db *tx, void *arg, struct err *err)
{
    struct audit_event *event = make_event(arg, 0);
    const enum err_code code = audit_put(tx, event, clock_wall(clock_real()).us, err);
    audit_event_free(event);
    return code;
}

/* One of horae's own, in a transaction. */
static void change(struct work *w, int number)
{
    char name[NAME_SIZE];
    struct err err;
    (void)snprintf(name, sizeof name, "own-%d", number);
    if (store_write(w->store, put, name, &err) != OK)
        return;
    say(w, name);
    trail_wake(w->trail);
}

struct sent {
    struct trail_batch batch;
    struct work *w;
    char prefix[NAME_SIZE];
    struct audit_record records[4];
};

static void sent_done(struct trail_batch *batch, enum err_code code, const struct err *err)
{
    struct sent *sent = CONTAINER_OF(batch, struct sent, batch);
    (void)err;
    for (size_t i = 0; i < batch->count; i++) {
        char name[2 * NAME_SIZE];
        (void)snprintf(name, sizeof name, "%s%zu", sent->prefix, i);
        if (code == OK)
            say(sent->w, name);
        audit_record_release(&sent->records[i]);
    }
    atomic_fetch_add(&sent->w->done, 1);
    free(sent);
}

static void send_events(struct work *w, const char *prefix, size_t count, int64_t age_ms)
{
    struct sent *sent = xcalloc(1, sizeof *sent);
    sent->w = w;
    sent->batch = (struct trail_batch){.records = sent->records, .count = count, .done = sent_done};
    (void)snprintf(sent->prefix, sizeof sent->prefix, "%s", prefix);
    for (size_t i = 0; i < count; i++) {
        char name[2 * NAME_SIZE];
        (void)snprintf(name, sizeof name, "%s%zu", prefix, i);
        struct audit_event *event = make_event(name, age_ms);
        audit_record_make(event, NULL, event->timestamp_ms, &sent->records[i]);
        audit_event_free(event);
    }
    must(trail_submit(w->trail, &sent->batch));
}

static void wait_for_done(struct work *w, int count)
{
    for (int waited = 0; atomic_load(&w->done) < count && waited < WAIT_US; waited += STEP_US)
        (void)usleep(STEP_US);
}

/* Own events, events of others, late ones, segments that end, retention, a stop. */
static void child_main(struct work *w)
{
    struct trail_purge purged;
    struct err err;
    open_all(w);
    change(w, 1);
    send_events(w, "new-", 4, 0);
    send_events(w, "late-", 2, 3 * DAY_MS);
    wait_for_done(w, 2);
    change(w, 2);
    send_events(w, "old-", 2, 200 * DAY_MS);
    send_events(w, "more-", 4, 0);
    wait_for_done(w, 4);
    (void)trail_purge(w->trail, clock_wall(clock_real()).us / US_PER_MS - 100 * DAY_MS, &purged, &err);
    change(w, 3);
    close_all(w);
    _exit(0);
}

/* ---- afterwards ---- */

static int times_of(const struct said *there, const char *name)
{
    int found = 0;
    for (size_t i = 0; i < there->count; i++)
        found += strcmp(there->names[i], name) == 0;
    return found;
}

static void read_segment(struct segment_place *place, int64_t number, struct said *ret)
{
    struct db *db;
    struct segment_scan scan;
    struct segment_row row;
    bool more = true;
    assert_int_equal(segment_open_reader(place, number, &db, NULL), OK);
    segment_store_scan(db, 0, &scan);
    while (segment_store_next(&scan, &row, &more, NULL) == OK && more && ret->count < NAMES_MAX) {
        char *name = ret->names[ret->count++];
        (void)snprintf(name, NAME_SIZE, "%.*s", (int)row.record.resource_id.n, row.record.resource_id.p);
    }
    segment_store_scan_end(&scan);
    segment_close_reader(place, db);
}

static void read_segments(const char *folder, struct said *ret)
{
    int64_t *numbers;
    size_t count;
    struct segment_place *place = segment_place_files(folder);
    ret->count = 0;
    assert_int_equal(segment_list(place, &numbers, &count, NULL), OK);
    for (size_t i = 0; i < count; i++)
        read_segment(place, numbers[i], ret);
    segment_place_free(place);
    free(numbers);
}

static void expect_good(const struct work *w, int statement)
{
    uint8_t key[AUDIT_PUBLIC_BYTES];
    struct verify_result result;
    struct err err;
    char url[88];
    (void)snprintf(url, sizeof url, "sqlite:%s/t.db", w->folder);
    assert_int_equal(audit_key_read_public(w->key, key, NULL), OK);
    struct segment_place *place = segment_place_files(w->segments);
    const struct verify_options options = {.place = place,
                                           .folder = w->segments,
                                           .store = url,
                                           .public_key = key,
                                           .from_ms = INT64_MIN,
                                           .to_ms = INT64_MAX,
                                           .threads = 1};
    if (verify_store(&options, &result, &err) != OK)
        fail_msg("statement %d: %s", statement, err.message);
    if (!result.ok)
        fail_msg("statement %d: %s at %lld.%lld: %s", statement, verify_reason_name(result.first_bad.reason),
                 (long long)result.first_bad.segment, (long long)result.first_bad.seq, result.first_bad.detail);
    verify_result_release(&result);
    segment_place_free(place);
}

static void read_said(int fd, struct said *ret)
{
    ret->count = 0;
    while (ret->count < NAMES_MAX && read(fd, ret->names[ret->count], NAME_SIZE) == NAME_SIZE)
        ret->count++;
}

/* Whether it came to that statement. */
static bool kill_at(const char *folder, int statement, struct said *ret)
{
    struct work *w = xcalloc(1, sizeof *w);
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    set_paths(w, folder);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[0]);
        w->pipe = ends[1];
        w->last = statement;
        child_main(w);
    }
    (void)close(ends[1]);
    read_said(ends[0], ret);
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("statement %d: status %d", statement, status);
    free(w);
    return killed;
}

static void check_after(const char *folder, int statement, const struct said *said, bool recovered)
{
    static struct said there;
    struct work *w = xcalloc(1, sizeof *w);
    set_paths(w, folder);
    if (recovered) {
        open_all(w);
        close_all(w);
    }
    expect_good(w, statement);
    read_segments(w->segments, &there);
    for (size_t i = 0; i < said->count; i++) {
        const char *name = said->names[i];
        const bool may_wait = strncmp(name, "own-", 4) == 0 && !recovered, may_be_purged = strncmp(name, "old-", 4) == 0;
        const int times = times_of(&there, name);
        if (times != 1 && !(times == 0 && (may_wait || may_be_purged)))
            fail_msg("statement %d: %s is there %d times%s", statement, name, times, recovered ? "" : " before the next start");
    }
    free(w);
}

static void shell(const char *format, ...)
{
    char command[200];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    assert_int_equal(system(command), 0);
}

static void killed_before_any_statement(void **state)
{
    (void)state;
    static struct said said;
    char folder[64], first[80], round[80], earlier[] = "first";
    int statement = 1;
    /* The death of a process loses nothing that was written: a disk would only be slower. */
    (void)snprintf(folder, sizeof folder, "%s/horae-kill-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(first, sizeof first, "%s/first", folder);
    (void)snprintf(round, sizeof round, "%s/round", folder);
    shell("mkdir %s", first);
    struct work *w = xcalloc(1, sizeof *w);
    set_paths(w, first);
    open_all(w); /* its tables are there, and a first event */
    w->pipe = STDERR_FILENO;
    assert_int_equal(store_write(w->store, put, earlier, NULL), OK);
    close_all(w);
    free(w);
    for (bool killed = true; killed && statement < STATEMENTS_MAX; statement++) {
        shell("rm -rf %s && cp -rp %s %s", round, first, round);
        killed = kill_at(round, statement, &said);
        check_after(round, statement, &said, false);
        check_after(round, statement, &said, true);
    }
    assert_true(statement > 100 && statement < STATEMENTS_MAX);
    assert_true(said.count == 15); /* the last one was not killed: all were told so */
    print_message("# killed before each of %d statements\n", statement - 2);
    shell("rm -r %s", folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_before_any_statement)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
