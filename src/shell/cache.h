/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.db: blobs named by their BLAKE2b-256 (DESIGN 8), in chunks of MP_CHUNK_SIZE, each
 * compressed with zstd when that saves an eighth, and records of results that may stand for other
 * executions. SQLite in WAL mode, synchronous=NORMAL.
 *
 * Every function may be called from any thread, at the same time. One connection writes, under a
 * mutex, in short transactions; readers have connections of their own. A blob is visible when it
 * is whole and its digest was verified, and not before.
 *
 * Errors of all functions: MP_EFULL (disk full; nothing half-made is visible), MP_EIO,
 * MP_ECORRUPT (stored bytes are damaged; wrong bytes are never given), MP_ENOMEM, and those named.
 */
#ifndef MP_SHELL_CACHE_H
#define MP_SHELL_CACHE_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/store.h"

/* 2: the table of results. An older file is changed when it is opened. */
#define MP_CACHE_SCHEMA 2

struct mp_cache;

/* Makes the file when there is none; forgets what was not completed. Errors as
 * mp_control_open(). libsodium was initialised. */
int mp_cache_open(const char *path, struct mp_cache **out, struct mp_error *err);

/* No other call is under way. NULL is fine. */
void mp_cache_close(struct mp_cache *cache);

/* Stores what fd, a regular file, holds from its beginning. MP_ELIMIT above MP_BLOB_MAX; MP_EIO
 * also when it changed meanwhile. */
int mp_cache_put_file(
	struct mp_cache *cache, int fd, struct mp_blob_ref *out, struct mp_error *err);
int mp_cache_put_bytes(struct mp_cache *cache, struct mp_span bytes, struct mp_blob_ref *out,
	struct mp_error *err);

/* Writes the blob to fd at its position. MP_ENOENT when it is not complete here. On MP_ECORRUPT
 * what was written to fd is to be thrown away, and the cache has forgotten the blob. */
int mp_cache_get_file(
	struct mp_cache *cache, const struct mp_hash *digest, int fd, struct mp_error *err);

/* Up to n bytes from offset into p; *got of them (less only at the end), *size the blob's. */
int mp_cache_read(struct mp_cache *cache, const struct mp_hash *digest, uint64_t offset, void *p,
	size_t n, size_t *got, uint64_t *size, struct mp_error *err);

/* The whole of a blob of at most max bytes, to be freed by the caller (never NULL on success).
 * MP_ENOENT, MP_ELIMIT. */
int mp_cache_get_bytes(struct mp_cache *cache, const struct mp_hash *digest, size_t max,
	uint8_t **p, size_t *n, struct mp_error *err);

/*
 * Keeps one piece, a whole chunk or the last one, of a blob of `total` bytes that comes from a
 * peer, in any order. *complete: the blob is whole (now or already), its digest verified. MP_ESIG:
 * every piece came, but the digest differs; all were forgotten. MP_EINVAL: not a piece of such a
 * blob. MP_ELIMIT: total above MP_BLOB_MAX.
 */
int mp_cache_write_chunk(struct mp_cache *cache, const struct mp_hash *digest, uint64_t total,
	uint64_t offset, struct mp_span bytes, bool *complete, struct mp_error *err);

/* Which of n blobs are complete? */
int mp_cache_stat(struct mp_cache *cache, const struct mp_hash *digests, size_t n,
	struct mp_blob_state *states, struct mp_error *err);

/* The complete blobs whose digests come after this one (zero: all), ascending, at most max.
 * *count below max: there are no more. */
int mp_cache_list(struct mp_cache *cache, const struct mp_hash *after, size_t max,
	struct mp_blob_ref *refs, size_t *count, struct mp_error *err);

/* Every blob that is complete by now survives a power cut after this returns 0. */
int mp_cache_sync(struct mp_cache *cache, struct mp_error *err);

/* Forgets a blob; MP_ENOENT when there is none. */
int mp_cache_remove(struct mp_cache *cache, const struct mp_hash *digest, struct mp_error *err);

/* ---- results ---- */

/* Keeps records, all or none; each replaces what has its key, and of one base the newest
 * MP_CACHE_PER_BASE stay. A record over MP_CACHE_RECORD_MAX is MP_ELIMIT. They are not made to
 * survive a power cut: one that is lost is a miss. */
int mp_cache_put_results(
	struct mp_cache *cache, const struct mp_cached *items, size_t n, struct mp_error *err);

/* What there is for these bases, the newest first of each; refs has room for MP_CACHE_PER_BASE of
 * each. */
int mp_cache_find_results(struct mp_cache *cache, const struct mp_hash *bases, size_t n,
	struct mp_cache_ref *refs, size_t *count, struct mp_error *err);

/* The records of keys, an empty span where there is none. They borrow from *block, which is the
 * caller's to free; on error there is none. */
int mp_cache_get_results(struct mp_cache *cache, const struct mp_hash *keys, size_t n,
	struct mp_span *records, uint8_t **block, struct mp_error *err);

/* ---- all of it ---- */

int mp_cache_totals(struct mp_cache *cache, struct mp_cache_totals *out, struct mp_error *err);

/* Reads every page of the file, and verifies every record of a result; forgets those that are
 * damaged. That the file is damaged is no error but an answer. */
int mp_cache_check_file(struct mp_cache *cache, struct mp_cache_sound *out, struct mp_error *err);

/* Reads the blobs after this one (zero: from the first) and verifies their digests, some of them;
 * forgets those that are damaged: they are fetched or made again. */
int mp_cache_check_blobs(struct mp_cache *cache, const struct mp_hash *after,
	struct mp_cache_checked *out, struct mp_error *err);

#endif
