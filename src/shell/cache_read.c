/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hasher.h"
#include "shell/cache_impl.h"
#include "util/fd.h"
#include "util/sum.h"

/* ---- hands ---- */

static void
hand_free(struct cache_hand *h)
{
	if (h == NULL)
		return;
	(void)sqlite3_finalize(h->find);
	(void)sqlite3_finalize(h->chunk);
	(void)sqlite3_finalize(h->result_keys);
	(void)sqlite3_finalize(h->result_record);
	mp_sql_close(h->db);
	(void)ZSTD_freeCCtx(h->cctx);
	(void)ZSTD_freeDCtx(h->dctx);
	free(h->raw);
	free(h->packed);
	free(h);
}

static int
hand_new(struct mp_cache *c, struct cache_hand **out, struct mp_error *err)
{
	struct cache_hand *h = calloc(1, sizeof(*h));
	int rc;

	if (h != NULL) {
		h->cctx = ZSTD_createCCtx();
		h->dctx = ZSTD_createDCtx();
		h->raw = malloc(MP_CHUNK_SIZE);
		h->packed = malloc(MP_CHUNK_SIZE);
	}
	if (h == NULL || h->cctx == NULL || h->dctx == NULL || h->raw == NULL || h->packed == NULL)
		rc = mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	else
		rc = mp_sql_open_reader(c->path, &h->db, err);
	if (rc == 0)
		rc = mp_sql_prepare(h->db,
			"SELECT id, size, last_used FROM blob WHERE digest = ?1 AND complete = 1",
			&h->find, err);
	if (rc == 0)
		rc = mp_sql_prepare(
			h->db, "SELECT packed, sum, data FROM chunk WHERE id = ?1", &h->chunk, err);
	if (rc == 0)
		rc = mp_sql_prepare(h->db, "SELECT key" CACHE_NEWEST_RESULTS, &h->result_keys, err);
	if (rc == 0)
		rc = mp_sql_prepare(
			h->db, "SELECT record FROM cached WHERE key = ?1", &h->result_record, err);
	if (rc != 0) {
		hand_free(h);
		return rc;
	}
	*out = h;
	return 0;
}

int
cache_hand_take(struct mp_cache *c, struct cache_hand **out, struct mp_error *err)
{
	struct cache_hand *h;

	uv_mutex_lock(&c->hands_lock);
	h = c->hands;
	if (h != NULL)
		c->hands = h->next;
	uv_mutex_unlock(&c->hands_lock);
	if (h == NULL)
		return hand_new(c, out, err);
	*out = h;
	return 0;
}

void
cache_hand_give(struct mp_cache *c, struct cache_hand *h)
{
	uv_mutex_lock(&c->hands_lock);
	h->next = c->hands;
	c->hands = h;
	uv_mutex_unlock(&c->hands_lock);
}

void
cache_hands_free(struct mp_cache *c)
{
	struct cache_hand *h;

	while ((h = c->hands) != NULL) {
		c->hands = h->next;
		hand_free(h);
	}
}

/* ---- pieces ---- */

int
cache_find(sqlite3_stmt *find, const struct mp_hash *digest, struct cache_blob *out,
	struct mp_error *err)
{
	int rc, code = 0;

	(void)mp_sql_bind(find, 1, mp_span(digest->b, sizeof(digest->b)));
	errno = 0;
	rc = sqlite3_step(find);
	if (rc == SQLITE_ROW) {
		out->id = sqlite3_column_int64(find, 0);
		out->size = (uint64_t)sqlite3_column_int64(find, 1);
		out->last_used = sqlite3_column_int64(find, 2);
		if (out->size > MP_BLOB_MAX || out->id < 0)
			code = mp_fail(err, MP_ECORRUPT, "a blob with an impossible size");
	} else if (rc == SQLITE_DONE) {
		code = mp_fail(err, MP_ENOENT, "no such blob");
	} else {
		code = mp_sql_fail(rc, err);
	}
	(void)sqlite3_reset(find);
	return code;
}

