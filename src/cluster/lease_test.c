/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of a lock provider (LCK-01..03, LCK-05): a row of `providers` per provider, the same tests for all. */
#include "cluster/lease.h"

#include "base/compiler.h"
#include "base/mem.h"
#include "cluster/kept_lease.h"
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
    assert_int_equal(lease_release(kit->provider, &first, NULL, &err), OK);
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
    assert_int_equal(lease_release(kit->provider, &first, NULL, &err), ERR_NOT_FOUND);
    assert_string_equal(err.api_code, "LOCK_NOT_HELD");
    assert_int_equal(lease_renew(kit->provider, &first, &err), ERR_NOT_FOUND);
    assert_int_equal(lease_release(kit->provider, &second, NULL, &err), OK);
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

static enum err_code drop_locks(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(tx, "DROP TABLE task_locks", err);
}

/* ---- several tries (LCK-02, LCK-03) ---- */

struct waiting {
    struct kit *kit;
    int pauses, cancel_after; /* -1 = never */
    int64_t paused_us;
};

static void pause_for(void *arg, int64_t us)
{
    struct waiting *waiting = arg;
    waiting->pauses++;
    waiting->paused_us += us;
    fake_clock_advance(&waiting->kit->clock, us);
}

static bool is_cancelled(void *arg)
{
    const struct waiting *waiting = arg;
    return waiting->cancel_after >= 0 && waiting->pauses >= waiting->cancel_after;
}

static void a_lock_is_asked_for_as_often_as_wanted(void **state)
{
    struct kit *kit = *state;
    struct lease first, second;
    struct err err;
    struct waiting waiting = {kit, 0, -1, 0};
    struct lease_request request = {.key = "k",
                                    .space = "s",
                                    .ttl_us = 10 * US_PER_S,
                                    .delay_us = US_PER_S,
                                    .pause = pause_for,
                                    .is_cancelled = is_cancelled,
                                    .clock = &kit->clock.base,
                                    .arg = &waiting};
    assert_int_equal(lease_acquire(kit->provider, &request, &first, &err), OK);
    assert_string_equal(first.key, "s/k");
    assert_int_equal(lease_try_acquire(kit->provider, "k", US_PER_S, "", &second, &err), OK); /* another namespace */
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), ERR_CONFLICT);
    assert_string_equal(err.api_code, "LOCK_HELD");
    assert_int_equal(waiting.pauses, 0);
    request.tries = 3;
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), ERR_CONFLICT);
    assert_string_equal(err.api_code, "LOCK_RETRIES_EXHAUSTED");
    assert_int_equal(waiting.pauses, 2); /* between three tries */
    assert_int_equal(waiting.paused_us, 2 * US_PER_S);
    request.timeout_us = 3 * US_PER_S;
    request.tries = 100;
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), ERR_TIMEOUT);
    assert_string_equal(err.api_code, "LOCK_TIMED_OUT");
    waiting.cancel_after = waiting.pauses + 1;
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), ERR_CANCELLED);
    assert_string_equal(err.api_code, "LOCK_CANCELLED");
    waiting.cancel_after = -1;
    request.timeout_us = 60 * (int64_t)US_PER_S; /* the first one's time passes meanwhile */
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), OK);
    assert_true(second.fence > first.fence);
}

static void the_thread_sleeps_between_tries_where_nobody_else_waits_for_it(void **state)
{
    struct kit *kit = *state;
    struct lease lease;
    struct err err;
    struct lease_request request = {.key = "k", .ttl_us = US_PER_S, .tries = 3, .delay_us = 1};
    assert_int_equal(lease_acquire(kit->provider, &request, &lease, &err), OK);
    assert_int_equal(lease_acquire(kit->provider, &request, &lease, &err), ERR_CONFLICT);
    char longest[LEASE_KEY_MAX + 1];
    memset(longest, 'k', LEASE_KEY_MAX);
    longest[LEASE_KEY_MAX] = '\0';
    request.key = longest;
    assert_int_equal(lease_acquire(kit->provider, &request, &lease, &err), OK);
    request.space = "s"; /* together too long */
    assert_int_equal(lease_acquire(kit->provider, &request, &lease, &err), ERR_INVALID);
}

