/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of a lock provider (LCK-01..03, LCK-06, DATA-20..24): the same tests for all. */
#include "cluster/lease.h"

#include "base/compiler.h"
#include "base/thread.h"
#include "cluster/lease_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <cmocka.h>

#include "cluster/lease_test_kit.h"

static void one_holder_at_a_time_and_fences_grow(void **state)
{
    struct kit *kit = *state;
    struct lease first, second, seen;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 10), "why", &first, &err), OK);
    assert_string_equal(first.holder, "one");
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 10), "", &second, &err), ERR_CONFLICT);
    assert_string_equal(err.api_code, "LOCK_HELD");
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), OK);
    assert_int_equal(seen.fence, first.fence);
    assert_string_equal(seen.purpose, "why");
    assert_string_equal(seen.token, first.token);
    assert_true(seen.expires_us > seen.acquired_us); /* DATA-24 */
    assert_true(seen.left_us > 0 && seen.left_us <= units(kit, 10));
    assert_int_equal(lease_release(kit->provider, &first, NULL, &err), OK);
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), ERR_NOT_FOUND);
    assert_int_equal(lease_release(kit->provider, &first, NULL, &err), ERR_NOT_FOUND);
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 10), "", &second, &err), OK);
    assert_true(second.fence > first.fence);
    assert_string_not_equal(second.token, first.token);
}

static void a_release_needs_the_token_of_the_holder(void **state)
{
    struct kit *kit = *state;
    struct lease first, second, seen;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 1), "", &first, &err), OK);
    acquire_when_free(kit, kit->provider, "k", units(kit, 20), &second);
    assert_true(second.fence > first.fence);
    assert_int_equal(lease_release(kit->provider, &first, NULL, &err), ERR_NOT_FOUND);
    assert_string_equal(err.api_code, "LOCK_NOT_HELD");
    assert_int_equal(lease_renew(kit->provider, &first, &err), ERR_NOT_FOUND);
    assert_string_equal(err.api_code, "LOCK_NOT_HELD");
    assert_int_equal(lease_inspect(kit->provider, "k", &seen, &err), OK);
    assert_int_equal(seen.fence, second.fence);
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 1), "", &first, &err), ERR_CONFLICT);
    assert_int_equal(lease_release(kit->provider, &second, NULL, &err), OK);
}

static void a_lease_lasts_while_it_is_renewed(void **state)
{
    struct kit *kit = *state;
    struct lease lease, other;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 3), "", &lease, &err), OK);
    for (int i = 0; i < 5; i++) { /* at a third of its time (LCK-05) */
        pass(kit, units(kit, 1));
        assert_int_equal(lease_renew(kit->provider, &lease, &err), OK);
    }
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 1), "", &other, &err), ERR_CONFLICT);
    assert_int_equal(lease_inspect(kit->provider, "k", &other, &err), OK);
    assert_int_equal(other.fence, lease.fence);
    wait_until_nobody_holds(kit, "k");
    assert_int_equal(lease_renew(kit->provider, &lease, &err), ERR_NOT_FOUND);
    assert_string_equal(err.api_code, "LOCK_NOT_HELD");
    acquire_when_free(kit, kit->provider, "k", units(kit, 1), &other);
    assert_true(other.fence > lease.fence);
}

static void keys_and_times_are_checked(void **state)
{
    struct kit *kit = *state;
    struct lease lease, seen;
    struct err err;
    char longest[LEASE_KEY_MAX + 2];
    memset(longest, 'k', LEASE_KEY_MAX + 1);
    longest[LEASE_KEY_MAX + 1] = '\0';
    assert_int_equal(lease_try_acquire(kit->provider, "", US_PER_S, "", &lease, &err), ERR_INVALID);
    assert_int_equal(lease_try_acquire(kit->provider, longest, US_PER_S, "", &lease, &err), ERR_INVALID);
    assert_int_equal(lease_try_acquire(kit->provider, "k", 0, "", &lease, &err), ERR_INVALID);
    assert_int_equal(lease_try_acquire(kit->provider, "\xff", US_PER_S, "", &lease, &err), ERR_INVALID);
    static const char odd[] = "task:\xe6\x97\xb6 \"quoted\"\\\n%s'; DROP"; /* a key is any text */
    longest[LEASE_KEY_MAX] = '\0';
    const char *const good[] = {longest, odd};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(lease_try_acquire(kit->provider, good[i], units(kit, 10), odd, &lease, &err), OK);
        assert_int_equal(lease_renew(kit->provider, &lease, &err), OK);
        assert_int_equal(lease_inspect(kit->provider, good[i], &seen, &err), OK);
        assert_string_equal(seen.key, good[i]);
        assert_string_equal(seen.purpose, odd);
        assert_int_equal(lease_release(kit->provider, &lease, NULL, &err), OK);
    }
}

