/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/msg_cache.h"
#include "crypto/key.h"
#include "shell/cache_impl.h"

/* Records that are looked at before others get their turn. */
#define RESULTS_STEP 256

struct records {
	int64_t last; /* row id */
	int64_t bad[RESULTS_STEP];
	size_t bad_count;
	bool more;
};

/* Does the record say what its key promises, and did its node sign it? */
static bool
record_good(struct mp_span key, struct mp_span bytes)
{
	struct mp_cache_record record;
	struct mp_result result;

	return mp_cache_record_decode(bytes, &record) == 0 &&
	       mp_signed_result_open(&mp_crypto_sodium, record.result, &result, NULL) == 0 &&
	       mp_span_eq(key, mp_span(result.cache_key.b, sizeof(result.cache_key.b)));
}

static int
records_read(sqlite3_stmt *st, struct records *r, struct mp_cache_sound *out, struct mp_error *err)
{
	size_t n = 0;
	int rc;

	r->bad_count = 0;
	(void)sqlite3_bind_int64(st, 1, r->last);
	(void)sqlite3_bind_int(st, 2, RESULTS_STEP);
	errno = 0;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && n < RESULTS_STEP) {
		r->last = sqlite3_column_int64(st, 0);
		if (!record_good(mp_sql_span(st, 1), mp_sql_span(st, 2)))
			r->bad[r->bad_count++] = r->last;
		n++;
	}
	r->more = n == RESULTS_STEP;
	out->results += n;
	out->damaged += r->bad_count;
	rc = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : mp_sql_fail(rc, err);
	(void)sqlite3_reset(st);
	return rc;
}

static int
records_drop(struct mp_cache *c, const struct records *r, struct mp_error *err)
{
	char sql[64];
	int rc;

	if (r->bad_count == 0)
		return 0;
	rc = cache_begin(c, err);
	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < r->bad_count; i++) {
		(void)snprintf(sql, sizeof(sql), "DELETE FROM cached WHERE id = %lld",
			(long long)r->bad[i]);
		rc = mp_sql_exec(c->db, sql, err);
	}
	return cache_end(c, rc, err);
}

static int
check_records(
	struct mp_cache *c, struct cache_hand *h, struct mp_cache_sound *out, struct mp_error *err)
{
	struct records r = {.more = true};
	sqlite3_stmt *st;
	int rc;

	rc = mp_sql_prepare(h->db,
		"SELECT id, key, record FROM cached WHERE id > ?1 ORDER BY id LIMIT ?2", &st, err);
	while (rc == 0 && r.more) {
		rc = records_read(st, &r, out, err);
		if (rc == 0)
			rc = records_drop(c, &r, err);
	}
	(void)sqlite3_finalize(st);
	return rc;
}

int
mp_cache_check_file(struct mp_cache *c, struct mp_cache_sound *out, struct mp_error *err)
{
	struct mp_error why = {0};
	struct cache_hand *h;
	int rc;

	*out = (struct mp_cache_sound){.results = 0};
	rc = cache_hand_take(c, &h, err);
	if (rc != 0)
		return rc;
	rc = mp_sql_check(h->db, true, &why);
	if (rc == 0)
		rc = check_records(c, h, out, &why);
	cache_hand_give(c, h);
	if (rc == MP_ECORRUPT) {
		(void)snprintf(out->wrong, sizeof(out->wrong), "%.200s", why.text);
		return 0;
	}
	return rc == 0 ? 0 : mp_fail(err, rc, "%s", why.text);
}

int
mp_cache_check_blobs(struct mp_cache *c, const struct mp_hash *after, struct mp_cache_checked *out,
	struct mp_error *err)
{
	struct mp_blob_ref refs[MP_CACHE_CHECK_MAX];
	size_t count;
	int rc;

	*out = (struct mp_cache_checked){.last = *after};
	rc = mp_cache_list(c, after, mp_countof(refs), refs, &count, err);
	out->more = count == mp_countof(refs);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (out->bytes >= MP_CACHE_CHECK_BYTES_MAX) {
			out->more = true;
			break;
		}
		rc = cache_verify(c, &refs[i].digest, err);
		if (rc == MP_ECORRUPT)
			out->damaged[out->damaged_count++] = refs[i].digest;
		out->last = refs[i].digest;
		out->blobs += rc != MP_ENOENT; /* it went meanwhile */
		out->bytes += rc != MP_ENOENT ? refs[i].size : 0;
		if (rc == MP_ECORRUPT || rc == MP_ENOENT)
			rc = 0;
	}
	return rc;
}