static void errors_of_the_provider_end_the_tries(void **state)
{
    struct kit *kit = *state;
    struct lease lease;
    struct err err;
    struct waiting waiting = {kit, 0, -1, 0};
    struct lease_request request = {.key = "k", .ttl_us = US_PER_S, .tries = 5, .pause = pause_for, .arg = &waiting};
    assert_int_equal(store_write(kit->store, drop_locks, NULL, &err), OK);
    enum err_code code = lease_acquire(kit->provider, &request, &lease, &err);
    assert_true(code != OK && code != ERR_CONFLICT && code != ERR_TIMEOUT && code != ERR_CANCELLED);
    assert_int_equal(waiting.pauses, 0);
}

/* ---- a lease that is kept (LCK-05) ---- */

static void a_kept_lease_is_renewed_at_a_third_of_its_time(void **state)
{
    struct kit *kit = *state;
    struct kept_lease kept;
    struct lease seen, other;
    struct err err;
    kept_lease_init(&kept, kit->provider, &kit->clock.base);
    assert_int_equal(kept_lease_renew(&kept, &err), OK); /* nothing was acquired */
    assert_int_equal(kept_lease_acquire(&kept, "k", 3 * US_PER_S, "why", &err), OK);
    for (int i = 0; i < 20; i++) {
        fake_clock_advance(&kit->clock, US_PER_S / 2);
        assert_int_equal(kept_lease_renew(&kept, &err), OK);
        assert_int_equal(lease_try_acquire(kit->provider, "k", US_PER_S, "", &other, &err), ERR_CONFLICT);
    }
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), OK);
    assert_int_equal(seen.fence, kept.lease.fence);
    assert_int_equal(kept_lease_release(&kept, &err), OK);
    fake_clock_advance(&kit->clock, 2 * US_PER_S);
    assert_int_equal(kept_lease_renew(&kept, &err), OK); /* given up: it is not taken again */
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), ERR_NOT_FOUND);
    kept_lease_release_memory(&kept);
}

static void a_kept_lease_whose_time_has_passed_is_taken_anew_when_it_is_free(void **state)
{
    struct kit *kit = *state;
    struct kept_lease kept;
    struct lease other, seen;
    struct err err;
    kept_lease_init(&kept, kit->provider, &kit->clock.base);
    assert_int_equal(kept_lease_acquire(&kept, "k", 3 * US_PER_S, "why", &err), OK);
    int64_t fence = kept.lease.fence;
    fake_clock_advance(&kit->clock, 60 * (int64_t)US_PER_S); /* the process stood still */
    assert_int_equal(kept_lease_renew(&kept, &err), OK);
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), OK);
    assert_true(seen.fence > fence);
    assert_string_equal(seen.purpose, "why");
    fake_clock_advance(&kit->clock, 60 * (int64_t)US_PER_S);
    assert_int_equal(lease_try_acquire(kit->provider, "k", 3 * US_PER_S, "", &other, &err), OK); /* somebody else was faster */
    assert_int_equal(kept_lease_renew(&kept, &err), ERR_CONFLICT);
    assert_false(kept.held);
    assert_int_equal(kept_lease_retake(&kept, "k", NULL, &err), ERR_NOT_FOUND);
    fake_clock_advance(&kit->clock, 4 * US_PER_S);
    assert_int_equal(kept_lease_renew(&kept, &err), OK);
    assert_true(kept.held && kept.lease.fence > other.fence);
    kept_lease_release_memory(&kept);
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
        cmocka_unit_test_setup_teardown(a_lock_is_asked_for_as_often_as_wanted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_thread_sleeps_between_tries_where_nobody_else_waits_for_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_of_the_provider_end_the_tries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_kept_lease_is_renewed_at_a_third_of_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_kept_lease_whose_time_has_passed_is_taken_anew_when_it_is_free, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