static bool
chunk_unpack(struct cache_hand *h, struct mp_span data, bool packed, size_t size)
{
	if (!packed) {
		if (data.n != size)
			return false;
		memcpy(h->raw, data.p, size);
		return true;
	}
	return ZSTD_decompressDCtx(h->dctx, h->raw, MP_CHUNK_SIZE, data.p, data.n) == size;
}

/* Chunk n of a blob into hand->raw. MP_ECORRUPT also when it is not there. */
static int
cache_chunk_read(
	struct cache_hand *h, const struct cache_blob *blob, uint32_t n, struct mp_error *err)
{
	size_t size = cache_chunk_size(blob->size, n);
	int rc, code = 0;

	(void)sqlite3_bind_int64(h->chunk, 1, cache_chunk_id(blob->id, n));
	errno = 0;
	rc = sqlite3_step(h->chunk);
	if (rc == SQLITE_ROW) {
		bool packed = sqlite3_column_int(h->chunk, 0) != 0;
		uint64_t sum = (uint64_t)sqlite3_column_int64(h->chunk, 1);

		if (!chunk_unpack(h, mp_sql_span(h->chunk, 2), packed, size) ||
			mp_sum64(0, mp_span(h->raw, size)) != sum)
			code = mp_fail(err, MP_ECORRUPT, "%s", mp_strerror(MP_ECORRUPT));
	} else if (rc == SQLITE_DONE) {
		code = mp_fail(err, MP_ECORRUPT, "a chunk is missing");
	} else {
		code = mp_sql_fail(rc, err);
	}
	(void)sqlite3_reset(h->chunk);
	return code;
}

int
cache_hash(struct cache_hand *h, const struct cache_blob *blob, struct mp_hash *out,
	struct mp_error *err)
{
	struct mp_hasher hasher;
	uint32_t n;
	int rc;

	mp_hasher_init(&hasher);
	for (n = 0; n < cache_chunks(blob->size); n++) {
		rc = cache_chunk_read(h, blob, n, err);
		if (rc != 0)
			return rc;
		mp_hasher_update(&hasher, mp_span(h->raw, cache_chunk_size(blob->size, n)));
	}
	mp_hasher_final(&hasher, out);
	return 0;
}

/* ---- reading whole blobs ---- */

/* Gets each chunk in order. 0 or an MP_E* with its text. */
typedef int (*cache_sink)(void *ctx, struct mp_span bytes, struct mp_error *err);

static int
cache_stream(struct cache_hand *h, const struct cache_blob *blob, const struct mp_hash *digest,
	cache_sink sink, void *ctx, struct mp_error *err)
{
	struct mp_hasher hasher;
	struct mp_hash got;
	uint32_t n;
	int rc;

	mp_hasher_init(&hasher);
	for (n = 0; n < cache_chunks(blob->size); n++) {
		struct mp_span bytes = mp_span(h->raw, cache_chunk_size(blob->size, n));

		rc = cache_chunk_read(h, blob, n, err);
		if (rc != 0)
			return rc;
		mp_hasher_update(&hasher, bytes);
		rc = sink(ctx, bytes, err);
		if (rc != 0)
			return rc;
	}
	mp_hasher_final(&hasher, &got);
	if (!mp_hash_eq(&got, digest))
		return mp_fail(err, MP_ECORRUPT, "%s", mp_strerror(MP_ECORRUPT));
	return 0;
}

/* Finds, streams, and forgets what turns out to be damaged. `ready` may refuse the size. */
static int
cache_get(struct mp_cache *c, const struct mp_hash *digest,
	int (*ready)(void *ctx, uint64_t size, struct mp_error *err), cache_sink sink, void *ctx,
	struct mp_error *err)
{
	struct cache_hand *h;
	struct cache_blob blob;
	bool found = false;
	int rc;

	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	rc = mp_sql_exec(h->db, "BEGIN", err); /* one snapshot: it may be removed meanwhile */
	if (rc == 0) {
		rc = cache_find(h->find, digest, &blob, err);
		found = rc == 0;
		if (rc == 0 && ready != NULL)
			rc = ready(ctx, blob.size, err);
		if (rc == 0)
			rc = cache_stream(h, &blob, digest, sink, ctx, err);
		(void)mp_sql_exec(h->db, "COMMIT", NULL);
	}
	cache_hand_give(c, h);
	if (found && rc == MP_ECORRUPT)
		cache_drop(c, blob.id);
	else if (found && rc == 0)
		cache_touch(c, &blob);
	return rc;
}

