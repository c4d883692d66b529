/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cache_fixture.h"

#include <signal.h>
#include <sys/resource.h>

#include "crypto/hasher.h"

/* ---- storing ---- */

static void
test_bytes_come_back(void **state)
{
	static const size_t sizes[] = {
		0, 1, 63, 64, 1000, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK * 3, CHUNK * 5 + 77};
	struct cache_fixture *f = *state;
	size_t i;
	int shrinks;

	for (i = 0; i < mp_countof(sizes); i++) {
		for (shrinks = 0; shrinks < 2; shrinks++) {
			uint8_t *p = make_bytes(sizes[i], i + 1, shrinks != 0);
			struct mp_hash digest;
			struct mp_blob_ref ref = put(f, p, sizes[i]);

			mp_hasher_once(&digest, mp_span(p, sizes[i]));
			assert_true(mp_hash_eq(&digest, &ref.digest));
			expect_bytes(f, &digest, p, sizes[i]);
			free(p);
		}
	}
	mp_cache_close(f->cache);
	must_open(f);
	for (i = 0; i < mp_countof(sizes); i++) {
		uint8_t *p = make_bytes(sizes[i], i + 1, true);
		struct mp_hash digest;

		mp_hasher_once(&digest, mp_span(p, sizes[i]));
		expect_bytes(f, &digest, p, sizes[i]);
		free(p);
	}
}

static void
test_known_digest(void **state)
{
	/* BLAKE2b-256 of "abc". */
	static const uint8_t abc[4] = {0xbd, 0xdd, 0x81, 0x3c};
	struct mp_blob_ref ref = put(*state, "abc", 3);

	assert_memory_equal(ref.digest.b, abc, sizeof(abc));
}

