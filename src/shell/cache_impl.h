/* SPDX-License-Identifier: Apache-2.0 */
/* Inside cache.db: what cache.c (writing) and cache_read.c (reading) share. */
#ifndef MP_SHELL_CACHE_IMPL_H
#define MP_SHELL_CACHE_IMPL_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "shell/cache.h"
#include "shell/sql.h"
#include "util/dlist.h"
#include "util/map.h"

#include <uv.h>
#include <zstd.h>

/* A chunk's row id is the blob's, shifted, plus its number. */
#define CACHE_CHUNK_BITS 17
#define CACHE_CHUNKS_MAX (MP_BLOB_MAX / MP_CHUNK_SIZE)
_Static_assert(CACHE_CHUNKS_MAX <= 1u << CACHE_CHUNK_BITS, "chunk numbers fit");

/* What a thread works with while it is inside the cache: a reading connection and buffers. */
struct cache_hand {
	struct cache_hand *next;
	sqlite3 *db;
	sqlite3_stmt *find;          /* digest -> id, size, last_used */
	sqlite3_stmt *chunk;         /* id -> packed, sum, data */
	sqlite3_stmt *result_keys;   /* base, how many -> key */
	sqlite3_stmt *result_record; /* key -> record */
	ZSTD_CCtx *cctx;
	ZSTD_DCtx *dctx;
	uint8_t *raw;    /* MP_CHUNK_SIZE */
	uint8_t *packed; /* as much: what does not shrink is not kept packed */
};

/* A blob that comes from a peer, of which pieces are missing. */
struct cache_partial {
	struct mp_map_node node;
	struct mp_dlist age;
	struct mp_hash digest;
	int64_t id;
	uint64_t total;
	uint32_t chunks, have;
	bool verifying; /* another thread hashes it; nothing may change */
	uint8_t *bits;  /* of the chunks that came */
};

struct mp_cache {
	char *path;
	int wal_fd;

	uv_mutex_t hands_lock;
	struct cache_hand *hands;

	uv_mutex_t lock; /* of all below */
	sqlite3 *db;
	sqlite3_stmt *begin, *commit, *rollback;
	sqlite3_stmt *find, *add, *complete, *hide, *touch;
	sqlite3_stmt *add_chunk, *drop_chunks, *drop_blob;
	sqlite3_stmt *put_result, *trim_results;
	struct mp_map partials;
	struct mp_dlist partial_ages; /* the oldest first */
	int64_t dead[64];             /* blobs that could not be dropped: tried again */
	size_t dead_count;
};

struct cache_blob {
	int64_t id;
	uint64_t size;
	int64_t last_used;
};

static inline uint32_t
cache_chunks(uint64_t size)
{
	return (uint32_t)((size + MP_CHUNK_SIZE - 1) / MP_CHUNK_SIZE);
}

static inline size_t
cache_chunk_size(uint64_t size, uint32_t n)
{
	uint64_t rest = size - (uint64_t)n * MP_CHUNK_SIZE;

	return rest < MP_CHUNK_SIZE ? (size_t)rest : MP_CHUNK_SIZE;
}

static inline int64_t
cache_chunk_id(int64_t blob, uint32_t n)
{
	return (int64_t)((uint64_t)blob << CACHE_CHUNK_BITS) + n;
}

/* A chunk as it is stored. */
struct cache_packed {
	struct mp_span data;
	bool packed;
	uint64_t sum;
};

/* ---- cache_read.c ---- */

int cache_hand_take(struct mp_cache *c, struct cache_hand **out, struct mp_error *err);
void cache_hand_give(struct mp_cache *c, struct cache_hand *hand);
void cache_hands_free(struct mp_cache *c);

/* Steps `find` of either connection: 0, MP_ENOENT or an error. */
int cache_find(sqlite3_stmt *find, const struct mp_hash *digest, struct cache_blob *out,
	struct mp_error *err);

/* The digest of what is stored. */
int cache_hash(struct cache_hand *hand, const struct cache_blob *blob, struct mp_hash *out,
	struct mp_error *err);

/* Reads a blob whole. MP_ECORRUPT: it was damaged, and is forgotten. */
int cache_verify(struct mp_cache *c, const struct mp_hash *digest, struct mp_error *err);

/* ---- cache.c ---- */

/* Locks; on error nothing is locked. */
int cache_begin(struct mp_cache *c, struct mp_error *err);

/* Commits when rc is 0, else undoes; unlocks. The error that counts is returned. */
int cache_end(struct mp_cache *c, int rc, struct mp_error *err);

/* Under the lock. */
int cache_add_blob(struct mp_cache *c, const struct mp_hash *digest, uint64_t size, bool complete,
	int64_t *id, struct mp_error *err);
int cache_add_chunk(struct mp_cache *c, int64_t id, uint32_t n, const struct cache_packed *chunk,
	struct mp_error *err);

/* Without a lock. The result borrows from raw or from the hand. */
struct cache_packed cache_pack(struct cache_hand *h, struct mp_span raw);

/* A blob of at most one chunk whose digest was computed: one transaction. */
int cache_put_small(struct mp_cache *c, struct cache_hand *h, struct mp_span bytes,
	const struct mp_hash *digest, struct mp_error *err);

/* What was filled, with rc, becomes visible; after an error, or when another thread was first, it
 * is dropped. The error that counts. Takes the lock. */
int cache_reveal(
	struct mp_cache *c, int64_t id, const struct mp_hash *digest, int rc, struct mp_error *err);

/* Drops a blob and its chunks; what cannot be dropped now is dropped later. Takes the lock. */
void cache_drop(struct mp_cache *c, int64_t id);

/* It was used, says whoever just found it. Takes the lock. */
void cache_touch(struct mp_cache *c, const struct cache_blob *blob);

/* ---- cache_result.c ---- */

/* key, base, record, time; then base, how many. */
#define CACHE_PUT_RESULT                                                                           \
	"INSERT INTO cached (key, base, record, stored_ms) VALUES (?1, ?2, ?3, ?4)"                \
	" ON CONFLICT (key) DO UPDATE SET base = ?2, record = ?3, stored_ms = ?4"
#define CACHE_NEWEST_RESULTS                                                                       \
	" FROM cached WHERE base = ?1 ORDER BY stored_ms DESC, id DESC LIMIT ?2"
#define CACHE_TRIM_RESULTS                                                                         \
	"DELETE FROM cached WHERE base = ?1 AND id NOT IN (SELECT id" CACHE_NEWEST_RESULTS ")"

/* ---- cache_partial.c ---- */

void cache_partials_free(struct mp_cache *c);

#endif