static int
cache_sink_fd(void *ctx, struct mp_span bytes, struct mp_error *err)
{
	const int *fd = ctx;

	if (mp_fd_write(*fd, bytes))
		return 0;
	return mp_sys_error(errno) == MP_EFULL
		       ? mp_fail(err, MP_EFULL, "%s", mp_strerror(MP_EFULL))
		       : mp_fail(err, mp_sys_error(errno), "%s", strerror(errno));
}

int
mp_cache_get_file(struct mp_cache *c, const struct mp_hash *digest, int fd, struct mp_error *err)
{
	return cache_get(c, digest, NULL, cache_sink_fd, &fd, err);
}

static int
cache_sink_none(void *ctx, struct mp_span bytes, struct mp_error *err)
{
	(void)ctx;
	(void)bytes;
	(void)err;
	return 0;
}

int
cache_verify(struct mp_cache *c, const struct mp_hash *digest, struct mp_error *err)
{
	return cache_get(c, digest, NULL, cache_sink_none, NULL, err);
}

struct cache_bytes {
	size_t max, n;
	uint8_t *p;
};

static int
cache_ready_bytes(void *ctx, uint64_t size, struct mp_error *err)
{
	struct cache_bytes *b = ctx;

	if (size > b->max)
		return mp_fail(err, MP_ELIMIT, "blob has %llu bytes, at most %zu are wanted",
			(unsigned long long)size, b->max);
	b->p = malloc((size_t)size + 1);
	return b->p != NULL ? 0 : mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
}

static int
cache_sink_bytes(void *ctx, struct mp_span bytes, struct mp_error *err)
{
	struct cache_bytes *b = ctx;

	(void)err;
	memcpy(b->p + b->n, bytes.p, bytes.n);
	b->n += bytes.n;
	return 0;
}

int
mp_cache_get_bytes(struct mp_cache *c, const struct mp_hash *digest, size_t max, uint8_t **p,
	size_t *n, struct mp_error *err)
{
	struct cache_bytes b = {.max = max};
	int rc;

	rc = cache_get(c, digest, cache_ready_bytes, cache_sink_bytes, &b, err);
	if (rc != 0) {
		free(b.p);
		return rc;
	}
	*p = b.p;
	*n = b.n;
	return 0;
}

/* ---- reading pieces, asking ---- */

static int
cache_read_span(struct cache_hand *h, const struct cache_blob *blob, uint64_t offset, uint8_t *p,
	size_t n, struct mp_error *err)
{
	while (n > 0) {
		uint32_t chunk = (uint32_t)(offset / MP_CHUNK_SIZE);
		size_t skip = (size_t)(offset % MP_CHUNK_SIZE);
		size_t part = mp_min_size(n, cache_chunk_size(blob->size, chunk) - skip);
		int rc = cache_chunk_read(h, blob, chunk, err);

		if (rc != 0)
			return rc;
		memcpy(p, h->raw + skip, part);
		p += part;
		offset += part;
		n -= part;
	}
	return 0;
}

int
mp_cache_read(struct mp_cache *c, const struct mp_hash *digest, uint64_t offset, void *p, size_t n,
	size_t *got, uint64_t *size, struct mp_error *err)
{
	struct cache_hand *h;
	struct cache_blob blob;
	bool found;
	int rc;

	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	rc = mp_sql_exec(h->db, "BEGIN", err);
	if (rc == 0)
		rc = cache_find(h->find, digest, &blob, err);
	found = rc == 0;
	if (rc == 0) {
		if (offset > blob.size)
			offset = blob.size;
		if (n > blob.size - offset)
			n = (size_t)(blob.size - offset);
		rc = cache_read_span(h, &blob, offset, p, n, err);
	}
	if (sqlite3_get_autocommit(h->db) == 0)
		(void)mp_sql_exec(h->db, "COMMIT", NULL);
	cache_hand_give(c, h);
	if (found && rc == MP_ECORRUPT)
		cache_drop(c, blob.id);
	if (rc != 0)
		return rc;
	*got = n;
	*size = blob.size;
	return 0;
}

