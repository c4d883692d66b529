/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs that come from peers, piece by piece and in any order. What is missing is known in memory
 * only: the next process starts such a blob anew. */
#include "shell/cache.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hasher.h"
#include "shell/cache_impl.h"

/* Of which pieces are missing. More: the oldest is forgotten. */
#define CACHE_PARTIALS_MAX 4096u

static uint64_t
partial_key(const struct mp_hash *digest)
{
	uint64_t key;

	memcpy(&key, digest->b, sizeof(key));
	return key;
}

static struct cache_partial *
partial_find(struct mp_cache *c, const struct mp_hash *digest)
{
	struct mp_map_node *node;

	for (node = mp_map_find(&c->partials, partial_key(digest)); node != NULL;
		node = mp_map_find_next(node)) {
		struct cache_partial *p = mp_container_of(node, struct cache_partial, node);

		if (mp_hash_eq(&p->digest, digest))
			return p;
	}
	return NULL;
}

static void
partial_free(struct mp_cache *c, struct cache_partial *p)
{
	mp_map_remove(&c->partials, &p->node);
	mp_dlist_remove(&p->age);
	free(p->bits);
	free(p);
}

/* The oldest that no thread is hashing, out of the table when there are too many: its row, to be
 * dropped when the lock is released; 0 when there is nothing to do. */
static int64_t
partial_evict(struct mp_cache *c)
{
	struct mp_dlist *l;
	int64_t id;

	if (c->partials.count < CACHE_PARTIALS_MAX)
		return 0;
	for (l = c->partial_ages.next; l != &c->partial_ages; l = l->next) {
		struct cache_partial *p = mp_container_of(l, struct cache_partial, age);

		if (p->verifying)
			continue;
		id = p->id;
		partial_free(c, p);
		return id;
	}
	return 0;
}

static int
partial_new(struct mp_cache *c, const struct mp_hash *digest, uint64_t total,
	struct cache_partial **out, struct mp_error *err)
{
	struct cache_partial *p = calloc(1, sizeof(*p));
	int rc = 0;

	if (p != NULL) {
		p->digest = *digest;
		p->total = total;
		p->chunks = cache_chunks(total);
		p->bits = calloc(1, (p->chunks + 7) / 8);
		mp_dlist_init(&p->age);
	}
	if (p == NULL || p->bits == NULL ||
		mp_map_add(&c->partials, &p->node, partial_key(digest)) != 0)
		rc = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	if (rc != 0) {
		if (p != NULL)
			free(p->bits);
		free(p);
		return rc;
	}
	mp_dlist_push(&c->partial_ages, &p->age);
	rc = cache_add_blob(c, digest, total, false, &p->id, err);
	if (rc != 0) {
		partial_free(c, p);
		return rc;
	}
	*out = p;
	return 0;
}

void
cache_partials_free(struct mp_cache *c)
{
	struct mp_map_node *node;

	while ((node = mp_map_any(&c->partials)) != NULL)
		partial_free(c, mp_container_of(node, struct cache_partial, node));
	mp_map_fini(&c->partials);
}

/* Under the lock: what one piece does. */
struct partial_step {
	bool complete;               /* it was complete already */
	struct cache_partial *whole; /* every piece is here: the caller is to verify it */
	int64_t drop;                /* a row to drop without the lock, or 0 */
};

