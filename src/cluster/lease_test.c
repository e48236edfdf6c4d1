/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of a lock provider (LCK-01..03, LCK-05): a row of `providers` per provider, the same tests for all. */
#include "cluster/lease.h"

#include "base/compiler.h"
#include "base/mem.h"
#include "cluster/lease_store.h"
#include "db/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct kit {
    char folder[40];
    struct store *store;
    struct fake_clock clock;
    struct lease_provider *provider;
};

static void make_local(struct kit *kit)
{
    struct err err;
    assert_int_equal(lease_local_new(kit->store, &kit->clock.base, "one", &kit->provider, &err), OK);
}

static void (*const providers[])(struct kit *kit) = {make_local};

static int set_up(void **state)
{
    struct kit *kit = xcalloc(1, sizeof *kit);
    char url[80];
    struct err err;
    (void)snprintf(kit->folder, sizeof kit->folder, "/tmp/horae-lease-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    (void)snprintf(url, sizeof url, "sqlite:%s/t.db", kit->folder);
    struct store_options options = {.url = url, .readers = 1};
    assert_int_equal(store_open(&options, &kit->store, &err), OK);
    fake_clock_init(&kit->clock, 1700000000000000);
    providers[0](kit);
    *state = kit;
    return 0;
}

static int tear_down(void **state)
{
    struct kit *kit = *state;
    static const char *const names[] = {"t.db", "t.db-wal", "t.db-shm", "t.db.lock"};
    char path[80];
    lease_provider_free(kit->provider);
    store_close(kit->store);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", kit->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(kit->folder);
    free(kit);
    return 0;
}

static void one_holder_at_a_time_and_fences_grow(void **state)
{
    struct kit *kit = *state;
    struct lease first, second, seen;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", 10 * US_PER_S, "why", &first, &err), OK);
    assert_int_equal(lease_try_acquire(kit->provider, "k", 10 * US_PER_S, "", &second, &err), ERR_CONFLICT);
    assert_string_equal(err.api_code, "LOCK_HELD");
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), OK);
    assert_int_equal(seen.fence, first.fence);
    assert_string_equal(seen.purpose, "why");
    assert_true(seen.expires_us > seen.acquired_us); /* DATA-24 */
    assert_int_equal(lease_release(kit->provider, &first, &err), OK);
    assert_int_equal(lease_try_acquire(kit->provider, "k", 10 * US_PER_S, "", &second, &err), OK);
    assert_true(second.fence > first.fence);
}

static void a_release_needs_the_token_of_the_holder(void **state)
{
    struct kit *kit = *state;
    struct lease first, second;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", US_PER_S, "", &first, &err), OK);
    fake_clock_advance(&kit->clock, 2 * US_PER_S);
    assert_int_equal(lease_try_acquire(kit->provider, "k", US_PER_S, "", &second, &err), OK);
    assert_int_equal(lease_release(kit->provider, &first, &err), ERR_NOT_FOUND);
    assert_string_equal(err.api_code, "LOCK_NOT_HELD");
    assert_int_equal(lease_renew(kit->provider, &first, &err), ERR_NOT_FOUND);
    assert_int_equal(lease_release(kit->provider, &second, &err), OK);
}

static void a_lease_lasts_while_it_is_renewed(void **state)
{
    struct kit *kit = *state;
    struct lease lease, other;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", 3 * US_PER_S, "", &lease, &err), OK);
    for (int i = 0; i < 10; i++) { /* at a third of its time (LCK-05) */
        fake_clock_advance(&kit->clock, US_PER_S);
        assert_int_equal(lease_renew(kit->provider, &lease, &err), OK);
    }
    assert_int_equal(lease_try_acquire(kit->provider, "k", US_PER_S, "", &other, &err), ERR_CONFLICT);
    fake_clock_advance(&kit->clock, 3 * US_PER_S);
    assert_int_equal(lease_renew(kit->provider, &lease, &err), ERR_NOT_FOUND);
    assert_int_equal(lease_inspect(kit->provider, "k", &other, &err), ERR_NOT_FOUND);
}

static void a_step_of_the_wall_clock_ends_no_lease(void **state)
{
    struct kit *kit = *state;
    struct lease lease, other;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", 10 * US_PER_S, "", &lease, &err), OK);
    fake_clock_step_wall(&kit->clock, 3600 * (int64_t)US_PER_S);
    assert_int_equal(lease_try_acquire(kit->provider, "k", US_PER_S, "", &other, &err), ERR_CONFLICT);
    assert_int_equal(lease_renew(kit->provider, &lease, &err), OK);
}

static void keys_and_times_are_checked(void **state)
{
    struct kit *kit = *state;
    struct lease lease;
    struct err err;
    char longest[LEASE_KEY_MAX + 2];
    memset(longest, 'k', LEASE_KEY_MAX + 1);
    longest[LEASE_KEY_MAX + 1] = '\0';
    assert_int_equal(lease_try_acquire(kit->provider, "", US_PER_S, "", &lease, &err), ERR_INVALID);
    assert_int_equal(lease_try_acquire(kit->provider, longest, US_PER_S, "", &lease, &err), ERR_INVALID);
    assert_int_equal(lease_try_acquire(kit->provider, "k", 0, "", &lease, &err), ERR_INVALID);
    assert_int_equal(lease_try_acquire(kit->provider, "\xff", US_PER_S, "", &lease, &err), ERR_INVALID);
}

static void locks_of_an_earlier_process_are_closed(void **state)
{
    struct kit *kit = *state;
    struct lease lease;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", 3600 * (int64_t)US_PER_S, "", &lease, &err), OK);
    lease_provider_free(kit->provider);
    providers[0](kit);
    struct lease next;
    assert_int_equal(lease_try_acquire(kit->provider, "k", US_PER_S, "", &next, &err), OK);
    assert_true(next.fence > lease.fence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_holder_at_a_time_and_fences_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_release_needs_the_token_of_the_holder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lease_lasts_while_it_is_renewed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_step_of_the_wall_clock_ends_no_lease, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_and_times_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(locks_of_an_earlier_process_are_closed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
