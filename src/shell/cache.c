/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/hasher.h"
#include "shell/cache_impl.h"
#include "shell/heap.h"
#include "util/fd.h"
#include "util/sum.h"

/* Chunks dropped in one transaction, so that others get their turn. */
#define CACHE_DROP_STEP 64u

/* last_used is that exact, in seconds. */
#define CACHE_TOUCH_S 3600

static const struct mp_sql_kind cache_kind = {
	.what = "cache database",
	.application_id = 0x4d504341, /* "MPCA" */
	.version = MP_CACHE_SCHEMA,
	.oldest = 1,
	.create = "CREATE TABLE IF NOT EXISTS blob (id INTEGER PRIMARY KEY, digest BLOB NOT NULL,"
		  " size INTEGER NOT NULL, complete INTEGER NOT NULL, created INTEGER NOT NULL,"
		  " last_used INTEGER NOT NULL) STRICT;"
		  "CREATE UNIQUE INDEX IF NOT EXISTS blob_digest ON blob (digest)"
		  " WHERE complete = 1;"
		  "CREATE INDEX IF NOT EXISTS blob_partial ON blob (id) WHERE complete = 0;"
		  "CREATE TABLE IF NOT EXISTS chunk (id INTEGER PRIMARY KEY,"
		  " packed INTEGER NOT NULL, sum INTEGER NOT NULL, data BLOB NOT NULL) STRICT;"
		  "CREATE TABLE IF NOT EXISTS cached (id INTEGER PRIMARY KEY, key BLOB NOT NULL,"
		  " base BLOB NOT NULL, record BLOB NOT NULL, stored_ms INTEGER NOT NULL) STRICT;"
		  "CREATE UNIQUE INDEX IF NOT EXISTS cached_key ON cached (key);"
		  "CREATE INDEX IF NOT EXISTS cached_base ON cached (base, stored_ms);",
	.tune = "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		"PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=4000;"
		"PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-1024;"
		/* What is dropped is not overwritten, as some systems' SQLite does by default:
		 * that would need as much room as it frees, which a full disk has not. */
		"PRAGMA secure_delete=FAST",
	.damaged = "stop the node and move it away, with the files beside it that end in -wal and "
		   "-shm: blobs are fetched again or made again",
};

/* ---- transactions ---- */

int
cache_begin(struct mp_cache *c, struct mp_error *err)
{
	int rc;

	uv_mutex_lock(&c->lock);
	rc = mp_sql_run(c->begin, err);
	if (rc != 0)
		uv_mutex_unlock(&c->lock);
	return rc;
}

int
cache_end(struct mp_cache *c, int rc, struct mp_error *err)
{
	if (rc == 0)
		rc = mp_sql_run(c->commit, err);
	if (sqlite3_get_autocommit(c->db) == 0)
		(void)mp_sql_run(c->rollback, NULL);
	uv_mutex_unlock(&c->lock);
	return rc;
}

/* ---- inside a transaction ---- */

int
cache_add_blob(struct mp_cache *c, const struct mp_hash *digest, uint64_t size, bool complete,
	int64_t *id, struct mp_error *err)
{
	int rc;

	(void)mp_sql_bind(c->add, 1, mp_span(digest->b, sizeof(digest->b)));
	(void)sqlite3_bind_int64(c->add, 2, (int64_t)size);
	(void)sqlite3_bind_int(c->add, 3, complete);
	(void)sqlite3_bind_int64(c->add, 4, (int64_t)time(NULL));
	rc = mp_sql_run(c->add, err);
	*id = sqlite3_last_insert_rowid(c->db);
	return rc;
}

struct cache_packed
cache_pack(struct cache_hand *h, struct mp_span raw)
{
	struct cache_packed out = {.data = raw, .sum = mp_sum64(0, raw)};
	size_t room = raw.n - raw.n / 8, n;

	if (raw.n < 64)
		return out;
	n = ZSTD_compressCCtx(h->cctx, h->packed, room, raw.p, raw.n, 1);
	if (ZSTD_isError(n))
		return out; /* it would not be small enough */
	out.data = mp_span(h->packed, n);
	out.packed = true;
	return out;
}

