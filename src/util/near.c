/* SPDX-License-Identifier: Apache-2.0 */
#include "util/near.h"

#define NEAR_LEN_MAX 64

void
mp_near_init(struct mp_near *near, const char *word)
{
	size_t n = strlen(word);

	*near = (struct mp_near){.word = word, .distance = 3};
	if (n < 6)
		near->distance = n < 3 ? n : 2;
	if (n > NEAR_LEN_MAX)
		near->distance = 0;
}

/* Edit distance with swaps of neighbours; gives up with `limit` once it cannot be below it. */
static size_t
near_distance(const char *a, size_t an, const char *b, size_t bn, size_t limit)
{
	uint8_t rows[3][NEAR_LEN_MAX + 1];
	uint8_t *before = rows[0];
	uint8_t *above = rows[1];
	uint8_t *row = rows[2];

	for (size_t k = 0; k <= bn; k++)
		above[k] = (uint8_t)k;
	for (size_t i = 1; i <= an; i++) {
		uint8_t *spare = before;
		size_t least = i;

		row[0] = (uint8_t)i;
		for (size_t k = 1; k <= bn; k++) {
			size_t d = above[k - 1] + (size_t)(a[i - 1] != b[k - 1]);

			d = mp_min_size(d, above[k] + (size_t)1);
			d = mp_min_size(d, row[k - 1] + (size_t)1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				d = mp_min_size(d, before[k - 2] + (size_t)1);
			row[k] = (uint8_t)d;
			least = mp_min_size(least, d);
		}
		if (least >= limit)
			return limit;
		before = above;
		above = row;
		row = spare;
	}
	return above[bn];
}

void
mp_near_offer(struct mp_near *near, const char *name)
{
	size_t an = strlen(near->word);
	size_t bn = strlen(name);
	size_t d;

	if (near->distance == 0 || bn > NEAR_LEN_MAX || bn + near->distance <= an ||
		an + near->distance <= bn)
		return;
	d = near_distance(near->word, an, name, bn, near->distance);
	if (d < near->distance) {
		near->distance = d;
		near->best = name;
	}
}
