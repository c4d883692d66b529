/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean ...?": the nearest of some names to a misspelt one. */
#ifndef MP_UTIL_NEAR_H
#define MP_UTIL_NEAR_H

#include "mp/base.h"

struct mp_near {
	const char *word;
	const char *best; /* borrowed from the offers; NULL while none is near enough */
	size_t distance;  /* of best, in letters added, dropped, changed or swapped */
};

/* Borrows word. Near enough is a third of its length, and at most two letters. */
void mp_near_init(struct mp_near *near, const char *word);

/* Borrows the name; the first of equally near ones wins. */
void mp_near_offer(struct mp_near *near, const char *name);

#endif
