/* SPDX-License-Identifier: Apache-2.0 */
#include "util/map.h"

#include "mp/error.h"

#define BUCKETS_MIN 16

/* The finaliser of SplitMix64 (Steele et al. 2014), which is a bijection. */
static uint64_t
mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Little-endian, so that every machine gives the same. */
static uint64_t
load(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint64_t
mp_hash64(const void *p, size_t n, uint64_t seed)
{
	const uint8_t *at = p;
	uint64_t h = mix(seed + 0x9e3779b97f4a7c15ull + n);

	for (; n >= 8; at += 8, n -= 8)
		h = mix((h ^ load(at, 8)) + 0x9e3779b97f4a7c15ull);
	return n > 0 ? mix((h ^ load(at, n)) + 0x9e3779b97f4a7c15ull) : h;
}

void
mp_map_init(struct mp_map *m, const struct mp_alloc *alloc)
{
	*m = (struct mp_map){.alloc = alloc};
}

void
mp_map_fini(struct mp_map *m)
{
	mp_dealloc(m->alloc, m->buckets, m->bucket_count * sizeof(*m->buckets));
	mp_map_init(m, m->alloc);
}

static struct mp_map_node **
map_bucket(const struct mp_map *m, uint64_t hash)
{
	return &m->buckets[hash & (m->bucket_count - 1)];
}

static int
map_grow(struct mp_map *m)
{
	size_t count = m->bucket_count == 0 ? BUCKETS_MIN : m->bucket_count * 2;
	struct mp_map bigger = *m;

	bigger.bucket_count = count;
	bigger.buckets = mp_realloc(m->alloc, NULL, 0, count * sizeof(*m->buckets));
	if (bigger.buckets == NULL)
		return m->bucket_count > 0 ? 0 : MP_ENOMEM; /* a full table is slow, not wrong */
	memset(bigger.buckets, 0, count * sizeof(*m->buckets));
	for (size_t i = 0; i < m->bucket_count; i++) {
		struct mp_map_node *next;

		for (struct mp_map_node *n = m->buckets[i]; n != NULL; n = next) {
			next = n->next;
			n->next = *map_bucket(&bigger, n->hash);
			*map_bucket(&bigger, n->hash) = n;
		}
	}
	mp_dealloc(m->alloc, m->buckets, m->bucket_count * sizeof(*m->buckets));
	*m = bigger;
	return 0;
}

int
mp_map_add(struct mp_map *m, struct mp_map_node *node, uint64_t hash)
{
	if (m->count >= m->bucket_count && map_grow(m) != 0)
		return MP_ENOMEM;
	node->hash = hash;
	node->next = *map_bucket(m, hash);
	*map_bucket(m, hash) = node;
	m->count++;
	return 0;
}

void
mp_map_remove(struct mp_map *m, struct mp_map_node *node)
{
	struct mp_map_node **at = map_bucket(m, node->hash);

	while (*at != node) {
		mp_assert(*at != NULL);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	m->count--;
}

struct mp_map_node *
mp_map_find(const struct mp_map *m, uint64_t hash)
{
	struct mp_map_node *n;

	if (m->count == 0)
		return NULL;
	n = *map_bucket(m, hash);
	while (n != NULL && n->hash != hash)
		n = n->next;
	return n;
}

struct mp_map_node *
mp_map_find_next(const struct mp_map_node *node)
{
	uint64_t hash = node->hash;
	struct mp_map_node *n = node->next;

	while (n != NULL && n->hash != hash)
		n = n->next;
	return n;
}

struct mp_map_node *
mp_map_walk(const struct mp_map *m, size_t *bucket, struct mp_map_node *node)
{
	if (node != NULL && node->next != NULL)
		return node->next;
	if (node != NULL)
		++*bucket;
	for (; *bucket < m->bucket_count; ++*bucket) {
		if (m->buckets[*bucket] != NULL)
			return m->buckets[*bucket];
	}
	return NULL;
}

struct mp_map_node *
mp_map_any(const struct mp_map *m)
{
	size_t bucket = 0;

	return m->count == 0 ? NULL : mp_map_walk(m, &bucket, NULL);
}
