/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "util/sort.h"

struct item {
	uint32_t key;
	uint8_t rest[97]; /* more than is swapped at once */
};

static int
item_cmp(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

static void
check(size_t n, uint32_t mod)
{
	struct item items[100];
	uint32_t count[100] = {0}, seed = 7;

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		items[i].key = seed >> 8 & 0xffff;
		items[i].key %= mod;
		memset(items[i].rest, (int)items[i].key, sizeof(items[i].rest));
		count[items[i].key]++;
	}
	mp_sort(items, n, sizeof(items[0]), item_cmp);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			assert_true(items[i - 1].key <= items[i].key);
		for (size_t k = 0; k < sizeof(items[i].rest); k++)
			assert_int_equal(items[i].rest[k], items[i].key);
		assert_true(count[items[i].key]-- > 0);
	}
}

static void
test_sort(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 100; n++) {
		check(n, 100);
		check(n, 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
