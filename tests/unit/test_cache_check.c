/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cache_fixture.h"

#include "codec/msg_cache.h"
#include "crypto/key.h"
#include "shell/heap.h"

/* ---- blobs ---- */

/* All parts; the number of blobs that were read, and which were damaged. */
static uint64_t
check_all(struct cache_fixture *f, struct mp_hash *damaged, size_t *count)
{
	struct mp_cache_checked part = {.more = true};
	uint64_t blobs = 0;

	*count = 0;
	while (part.more) {
		struct mp_hash after = part.last;

		assert_int_equal(mp_cache_check_blobs(f->cache, &after, &part, NULL), 0);
		assert_true(part.blobs <= MP_CACHE_CHECK_MAX);
		blobs += part.blobs;
		for (size_t i = 0; i < part.damaged_count; i++)
			damaged[(*count)++] = part.damaged[i];
	}
	return blobs;
}

static void
test_sound_blobs(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_hash damaged[8];
	size_t count;

	assert_int_equal(check_all(f, damaged, &count), 0);
	for (uint32_t i = 0; i < 2 * MP_CACHE_CHECK_MAX; i++)
		(void)put(f, &i, sizeof(i));
	assert_int_equal(check_all(f, damaged, &count), 2 * MP_CACHE_CHECK_MAX);
	assert_int_equal(count, 0);
}

/* A part ends soon when its blobs are large. */
static void
test_large_blobs(void **state)
{
	struct cache_fixture *f = *state;
	size_t size = MP_CACHE_CHECK_BYTES_MAX / 2;
	struct mp_cache_checked part;
	struct mp_hash none = {{0}}, damaged[8];
	size_t count;

	for (uint64_t i = 0; i < 3; i++) {
		uint8_t *p = make_bytes(size, i + 1, true);

		(void)put(f, p, size);
		free(p);
	}
	assert_int_equal(mp_cache_check_blobs(f->cache, &none, &part, NULL), 0);
	assert_int_equal(part.blobs, 2);
	assert_true(part.more);
	assert_int_equal(check_all(f, damaged, &count), 3);
}

/* What is damaged is named, forgotten, and may be stored anew. */
static void
test_damaged_blobs(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_blob_ref good = put(f, "good", 4), bad = put(f, "bad bytes", 9);
	struct mp_hash damaged[8];
	size_t count;

	mp_cache_close(f->cache);
	sql(f, "UPDATE chunk SET data = zeroblob(9) WHERE length(data) = 9");
	must_open(f);
	assert_int_equal(check_all(f, damaged, &count), 2);
	assert_int_equal(count, 1);
	assert_true(mp_hash_eq(&damaged[0], &bad.digest));
	assert_false(is_complete(f, &bad.digest));
	assert_true(is_complete(f, &good.digest));
	assert_int_equal(check_all(f, damaged, &count), 1);
	assert_int_equal(count, 0);
	(void)put(f, "bad bytes", 9);
	expect_bytes(f, &bad.digest, "bad bytes", 9);
}

/* ---- the file and its records ---- */

static struct mp_hash
hash_of(uint32_t n)
{
	struct mp_hash h = {{0}};

	memcpy(h.b, &n, sizeof(n));
	return h;
}

/* A record of a result that names the key `says`, under `key`. */
static void
keep(struct cache_fixture *f, uint32_t base, uint32_t key, uint32_t says)
{
	struct mp_secret *secret = NULL;
	struct mp_result result = {.cache_key = hash_of(says),
		.attempt = {.term = 1, .counter = 1},
		.offer = {{1}},
		.spec = {{1}},
		.inputs = {{1}}};
	struct mp_cached item = {.base = hash_of(base), .key = hash_of(key)};
	struct mp_buf record, both, out;
	struct mp_result_sig sig;
	struct mp_span span;

	assert_int_equal(mp_key_init(), 0);
	assert_int_equal(mp_key_generate(&secret, MP_KEY_SIGNING), 0);
	mp_secret_public(secret, result.node.b);
	mp_buf_init(&record, &mp_heap, MP_CACHE_RECORD_MAX);
	mp_buf_init(&both, &mp_heap, MP_CACHE_RECORD_MAX);
	mp_buf_init(&out, &mp_heap, MP_CACHE_RECORD_MAX);
	assert_int_equal(mp_result_encode(&record, &result), 0);
	span = mp_buf_span(&record);
	mp_result_sign(&mp_crypto_sodium, secret, &span, 1, &sig);
	assert_int_equal(mp_signed_result_encode(&both, span, &sig), 0);
	assert_int_equal(mp_cache_record_encode(&out, mp_buf_span(&both), &result.node, 1), 0);
	item.record = mp_buf_span(&out);
	assert_int_equal(mp_cache_put_results(f->cache, &item, 1, NULL), 0);
	mp_buf_fini(&record);
	mp_buf_fini(&both);
	mp_buf_fini(&out);
	mp_secret_free(secret);
}

static void
expect_sound(struct cache_fixture *f, uint64_t results, uint64_t damaged)
{
	struct mp_cache_sound sound;
	struct mp_error err = {0};

	if (mp_cache_check_file(f->cache, &sound, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(sound.wrong, "");
	assert_int_equal(sound.results, results);
	assert_int_equal(sound.damaged, damaged);
}

static void
test_records(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_cached junk = {hash_of(9), hash_of(9000), mp_span_str("junk")};

	expect_sound(f, 0, 0);
	for (uint32_t i = 1; i <= 300; i++)
		keep(f, i, i, i);
	expect_sound(f, 300, 0);
	keep(f, 1, 1000, 1001); /* another key than it is kept under */
	assert_int_equal(mp_cache_put_results(f->cache, &junk, 1, NULL), 0);
	expect_sound(f, 302, 2);
	expect_sound(f, 300, 0);
	mp_cache_close(f->cache);
	sql(f, "UPDATE cached SET record = CAST(substr(record, 1, 40) || x'ff' ||"
	       " substr(record, 42) AS BLOB) WHERE id = 7");
	must_open(f);
	expect_sound(f, 300, 1);
	expect_sound(f, 299, 0);
}

/* An index that does not say what the table does: only a check of all shows it. */
static void
test_damaged_file(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_cache_sound sound;

	keep(f, 1, 10, 10);
	mp_cache_close(f->cache);
	sql(f, "PRAGMA writable_schema = ON;"
	       "DELETE FROM sqlite_schema WHERE name = 'cached_base'; PRAGMA user_version = 2");
	sql(f, "INSERT INTO cached VALUES (77, x'01', x'02', x'03', 4)");
	must_open(f); /* makes the index anew, beside the pages of the old one */
	assert_int_equal(mp_cache_check_file(f->cache, &sound, NULL), 0);
	assert_true(strlen(sound.wrong) > 0);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_sound_blobs),
		T(test_large_blobs),
		T(test_damaged_blobs),
		T(test_records),
		T(test_damaged_file),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
