/* SPDX-License-Identifier: Apache-2.0 */
/* A lease that is kept (LCK-05), with each provider. */
#include "cluster/kept_lease.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cluster/lease_test_kit.h"

static int64_t fence_of(struct kit *kit)
{
    struct lease seen = {.fence = 0};
    struct err err;
    return lease_inspect(kit->provider, "k", &seen, &err) == OK ? seen.fence : 0;
}

/* Renews whenever that is due, as its thread would. */
static void keep_for(struct kit *kit, struct kept_lease *kept, int64_t us)
{
    struct err err;
    for (int64_t end = clock_mono(kit->clock).us + us; clock_mono(kit->clock).us < end;) {
        int64_t wait = kept_lease_next(kept) - clock_mono(kit->clock).us;
        pass(kit, wait < US_PER_MS ? US_PER_MS : wait);
        assert_int_equal(kept_lease_renew(kept, &err), OK);
        assert_true(kept_lease_is_safe(kept));
    }
}

static void it_is_renewed_at_a_third_of_its_time(void **state)
{
    struct kit *kit = *state;
    struct kept_lease kept;
    struct lease other;
    struct err err;
    kept_lease_init(&kept, kit->provider, kit->clock);
    assert_int_equal(kept_lease_renew(&kept, &err), OK); /* nothing is wanted */
    assert_true(kept_lease_next(&kept) == INT64_MAX);
    assert_false(kept_lease_is_safe(&kept));
    int64_t before = clock_mono(kit->clock).us;
    assert_int_equal(kept_lease_acquire(&kept, "k", units(kit, 3), "why", &err), OK);
    assert_true(kept_lease_next(&kept) - clock_mono(kit->clock).us <= units(kit, 1));
    assert_true(kept_lease_next(&kept) - before >= units(kit, 1));
    int64_t fence = fence_of(kit);
    keep_for(kit, &kept, units(kit, 5));
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 1), "", &other, &err), ERR_CONFLICT);
    assert_true(fence > 0 && fence_of(kit) == fence);
    assert_int_equal(kept_lease_release(&kept, &err), OK);
    assert_false(kept_lease_is_safe(&kept));
    pass(kit, units(kit, 1));
    assert_int_equal(kept_lease_renew(&kept, &err), OK); /* given up: it is not taken again */
    assert_int_equal(fence_of(kit), 0);
    kept_lease_release_memory(&kept);
}

static void it_is_not_safe_before_it_can_end(void **state)
{
    struct kit *kit = *state;
    struct kept_lease kept;
    struct err err;
    kept_lease_init(&kept, kit->provider, kit->clock);
    assert_int_equal(kept_lease_acquire(&kept, "k", units(kit, 2), "", &err), OK);
    int64_t fence = fence_of(kit);
    bool was_safe = false;
    while (kept_lease_is_safe(&kept)) { /* nobody renews it; whoever is safe holds it */
        pass(kit, 10 * US_PER_MS);
        bool still = kept_lease_is_safe(&kept); /* looked at before the holder is */
        int64_t held = fence_of(kit);
        was_safe = was_safe || still;
        assert_true(held == fence || !kept_lease_is_safe(&kept));
    }
    assert_true(was_safe);
    kept_lease_release_memory(&kept);
}

static void one_whose_time_has_passed_is_taken_anew_when_it_is_free(void **state)
{
    struct kit *kit = *state;
    struct kept_lease kept;
    struct lease other, seen;
    struct err err;
    kept_lease_init(&kept, kit->provider, kit->clock);
    assert_int_equal(kept_lease_acquire(&kept, "k", units(kit, 2), "why", &err), OK);
    int64_t fence = fence_of(kit);
    wait_until_nobody_holds(kit, "k"); /* the process stood still */
    assert_false(kept_lease_is_safe(&kept));
    enum err_code code = ERR_CONFLICT; /* an arbiter may keep the key a little longer */
    for (int i = 0; i < KIT_WAIT_TRIES && code == ERR_CONFLICT; i++, pass(kit, 10 * US_PER_MS))
        code = kept_lease_renew(&kept, &err);
    assert_int_equal(code, OK);
    while (!kept_lease_is_safe(&kept)) {
        pass(kit, 10 * US_PER_MS);
        assert_int_equal(kept_lease_renew(&kept, &err), OK);
    }
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), OK);
    assert_true(seen.fence > fence);
    assert_string_equal(seen.purpose, "why");
    acquire_when_free(kit, kit->provider, "k", units(kit, 3), &other); /* somebody else was faster */
    assert_false(kept_lease_is_safe(&kept));
    assert_int_equal(kept_lease_renew(&kept, &err), ERR_CONFLICT);
    assert_string_equal(err.api_code, "LOCK_HELD");
    assert_false(kept.held);
    assert_int_equal(kept_lease_retake(&kept, "k", NULL, &err), ERR_NOT_FOUND);
    int64_t wait = kept_lease_next(&kept) - clock_mono(kit->clock).us;
    assert_true(wait > 0 && wait <= units(kit, 3)); /* it sleeps until the other's may have ended */
    for (int i = 0; i < KIT_WAIT_TRIES && !kept_lease_is_safe(&kept); i++) {
        pass(kit, 10 * US_PER_MS);
        (void)kept_lease_renew(&kept, &err);
    }
    assert_true(kept.held && kept.lease.fence > other.fence);
    kept_lease_release_memory(&kept);
}

