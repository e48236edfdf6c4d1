/* SPDX-License-Identifier: Apache-2.0 */
/* Lock providers for tests: each on a store of its own; Redis and etcd with one server per process and a prefix per test.
 * `local` and `store` go by a clock that is moved by hand, the others by the real one. Include after cmocka.h. */
#ifndef HORAE_CLUSTER_LEASE_TEST_KIT_H
#define HORAE_CLUSTER_LEASE_TEST_KIT_H

#include "base/mem.h"
#include "cluster/lease_arbiter.h"
#include "cluster/lock_server_test_kit.h"
#include "db/store_test_kit.h"

enum { KIT_WAIT_TRIES = 3000 }; /* of 10 ms: a limit for what is broken */

struct kit;

struct kit_provider {
    const char *name;
    int64_t unit_us; /* the shortest time that a test may give a lock */
    bool real_time;
    enum err_code (*arbiter)(const struct lease_arbiter_options *options, struct lease_arbiter **ret,
                             struct err *err); /* NULL = none */
    struct lock_server *server;                /* NULL = none */
};

struct kit {
    const struct kit_provider *row;
    struct store_kit store_kit;
    struct store *store;
    struct fake_clock fake;
    const struct clock *clock;
    char prefix[40];
    struct lease_provider *provider;
};

static struct lock_server kit_redis, kit_etcd;

static const struct kit_provider kit_local = {"local", US_PER_S, false, NULL, NULL};
static const struct kit_provider kit_store = {"store", US_PER_S, false, NULL, NULL};
static const struct kit_provider kit_redis_row = {"redis", US_PER_S / 2, true, redis_arbiter_new, &kit_redis};
static const struct kit_provider kit_etcd_row = {"etcd", US_PER_S, true, etcd_arbiter_new, &kit_etcd};

static inline struct lease_url kit_url(const struct lock_server *server)
{
    struct lease_url url = {.endpoint_count = 1};
    (void)snprintf(url.endpoints[0].host, sizeof url.endpoints[0].host, "127.0.0.1");
    url.endpoints[0].port = server->port;
    return url;
}

/* Another server's view of the same locks. */
static inline struct lease_provider *kit_open(struct kit *kit, const char *holder)
{
    struct lease_provider *provider = NULL;
    struct lease_arbiter *arbiter = NULL;
    struct err err;
    if (kit->row == &kit_local) {
        assert_int_equal(lease_local_new(kit->store, kit->clock, holder, &provider, &err), OK);
        return provider;
    }
    if (kit->row->arbiter) {
        struct lease_url url = kit_url(kit->row->server);
        struct lease_arbiter_options options = {&url, kit->prefix};
        assert_int_equal(kit->row->arbiter(&options, &arbiter, &err), OK);
    }
    return lease_shared_new(kit->store, kit->clock, holder, arbiter);
}

static inline int kit_set_up(void **state)
{
    static int number;
    struct kit *kit = xcalloc(1, sizeof *kit);
    kit->row = *state;
    if (kit->row->server && !kit->row->server->pid)
        lock_server_start(kit->row->server, kit->row->name);
    store_kit_open(&kit->store_kit);
    kit->store = kit->store_kit.store;
    fake_clock_init(&kit->fake, 1700000000000000);
    kit->clock = kit->row->real_time ? clock_real() : &kit->fake.base;
    (void)snprintf(kit->prefix, sizeof kit->prefix, "test-%d", ++number);
    kit->provider = kit_open(kit, "one");
    *state = kit;
    return 0;
}

static inline int kit_tear_down(void **state)
{
    struct kit *kit = *state;
    lease_provider_free(kit->provider);
    store_kit_close(&kit->store_kit);
    free(kit);
    return 0;
}

static inline int64_t units(const struct kit *kit, int64_t n)
{
    return n * kit->row->unit_us;
}

static inline void pass(struct kit *kit, int64_t us)
{
    if (kit->row->real_time)
        sleep_us(us);
    else
        fake_clock_advance(&kit->fake, us);
}

/* Until nobody holds the key and it was taken; the time of the former holder passes meanwhile. */
static inline void acquire_when_free(struct kit *kit, struct lease_provider *provider, const char *key, int64_t ttl_us,
                                     struct lease *ret)
{
    struct err err;
    enum err_code code = ERR_CONFLICT;
    for (int i = 0; i < KIT_WAIT_TRIES && code == ERR_CONFLICT; i++) {
        code = lease_try_acquire(provider, key, ttl_us, "", ret, &err);
        if (code == ERR_CONFLICT)
            pass(kit, 10 * US_PER_MS);
    }
    assert_int_equal(code, OK);
}

static inline void wait_until_nobody_holds(struct kit *kit, const char *key)
{
    struct lease seen;
    struct err err;
    enum err_code code = OK;
    for (int i = 0; i < KIT_WAIT_TRIES && code == OK; i++) {
        code = lease_inspect(kit->provider, key, &seen, &err);
        if (code == OK)
            pass(kit, 10 * US_PER_MS);
    }
    assert_int_equal(code, ERR_NOT_FOUND);
}

/* ---- the same tests for each provider, in one group ---- */

struct kit_tests {
    const struct CMUnitTest *tests; /* name and function */
    size_t count;
};

static inline void kit_add(struct CMUnitTest *all, size_t *n, const struct kit_provider *row, const struct CMUnitTest *tests,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *name = xcalloc(1, 160);
        (void)snprintf(name, 160, "%s: %s", row->name, tests[i].name);
        all[(*n)++] = (struct CMUnitTest){.name = name,
                                          .test_func = tests[i].test_func,
                                          .setup_func = kit_set_up,
                                          .teardown_func = kit_tear_down,
                                          .initial_state = (void *)(uintptr_t)row};
    }
}

static inline int kit_run(const char *group, struct CMUnitTest *all, size_t count)
{
    (void)signal(SIGPIPE, SIG_IGN);
    int result = _cmocka_run_group_tests(group, all, count, NULL, NULL);
    lock_server_remove(&kit_redis);
    lock_server_remove(&kit_etcd);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)all[i].name);
    return result;
}

#endif
