/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every fuzz target includes. A target defines LLVMFuzzerTestOneInput() and states with
 * mp_assert() what must hold for any bytes. Under --enable-fuzzers libFuzzer brings main(); without
 * it tests/fuzz/replay.c does, and `make check` replays the corpus.
 */
#ifndef MP_TESTS_FUZZ_H
#define MP_TESTS_FUZZ_H

#include <stdlib.h>

#include "mp/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A bounded allocator that counts, so that a target can see leaks and greed in any build. */
struct fuzz_heap {
	size_t live; /* bytes handed out and not returned */
	size_t max;  /* more is refused */
};

static inline void *
fuzz_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
	struct fuzz_heap *h = ctx;
	void *q;

	mp_assert(old_size <= h->live);
	if (size == 0) {
		h->live -= old_size;
		free(p);
		return NULL;
	}
	if (size > h->max - (h->live - old_size))
		return NULL;
	q = realloc(p, size);
	if (q != NULL)
		h->live += size - old_size;
	return q;
}

#define FUZZ_ALLOC(heap) ((struct mp_alloc){.realloc = fuzz_realloc, .ctx = (heap)})

#endif
