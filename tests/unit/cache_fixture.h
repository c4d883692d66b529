/* SPDX-License-Identifier: Apache-2.0 */
/* A cache in a directory of its own, and bytes to put there. */
#ifndef MP_TESTS_CACHE_FIXTURE_H
#define MP_TESTS_CACHE_FIXTURE_H

#include "unit/scratch.h"

#include <sqlite3.h>

#include "mp/limits.h"
#include "shell/cache.h"

#define CHUNK ((size_t)MP_CHUNK_SIZE)

struct cache_fixture {
	struct scratch scratch;
	struct mp_cache *cache;
};

static inline void
must_open(struct cache_fixture *f)
{
	struct mp_error err = {0};

	if (mp_cache_open(scratch_path(&f->scratch, "cache.db"), &f->cache, &err) != 0)
		fail_msg("%s", err.text);
}

static inline int
setup(void **state)
{
	struct cache_fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	scratch_make(&f->scratch);
	must_open(f);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct cache_fixture *f = *state;

	mp_cache_close(f->cache);
	scratch_remove(&f->scratch);
	free(f);
	return 0;
}

/* Behind the back of the cache, which is closed. */
static inline void
sql(struct cache_fixture *f, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(scratch_path(&f->scratch, "cache.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* What a query gives, likewise, but the cache may be open. */
static inline int
sql_count(struct cache_fixture *f, const char *query)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int n;

	assert_int_equal(sqlite3_open(scratch_path(&f->scratch, "cache.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

/* Blobs that nobody sees, and chunks of such. */
static inline int
count_hidden(struct cache_fixture *f)
{
	return sql_count(f, "SELECT (SELECT count(*) FROM blob WHERE complete = 0) + (SELECT "
			    "count(*) FROM chunk WHERE id >> 17 NOT IN (SELECT id FROM blob WHERE "
			    "complete = 1))");
}

/* n bytes that zstd can (or cannot) shrink, the same for the same seed. */
static inline uint8_t *
make_bytes(size_t n, uint64_t seed, bool shrinks)
{
	uint8_t *p = malloc(n + 1);
	uint64_t x = seed * 2654435761u + 1;
	size_t i;

	assert_non_null(p);
	for (i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = shrinks ? (uint8_t)('a' + (x & 3)) : (uint8_t)(x >> 32);
	}
	return p;
}

static inline struct mp_blob_ref
put(struct cache_fixture *f, const void *p, size_t n)
{
	struct mp_error err = {0};
	struct mp_blob_ref ref;

	if (mp_cache_put_bytes(f->cache, mp_span(p, n), &ref, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(ref.size, n);
	return ref;
}

static inline void
expect_bytes(struct cache_fixture *f, const struct mp_hash *digest, const void *p, size_t n)
{
	struct mp_error err = {0};
	uint8_t *got = NULL;
	size_t got_n = 0;

	if (mp_cache_get_bytes(f->cache, digest, n, &got, &got_n, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(got_n, n);
	assert_memory_equal(got, p, n);
	free(got);
}

static inline bool
is_complete(struct cache_fixture *f, const struct mp_hash *digest)
{
	struct mp_blob_state st;

	assert_int_equal(mp_cache_stat(f->cache, digest, 1, &st, NULL), 0);
	return st.complete;
}

#endif
