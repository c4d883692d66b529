/* SPDX-License-Identifier: Apache-2.0 */
#include "util/arena.h"

#define ARENA_ALIGN     _Alignof(max_align_t)
#define ARENA_CHUNK_MIN 4096u
#define ARENA_CHUNK_MAX (1024u * 1024)

struct mp_arena_chunk {
	struct mp_arena_chunk *next;
	size_t size; /* of b */
	_Alignas(max_align_t) uint8_t b[];
};

void
mp_arena_init(struct mp_arena *a, const struct mp_alloc *alloc, size_t max)
{
	*a = (struct mp_arena){.alloc = alloc, .max = max};
}

static void
arena_drop(struct mp_arena *a)
{
	struct mp_arena_chunk *c = a->chunks;

	a->chunks = c->next;
	a->total -= sizeof(*c) + c->size;
	mp_dealloc(a->alloc, c, sizeof(*c) + c->size);
}

void
mp_arena_fini(struct mp_arena *a)
{
	while (a->chunks != NULL)
		arena_drop(a);
	a->used = 0;
	mp_assert(a->total == 0);
}

void
mp_arena_reset(struct mp_arena *a)
{
	while (a->chunks != NULL && (a->chunks->next != NULL || a->chunks->size > ARENA_CHUNK_MAX))
		arena_drop(a);
	a->used = 0;
}

/* Chunks double, so that a small arena is small and a large one takes few of them. */
static bool
arena_grow(struct mp_arena *a, size_t size)
{
	size_t want = ARENA_CHUNK_MIN;
	struct mp_arena_chunk *c;
	size_t room;

	if (a->chunks != NULL)
		want = mp_min_size(a->chunks->size * 2, ARENA_CHUNK_MAX);
	if (want < size)
		want = size;
	room = a->max - a->total;
	room -= mp_min_size(room, sizeof(*c));
	if (want > room)
		want = size;
	if (want > room)
		return false;
	c = mp_realloc(a->alloc, NULL, 0, sizeof(*c) + want);
	if (c == NULL)
		return false;
	c->next = a->chunks;
	c->size = want;
	a->chunks = c;
	a->total += sizeof(*c) + want;
	a->used = 0;
	return true;
}

static void *
arena_take(struct mp_arena *a, size_t size, size_t align)
{
	size_t at = (a->used + align - 1) / align * align;

	if (a->chunks == NULL || at > a->chunks->size || size > a->chunks->size - at) {
		if (size > SIZE_MAX / 2 || !arena_grow(a, size))
			return NULL;
		at = 0;
	}
	a->used = at + size;
	return a->chunks->b + at;
}

void *
mp_arena_take(struct mp_arena *a, size_t size)
{
	void *p = arena_take(a, size, ARENA_ALIGN);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *
mp_arena_take_n(struct mp_arena *a, size_t n, size_t item_size)
{
	if (item_size != 0 && n > SIZE_MAX / item_size)
		return NULL;
	return mp_arena_take(a, n * item_size);
}

char *
mp_arena_text(struct mp_arena *a, const char *s, size_t n)
{
	char *p = n < SIZE_MAX ? arena_take(a, n + 1, 1) : NULL;

	if (p == NULL)
		return NULL;
	if (n > 0)
		memcpy(p, s, n);
	p[n] = '\0';
	return p;
}