static enum err_code drop_locks(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(tx, "DROP TABLE task_locks", err);
}

/* ---- what is listed and recorded ---- */

struct seen_keys {
    char keys[8][LEASE_KEY_MAX + 1];
    size_t count;
};

static void note_key(void *arg, const struct lease *lease)
{
    struct seen_keys *seen = arg;
    assert_true(seen->count < ARRAY_LEN(seen->keys));
    (void)snprintf(seen->keys[seen->count++], sizeof seen->keys[0], "%s", lease->key);
}

static bool has_key(const struct seen_keys *seen, const char *key)
{
    for (size_t i = 0; i < seen->count; i++)
        if (strcmp(seen->keys[i], key) == 0)
            return true;
    return false;
}

static void those_that_are_held_are_listed(void **state)
{
    struct kit *kit = *state;
    struct lease short_one, long_one, released;
    struct seen_keys seen = {.count = 0};
    struct err err;
    assert_int_equal(lease_each(kit->provider, note_key, &seen, &err), OK);
    assert_int_equal(seen.count, 0);
    assert_int_equal(lease_try_acquire(kit->provider, "long", units(kit, 30), "", &long_one, &err), OK);
    assert_int_equal(lease_try_acquire(kit->provider, "released", units(kit, 30), "", &released, &err), OK);
    assert_int_equal(lease_try_acquire(kit->provider, "short", units(kit, 2), "", &short_one, &err), OK);
    assert_int_equal(lease_release(kit->provider, &released, NULL, &err), OK);
    assert_int_equal(lease_each(kit->provider, note_key, &seen, &err), OK);
    assert_true(seen.count == 2 && has_key(&seen, "long") && has_key(&seen, "short"));
    wait_until_nobody_holds(kit, "short");
    seen.count = 0;
    assert_int_equal(lease_each(kit->provider, note_key, &seen, &err), OK);
    assert_true(seen.count == 1 && has_key(&seen, "long"));
}

struct ended {
    enum lease_ended which;
    struct buf out;
};

static enum err_code read_history(struct db *db, void *arg, struct err *err)
{
    struct ended *ended = arg;
    struct lease_history history = {.which = ended->which, .limit = 10};
    struct json_writer w;
    json_writer_init(&w, &ended->out);
    json_begin_array(&w);
    enum err_code code = lease_store_history(db, &history, &w, err);
    json_end_array(&w);
    return code;
}

static bool history_has(struct kit *kit, enum lease_ended which, const char *text)
{
    struct ended ended = {.which = which};
    struct err err;
    buf_init(&ended.out, 65536);
    assert_int_equal(store_read(kit->store, read_history, &ended, &err), OK);
    bool has = strstr(ended.out.data, text) != NULL;
    buf_release(&ended.out);
    return has;
}

static void all_of_them_leave_a_history(void **state) /* DATA-22, DATA-23, LCK-07 */
{
    struct kit *kit = *state;
    struct lease gone, next, released;
    struct err err;
    char fence[64];
    assert_int_equal(lease_try_acquire(kit->provider, "gone", units(kit, 1), "died", &gone, &err), OK);
    assert_int_equal(lease_try_acquire(kit->provider, "done", units(kit, 30), "finished", &released, &err), OK);
    assert_int_equal(lease_release(kit->provider, &released, NULL, &err), OK);
    acquire_when_free(kit, kit->provider, "gone", units(kit, 30), &next);
    (void)snprintf(fence, sizeof fence, "\"fencing_token\":%lld", (long long)gone.fence);
    assert_true(history_has(kit, LEASE_ENDED_EXPIRED, "\"died\""));
    assert_true(history_has(kit, LEASE_ENDED_EXPIRED, fence));
    assert_false(history_has(kit, LEASE_ENDED_EXPIRED, "\"finished\""));
    assert_true(history_has(kit, LEASE_ENDED_RELEASED, "\"finished\""));
    assert_true(history_has(kit, LEASE_ENDED_RELEASED, "\"released_at\""));
}

static enum err_code fail_along(struct db *tx, void *arg, struct err *err)
{
    (void)tx;
    *(int *)arg += 1;
    return err_set(err, ERR_LIMIT, NULL, "not today");
}