static void
test_files_come_back(void **state)
{
	struct cache_fixture *f = *state;
	const size_t sizes[] = {0, 5, CHUNK, CHUNK * 9 + 1};
	size_t i, n = 0;

	for (i = 0; i < mp_countof(sizes); i++) {
		uint8_t *p = make_bytes(sizes[i], 40 + i, i % 2 == 0);
		struct mp_blob_ref ref;
		char *back;
		int fd;

		scratch_write(scratch_path(&f->scratch, "in"), p, sizes[i]);
		fd = open(scratch_path(&f->scratch, "in"), O_RDONLY | O_CLOEXEC);
		assert_int_equal(mp_cache_put_file(f->cache, fd, &ref, NULL), 0);
		(void)close(fd);
		fd = open(scratch_path(&f->scratch, "out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(mp_cache_get_file(f->cache, &ref.digest, fd, NULL), 0);
		(void)close(fd);
		back = scratch_read(scratch_path(&f->scratch, "out"), &n);
		assert_int_equal(n, sizes[i]);
		assert_memory_equal(back, p, n);
		free(back);
		free(p);
	}
}

static void
test_what_is_no_file(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_blob_ref ref;
	int fd = open(f->scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(mp_cache_put_file(f->cache, fd, &ref, NULL), MP_EINVAL);
	(void)close(fd);
	fd = open(scratch_path(&f->scratch, "long"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	if (ftruncate(fd, (off_t)MP_BLOB_MAX + 1) == 0)
		assert_int_equal(mp_cache_put_file(f->cache, fd, &ref, NULL), MP_ELIMIT);
	(void)close(fd);
}

static void
test_same_bytes_are_stored_once(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *p = make_bytes(CHUNK * 8, 3, false);
	struct mp_cache_totals before, after;

	(void)put(f, p, CHUNK * 8);
	assert_int_equal(mp_cache_totals(f->cache, &before, NULL), 0);
	(void)put(f, p, CHUNK * 8);
	assert_int_equal(mp_cache_totals(f->cache, &after, NULL), 0);
	assert_int_equal(after.blobs, 1);
	assert_int_equal(after.bytes, CHUNK * 8);
	assert_int_equal(after.stored, before.stored);
	free(p);
}

static void
test_what_shrinks_is_stored_small(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *p = make_bytes(CHUNK * 16, 3, true);
	struct mp_cache_totals t;

	(void)put(f, p, CHUNK * 16);
	assert_int_equal(mp_cache_totals(f->cache, &t, NULL), 0);
	assert_true(t.stored < CHUNK * 8);
	free(p);
}

static void
test_read_pieces(void **state)
{
	struct cache_fixture *f = *state;
	const size_t n = CHUNK * 3 + 100;
	uint8_t *p = make_bytes(n, 9, true), *q = malloc(n + 10);
	struct mp_blob_ref ref = put(f, p, n);
	const struct {
		uint64_t offset;
		size_t n, got;
	} cases[] = {{0, 10, 10}, {CHUNK - 3, 6, 6}, {CHUNK, CHUNK, CHUNK}, {n - 5, 100, 5},
		{n, 10, 0}, {n + 1000, 10, 0}, {0, n + 10, n}, {7, 0, 0}};
	uint64_t size = 0;
	size_t i, got;

	for (i = 0; i < mp_countof(cases); i++) {
		got = 999;
		assert_int_equal(mp_cache_read(f->cache, &ref.digest, cases[i].offset, q,
					 cases[i].n, &got, &size, NULL),
			0);
		assert_int_equal(got, cases[i].got);
		assert_int_equal(size, n);
		if (got > 0)
			assert_memory_equal(q, p + cases[i].offset, got);
	}
	free(p);
	free(q);
}

static void
test_what_is_not_there(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_hash none = {{1}};
	uint64_t size;
	uint8_t *p, buf[8];
	size_t n;

	assert_int_equal(mp_cache_get_bytes(f->cache, &none, 10, &p, &n, NULL), MP_ENOENT);
	assert_int_equal(mp_cache_get_file(f->cache, &none, 1, NULL), MP_ENOENT);
	assert_int_equal(
		mp_cache_read(f->cache, &none, 0, buf, sizeof(buf), &n, &size, NULL), MP_ENOENT);
	assert_int_equal(mp_cache_remove(f->cache, &none, NULL), MP_ENOENT);
	assert_false(is_complete(f, &none));
}

static void
test_bound_of_bytes(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_blob_ref ref = put(f, "hello", 5);
	uint8_t *p;
	size_t n;

	assert_int_equal(mp_cache_get_bytes(f->cache, &ref.digest, 4, &p, &n, NULL), MP_ELIMIT);
}

static void
test_stat_and_remove(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *p = make_bytes(CHUNK * 200, 5, false);
	struct mp_blob_ref a = put(f, "a", 1), b = put(f, p, CHUNK * 200);
	struct mp_hash asked[3] = {a.digest, {{7}}, b.digest};
	struct mp_blob_state st[3];

	assert_int_equal(mp_cache_stat(f->cache, asked, 3, st, NULL), 0);
	assert_true(st[0].complete && !st[1].complete && st[2].complete);
	assert_int_equal(st[2].size, CHUNK * 200);
	assert_int_equal(mp_cache_remove(f->cache, &b.digest, NULL), 0);
	assert_false(is_complete(f, &b.digest));
	assert_true(is_complete(f, &a.digest));
	b = put(f, p, CHUNK * 200);
	expect_bytes(f, &b.digest, p, CHUNK * 200);
	free(p);
}

/* ---- from peers ---- */

static int
write_chunk(struct cache_fixture *f, const struct mp_hash *digest, const uint8_t *p, size_t total,
	size_t n, bool *complete)
{
	size_t offset = n * CHUNK;

	return mp_cache_write_chunk(f->cache, digest, total, offset,
		mp_span(p + offset, mp_min_size(CHUNK, total - offset)), complete, NULL);
}

/* Pages go on where the last one ended; what is not whole is not listed. */
static void
test_list(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_hash after = {{0}}, partial;
	struct mp_blob_ref refs[3];
	uint8_t *p = make_bytes(CHUNK * 2, 3, false);
	size_t count = 3, seen = 0;
	bool complete;

	for (char c = 'a'; c < 'h'; c++)
		(void)put(f, &c, 1);
	mp_hasher_once(&partial, mp_span(p, CHUNK * 2));
	assert_int_equal(write_chunk(f, &partial, p, CHUNK * 2, 0, &complete), 0);
	while (count == 3) {
		assert_int_equal(mp_cache_list(f->cache, &after, 3, refs, &count, NULL), 0);
		for (size_t i = 0; i < count; i++) {
			assert_true(memcmp(refs[i].digest.b, after.b, sizeof(after.b)) > 0);
			assert_int_equal(refs[i].size, 1);
			after = refs[i].digest;
			seen++;
		}
	}
	assert_int_equal(seen, 7);
	free(p);
}

static void
test_pieces_in_any_order(void **state)
{
	static const size_t order[] = {3, 0, 3, 4, 1, 0, 2};
	struct cache_fixture *f = *state;
	const size_t total = CHUNK * 4 + 9;
	uint8_t *p = make_bytes(total, 11, false);
	struct mp_hash digest;
	bool complete;
	size_t i;

	mp_hasher_once(&digest, mp_span(p, total));
	for (i = 0; i < mp_countof(order); i++) {
		assert_false(is_complete(f, &digest));
		assert_int_equal(write_chunk(f, &digest, p, total, order[i], &complete), 0);
		assert_int_equal(complete, i == mp_countof(order) - 1);
	}
	expect_bytes(f, &digest, p, total);
	assert_int_equal(write_chunk(f, &digest, p, total, 1, &complete), 0);
	assert_true(complete);
	free(p);
}

static void
test_small_pieces(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_hash digest, empty;
	bool complete;

	mp_hasher_once(&digest, mp_span_str("hello"));
	mp_hasher_once(&empty, mp_span(NULL, 0));
	assert_int_equal(mp_cache_write_chunk(
				 f->cache, &digest, 5, 0, mp_span_str("hellO"), &complete, NULL),
		MP_ESIG);
	assert_false(complete);
	assert_false(is_complete(f, &digest));
	assert_int_equal(mp_cache_write_chunk(
				 f->cache, &digest, 5, 0, mp_span_str("hello"), &complete, NULL),
		0);
	assert_true(complete);
	expect_bytes(f, &digest, "hello", 5);
	assert_int_equal(
		mp_cache_write_chunk(f->cache, &empty, 0, 0, mp_span(NULL, 0), &complete, NULL), 0);
	assert_true(complete);
	expect_bytes(f, &empty, "", 0);
}

static void
test_wrong_pieces_are_thrown_away(void **state)
{
	struct cache_fixture *f = *state;
	const size_t total = CHUNK * 2 + 1;
	uint8_t *p = make_bytes(total, 12, false);
	struct mp_hash digest;
	bool complete;
	size_t i;

	mp_hasher_once(&digest, mp_span(p, total));
	p[CHUNK + 5] ^= 1;
	assert_int_equal(write_chunk(f, &digest, p, total, 0, &complete), 0);
	assert_int_equal(write_chunk(f, &digest, p, total, 1, &complete), 0);
	assert_int_equal(write_chunk(f, &digest, p, total, 2, &complete), MP_ESIG);
	assert_false(complete);
	assert_false(is_complete(f, &digest));
	assert_int_equal(count_hidden(f), 0);
	p[CHUNK + 5] ^= 1;
	for (i = 0; i < 3; i++)
		assert_int_equal(write_chunk(f, &digest, p, total, i, &complete), 0);
	assert_true(complete);
	expect_bytes(f, &digest, p, total);
	free(p);
}

static void
test_a_peer_that_lies_about_the_size(void **state)
{
	struct cache_fixture *f = *state;
	const size_t total = CHUNK * 2;
	uint8_t *p = make_bytes(CHUNK * 3, 13, false);
	struct mp_hash digest;
	bool complete;

	mp_hasher_once(&digest, mp_span(p, total));
	assert_int_equal(write_chunk(f, &digest, p, CHUNK * 3, 0, &complete), 0);
	assert_int_equal(write_chunk(f, &digest, p, total, 0, &complete), 0);
	assert_int_equal(write_chunk(f, &digest, p, total, 1, &complete), 0);
	assert_true(complete);
	expect_bytes(f, &digest, p, total);
	free(p);
}

static void
test_what_is_no_piece(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *p = make_bytes(CHUNK + 1, 14, false);
	const struct {
		uint64_t total, offset;
		size_t n;
		int rc;
	} cases[] = {
		{CHUNK * 2, 1, CHUNK, MP_EINVAL},
		{CHUNK * 2, CHUNK, 5, MP_EINVAL},
		{CHUNK * 2, CHUNK * 2, 0, MP_EINVAL},
		{CHUNK * 2, CHUNK * 4, 0, MP_EINVAL},
		{5, 0, 6, MP_EINVAL},
		{0, 0, 1, MP_EINVAL},
		{0, CHUNK, 0, MP_EINVAL},
		{MP_BLOB_MAX + 1, 0, CHUNK, MP_ELIMIT},
		{UINT64_MAX, UINT64_MAX - CHUNK + 1, CHUNK, MP_ELIMIT},
	};
	struct mp_hash digest = {{2}};
	bool complete = true;
	size_t i;

	for (i = 0; i < mp_countof(cases); i++) {
		assert_int_equal(mp_cache_write_chunk(f->cache, &digest, cases[i].total,
					 cases[i].offset, mp_span(p, cases[i].n), &complete, NULL),
			cases[i].rc);
		assert_false(complete);
	}
	free(p);
}

static void
test_pieces_are_forgotten_at_the_next_start(void **state)
{
	struct cache_fixture *f = *state;
	const size_t total = CHUNK * 3;
	uint8_t *p = make_bytes(total, 15, false);
	struct mp_hash digest;
	bool complete;

	mp_hasher_once(&digest, mp_span(p, total));
	assert_int_equal(write_chunk(f, &digest, p, total, 0, &complete), 0);
	assert_int_equal(write_chunk(f, &digest, p, total, 1, &complete), 0);
	mp_cache_close(f->cache);
	must_open(f);
	assert_int_equal(count_hidden(f), 0);
	assert_int_equal(write_chunk(f, &digest, p, total, 2, &complete), 0);
	assert_false(complete);
	free(p);
}

static void
test_many_partials_are_bounded(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *p = make_bytes(CHUNK * 2, 16, true);
	struct mp_cache_totals t;
	bool complete;
	uint32_t i;

	for (i = 0; i < 4096 + 10; i++) {
		struct mp_hash digest = {{0}};

		memcpy(digest.b, &i, sizeof(i));
		digest.b[31] = 1;
		assert_int_equal(mp_cache_write_chunk(f->cache, &digest, CHUNK + 1, CHUNK,
					 mp_span(p, 1), &complete, NULL),
			0);
	}
	assert_int_equal(mp_cache_totals(f->cache, &t, NULL), 0);
	assert_int_equal(t.blobs, 0);
	assert_int_equal(sql_count(f, "SELECT count(*) FROM blob"), 4096);
	assert_int_equal(sql_count(f, "SELECT count(*) FROM chunk"), 4096);
	free(p);
}

/* ---- trouble ---- */

/* A row whose size nobody has room for, or an id that chunks cannot have. */
static void
test_damaged_rows(void **state)
{
	static const char *const damage[] = {
		"UPDATE blob SET size = size + (1 << 40)",
		"UPDATE blob SET size = -1",
		"UPDATE blob SET id = -5",
	};
	struct cache_fixture *f = *state;
	uint8_t *p, byte;
	uint64_t size;
	size_t n;

	for (size_t i = 0; i < mp_countof(damage); i++) {
		struct mp_blob_ref ref = put(f, &i, sizeof(i));

		mp_cache_close(f->cache);
		sql(f, damage[i]);
		must_open(f);
		assert_int_equal(
			mp_cache_get_bytes(f->cache, &ref.digest, 100, &p, &n, NULL), MP_ECORRUPT);
		assert_int_equal(
			mp_cache_read(f->cache, &ref.digest, 1u << 30, &byte, 1, &n, &size, NULL),
			MP_ECORRUPT);
		mp_cache_close(f->cache);
		sql(f, "DELETE FROM blob");
		must_open(f);
	}
}

static void
test_damaged_chunks(void **state)
{
	static const char *const damage[] = {
		"UPDATE chunk SET sum = sum + 1 WHERE id % 2 = 1",
		"UPDATE chunk SET data = zeroblob(length(data)) WHERE id % 2 = 1",
		"UPDATE chunk SET data = zeroblob(3) WHERE id % 2 = 1",
		"UPDATE chunk SET packed = 1 - packed WHERE id % 2 = 1",
		"DELETE FROM chunk WHERE id % 2 = 1",
	};
	struct cache_fixture *f = *state;
	size_t i, n = CHUNK * 3, got;
	uint8_t *q = malloc(n), *p;
	uint64_t size;
	int shrinks;

	for (i = 0; i < mp_countof(damage); i++) {
		for (shrinks = 0; shrinks < 2; shrinks++) {
			struct mp_blob_ref ref;

			p = make_bytes(n, 50 + i, shrinks != 0);
			ref = put(f, p, n);
			sql(f, damage[i]);
			assert_int_equal(
				mp_cache_read(f->cache, &ref.digest, 0, q, 9, &got, &size, NULL),
				0);
			assert_memory_equal(p, q, 9);
			assert_int_equal(
				mp_cache_read(f->cache, &ref.digest, 0, q, n, &got, &size, NULL),
				MP_ECORRUPT);
			assert_false(is_complete(f, &ref.digest));
			ref = put(f, p, n);
			sql(f, damage[i]);
			assert_int_equal(
				mp_cache_get_bytes(f->cache, &ref.digest, n, &q, &got, NULL),
				MP_ECORRUPT);
			assert_false(is_complete(f, &ref.digest));
			free(p);
		}
	}
	free(q);
}

/* Chunks that are whole, but not of this blob. */
static void
test_exchanged_chunks(void **state)
{
	struct cache_fixture *f = *state;
	const size_t n = CHUNK * 2;
	uint8_t *p = make_bytes(n, 60, false), *q;
	struct mp_blob_ref ref = put(f, p, n);
	size_t got;

	sql(f, "UPDATE chunk SET id = id + 10; UPDATE chunk SET id = 2 * ((id >> 17) << 17) + 11"
	       " - id");
	assert_int_equal(mp_cache_get_bytes(f->cache, &ref.digest, n, &q, &got, NULL), MP_ECORRUPT);
	free(p);
}

static void
test_damaged_file(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *p = make_bytes(CHUNK * 2, 61, false), *q;
	struct mp_blob_ref refs[20];
	size_t i, k, n = 1, got, bad = 0;
	struct mp_error err;
	char *whole;

	for (i = 0; i < 20; i++) {
		p[0] = (uint8_t)i;
		refs[i] = put(f, p, 20000 + i * 20000);
	}
	mp_cache_close(f->cache);
	whole = scratch_read(scratch_path(&f->scratch, "cache.db"), &n);
	for (i = 0; i < 60; i++) {
		size_t at = (i * 7919u * 1031u) % n;

		for (k = at; k < at + 100 && k < n; k++)
			whole[k] = (char)(whole[k] ^ 0x5a);
		scratch_write(scratch_path(&f->scratch, "cache.db"), whole, n);
		(void)unlink(scratch_path(&f->scratch, "cache.db-wal"));
		(void)unlink(scratch_path(&f->scratch, "cache.db-shm"));
		f->cache = NULL;
		if (mp_cache_open(scratch_path(&f->scratch, "cache.db"), &f->cache, &err) == 0) {
			for (k = 0; k < 20; k++) {
				if (mp_cache_get_bytes(f->cache, &refs[k].digest, CHUNK * 2, &q,
					    &got, NULL) != 0) {
					bad++;
					continue;
				}
				p[0] = (uint8_t)k;
				assert_int_equal(got, refs[k].size);
				assert_memory_equal(q, p, got);
				free(q);
			}
		}
		mp_cache_close(f->cache);
		for (k = at; k < at + 100 && k < n; k++)
			whole[k] = (char)(whole[k] ^ 0x5a);
	}
	assert_true(bad > 20);
	free(whole);
	free(p);
	(void)unlink(scratch_path(&f->scratch, "cache.db"));
	must_open(f);
}

static void
test_foreign_and_newer(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_cache *c;
	struct mp_error err;

	mp_cache_close(f->cache);
	sql(f, "PRAGMA user_version = 9");
	assert_int_equal(
		mp_cache_open(scratch_path(&f->scratch, "cache.db"), &c, &err), MP_EVERSION);
	sql(f, "PRAGMA user_version = 1; PRAGMA application_id = 77");
	assert_int_equal(mp_cache_open(scratch_path(&f->scratch, "cache.db"), &c, &err), MP_EINVAL);
	sql(f, "PRAGMA application_id = 0x4d504341");
	must_open(f);
}

static void
fill_up(struct cache_fixture *f, bool pieces)
{
	uint8_t *p = make_bytes(CHUNK * 32, 70, false), *small = make_bytes(30000, 71, false);
	struct mp_cache_totals before, after;
	struct mp_blob_ref ref, kept = put(f, small, 30000);
	struct mp_hash digest;
	struct mp_error err;
	bool complete;
	size_t i;
	int rc = 0;

	assert_int_equal(mp_cache_totals(f->cache, &before, NULL), 0);
	mp_hasher_once(&digest, mp_span(p, CHUNK * 32));
	for (i = 0; pieces && rc == 0 && i < 32; i++)
		rc = mp_cache_write_chunk(f->cache, &digest, CHUNK * 32, i * CHUNK,
			mp_span(p + i * CHUNK, CHUNK), &complete, &err);
	if (!pieces)
		rc = mp_cache_put_bytes(f->cache, mp_span(p, CHUNK * 32), &ref, &err);
	assert_int_equal(rc, MP_EFULL);
	assert_string_equal(err.text, "disk full");
	assert_false(is_complete(f, &digest));
	assert_int_equal(mp_cache_totals(f->cache, &after, NULL), 0);
	assert_int_equal(before.blobs, after.blobs);
	expect_bytes(f, &kept.digest, small, 30000);
	free(p);
	free(small);
}

static void
test_full_disk(void **state)
{
	struct cache_fixture *f = *state;
	char *ballast;

	mp_cache_close(f->cache);
	if (!scratch_shrink(&f->scratch, 6u << 20)) {
		must_open(f);
		skip();
	}
	ballast = calloc(1, 2u << 20);
	scratch_write(scratch_path(&f->scratch, "ballast"), ballast, 2u << 20);
	free(ballast);
	must_open(f);
	fill_up(f, false);
	fill_up(f, true);
	assert_int_equal(unlink(scratch_path(&f->scratch, "ballast")), 0);
	(void)put(f, "there is room again", 19);
	(void)put(f, "and again", 9);
	assert_int_equal(mp_cache_sync(f->cache, NULL), 0);
	/* Of what found no room nothing is left, but maybe a blob of which pieces may yet come. */
	assert_in_range(sql_count(f, "SELECT count(*) FROM blob WHERE complete = 0"), 0, 1);
}

static void
test_file_size_limit(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *p = make_bytes(CHUNK * 16, 80, false);
	struct rlimit lim;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
	lim.rlim_cur = 2u << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	fill_up(f, false);
	lim.rlim_cur = lim.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	(void)put(f, p, CHUNK * 16);
	free(p);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_bytes_come_back),
		T(test_known_digest),
		T(test_files_come_back),
		T(test_what_is_no_file),
		T(test_same_bytes_are_stored_once),
		T(test_what_shrinks_is_stored_small),
		T(test_read_pieces),
		T(test_what_is_not_there),
		T(test_bound_of_bytes),
		T(test_stat_and_remove),
		T(test_list),
		T(test_pieces_in_any_order),
		T(test_small_pieces),
		T(test_wrong_pieces_are_thrown_away),
		T(test_a_peer_that_lies_about_the_size),
		T(test_what_is_no_piece),
		T(test_pieces_are_forgotten_at_the_next_start),
		T(test_many_partials_are_bounded),
		T(test_damaged_rows),
		T(test_damaged_chunks),
		T(test_exchanged_chunks),
		T(test_damaged_file),
		T(test_foreign_and_newer),
		T(test_full_disk),
		T(test_file_size_limit),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
