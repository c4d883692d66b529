/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/cache_fixture.h"

static struct mp_hash
hash_of(uint32_t n)
{
	struct mp_hash h = {{0}};

	memcpy(h.b, &n, sizeof(n));
	return h;
}

static void
keep(struct cache_fixture *f, uint32_t base, uint32_t key, const char *record)
{
	struct mp_cached item = {hash_of(base), hash_of(key), mp_span_str(record)};
	struct mp_error err = {0};

	if (mp_cache_put_results(f->cache, &item, 1, &err) != 0)
		fail_msg("%s", err.text);
}

/* The keys of one base, the newest first, end in 0. */
static void
expect_keys(struct cache_fixture *f, uint32_t base, const uint32_t *keys)
{
	struct mp_cache_ref refs[MP_CACHE_PER_BASE];
	struct mp_hash hash = hash_of(base), key;
	size_t count = 99;

	assert_int_equal(mp_cache_find_results(f->cache, &hash, 1, refs, &count, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		key = hash_of(keys[i]);
		assert_int_not_equal(keys[i], 0);
		assert_true(mp_hash_eq(&refs[i].base, &hash));
		assert_true(mp_hash_eq(&refs[i].key, &key));
	}
	assert_int_equal(keys[count], 0);
}

/* NULL: it is not here. */
static void
expect_record(struct cache_fixture *f, uint32_t key, const char *record)
{
	struct mp_hash hash = hash_of(key);
	struct mp_span got = mp_span("?", 1);
	uint8_t *block;

	assert_int_equal(mp_cache_get_results(f->cache, &hash, 1, &got, &block, NULL), 0);
	assert_true(mp_span_eq(got, record == NULL ? mp_span(NULL, 0) : mp_span_str(record)));
	free(block);
}

static void
test_results_come_back(void **state)
{
	struct cache_fixture *f = *state;

	keep(f, 1, 10, "ten");
	keep(f, 2, 20, "twenty");
	keep(f, 1, 11, "eleven");
	expect_keys(f, 1, (const uint32_t[]){11, 10, 0});
	expect_keys(f, 2, (const uint32_t[]){20, 0});
	expect_keys(f, 3, (const uint32_t[]){0});
	expect_record(f, 10, "ten");
	expect_record(f, 12, NULL);
	mp_cache_close(f->cache);
	must_open(f);
	expect_keys(f, 1, (const uint32_t[]){11, 10, 0});
	expect_record(f, 20, "twenty");
}

static void
test_several_at_once(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_cached items[2] = {{hash_of(1), hash_of(10), mp_span_str("ten")},
		{hash_of(2), hash_of(20), mp_span_str("twenty")}};
	struct mp_hash hashes[3] = {hash_of(2), hash_of(5), hash_of(1)};
	struct mp_hash keys[3] = {hash_of(20), hash_of(50), hash_of(10)};
	struct mp_cache_ref refs[3 * MP_CACHE_PER_BASE];
	struct mp_span records[3];
	uint8_t *block;
	size_t count;

	assert_int_equal(mp_cache_put_results(f->cache, items, 2, NULL), 0);
	assert_int_equal(mp_cache_find_results(f->cache, hashes, 3, refs, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_true(mp_hash_eq(&refs[0].key, &keys[0]) && mp_hash_eq(&refs[1].key, &keys[2]));
	assert_int_equal(mp_cache_get_results(f->cache, keys, 3, records, &block, NULL), 0);
	assert_true(mp_span_eq(records[0], items[1].record));
	assert_int_equal(records[1].n, 0);
	assert_true(mp_span_eq(records[2], items[0].record));
	free(block);
	assert_int_equal(mp_cache_find_results(f->cache, NULL, 0, refs, &count, NULL), 0);
	assert_int_equal(count, 0);
	assert_int_equal(mp_cache_get_results(f->cache, NULL, 0, records, &block, NULL), 0);
	free(block);
	assert_int_equal(mp_cache_put_results(f->cache, NULL, 0, NULL), 0);
}

/* The last one wins, and is the newest again. */
static void
test_replaced(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_cache_totals t;

	keep(f, 1, 10, "old");
	keep(f, 1, 11, "other");
	while (mp_cache_totals(f->cache, &t, NULL) == 0 && t.results == 2) {
		struct mp_cache_ref refs[MP_CACHE_PER_BASE];
		struct mp_hash base = hash_of(1), key = hash_of(10);
		size_t count;

		/* The clock of the store is the wall's: in time it is a later millisecond. */
		keep(f, 1, 10, "new");
		assert_int_equal(mp_cache_find_results(f->cache, &base, 1, refs, &count, NULL), 0);
		if (count == 2 && mp_hash_eq(&refs[0].key, &key))
			break;
	}
	expect_record(f, 10, "new");
	expect_keys(f, 1, (const uint32_t[]){10, 11, 0});
	keep(f, 2, 10, "of another base");
	expect_keys(f, 1, (const uint32_t[]){11, 0});
	expect_keys(f, 2, (const uint32_t[]){10, 0});
}

/* Of one base only so many are kept as are ever named. */
static void
test_the_oldest_go(void **state)
{
	struct cache_fixture *f = *state;
	uint32_t keys[MP_CACHE_PER_BASE + 1] = {0};
	struct mp_cache_totals t;

	keep(f, 2, 1000, "of another base");
	for (uint32_t i = 1; i <= MP_CACHE_PER_BASE + 5; i++)
		keep(f, 1, i, "record");
	for (uint32_t i = 0; i < MP_CACHE_PER_BASE; i++)
		keys[i] = MP_CACHE_PER_BASE + 5 - i;
	expect_keys(f, 1, keys);
	expect_record(f, 5, NULL);
	expect_record(f, 6, "record");
	expect_record(f, 1000, "of another base");
	assert_int_equal(mp_cache_totals(f->cache, &t, NULL), 0);
	assert_int_equal(t.results, MP_CACHE_PER_BASE + 1);
	assert_int_equal(t.result_bytes, MP_CACHE_PER_BASE * 6 + 15);
	assert_int_equal(t.blobs, 0);
}

static void
test_too_large(void **state)
{
	struct cache_fixture *f = *state;
	uint8_t *p = make_bytes(MP_CACHE_RECORD_MAX + 1, 1, false), *block;
	struct mp_cached items[2] = {{hash_of(1), hash_of(10), mp_span_str("ten")},
		{hash_of(1), hash_of(20), mp_span(p, MP_CACHE_RECORD_MAX + 1)}};
	struct mp_span record;

	assert_int_equal(mp_cache_put_results(f->cache, items, 2, NULL), MP_ELIMIT);
	expect_record(f, 10, NULL);
	items[1].record.n--;
	assert_int_equal(mp_cache_put_results(f->cache, items, 2, NULL), 0);
	assert_int_equal(
		mp_cache_get_results(f->cache, &items[1].key, 1, &record, &block, NULL), 0);
	assert_true(mp_span_eq(record, items[1].record));
	free(block);
	free(p);
}

/* A file that was made before there were results keeps its blobs and gets the table. */
/* A row that no version of ours wrote: there is no room for it where records are put. */
static void
test_too_large_in_the_file(void **state)
{
	struct cache_fixture *f = *state;

	keep(f, 1, 10, "ten");
	keep(f, 1, 11, "eleven");
	mp_cache_close(f->cache);
	sql(f, "UPDATE cached SET record = zeroblob(1 << 20) WHERE length(record) = 3");
	must_open(f);
	expect_record(f, 10, NULL);
	expect_record(f, 11, "eleven");
}

static void
test_older_schema(void **state)
{
	struct cache_fixture *f = *state;
	struct mp_blob_ref ref = put(f, "a blob", 6);
	struct mp_error err;

	mp_cache_close(f->cache);
	sql(f, "DROP TABLE cached; PRAGMA user_version = 1");
	must_open(f);
	expect_bytes(f, &ref.digest, "a blob", 6);
	keep(f, 1, 10, "ten");
	mp_cache_close(f->cache);
	must_open(f);
	expect_record(f, 10, "ten");
	mp_cache_close(f->cache);
	/* It says what it is now: a program that knows schema 1 alone refuses it. */
	sql(f, "CREATE TABLE was AS SELECT user_version FROM pragma_user_version;"
	       "CREATE TABLE same (n CHECK (n = 2)); INSERT INTO same SELECT * FROM was");
	sql(f, "PRAGMA user_version = 3");
	assert_int_equal(
		mp_cache_open(scratch_path(&f->scratch, "cache.db"), &f->cache, &err), MP_EVERSION);
	assert_non_null(strstr(err.text, "newer Meshpipe (schema 3, this one knows 2)"));
	sql(f, "PRAGMA user_version = 0");
	assert_int_equal(
		mp_cache_open(scratch_path(&f->scratch, "cache.db"), &f->cache, &err), MP_EVERSION);
	assert_non_null(strstr(err.text, "schema 0 is not known"));
	sql(f, "PRAGMA user_version = 2");
	must_open(f);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_results_come_back),
		T(test_several_at_once),
		T(test_replaced),
		T(test_the_oldest_go),
		T(test_too_large),
		T(test_too_large_in_the_file),
		T(test_older_schema),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