int
cache_add_chunk(struct mp_cache *c, int64_t id, uint32_t n, const struct cache_packed *chunk,
	struct mp_error *err)
{
	(void)sqlite3_bind_int64(c->add_chunk, 1, cache_chunk_id(id, n));
	(void)sqlite3_bind_int(c->add_chunk, 2, chunk->packed);
	(void)sqlite3_bind_int64(c->add_chunk, 3, (int64_t)chunk->sum);
	(void)mp_sql_bind(c->add_chunk, 4, chunk->data);
	return mp_sql_run(c->add_chunk, err);
}

/* ---- dropping ---- */

static int
cache_hide(struct mp_cache *c, int64_t id)
{
	int rc;

	uv_mutex_lock(&c->lock);
	(void)sqlite3_bind_int64(c->hide, 1, id);
	rc = mp_sql_run(c->hide, NULL);
	uv_mutex_unlock(&c->lock);
	return rc;
}

/* Some of its chunks, or at last the blob itself: *gone. */
static int
cache_drop_some(struct mp_cache *c, int64_t id, bool *gone)
{
	int rc;

	rc = cache_begin(c, NULL);
	if (rc != 0)
		return rc;
	(void)sqlite3_bind_int64(c->drop_chunks, 1, cache_chunk_id(id, 0));
	(void)sqlite3_bind_int64(c->drop_chunks, 2, cache_chunk_id(id + 1, 0));
	(void)sqlite3_bind_int(c->drop_chunks, 3, CACHE_DROP_STEP);
	rc = mp_sql_run(c->drop_chunks, NULL);
	if (rc == 0 && sqlite3_changes(c->db) == 0) {
		(void)sqlite3_bind_int64(c->drop_blob, 1, id);
		rc = mp_sql_run(c->drop_blob, NULL);
		*gone = true;
	}
	return cache_end(c, rc, NULL);
}

/* Chunk by chunk, so that other writers get their turn; invisible from the start. */
static int
cache_drop_all(struct mp_cache *c, int64_t id)
{
	bool gone = false;
	int rc;

	rc = cache_hide(c, id);
	while (rc == 0 && !gone)
		rc = cache_drop_some(c, id, &gone);
	return rc;
}

void
cache_drop(struct mp_cache *c, int64_t id)
{
	if (cache_drop_all(c, id) != MP_EFULL)
		return;
	uv_mutex_lock(&c->lock);
	if (c->dead_count < mp_countof(c->dead))
		c->dead[c->dead_count++] = id;
	uv_mutex_unlock(&c->lock);
}

/* Tries again to drop what a full disk did not let go. */
static void
cache_bury(struct mp_cache *c)
{
	int64_t id = 0;
	bool any;

	uv_mutex_lock(&c->lock);
	any = c->dead_count > 0;
	if (any)
		id = c->dead[--c->dead_count];
	uv_mutex_unlock(&c->lock);
	if (any)
		cache_drop(c, id);
}

void
cache_touch(struct mp_cache *c, const struct cache_blob *blob)
{
	int64_t now = (int64_t)time(NULL);

	if (now - blob->last_used < CACHE_TOUCH_S)
		return;
	uv_mutex_lock(&c->lock);
	(void)sqlite3_bind_int64(c->touch, 1, blob->id);
	(void)sqlite3_bind_int64(c->touch, 2, now);
	(void)mp_sql_run(c->touch, NULL);
	uv_mutex_unlock(&c->lock);
}

int
mp_cache_remove(struct mp_cache *c, const struct mp_hash *digest, struct mp_error *err)
{
	struct cache_blob blob;
	int rc;

	uv_mutex_lock(&c->lock);
	rc = cache_find(c->find, digest, &blob, err);
	uv_mutex_unlock(&c->lock);
	if (rc != 0)
		return rc;
	rc = cache_drop_all(c, blob.id);
	return rc == 0 ? 0 : mp_fail(err, rc, "%s", mp_strerror(rc));
}