static int
partial_add(struct mp_cache *c, const struct mp_hash *digest, uint64_t total, uint32_t n,
	const struct cache_packed *chunk, struct partial_step *step, struct mp_error *err)
{
	struct cache_partial *p = partial_find(c, digest);
	struct cache_blob blob;
	int rc;

	if (p != NULL && p->verifying)
		return 0;
	rc = cache_find(c->find, digest, &blob, err);
	step->complete = rc == 0;
	if (rc != MP_ENOENT)
		return rc;
	if (p != NULL && p->total != total) { /* one of the peers lied: who, the digest tells */
		step->drop = p->id;
		partial_free(c, p);
		p = NULL;
	}
	if (p == NULL) {
		if (step->drop == 0)
			step->drop = partial_evict(c);
		rc = partial_new(c, digest, total, &p, err);
		if (rc != 0)
			return rc;
	}
	if ((p->bits[n / 8] & 1u << n % 8) != 0)
		return 0;
	rc = cache_add_chunk(c, p->id, n, chunk, err);
	if (rc != 0)
		return rc;
	p->bits[n / 8] = (uint8_t)(p->bits[n / 8] | 1u << n % 8);
	p->have++;
	p->verifying = p->have == p->chunks;
	step->whole = p->verifying ? p : NULL;
	return 0;
}

/* Without the lock: nobody else touches a partial that is being verified. */
static int
partial_verify(
	struct mp_cache *c, struct cache_hand *h, struct cache_partial *p, struct mp_error *err)
{
	const struct mp_hash digest = p->digest;
	const struct cache_blob blob = {.id = p->id, .size = p->total};
	struct mp_hash got;
	int rc;

	rc = cache_hash(h, &blob, &got, err);
	if (rc == 0 && !mp_hash_eq(&got, &digest))
		rc = mp_fail(err, MP_ESIG, "the bytes do not have the digest that was asked for");
	rc = cache_reveal(c, blob.id, &digest, rc, err);
	uv_mutex_lock(&c->lock);
	partial_free(c, p);
	uv_mutex_unlock(&c->lock);
	return rc;
}

static int
partial_write(struct mp_cache *c, struct cache_hand *h, const struct mp_hash *digest,
	uint64_t total, uint64_t offset, struct mp_span bytes, bool *complete, struct mp_error *err)
{
	struct partial_step step = {0};
	struct cache_packed chunk = cache_pack(h, bytes);
	int rc;

	uv_mutex_lock(&c->lock);
	rc = partial_add(c, digest, total, (uint32_t)(offset / MP_CHUNK_SIZE), &chunk, &step, err);
	uv_mutex_unlock(&c->lock);
	if (step.drop != 0)
		cache_drop(c, step.drop);
	if (rc == 0 && step.whole != NULL) {
		rc = partial_verify(c, h, step.whole, err);
		step.complete = rc == 0;
	}
	*complete = step.complete;
	return rc;
}

/* A blob of one chunk needs no memory of what is missing. */
static int
partial_write_small(struct mp_cache *c, struct cache_hand *h, const struct mp_hash *digest,
	struct mp_span bytes, bool *complete, struct mp_error *err)
{
	struct mp_hash got;
	int rc;

	mp_hasher_once(&got, bytes);
	if (!mp_hash_eq(&got, digest))
		return mp_fail(err, MP_ESIG, "the bytes do not have the digest that was asked for");
	rc = cache_put_small(c, h, bytes, digest, err);
	*complete = rc == 0;
	return rc;
}

int
mp_cache_write_chunk(struct mp_cache *c, const struct mp_hash *digest, uint64_t total,
	uint64_t offset, struct mp_span bytes, bool *complete, struct mp_error *err)
{
	struct cache_hand *h;
	int rc;

	*complete = false;
	if (total > MP_BLOB_MAX)
		return mp_fail(err, MP_ELIMIT, "a blob has at most %llu bytes", MP_BLOB_MAX);
	if (offset % MP_CHUNK_SIZE != 0 || offset > total || (offset == total && total > 0) ||
		bytes.n != cache_chunk_size(total, (uint32_t)(offset / MP_CHUNK_SIZE)))
		return mp_fail(err, MP_EINVAL, "not a piece of such a blob");
	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	if (total <= MP_CHUNK_SIZE)
		rc = partial_write_small(c, h, digest, bytes, complete, err);
	else
		rc = partial_write(c, h, digest, total, offset, bytes, complete, err);
	cache_hand_give(c, h);
	return rc;
}
