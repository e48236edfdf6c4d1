/* SPDX-License-Identifier: Apache-2.0 */
/* What recording costs a business call: audit_call DATA changes a row of a table with two indexes in one
 * durable transaction, 1,000 times without and 1,000 times
 * with its event (old and new object) in the same transaction, in blocks that take turns, while the trail moves the events into its
 * segment. Beside it what the caller's own thread does: making that event, and handing over one that is not part of a
 * transaction. Medians; prints JSON. */
#include "base/clock.h"
#include "base/panic.h"
#include "trail/pending_store.h"
#include "trail/trail.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 1000, BLOCKS = 20, BLOCK_CALLS = 50, CALLS = BLOCKS * BLOCK_CALLS, POSTS = 10000, SETTLE_MS = 10000 };

static const char schema[] =
    "CREATE TABLE bench_orders (id INTEGER PRIMARY KEY, customer INTEGER, changed_at INTEGER, body TEXT);"
    "CREATE INDEX bench_orders_customer ON bench_orders (customer, id);"
    "CREATE INDEX bench_orders_changed ON bench_orders (changed_at)";
static const struct db_sql sql_insert = {
    "INSERT INTO bench_orders (id, body, customer, changed_at) VALUES (?1, ?2, ?1 % 100, ?3)"};
static const struct db_sql sql_update = {"UPDATE bench_orders SET body = ?2, changed_at = ?3 WHERE id = ?1"};

struct series {
    int64_t ns[POSTS];
    size_t count;
};

static struct bench {
    struct store *store;
    struct segment_place *place;
    _Atomic(struct trail *) trail;
    uint64_t puts;
} bench;

struct call {
    int64_t id;
    char body[512];
    int length;
    struct audit_event *event; /* NULL: it is not recorded */
};

static void check(enum err_code code, const struct err *err)
{
    if (code == OK)
        return;
    (void)fprintf(stderr, "audit_call: %s\n", err->message);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static double median_us(struct series *series)
{
    qsort(series->ns, series->count, sizeof series->ns[0], by_value);
    return (double)series->ns[series->count / 2] / 1000;
}

static int write_body(char *out, size_t capacity, int64_t id, unsigned version)
{
    return snprintf(
        out, capacity,
        "{\"order\":%lld,\"state\":\"paid\",\"version\":%u,\"customer\":{\"name\":\"Ada\",\"city\":\"Wien\"},\"lines\":"
        "[{\"article\":\"A-17\",\"count\":2,\"price\":1299},{\"article\":\"B-3\",\"count\":1,\"price\":490}],"
        "\"note\":\"leave it with the neighbours\"}",
        (long long)id, version);
}

/* As a service would make it, with who, what, from where, before and after. */
static struct audit_event *make_event(const struct call *call)
{
    char before[512], name[32];
    const int length = write_body(before, sizeof before, call->id, 1);
    (void)snprintf(name, sizeof name, "order-%lld", (long long)call->id);
    struct audit_event *event = audit_event_new(AUDIT_ACTION_UPDATED, AUDIT_RESOURCE_LOCK, name);
    audit_event_set_user(event, AUDIT_PRINCIPAL_USER, "user-17", "alice");
    audit_event_set(event, AUDIT_TEXT_CLIENT_IP, "10.20.30.40");
    audit_event_set(event, AUDIT_TEXT_REQUEST_ID, "01a20d75-160c-74d2-8000-000000000001");
    audit_event_set(event, AUDIT_TEXT_METHOD, "PUT");
    audit_event_set(event, AUDIT_TEXT_USER_AGENT, "shop/2.1");
    audit_event_set_object(event, AUDIT_OLD_OBJECT, before, (size_t)length);
    audit_event_set_object(event, AUDIT_NEW_OBJECT, call->body, (size_t)call->length);
    return event;
}

static enum err_code write_row(struct db *tx, const struct db_sql *sql, const struct call *call, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, sql, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, call->id);
    db_bind_text(st, 2, call->body, (size_t)call->length);
    db_bind_int(st, 3, now_us);
    return db_run(st, NULL, err);
}