/* ---- storing what is here ---- */

/* 0 when it is complete already, else MP_ENOENT or an error. */
static int
cache_known(struct mp_cache *c, struct cache_hand *h, const struct mp_hash *digest,
	struct mp_error *err)
{
	struct cache_blob blob;
	int rc = cache_find(h->find, digest, &blob, err);

	if (rc == 0)
		cache_touch(c, &blob);
	return rc;
}

int
cache_put_small(struct mp_cache *c, struct cache_hand *h, struct mp_span bytes,
	const struct mp_hash *digest, struct mp_error *err)
{
	struct cache_packed chunk;
	struct cache_blob blob;
	int64_t id;
	int rc;

	rc = cache_known(c, h, digest, err);
	if (rc != MP_ENOENT)
		return rc;
	chunk = cache_pack(h, bytes);
	rc = cache_begin(c, err);
	if (rc != 0)
		return rc;
	rc = cache_find(c->find, digest, &blob, err);
	if (rc == MP_ENOENT) {
		rc = cache_add_blob(c, digest, bytes.n, true, &id, err);
		if (rc == 0 && bytes.n > 0)
			rc = cache_add_chunk(c, id, 0, &chunk, err);
	}
	return cache_end(c, rc, err);
}

/* What gives the bytes of a blob, again and again: memory or a file. */
struct cache_source {
	int fd; /* or -1 */
	struct mp_span bytes;
	uint64_t size;
};

/* Chunk n, in the hand's buffer or where it is. */
static int
cache_source_read(const struct cache_source *s, struct cache_hand *h, uint32_t n,
	struct mp_span *out, struct mp_error *err)
{
	size_t want = cache_chunk_size(s->size, n), done = 0;
	uint64_t offset = (uint64_t)n * MP_CHUNK_SIZE;
	ssize_t got;

	if (s->fd < 0) {
		*out = mp_span(s->bytes.p + offset, want);
		return 0;
	}
	while (done < want) {
		got = pread(s->fd, h->raw + done, want - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return mp_fail(err, MP_EIO, "%s", strerror(errno));
		if (got == 0)
			return mp_fail(err, MP_EIO, "it became shorter while it was stored");
		done += (size_t)got;
	}
	*out = mp_span(h->raw, want);
	return 0;
}

static int
cache_source_hash(const struct cache_source *s, struct cache_hand *h, struct mp_hash *out,
	struct mp_error *err)
{
	struct mp_hasher hasher;
	struct mp_span bytes;
	uint32_t n;
	int rc;

	mp_hasher_init(&hasher);
	for (n = 0; n < cache_chunks(s->size); n++) {
		rc = cache_source_read(s, h, n, &bytes, err);
		if (rc != 0)
			return rc;
		mp_hasher_update(&hasher, bytes);
	}
	mp_hasher_final(&hasher, out);
	return 0;
}

/* All chunks of an incomplete blob, one transaction each, hashed once more on the way. */
static int
cache_fill(struct mp_cache *c, struct cache_hand *h, const struct cache_source *s, int64_t id,
	const struct mp_hash *digest, struct mp_error *err)
{
	struct cache_packed chunk;
	struct mp_hasher hasher;
	struct mp_span bytes;
	struct mp_hash got;
	uint32_t n;
	int rc;

	mp_hasher_init(&hasher);
	for (n = 0; n < cache_chunks(s->size); n++) {
		rc = cache_source_read(s, h, n, &bytes, err);
		if (rc != 0)
			return rc;
		mp_hasher_update(&hasher, bytes);
		chunk = cache_pack(h, bytes);
		uv_mutex_lock(&c->lock);
		rc = cache_add_chunk(c, id, n, &chunk, err);
		uv_mutex_unlock(&c->lock);
		if (rc != 0)
			return rc;
	}
	mp_hasher_final(&hasher, &got);
	if (!mp_hash_eq(&got, digest))
		return mp_fail(err, MP_EIO, "it changed while it was stored");
	return 0;
}

static int
cache_complete(struct mp_cache *c, int64_t id, const struct mp_hash *digest, bool *mine,
	struct mp_error *err)
{
	struct cache_blob other;
	int rc;

