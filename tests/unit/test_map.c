/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "util/map.h"

struct item {
	struct mp_map_node node;
	uint32_t key;
	bool seen;
};

static struct item items[1000];

static struct item *
item_find(const struct mp_map *m, uint32_t key, uint64_t hash)
{
	for (struct mp_map_node *n = mp_map_find(m, hash); n != NULL; n = mp_map_find_next(n)) {
		struct item *it = mp_container_of(n, struct item, node);

		if (it->key == key)
			return it;
	}
	return NULL;
}

/* hash_mask 3 makes almost everything collide. */
static void
exercise(uint64_t hash_mask)
{
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_map m;
	size_t bucket = 0, seen = 0;

	mp_map_init(&m, &alloc);
	assert_null(mp_map_find(&m, 1));
	assert_null(mp_map_any(&m));
	for (uint32_t i = 0; i < mp_countof(items); i++) {
		items[i] = (struct item){.key = i};
		assert_int_equal(
			mp_map_add(&m, &items[i].node, mp_hash64(&i, sizeof(i), 0) & hash_mask), 0);
	}
	for (uint32_t i = 0; i < mp_countof(items); i += 2)
		mp_map_remove(&m, &items[i].node);
	assert_int_equal(m.count, mp_countof(items) / 2);
	for (uint32_t i = 0; i < mp_countof(items); i++) {
		struct item *it = item_find(&m, i, mp_hash64(&i, sizeof(i), 0) & hash_mask);

		assert_ptr_equal(it, i % 2 == 0 ? NULL : &items[i]);
	}
	for (struct mp_map_node *n = mp_map_walk(&m, &bucket, NULL); n != NULL;
		n = mp_map_walk(&m, &bucket, n)) {
		struct item *it = mp_container_of(n, struct item, node);

		assert_false(it->seen);
		it->seen = true;
		seen++;
	}
	assert_int_equal(seen, m.count);
	while (mp_map_any(&m) != NULL)
		mp_map_remove(&m, mp_map_any(&m));
	assert_int_equal(m.count, 0);
	mp_map_fini(&m);
	assert_int_equal(heap.live, 0);
}

static void
test_spread(void **state)
{
	(void)state;
	exercise(UINT64_MAX);
}

static void
test_collide(void **state)
{
	(void)state;
	exercise(3);
}

static void
test_no_memory(void **state)
{
	struct unit_heap heap = {.fail_at = 1};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_map m;

	(void)state;
	mp_map_init(&m, &alloc);
	memset(items, 0, sizeof(items));
	assert_int_equal(mp_map_add(&m, &items[0].node, 1), MP_ENOMEM);
	assert_int_equal(mp_map_add(&m, &items[0].node, 1), 0);
	heap.fail_at = heap.calls + 1; /* the growth at 17 fails, and the table works on */
	for (uint32_t i = 1; i < 40; i++)
		assert_int_equal(mp_map_add(&m, &items[i].node, i + 1), 0);
	for (uint32_t i = 0; i < 40; i++)
		assert_ptr_equal(mp_map_find(&m, i + 1), &items[i].node);
	mp_map_fini(&m);
	assert_int_equal(heap.live, 0);
}

static void
test_hash(void **state)
{
	(void)state;
	/* The same on every machine: placements depend on it. */
	assert_true(mp_hash64("", 0, 0) == 0xe220a8397b1dcdafull);
	assert_true(mp_hash64("a", 1, 0) != mp_hash64("a", 2, 0));
	assert_true(mp_hash64("abcdefgh", 8, 0) != mp_hash64("abcdefgh", 8, 1));
	assert_true(mp_hash64("abcdefghi", 9, 0) != mp_hash64("abcdefghj", 9, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_collide),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