static enum err_code run_call(struct db *tx, void *arg, struct err *err)
{
    const struct call *call = arg;
    const int64_t now_us = clock_wall(clock_real()).us;
    enum err_code code = write_row(tx, &sql_update, call, now_us, err);
    return code == OK && call->event ? audit_put(tx, call->event, now_us, err) : code;
}

static enum err_code fill(struct db *tx, void *arg, struct err *err)
{
    struct call *call = arg;
    enum err_code code = db_exec(tx, schema, err);
    for (call->id = 1; call->id <= ROWS && code == OK; call->id++) {
        call->length = write_body(call->body, sizeof call->body, call->id, 1);
        code = write_row(tx, &sql_insert, call, 1, err);
    }
    return code;
}

/* A block of calls; `making` is NULL when they are not recorded. */
static void run_block(struct series *calls, struct series *making)
{
    struct call call = {0};
    struct err err;
    for (int i = 0; i < BLOCK_CALLS; i++) {
        call.id = 1 + (int64_t)calls->count * 7919 % ROWS;
        call.length = write_body(call.body, sizeof call.body, call.id, 2);
        const int64_t begun = now_ns();
        call.event = making ? make_event(&call) : NULL;
        const int64_t made = now_ns();
        check(store_write(bench.store, run_call, &call, &err), &err);
        const int64_t ended = now_ns();
        audit_event_free(call.event);
        calls->ns[calls->count++] = ended - begun;
        if (making)
            making->ns[making->count++] = made - begun;
    }
    must(trail_settle(bench.trail, SETTLE_MS)); /* what is still to be moved is not charged to the next block */
}

static void run_posts(struct series *posts)
{
    struct call call = {.id = 1};
    call.length = write_body(call.body, sizeof call.body, 1, 2);
    while (posts->count < POSTS) {
        const int64_t begun = now_ns();
        trail_post(bench.trail, make_event(&call));
        posts->ns[posts->count++] = now_ns() - begun;
    }
}

/* As the server does it: the trail is told of commits that have an event. */
static void committed(void *arg)
{
    (void)arg;
    const uint64_t puts = pending_store_puts();
    struct trail *trail = atomic_load(&bench.trail);
    if (trail && puts != bench.puts)
        trail_wake(trail);
    bench.puts = puts;
}

static void open_all(const char *data)
{
    char url[4096], folder[4096], key[4096];
    struct err err;
    struct trail *trail;
    (void)snprintf(url, sizeof url, "sqlite:%s/horae.db", data);
    (void)snprintf(folder, sizeof folder, "%s/horae.db-audit", data);
    (void)snprintf(key, sizeof key, "%s/audit.key", data);
    const struct store_options options = {.url = url, .readers = 2, .committed = committed};
    check(store_open(&options, &bench.store, &err), &err);
    bench.place = segment_place_files(folder);
    const struct trail_options trail_options = {
        .store = bench.store, .clock = clock_real(), .place = bench.place, .folder = folder, .key_path = key};
    check(trail_open(&trail_options, &trail, &err), &err);
    trail_start(trail);
    atomic_store(&bench.trail, trail);
}

int main(int argc, char **argv)
{
    static struct series plain, audited, making, posts;
    struct call call = {0};
    struct err err;
    must(argc == 2);
    open_all(argv[1]);
    check(store_write(bench.store, fill, &call, &err), &err);
    for (int i = 0; i < BLOCKS; i++) {
        run_block(&plain, NULL);
        run_block(&audited, &making);
    }
    run_posts(&posts);
    const struct trail_figures figures = trail_figures(bench.trail);
    trail_stop(bench.trail);
    store_close(bench.store);
    trail_free(bench.trail);
    segment_place_free(bench.place);
    must(figures.dropped == 0 && audited.count == CALLS);
    (void)printf("{\"plain_us\":%.2f,\"audited_us\":%.2f,\"made_us\":%.3f,\"posted_us\":%.3f}\n", median_us(&plain),
                 median_us(&audited), median_us(&making), median_us(&posts));
    return 0;
}
