/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is taken piece by piece and given back whole. */
#ifndef MP_UTIL_ARENA_H
#define MP_UTIL_ARENA_H

#include "mp/base.h"

struct mp_arena_chunk;

struct mp_arena {
	const struct mp_alloc *alloc;
	struct mp_arena_chunk *chunks; /* newest first */
	size_t used;                   /* bytes taken of the newest chunk */
	size_t total;                  /* bytes held in all chunks, their heads included */
	size_t max;                    /* bound of total */
};

/* Borrows alloc for the arena's life. Takes no memory yet. */
void mp_arena_init(struct mp_arena *a, const struct mp_alloc *alloc, size_t max);

/* Gives everything back; the arena can be used again. */
void mp_arena_fini(struct mp_arena *a);

/* Forgets everything that was taken, and keeps one chunk of ordinary size for what comes next. */
void mp_arena_reset(struct mp_arena *a);

/*
 * size bytes, zeroed, aligned for any type; valid until fini or reset. NULL when the bound or the
 * allocator is exhausted; never NULL for size 0.
 */
void *mp_arena_take(struct mp_arena *a, size_t size);

/* The same for n items of item_size bytes; NULL also when the product overflows. */
void *mp_arena_take_n(struct mp_arena *a, size_t n, size_t item_size);

/* A copy of n bytes with a NUL after them, not aligned. NULL as above. */
char *mp_arena_text(struct mp_arena *a, const char *s, size_t n);

#endif
