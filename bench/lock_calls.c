/* SPDX-License-Identifier: Apache-2.0 */
/* What a lock costs: lock_calls DATA store|redis|etcd PORT acquires and releases one 2,000 times with the provider, and does as often
 * what it cannot do without: the same two operations at the lock server (of Redis SET NX PX and a script; of etcd a lease, a
 * transaction, its end) and two durable transactions that insert and update a row of the same table. In blocks that take turns. Prints
 * JSON: p50 and p99 in microseconds. */
#include "base/clock.h"
#include "base/panic.h"
#include "cluster/lease_arbiter.h"
#include "db/db.h"

#include "cluster/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 40, BLOCK_CALLS = 50, CALLS = BLOCKS * BLOCK_CALLS };

/* As a lock's row is written, without what makes it one: the fence, the store's clock, a look at who holds it. */
static const struct db_sql sql_insert = {
    "INSERT INTO task_locks (lock_key, holder_id, token, fencing_token, state, acquired_at, expires_at, purpose, created_at, updated_at)"
    " VALUES ('bare', 'bench', '01234567-89ab-7def-8123-456789abcdef', ?1, 0, ?2, ?2 + 10000000, '', ?2, ?2)"};
static const struct db_sql sql_update = {
    "UPDATE task_locks SET state = 2, released_at = ?2 + ?1 * 0, updated_at = ?2 WHERE lock_key = 'bare' AND state = 0"};

struct series {
    int64_t us[CALLS];
    size_t count;
};

static struct bench {
    struct store *store;
    struct lease_arbiter *arbiter; /* NULL = none */
    struct lease_provider *provider;
    struct series mine, bare, server;
} bench;

static void check(enum err_code code, const struct err *err)
{
    if (code == OK)
        return;
    (void)fprintf(stderr, "lock_calls: %s\n", err->message);
    exit(1);
}

static int64_t now_us(void)
{
    return clock_mono(clock_real()).us;
}

static void note(struct series *series, int64_t begun_us)
{
    series->us[series->count++] = now_us() - begun_us;
}

struct row {
    const struct db_sql *sql;
    int64_t id;
};

static enum err_code write_row(struct db *tx, void *arg, struct err *err)
{
    const struct row *row = arg;
    return db_run_pair(tx, row->sql, row->id, row->id, NULL, err);
}

static void call_provider(void)
{
    struct lease lease;
    struct err err;
    int64_t begun = now_us();
    check(lease_try_acquire(bench.provider, "bench", 10 * US_PER_S, "", &lease, &err), &err);
    check(lease_release(bench.provider, &lease, NULL, &err), &err);
    note(&bench.mine, begun);
}

static void call_bare(int64_t id)
{
    static const char token[] = "01234567-89ab-7def-8123-456789abcdef";
    struct err err;
    struct row rows[] = {{&sql_insert, id}, {&sql_update, id}};
    int64_t begun = now_us();
    if (bench.arbiter) {
        check(bench.arbiter->ops->take(bench.arbiter, "bare", token, 10 * US_PER_S, &err), &err);
        check(bench.arbiter->ops->drop(bench.arbiter, "bare", token, &err), &err);
        note(&bench.server, begun);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(store_write(bench.store, write_row, &rows[i], &err), &err);
    note(&bench.bare, begun);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, struct series *series)
{
    qsort(series->us, series->count, sizeof *series->us, by_value);
    size_t last = series->count ? series->count - 1 : 0;
    (void)printf("\"%s\":{\"p50_us\":%lld,\"p99_us\":%lld}", name, (long long)series->us[last / 2],
                 (long long)series->us[last * 99 / 100]);
}

static struct lease_arbiter *connect_to(const char *kind, int port)
{
    struct lease_url url = {.endpoint_count = 1};
    struct lease_arbiter_options options = {&url, "bench"};
    struct lease_arbiter *arbiter = NULL;
    struct err err;
    (void)snprintf(url.endpoints[0].host, sizeof url.endpoints[0].host, "127.0.0.1");
    url.endpoints[0].port = port;
    if (strcmp(kind, "redis") == 0)
        check(redis_arbiter_new(&options, &arbiter, &err), &err);
    else if (strcmp(kind, "etcd") == 0)
        check(etcd_arbiter_new(&options, &arbiter, &err), &err);
    return arbiter;
}

int main(int argc, char **argv)
{
    char url[4200];
    struct err err;
    must(argc == 4);
    (void)snprintf(url, sizeof url, "sqlite:%.4000s/locks.db", argv[1]);
    struct store_options options = {.url = url, .readers = 1};
    check(store_open(&options, &bench.store, &err), &err);
    bench.arbiter = connect_to(argv[2], atoi(argv[3]));
    bench.provider = lease_shared_new(bench.store, clock_real(), "bench", connect_to(argv[2], atoi(argv[3])));
    for (int64_t id = 1, block = 0; block < BLOCKS; block++) {
        for (int i = 0; i < BLOCK_CALLS; i++)
            call_provider();
        for (int i = 0; i < BLOCK_CALLS; i++)
            call_bare(id++);
    }
    (void)putchar('{');
    print("mine", &bench.mine);
    (void)putchar(',');
    print("bare", &bench.bare);
    (void)putchar(',');
    print("server", &bench.server);
    (void)puts("}");
    lease_provider_free(bench.provider);
    lease_arbiter_free(bench.arbiter);
    store_close(bench.store);
    return 0;
}