static void a_release_and_what_is_written_along_are_one(void **state)
{
    struct kit *kit = *state;
    struct lease lease, other;
    struct err err;
    int calls = 0;
    struct lease_along along = {fail_along, &calls};
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 30), "", &lease, &err), OK);
    assert_int_equal(lease_release(kit->provider, &lease, &along, &err), ERR_LIMIT);
    assert_true(calls >= 1);
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 1), "", &other, &err), ERR_CONFLICT);
    assert_int_equal(lease_renew(kit->provider, &lease, &err), OK);
    assert_int_equal(lease_release(kit->provider, &lease, NULL, &err), OK);
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
    pass(waiting->kit, us);
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
    int64_t delay_us = units(kit, 1) / 10;
    struct lease_request request = {.key = "k",
                                    .space = "s",
                                    .ttl_us = units(kit, 6),
                                    .delay_us = delay_us,
                                    .pause = pause_for,
                                    .is_cancelled = is_cancelled,
                                    .clock = kit->clock,
                                    .arg = &waiting};
    assert_int_equal(lease_acquire(kit->provider, &request, &first, &err), OK);
    assert_string_equal(first.key, "s/k");
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 1), "", &second, &err), OK); /* another namespace */
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), ERR_CONFLICT);
    assert_string_equal(err.api_code, "LOCK_HELD");
    assert_int_equal(waiting.pauses, 0);
    request.tries = 3;
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), ERR_CONFLICT);
    assert_string_equal(err.api_code, "LOCK_RETRIES_EXHAUSTED");
    assert_int_equal(waiting.pauses, 2); /* between three tries */
    assert_int_equal(waiting.paused_us, 2 * delay_us);
    request.timeout_us = 3 * delay_us;
    request.tries = 100000;
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), ERR_TIMEOUT);
    assert_string_equal(err.api_code, "LOCK_TIMED_OUT");
    request.timeout_us = units(kit, 60);
    waiting.cancel_after = waiting.pauses + 1;
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), ERR_CANCELLED);
    assert_string_equal(err.api_code, "LOCK_CANCELLED");
    waiting.cancel_after = -1; /* the first one's time passes meanwhile */
    assert_int_equal(lease_acquire(kit->provider, &request, &second, &err), OK);
    assert_true(second.fence > first.fence);
}

static void the_thread_sleeps_between_tries_where_nobody_else_waits_for_it(void **state)
{
    struct kit *kit = *state;
    struct lease lease;
    struct err err;
    struct lease_request request = {.key = "k", .ttl_us = units(kit, 10), .tries = 3, .delay_us = 1};
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

static void errors_of_the_store_end_the_tries_and_leave_nothing_held(void **state)
{
    struct kit *kit = *state;
    struct lease lease;
    struct err err;
    struct waiting waiting = {kit, 0, -1, 0};
    struct lease_request request = {.key = "k", .ttl_us = units(kit, 10), .tries = 5, .pause = pause_for, .arg = &waiting};
    assert_int_equal(store_write(kit->store, drop_locks, NULL, &err), OK);
    for (int i = 0; i < 2; i++) { /* the second time an arbiter would say that it is held */
        enum err_code code = lease_acquire(kit->provider, &request, &lease, &err);
        assert_true(code != OK && code != ERR_CONFLICT && code != ERR_TIMEOUT && code != ERR_CANCELLED);
    }
    assert_int_equal(waiting.pauses, 0);
}

/* ---- exclusion ---- */

enum { THREADS = 6, TURNS = 8 };

struct crowd {
    struct kit *kit;
    struct lease_provider *provider; /* its own where several servers may share the locks */
    struct crowd_state *state;
};

struct crowd_state {
    _Atomic int inside, overlaps, turns, failures;
    _Atomic int64_t fence;
};

static void take_turns(void *arg)
{
    struct crowd *crowd = arg;
    struct crowd_state *shared = crowd->state;
    struct lease lease;
    for (int turn = 0; turn < TURNS; turn++) {
        enum err_code code = ERR_CONFLICT;
        for (int i = 0; i < 20000 && code == ERR_CONFLICT; i++) {
            code = lease_try_acquire(crowd->provider, "crowd", units(crowd->kit, 60), "", &lease, NULL);
            if (code == ERR_CONFLICT)
                sleep_us(500);
        }
        if (code != OK) {
            atomic_fetch_add(&shared->failures, 1);
            return;
        }
        if (atomic_fetch_add(&shared->inside, 1) != 0 || atomic_exchange(&shared->fence, lease.fence) >= lease.fence)
            atomic_fetch_add(&shared->overlaps, 1);
        sleep_us(200);
        atomic_fetch_sub(&shared->inside, 1);
        atomic_fetch_add(&shared->turns, 1);
        if (lease_release(crowd->provider, &lease, NULL, NULL) != OK)
            atomic_fetch_add(&shared->failures, 1);
    }
}

static void one_of_many_threads_and_servers_holds_it(void **state)
{
    struct kit *kit = *state;
    struct crowd_state shared = {.inside = 0};
    struct crowd crowds[THREADS];
    struct thread threads[THREADS] = {{.started = false}};
    struct lease_provider *second = kit->row == &kit_local ? NULL : kit_open(kit, "two");
    for (size_t i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){kit, second && i % 2 ? second : kit->provider, &shared};
        thread_start(&threads[i], "crowd", take_turns, &crowds[i]);
    }
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    lease_provider_free(second);
    assert_int_equal(shared.failures, 0);
    assert_int_equal(shared.overlaps, 0);
    assert_int_equal(shared.turns, THREADS * TURNS);
}