	rc = cache_begin(c, err);
	if (rc != 0)
		return rc;
	rc = cache_find(c->find, digest, &other, err);
	*mine = rc == MP_ENOENT;
	if (*mine) {
		(void)sqlite3_bind_int64(c->complete, 1, id);
		rc = mp_sql_run(c->complete, err);
	}
	return cache_end(c, rc, err);
}

int
cache_reveal(
	struct mp_cache *c, int64_t id, const struct mp_hash *digest, int rc, struct mp_error *err)
{
	bool mine = false;

	if (rc == 0)
		rc = cache_complete(c, id, digest, &mine, err);
	if (rc != 0 || !mine)
		cache_drop(c, id);
	return rc;
}

static int
cache_put_large(struct mp_cache *c, struct cache_hand *h, const struct cache_source *s,
	const struct mp_hash *digest, struct mp_error *err)
{
	int64_t id;
	int rc;

	rc = cache_known(c, h, digest, err);
	if (rc != MP_ENOENT)
		return rc;
	uv_mutex_lock(&c->lock);
	rc = cache_add_blob(c, digest, s->size, false, &id, err);
	uv_mutex_unlock(&c->lock);
	if (rc != 0)
		return rc;
	rc = cache_fill(c, h, s, id, digest, err);
	return cache_reveal(c, id, digest, rc, err);
}

static int
cache_put(struct mp_cache *c, const struct cache_source *s, struct mp_blob_ref *out,
	struct mp_error *err)
{
	struct cache_hand *h;
	struct mp_span bytes;
	struct mp_hash digest;
	int rc;

	if (s->size > MP_BLOB_MAX)
		return mp_fail(err, MP_ELIMIT, "%llu bytes; a blob has at most %llu",
			(unsigned long long)s->size, MP_BLOB_MAX);
	cache_bury(c);
	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	if (s->size <= MP_CHUNK_SIZE) {
		bytes = mp_span(NULL, 0);
		if (s->size > 0)
			rc = cache_source_read(s, h, 0, &bytes, err);
		mp_hasher_once(&digest, bytes);
		if (rc == 0)
			rc = cache_put_small(c, h, bytes, &digest, err);
	} else {
		rc = cache_source_hash(s, h, &digest, err);
		if (rc == 0)
			rc = cache_put_large(c, h, s, &digest, err);
	}
	cache_hand_give(c, h);
	if (rc == 0)
		*out = (struct mp_blob_ref){.digest = digest, .size = s->size};
	return rc;
}

int
mp_cache_put_file(struct mp_cache *c, int fd, struct mp_blob_ref *out, struct mp_error *err)
{
	struct cache_source s = {.fd = fd};
	struct stat st;

	if (fstat(fd, &st) != 0)
		return mp_fail(err, MP_EIO, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return mp_fail(err, MP_EINVAL, "not a regular file");
	s.size = (uint64_t)st.st_size;
	return cache_put(c, &s, out, err);
}

int
mp_cache_put_bytes(
	struct mp_cache *c, struct mp_span bytes, struct mp_blob_ref *out, struct mp_error *err)
{
	struct cache_source s = {.fd = -1, .bytes = bytes, .size = bytes.n};

	return cache_put(c, &s, out, err);
}

/* ---- opening and closing ---- */

static int
cache_prepare(struct mp_cache *c, struct mp_error *err)
{
	const struct {
		sqlite3_stmt **out;
		const char *sql;
	} all[] = {
		{&c->begin, "BEGIN IMMEDIATE"},
		{&c->commit, "COMMIT"},
		{&c->rollback, "ROLLBACK"},
		{&c->find,
			"SELECT id, size, last_used FROM blob WHERE digest = ?1 AND complete = 1"},
		{&c->add, "INSERT INTO blob (digest, size, complete, created, last_used)"
			  " VALUES (?1, ?2, ?3, ?4, ?4)"},
		{&c->complete, "UPDATE blob SET complete = 1 WHERE id = ?1"},
		{&c->hide, "UPDATE blob SET complete = 0 WHERE id = ?1"},
		{&c->touch, "UPDATE blob SET last_used = ?2 WHERE id = ?1"},
		{&c->add_chunk, "INSERT OR REPLACE INTO chunk (id, packed, sum, data)"
				" VALUES (?1, ?2, ?3, ?4)"},
		{&c->drop_chunks, "DELETE FROM chunk WHERE id IN"
				  " (SELECT id FROM chunk WHERE id >= ?1 AND id < ?2 LIMIT ?3)"},
		{&c->drop_blob, "DELETE FROM blob WHERE id = ?1"},
		{&c->put_result, CACHE_PUT_RESULT},
		{&c->trim_results, CACHE_TRIM_RESULTS},
	};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < mp_countof(all); i++)
		rc = mp_sql_prepare(c->db, all[i].sql, all[i].out, err);
	return rc;
}

/* What the last process did not finish. */
static int
cache_sweep(struct mp_cache *c, struct mp_error *err)
{
	int64_t id = 0;
	int rc;

	for (;;) {
		rc = mp_sql_int(c->db, "SELECT coalesce(min(id), 0) FROM blob WHERE complete = 0",
			&id, err);
		if (rc != 0 || id == 0)
			return rc;
		if (cache_drop_all(c, id) != 0)
			return 0; /* it is invisible; the next start tries again */
	}
}

/* The file behind mp_cache_sync(). It stays the same as long as the database is open. */
static int
cache_open_wal(struct mp_cache *c, struct mp_error *err)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s-wal", c->path) >= sizeof(path))
		return mp_fail(err, MP_EINVAL, "path too long");
	c->wal_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return c->wal_fd >= 0 ? 0 : mp_fail(err, MP_EIO, "%s: %s", path, strerror(errno));
}

