/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chained hash table whose nodes live inside the caller's structs. It holds no keys: the caller
 * hashes, and compares what it finds. The order of a walk depends only on what was added when.
 */
#ifndef MP_UTIL_MAP_H
#define MP_UTIL_MAP_H

#include "mp/base.h"

struct mp_map_node {
	struct mp_map_node *next;
	uint64_t hash;
};

struct mp_map {
	struct mp_map_node **buckets;
	size_t bucket_count; /* 0 or a power of two */
	size_t count;
	const struct mp_alloc *alloc;
};

/* 64 well mixed bits of n bytes. Not for hostile keys that are neither hashes nor bounded. */
uint64_t mp_hash64(const void *p, size_t n, uint64_t seed);

/* Borrows alloc for the map's life. Takes no memory yet. */
void mp_map_init(struct mp_map *m, const struct mp_alloc *alloc);

/* Gives the buckets back; the nodes are the caller's business. */
void mp_map_fini(struct mp_map *m);

/* 0 or MP_ENOMEM. The node must be in no map. Equal keys are not looked for. */
int mp_map_add(struct mp_map *m, struct mp_map_node *node, uint64_t hash);

/* The node must be in this map. */
void mp_map_remove(struct mp_map *m, struct mp_map_node *node);

/* The first node with this hash, and the next one with the same; NULL when there is none. */
struct mp_map_node *mp_map_find(const struct mp_map *m, uint64_t hash);
struct mp_map_node *mp_map_find_next(const struct mp_map_node *node);

/* Any node, for emptying a map: remove it, free it, ask again. NULL when the map is empty. */
struct mp_map_node *mp_map_any(const struct mp_map *m);

/*
 * Walks all: start with *bucket 0 and node NULL. While walking, nodes may be removed only if
 * the walk has gone past them (fetch the next one first).
 */
struct mp_map_node *mp_map_walk(const struct mp_map *m, size_t *bucket, struct mp_map_node *node);

#endif