/* ---- of some ---- */

static void locks_of_an_earlier_process_are_closed(void **state)
{
    struct kit *kit = *state;
    struct lease lease, next;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 3600), "", &lease, &err), OK);
    lease_provider_free(kit->provider);
    kit->provider = kit_open(kit, "one");
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 1), "", &next, &err), OK);
    assert_true(next.fence > lease.fence);
}

static void a_step_of_the_wall_clock_ends_no_lease(void **state)
{
    struct kit *kit = *state;
    struct lease lease, other;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", 10 * US_PER_S, "", &lease, &err), OK);
    fake_clock_step_wall(&kit->fake, 3600 * (int64_t)US_PER_S);
    assert_int_equal(lease_try_acquire(kit->provider, "k", US_PER_S, "", &other, &err), ERR_CONFLICT);
    assert_int_equal(lease_renew(kit->provider, &lease, &err), OK);
}

static void another_server_sees_it_waits_for_its_end_and_may_release_it(void **state)
{
    struct kit *kit = *state;
    struct lease_provider *second = kit_open(kit, "two");
    struct lease first, seen, mine;
    struct err err;
    assert_int_equal(lease_try_acquire(kit->provider, "k", units(kit, 30), "", &first, &err), OK);
    assert_int_equal(lease_try_acquire(second, "k", units(kit, 1), "", &mine, &err), ERR_CONFLICT);
    assert_int_equal(lease_inspect(second, "k", &seen, &err), OK);
    assert_string_equal(seen.holder, "one");
    assert_int_equal(lease_release(second, &seen, NULL, &err), OK); /* by hand, through any server */
    assert_int_equal(lease_renew(kit->provider, &first, &err), ERR_NOT_FOUND);
    assert_int_equal(lease_try_acquire(second, "k", units(kit, 30), "", &mine, &err), OK);
    assert_true(mine.fence > first.fence);
    assert_string_equal(mine.holder, "two");
    lease_provider_free(kit->provider); /* a server that is gone without a word */
    kit->provider = second;
    struct lease_provider *third = kit_open(kit, "three");
    assert_int_equal(lease_try_acquire(third, "gone", units(kit, 2), "", &first, &err), OK);
    lease_provider_free(third);
    assert_int_equal(lease_try_acquire(second, "gone", units(kit, 2), "", &mine, &err), ERR_CONFLICT);
    acquire_when_free(kit, second, "gone", units(kit, 2), &mine);
    assert_true(mine.fence > first.fence);
}

int main(void)
{
    static const struct CMUnitTest all[] = {
        cmocka_unit_test(one_holder_at_a_time_and_fences_grow),
        cmocka_unit_test(a_release_needs_the_token_of_the_holder),
        cmocka_unit_test(a_lease_lasts_while_it_is_renewed),
        cmocka_unit_test(keys_and_times_are_checked),
        cmocka_unit_test(those_that_are_held_are_listed),
        cmocka_unit_test(all_of_them_leave_a_history),
        cmocka_unit_test(a_release_and_what_is_written_along_are_one),
        cmocka_unit_test(a_lock_is_asked_for_as_often_as_wanted),
        cmocka_unit_test(the_thread_sleeps_between_tries_where_nobody_else_waits_for_it),
        cmocka_unit_test(errors_of_the_store_end_the_tries_and_leave_nothing_held),
        cmocka_unit_test(one_of_many_threads_and_servers_holds_it),
    };
    static const struct CMUnitTest local[] = {cmocka_unit_test(locks_of_an_earlier_process_are_closed),
                                              cmocka_unit_test(a_step_of_the_wall_clock_ends_no_lease)};
    static const struct CMUnitTest shared[] = {cmocka_unit_test(another_server_sees_it_waits_for_its_end_and_may_release_it)};
    static const struct kit_provider *const rows[] = {&kit_local, &kit_store, &kit_redis_row, &kit_etcd_row};
    struct CMUnitTest tests[ARRAY_LEN(rows) * (ARRAY_LEN(all) + ARRAY_LEN(local) + ARRAY_LEN(shared))];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        kit_add(tests, &n, rows[i], all, ARRAY_LEN(all));
        if (rows[i] == &kit_local)
            kit_add(tests, &n, rows[i], local, ARRAY_LEN(local));
        else
            kit_add(tests, &n, rows[i], shared, ARRAY_LEN(shared));
    }
    return kit_run("cluster: locks", tests, n);
}
