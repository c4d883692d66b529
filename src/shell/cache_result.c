/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shell/cache_impl.h"
#include "util/clock.h"

static struct mp_span
hash_span(const struct mp_hash *hash)
{
	return mp_span(hash->b, sizeof(hash->b));
}

/* Under the lock, in a transaction. */
static int
result_put(struct mp_cache *c, const struct mp_cached *item, int64_t now_ms, struct mp_error *err)
{
	int rc;

	(void)mp_sql_bind(c->put_result, 1, hash_span(&item->key));
	(void)mp_sql_bind(c->put_result, 2, hash_span(&item->base));
	(void)mp_sql_bind(c->put_result, 3, item->record);
	(void)sqlite3_bind_int64(c->put_result, 4, now_ms);
	rc = mp_sql_run(c->put_result, err);
	if (rc != 0)
		return rc;
	(void)mp_sql_bind(c->trim_results, 1, hash_span(&item->base));
	(void)sqlite3_bind_int(c->trim_results, 2, MP_CACHE_PER_BASE);
	return mp_sql_run(c->trim_results, err);
}

int
mp_cache_put_results(
	struct mp_cache *c, const struct mp_cached *items, size_t n, struct mp_error *err)
{
	int64_t now_ms = mp_clock_wall_ms();
	int rc;

	for (size_t i = 0; i < n; i++) {
		if (items[i].record.n > MP_CACHE_RECORD_MAX)
			return mp_fail(err, MP_ELIMIT, "a result's record has %zu bytes",
				items[i].record.n);
	}
	rc = cache_begin(c, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = result_put(c, &items[i], now_ms, err);
	return cache_end(c, rc, err);
}

static void
hand_end(struct mp_cache *c, struct cache_hand *h)
{
	if (sqlite3_get_autocommit(h->db) == 0)
		(void)mp_sql_exec(h->db, "COMMIT", NULL);
	cache_hand_give(c, h);
}

/* Appends the keys of one base. */
static int
result_keys(struct cache_hand *h, const struct mp_hash *base, struct mp_cache_ref *refs,
	size_t *count, struct mp_error *err)
{
	int rc;

	(void)mp_sql_bind(h->result_keys, 1, hash_span(base));
	(void)sqlite3_bind_int(h->result_keys, 2, MP_CACHE_PER_BASE);
	errno = 0;
	while ((rc = sqlite3_step(h->result_keys)) == SQLITE_ROW) {
		struct mp_span key = mp_sql_span(h->result_keys, 0);

		if (key.n != sizeof(refs->key.b))
			continue; /* not one of ours */
		refs[*count].base = *base;
		memcpy(refs[*count].key.b, key.p, key.n);
		++*count;
	}
	rc = rc == SQLITE_DONE ? 0 : mp_sql_fail(rc, err);
	(void)sqlite3_reset(h->result_keys);
	return rc;
}

int
mp_cache_find_results(struct mp_cache *c, const struct mp_hash *bases, size_t n,
	struct mp_cache_ref *refs, size_t *count, struct mp_error *err)
{
	struct cache_hand *h;
	int rc;

	*count = 0;
	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	rc = mp_sql_exec(h->db, "BEGIN", err); /* one snapshot costs less than many */
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = result_keys(h, &bases[i], refs, count, err);
	hand_end(c, h);
	if (rc != 0)
		*count = 0;
	return rc;
}

/* The record of one key at p, which has room for one; *n is 0 when there is none. */
static int
result_record(struct cache_hand *h, const struct mp_hash *key, uint8_t *p, size_t *n,
	struct mp_error *err)
{
	int rc;

	*n = 0;
	(void)mp_sql_bind(h->result_record, 1, hash_span(key));
	errno = 0;
	rc = sqlite3_step(h->result_record);
	if (rc == SQLITE_ROW) {
		struct mp_span record = mp_sql_span(h->result_record, 0);

		if (record.n > 0 && record.n <= MP_CACHE_RECORD_MAX) {
			memcpy(p, record.p, record.n);
			*n = record.n;
		}
	}
	rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : mp_sql_fail(rc, err);
	(void)sqlite3_reset(h->result_record);
	return rc;
}

int
mp_cache_get_results(struct mp_cache *c, const struct mp_hash *keys, size_t n,
	struct mp_span *records, uint8_t **block, struct mp_error *err)
{
	struct cache_hand *h;
	size_t used = 0, got;
	int rc;

	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	*block = malloc(n * MP_CACHE_RECORD_MAX + 1);
	rc = *block != NULL ? mp_sql_exec(h->db, "BEGIN", err)
			    : mp_fail(err, MP_ENOMEM, "%s", mp_strerror(MP_ENOMEM));
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = result_record(h, &keys[i], *block + used, &got, err);
		records[i] = mp_span(*block + used, got);
		used += got;
	}
	hand_end(c, h);
	if (rc != 0) {
		free(*block);
		*block = NULL;
	}
	return rc;
}