int
mp_cache_stat(struct mp_cache *c, const struct mp_hash *digests, size_t n,
	struct mp_blob_state *states, struct mp_error *err)
{
	struct cache_hand *h;
	struct cache_blob blob;
	size_t i;
	int rc;

	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	for (i = 0; rc == 0 && i < n; i++) {
		rc = cache_find(h->find, &digests[i], &blob, err);
		states[i] = (struct mp_blob_state){0};
		if (rc == 0)
			states[i] = (struct mp_blob_state){.complete = true, .size = blob.size};
		if (rc == MP_ENOENT)
			rc = 0;
	}
	cache_hand_give(c, h);
	return rc;
}

int
mp_cache_list(struct mp_cache *c, const struct mp_hash *after, size_t max, struct mp_blob_ref *refs,
	size_t *count, struct mp_error *err)
{
	sqlite3_stmt *list = NULL;
	struct cache_hand *h;
	int rc, step = SQLITE_DONE;

	*count = 0;
	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	rc = mp_sql_prepare(h->db,
		"SELECT digest, size FROM blob WHERE complete = 1 AND digest > ?1"
		" ORDER BY digest LIMIT ?2",
		&list, err);
	if (rc == 0) {
		(void)mp_sql_bind(list, 1, mp_span(after->b, sizeof(after->b)));
		(void)sqlite3_bind_int64(list, 2, (sqlite3_int64)max);
		errno = 0;
		while (*count < max && (step = sqlite3_step(list)) == SQLITE_ROW) {
			struct mp_span digest = mp_sql_span(list, 0);
			struct mp_blob_ref *ref = &refs[*count];

			if (digest.n != sizeof(ref->digest.b)) {
				rc = mp_fail(err, MP_ECORRUPT, "a digest of another length");
				break;
			}
			memcpy(ref->digest.b, digest.p, digest.n);
			ref->size = (uint64_t)sqlite3_column_int64(list, 1);
			(*count)++;
		}
		if (rc == 0 && step != SQLITE_DONE && step != SQLITE_ROW)
			rc = mp_sql_fail(step, err);
	}
	(void)sqlite3_finalize(list);
	cache_hand_give(c, h);
	return rc;
}

int
mp_cache_totals(struct mp_cache *c, struct mp_cache_totals *out, struct mp_error *err)
{
	struct cache_hand *h;
	int64_t blobs = 0, bytes = 0, pages = 0, page = 0, results = 0, result_bytes = 0;
	int rc;

	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	rc = mp_sql_int(h->db, "SELECT count(*) FROM blob WHERE complete = 1", &blobs, err);
	if (rc == 0)
		rc = mp_sql_int(
			h->db, "SELECT total(size) FROM blob WHERE complete = 1", &bytes, err);
	if (rc == 0)
		rc = mp_sql_int(h->db, "PRAGMA page_count", &pages, err);
	if (rc == 0)
		rc = mp_sql_int(h->db, "PRAGMA page_size", &page, err);
	if (rc == 0)
		rc = mp_sql_int(h->db, "SELECT count(*) FROM cached", &results, err);
	if (rc == 0)
		rc = mp_sql_int(
			h->db, "SELECT total(length(record)) FROM cached", &result_bytes, err);
	cache_hand_give(c, h);
	if (rc == 0)
		*out = (struct mp_cache_totals){.blobs = (uint64_t)blobs,
			.bytes = (uint64_t)bytes,
			.stored = (uint64_t)pages * (uint64_t)page,
			.results = (uint64_t)results,
			.result_bytes = (uint64_t)result_bytes};
	return rc;
}
