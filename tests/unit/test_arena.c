/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "util/arena.h"

static void
test_take(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_arena a;
	uint8_t *big;

	(void)state;
	mp_arena_init(&a, &alloc, SIZE_MAX);
	for (size_t i = 0; i < 10000; i++) {
		char *s = mp_arena_text(&a, "abc", i % 4);
		uint64_t *v = mp_arena_take_n(&a, 3, sizeof(*v));

		assert_int_equal(strlen(s), i % 4);
		assert_int_equal((uintptr_t)v % _Alignof(max_align_t), 0);
		assert_true(v[0] == 0 && v[2] == 0);
		v[0] = v[1] = v[2] = UINT64_MAX;
	}
	assert_true(heap.calls < 20);
	big = mp_arena_take(&a, 5u << 20);
	assert_non_null(big);
	big[(5u << 20) - 1] = 1;
	assert_non_null(mp_arena_take(&a, 0));
	assert_int_equal(heap.live, a.total);
	mp_arena_reset(&a);
	assert_true(a.total < 2u << 20);
	assert_int_equal(*(uint8_t *)mp_arena_take(&a, 1), 0);
	mp_arena_fini(&a);
	assert_int_equal(heap.live, 0);
}

static void
test_bound(void **state)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_arena a;

	(void)state;
	mp_arena_init(&a, &alloc, 10000);
	assert_null(mp_arena_take(&a, 10000));
	assert_non_null(mp_arena_take(&a, 4000));
	assert_non_null(mp_arena_take(&a, 5000));
	assert_null(mp_arena_take(&a, 5000));
	assert_null(mp_arena_take(&a, SIZE_MAX));
	assert_null(mp_arena_take_n(&a, SIZE_MAX / 2, 4));
	assert_true(heap.live <= 10000);
	mp_arena_fini(&a);

	heap.fail_at = heap.calls + 1;
	assert_null(mp_arena_take(&a, 1));
	assert_null(mp_arena_text(&a, "", SIZE_MAX));
	mp_arena_fini(&a);
	assert_int_equal(heap.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
