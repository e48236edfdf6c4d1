/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of slots: order, and that going through the entries loses none that counts. */
#include "sched/slot_queue.h"

#include "base/compiler.h"
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { TASKS = 100, ROUNDS = 20000 };

/* When each task must be looked at, as its owner knows it; 0 = it does not know. */
struct owner {
    int64_t armed[TASKS];
};

static bool counts(const void *arg, const struct slot_entry *entry)
{
    const struct owner *owner = arg;
    return !owner->armed[entry->task_id] || owner->armed[entry->task_id] == entry->at_us;
}

static void entries_come_out_by_time_and_then_by_task(void **state)
{
    (void)state;
    struct owner owner = {{0}};
    struct slot_queue queue;
    struct slot_entry entry, last = {INT64_MIN, 0};
    slot_queue_init(&queue, 1 << 20, counts, &owner);
    assert_true(slot_queue_first(&queue) == INT64_MAX);
    assert_false(slot_queue_pop(&queue, &entry));
    for (int i = 0; i < 5000; i++)
        slot_queue_add(&queue, (int64_t)(id_random_fast() % 500), (int64_t)(id_random_fast() % TASKS));
    for (int i = 0; i < 5000; i++) {
        assert_true(slot_queue_first(&queue) >= last.at_us);
        assert_true(slot_queue_pop(&queue, &entry));
        assert_true(entry.at_us > last.at_us || (entry.at_us == last.at_us && entry.task_id >= last.task_id));
        last = entry;
    }
    assert_false(slot_queue_pop(&queue, &entry));
    slot_queue_release(&queue);
}

static bool holds(const struct slot_queue *queue, int64_t task_id, int64_t not_after_us)
{
    for (size_t i = 0; i < queue->count; i++)
        if (queue->entries[i].task_id == task_id && queue->entries[i].at_us <= not_after_us)
            return true;
    return false;
}

static void stale_entries_go_and_those_that_count_stay(void **state)
{
    (void)state;
    struct owner owner = {{0}};
    struct slot_queue queue;
    int64_t due[TASKS] = {0}; /* the latest that a look is due, known or not */
    slot_queue_init(&queue, 1, counts, &owner);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t task = (int64_t)(id_random_fast() % TASKS), at = 1 + (int64_t)(id_random_fast() % 1000000);
        slot_queue_add(&queue, at, task);
        bool known = id_random_fast() % 2;
        due[task] = known || !due[task] || at < due[task] ? at : due[task];
        owner.armed[task] = known ? at : 0;
    }
    assert_in_range(queue.count, 1, 2 * TASKS + 1);
    for (int64_t task = 0; task < TASKS; task++)
        assert_true(!due[task] || holds(&queue, task, due[task]));
    slot_queue_release(&queue);
}

static void a_start_adds_without_looking_for_stale_ones(void **state)
{
    (void)state;
    struct owner owner = {{0}};
    struct slot_queue queue;
    slot_queue_init(&queue, 1, counts, &owner);
    for (int i = 0; i < TASKS; i++)
        slot_queue_add_first(&queue, 7, 1); /* would be thrown together */
    assert_int_equal(queue.count, TASKS);
    for (int i = 0; i < TASKS; i++)
        slot_queue_add(&queue, 7, 1);
    assert_int_equal(queue.count, 2 * TASKS);
    slot_queue_add(&queue, 8, 1); /* twice as many as there were: gone through */
    assert_int_equal(queue.count, 2);
    assert_int_equal(slot_queue_first(&queue), 7);
    slot_queue_release(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_out_by_time_and_then_by_task),
        cmocka_unit_test(stale_entries_go_and_those_that_count_stay),
        cmocka_unit_test(a_start_adds_without_looking_for_stale_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