int
mp_cache_open(const char *path, struct mp_cache **out, struct mp_error *err)
{
	struct mp_cache *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	c->wal_fd = -1;
	rc = uv_mutex_init(&c->lock);
	mp_assert(rc == 0);
	rc = uv_mutex_init(&c->hands_lock);
	mp_assert(rc == 0);
	mp_map_init(&c->partials, &mp_heap);
	mp_dlist_init(&c->partial_ages);
	c->path = strdup(path);
	rc = c->path == NULL ? mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM))
			     : mp_sql_open(path, &cache_kind, &c->db, err);
	if (rc == 0)
		rc = cache_prepare(c, err);
	if (rc == 0)
		rc = cache_sweep(c, err);
	if (rc == 0)
		rc = cache_open_wal(c, err);
	if (rc != 0) {
		mp_cache_close(c);
		return rc;
	}
	*out = c;
	return 0;
}

void
mp_cache_close(struct mp_cache *c)
{
	sqlite3_stmt *st;

	if (c == NULL)
		return;
	cache_partials_free(c);
	cache_hands_free(c);
	while (c->db != NULL && (st = sqlite3_next_stmt(c->db, NULL)) != NULL)
		(void)sqlite3_finalize(st);
	mp_sql_close(c->db);
	if (c->wal_fd >= 0)
		(void)close(c->wal_fd);
	uv_mutex_destroy(&c->hands_lock);
	uv_mutex_destroy(&c->lock);
	free(c->path);
	free(c);
}

/*
 * What was committed is in the WAL or, checkpointed, in the database; a checkpoint syncs both
 * before the WAL is used again (https://www.sqlite.org/wal.html). So the WAL is all that can
 * be missing.
 */
int
mp_cache_sync(struct mp_cache *c, struct mp_error *err)
{
	if (fdatasync(c->wal_fd) == 0)
		return 0;
	return mp_fail(err, mp_sys_error(errno), "%s", strerror(errno));
}
