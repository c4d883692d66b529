/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes first: cmocka in the order it wants, and a malloc allocator. */
#ifndef MP_TESTS_UNIT_H
#define MP_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mp/base.h"
#include "mp/error.h"

/* Fails the allocation number fail_at (1 is the next one) when it is above 0. */
struct unit_heap {
	size_t live; /* bytes handed out and not returned */
	size_t fail_at;
	size_t calls;
};

static inline void *
unit_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
	struct unit_heap *h = ctx;
	void *q;

	if (size == 0) {
		h->live -= old_size;
		free(p);
		return NULL;
	}
	h->calls++;
	if (h->fail_at > 0 && h->calls == h->fail_at)
		return NULL;
	q = realloc(p, size);
	if (q != NULL)
		h->live += size - old_size;
	return q;
}

#define UNIT_ALLOC(heap) ((struct mp_alloc){.realloc = unit_realloc, .ctx = (heap)})

#endif
