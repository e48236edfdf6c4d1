/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/compiler.h"
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void elements_come_out_in_the_order_of_their_keys(void **state)
{
    (void)state;
    enum { N = 1000 };
    static struct heap_node nodes[N];
    struct heap heap;
    heap_init(&heap);
    for (int i = 0; i < N; i++)
        heap_add(&heap, &nodes[i], (int64_t)(id_random_fast() % 500));
    int64_t last = INT64_MIN;
    for (int i = 0; i < N; i++) {
        int64_t key = heap_min_key(&heap);
        assert_true(key >= last);
        last = key;
        struct heap_node *node = heap_pop(&heap);
        assert_non_null(node);
        assert_int_equal(node->position, 0);
    }
    assert_null(heap_pop(&heap));
    assert_true(heap_min_key(&heap) == INT64_MAX);
    heap_release(&heap);
}

static void elements_can_be_removed_and_rekeyed_anywhere(void **state)
{
    (void)state;
    enum { N = 200 };
    struct heap_node nodes[N] = {{0}};
    struct heap heap;
    heap_init(&heap);
    for (int i = 0; i < N; i++)
        heap_add(&heap, &nodes[i], i);
    for (int i = 0; i < N; i += 2)
        heap_remove(&heap, &nodes[i]);
    heap_set(&heap, &nodes[199], -1);
    heap_set(&heap, &nodes[0], 50);
    assert_ptr_equal(heap_pop(&heap), &nodes[199]);
    for (int i = 1; i < 50; i += 2)
        assert_ptr_equal(heap_pop(&heap), &nodes[i]);
    assert_ptr_equal(heap_pop(&heap), &nodes[0]);
    assert_int_equal(heap.count, N / 2 - 1 - 25);
    heap_release(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_out_in_the_order_of_their_keys),
        cmocka_unit_test(elements_can_be_removed_and_rekeyed_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
