/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/heap.h"

#include <stdlib.h>

static void *
heap_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
	(void)ctx;
	(void)old_size;
	if (size == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, size);
}

const struct mp_alloc mp_heap = {.realloc = heap_realloc};