static void one_that_another_holds_is_waited_for(void **state)
{
    struct kit *kit = *state;
    struct kept_lease kept;
    struct lease other;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 2), "", &other, &err), OK);
    kept_lease_init(&kept, kit->provider, kit->clock);
    assert_int_equal(kept_lease_acquire(&kept, "k", units(kit, 2), "", &err), ERR_CONFLICT);
    assert_false(kept_lease_is_safe(&kept));
    for (int i = 0; i < KIT_WAIT_TRIES && !kept_lease_is_safe(&kept); i++) {
        pass(kit, 10 * US_PER_MS);
        enum err_code code = kept_lease_renew(&kept, &err);
        assert_true(code == OK || code == ERR_CONFLICT);
    }
    assert_true(kept_lease_is_safe(&kept) && kept.lease.fence > other.fence);
    int64_t fence = kept.lease.fence;
    assert_int_equal(kept_lease_retake(&kept, "k", NULL, &err), OK);
    assert_true(kept_lease_is_safe(&kept) && kept.lease.fence > fence);
    kept_lease_release_memory(&kept);
}

/* ---- a provider that takes its time, or is away ---- */

struct slow {
    struct lease_provider provider;
    struct kit *kit;
    int64_t takes_us;
    enum err_code refuses; /* OK = no */
};

static struct slow *slow_of(struct lease_provider *p)
{
    return CONTAINER_OF(p, struct slow, provider);
}

static enum err_code slow_acquire(struct lease_provider *p, const char *key, int64_t ttl_us, const char *purpose,
                                  struct lease *ret, struct err *err)
{
    struct slow *slow = slow_of(p);
    enum err_code code = lease_try_acquire(slow->kit->provider, key, ttl_us, purpose, ret, err);
    pass(slow->kit, slow->takes_us);
    return code;
}

static enum err_code slow_renew(struct lease_provider *p, struct lease *lease, struct err *err)
{
    struct slow *slow = slow_of(p);
    enum err_code code = slow->refuses ? err_set(err, slow->refuses, NULL, "away") : lease_renew(slow->kit->provider, lease, err);
    pass(slow->kit, slow->takes_us);
    return code;
}

static enum err_code slow_inspect(struct lease_provider *p, const char *key, struct lease *ret, struct err *err)
{
    return lease_inspect(slow_of(p)->kit->provider, key, ret, err);
}

static const struct lease_provider_ops slow_ops = {
    .name = "slow", .try_acquire = slow_acquire, .renew = slow_renew, .inspect = slow_inspect};

static void its_time_counts_from_before_the_request(void **state)
{
    struct kit *kit = *state;
    struct slow slow = {{&slow_ops}, kit, 2 * US_PER_S, OK};
    struct kept_lease kept;
    struct err err;
    kept_lease_init(&kept, &slow.provider, kit->clock);
    int64_t asked = clock_mono(kit->clock).us;
    assert_int_equal(kept_lease_acquire(&kept, "k", 10 * US_PER_S, "", &err), OK);
    assert_int_equal(kept.safe_until_us, asked + 9 * US_PER_S); /* a tenth is the margin */
    pass(kit, 2 * US_PER_S);
    asked = clock_mono(kit->clock).us;
    assert_int_equal(kept_lease_renew(&kept, &err), OK);
    assert_int_equal(kept.safe_until_us, asked + 9 * US_PER_S);
    slow.takes_us = 11 * US_PER_S; /* the answer comes when its time has passed */
    pass(kit, 4 * US_PER_S);
    assert_int_equal(kept_lease_renew(&kept, &err), OK);
    assert_false(kept_lease_is_safe(&kept));
    kept_lease_release_memory(&kept);
}

static void two_renewals_that_fail_end_the_work_before_the_lease_ends(void **state) /* LCK-05 */
{
    struct kit *kit = *state;
    struct slow slow = {{&slow_ops}, kit, 0, OK};
    struct kept_lease kept;
    struct err err;
    int failures = 0;
    kept_lease_init(&kept, &slow.provider, kit->clock);
    assert_int_equal(kept_lease_acquire(&kept, "k", 3 * US_PER_S, "", &err), OK);
    int64_t fence = fence_of(kit);
    slow.refuses = ERR_UNAVAILABLE;
    for (; kept_lease_is_safe(&kept); pass(kit, 10 * US_PER_MS))
        failures += kept_lease_renew(&kept, &err) == ERR_UNAVAILABLE;
    assert_true(failures >= 2);
    assert_int_equal(fence_of(kit), fence); /* it is held still: nobody else can have begun */
    slow.refuses = OK;
    pass(kit, 150 * US_PER_MS); /* the next try is due, and its time has not passed */
    assert_int_equal(kept_lease_renew(&kept, &err), OK);
    assert_true(kept_lease_is_safe(&kept));
    kept_lease_release_memory(&kept);
}

int main(void)
{
    static const struct CMUnitTest all[] = {
        cmocka_unit_test(it_is_renewed_at_a_third_of_its_time),
        cmocka_unit_test(it_is_not_safe_before_it_can_end),
        cmocka_unit_test(one_whose_time_has_passed_is_taken_anew_when_it_is_free),
        cmocka_unit_test(one_that_another_holds_is_waited_for),
    };
    static const struct CMUnitTest by_hand[] = {cmocka_unit_test(its_time_counts_from_before_the_request),
                                                cmocka_unit_test(two_renewals_that_fail_end_the_work_before_the_lease_ends)};
    static const struct kit_provider *const rows[] = {&kit_local, &kit_store, &kit_redis_row, &kit_etcd_row};
    struct CMUnitTest tests[ARRAY_LEN(rows) * ARRAY_LEN(all) + ARRAY_LEN(by_hand)];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        kit_add(tests, &n, rows[i], all, ARRAY_LEN(all));
    kit_add(tests, &n, &kit_store, by_hand, ARRAY_LEN(by_hand));
    return kit_run("cluster: kept leases", tests, n);
}
