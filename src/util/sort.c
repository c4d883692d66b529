/* SPDX-License-Identifier: Apache-2.0 */
#include "util/sort.h"

static void
sort_swap(uint8_t *a, uint8_t *b, size_t size)
{
	uint8_t piece[64];

	while (size > 0) {
		size_t n = mp_min_size(size, sizeof(piece));

		memcpy(piece, a, n);
		memcpy(a, b, n);
		memcpy(b, piece, n);
		a += n;
		b += n;
		size -= n;
	}
}

/* The element at root sinks until nothing below it is larger. */
static void
sort_sift(uint8_t *v, size_t root, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	for (;;) {
		size_t big = root, left = 2 * root + 1;

		if (left < n && cmp(v + left * size, v + big * size) > 0)
			big = left;
		if (left + 1 < n && cmp(v + (left + 1) * size, v + big * size) > 0)
			big = left + 1;
		if (big == root)
			return;
		sort_swap(v + root * size, v + big * size, size);
		root = big;
	}
}

void
mp_sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b))
{
	uint8_t *v = base;

	for (size_t i = n / 2; i > 0; i--)
		sort_sift(v, i - 1, n, size, cmp);
	for (size_t end = n; end > 1; end--) {
		sort_swap(v, v + (end - 1) * size, size);
		sort_sift(v, 0, end - 1, size, cmp);
	}
}
