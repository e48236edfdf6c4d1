/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of locks when the server that arbitrates them fails: the same for Redis and etcd. */
#include "cluster/kept_lease.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cluster/lease_test_kit.h"

/* Once what was cut off is connected again: a refusal says that the server answers. */
static void wait_until_it_answers(struct kit *kit)
{
    struct lease lease;
    struct err err;
    enum err_code code = ERR_UNAVAILABLE;
    for (int i = 0; i < KIT_WAIT_TRIES && code != OK; i++, pass(kit, 10 * US_PER_MS))
        code = lease_try_acquire(kit->provider, "probe", units(kit, 4), "", &lease, &err);
    assert_int_equal(code, OK);
    assert_int_equal(lease_release(kit->provider, &lease, NULL, &err), OK);
}

static void a_server_that_forgets_everything_gives_no_key_away(void **state) /* LCK-06 */
{
    struct kit *kit = *state;
    struct lease mine, other;
    struct err err;
    struct lease_provider *second = kit_open(kit, "two");
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 20), "", &mine, &err), OK);
    lock_server_flush(kit->row->server);
    assert_int_equal(lease_try_acquire(second, "k", units(kit, 20), "", &other, &err), ERR_CONFLICT); /* by the row */
    assert_string_equal(err.api_code, "LOCK_HELD");
    assert_int_equal(lease_renew(kit->provider, &mine, &err), ERR_NOT_FOUND); /* its holder finds out, and ends it */
    assert_int_equal(lease_release(kit->provider, &mine, NULL, &err), OK);
    assert_int_equal(lease_try_acquire(second, "k", units(kit, 20), "", &other, &err), OK);
    assert_true(other.fence > mine.fence);
    assert_int_equal(lease_release(kit->provider, &mine, NULL, &err), ERR_NOT_FOUND); /* once */
    lease_provider_free(second);
}

static void nothing_is_given_while_the_server_is_gone_and_all_goes_on_after(void **state) /* LCK-09 */
{
    struct kit *kit = *state;
    struct lease mine, other, seen;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 60), "", &mine, &err), OK);
    lock_server_kill(kit->row->server);
    assert_int_equal(lease_try_acquire(kit->provider, "free", units(kit, 4), "", &other, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.api_code, "LOCK_SERVER_AWAY");
    assert_int_equal(lease_renew(kit->provider, &mine, &err), ERR_UNAVAILABLE);
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), OK); /* questions are the store's */
    assert_int_equal(seen.fence, mine.fence);
    assert_int_equal(lease_release(kit->provider, &mine, NULL, &err), OK); /* and so is an end */
    lock_server_run(kit->row->server, NULL, NULL);
    wait_until_it_answers(kit);
    acquire_when_free(kit, kit->provider, "free", units(kit, 4), &other); /* nothing was left behind by what failed */
    assert_true(other.fence > mine.fence);
}

static void a_server_that_stands_still_holds_nobody_up_for_ever(void **state) /* LCK-05 */
{
    struct kit *kit = *state;
    struct kept_lease kept;
    struct err err;
    kept_lease_init(&kept, kit->provider, kit->clock);
    assert_int_equal(kept_lease_acquire(&kept, "k", units(kit, 4), "", &err), OK);
    int64_t fence = kept.lease.fence;
    assert_int_equal(kill(kit->row->server->pid, SIGSTOP), 0);
    int failures = 0;
    for (int i = 0; i < KIT_WAIT_TRIES && kept_lease_is_safe(&kept); i++, pass(kit, 10 * US_PER_MS))
        failures += kept_lease_renew(&kept, &err) == ERR_UNAVAILABLE;
    struct lease seen;
    bool still = lease_inspect(kit->provider, "k", &seen, &err) == OK; /* read after it stopped; nobody else can have it */
    assert_true(!still || seen.fence == fence);
    assert_int_equal(kill(kit->row->server->pid, SIGCONT), 0);
    assert_false(kept_lease_is_safe(&kept));
    assert_true(failures >= 1);
    for (int i = 0; i < KIT_WAIT_TRIES && !kept_lease_is_safe(&kept); i++, pass(kit, 10 * US_PER_MS))
        (void)kept_lease_renew(&kept, &err);
    assert_true(kept_lease_is_safe(&kept) && kept.lease.fence >= fence);
    assert_int_equal(kept_lease_release(&kept, &err), OK);
    kept_lease_release_memory(&kept);
}

static void a_connection_that_is_cut_costs_nothing(void **state)
{
    struct kit *kit = *state;
    struct lease lease, next;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 20), "", &lease, &err), OK);
    assert_true(lock_server_ask(kit->row->server, "CLIENT KILL TYPE normal SKIPME yes\r\n", ":"));
    assert_int_equal(lease_renew(kit->provider, &lease, &err), OK);
    assert_true(lock_server_ask(kit->row->server, "CLIENT KILL TYPE normal SKIPME yes\r\n", ":"));
    assert_int_equal(lease_release(kit->provider, &lease, NULL, &err), OK);
    assert_true(lock_server_ask(kit->row->server, "CLIENT KILL TYPE normal SKIPME yes\r\n", ":"));
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 20), "", &next, &err), OK);
    assert_true(next.fence > lease.fence);
}

/* First the dead one, then the other way round. */
static void one_dead_endpoint_of_several_does_not_matter(void **state) /* LCK-06 */
{
    struct kit *kit = *state;
    struct lease lease;
    struct err err;
    int dead = lock_server_free_port();
    for (int first = 0; first < 2; first++) {
        struct lease_url url = kit_url(kit->row->server);
        struct lease_arbiter *arbiter = NULL;
        url.endpoint_count = 2;
        url.endpoints[1] = url.endpoints[0];
        url.endpoints[first].port = dead;
        struct lease_arbiter_options options = {&url, kit->prefix};
        assert_int_equal(etcd_arbiter_new(&options, &arbiter, &err), OK);
        assert_int_equal(lease_arbiter_check(arbiter, &err), OK);
        struct lease_provider *provider = lease_shared_new(kit->store, kit->clock, "two", arbiter);
        assert_int_equal(lease_try_acquire(provider, "k", units(kit, 20), "", &lease, &err), OK);
        assert_int_equal(lease_renew(provider, &lease, &err), OK);
        assert_int_equal(lease_release(provider, &lease, NULL, &err), OK);
        lease_provider_free(provider);
    }
}

int main(void)
{
    static const struct CMUnitTest both[] = {
        cmocka_unit_test(a_server_that_forgets_everything_gives_no_key_away),
        cmocka_unit_test(nothing_is_given_while_the_server_is_gone_and_all_goes_on_after),
        cmocka_unit_test(a_server_that_stands_still_holds_nobody_up_for_ever),
    };
    static const struct CMUnitTest redis[] = {cmocka_unit_test(a_connection_that_is_cut_costs_nothing)};
    static const struct CMUnitTest etcd[] = {cmocka_unit_test(one_dead_endpoint_of_several_does_not_matter)};
    struct CMUnitTest tests[2 * ARRAY_LEN(both) + ARRAY_LEN(redis) + ARRAY_LEN(etcd)];
    size_t n = 0;
    kit_add(tests, &n, &kit_redis_row, both, ARRAY_LEN(both));
    kit_add(tests, &n, &kit_redis_row, redis, ARRAY_LEN(redis));
    kit_add(tests, &n, &kit_etcd_row, both, ARRAY_LEN(both));
    kit_add(tests, &n, &kit_etcd_row, etcd, ARRAY_LEN(etcd));
    return kit_run("cluster: lock servers", tests, n);
}
