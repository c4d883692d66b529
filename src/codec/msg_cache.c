/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_cache.h"

#include "codec/record_work_io.h"
#include "mp/error.h"
#include "mp/limits.h"

#define RECORD_DOMAIN "mp-cached"

/* What every record of the cache needs: a signed result, holders, and the little around them. */
_Static_assert(MP_CACHE_RECORD_MAX >= MP_SIGNED_RESULT_MAX + MP_HOLDERS_MAX * 34 + 32,
	"a record has room for any result");
_Static_assert((MP_CACHE_RECORD_MAX + 64ull) * MP_CACHE_GET_MAX < MP_MSG_MAX, "GOT fits");

/* ---- heads ---- */

static void
begin(struct mp_cbor_w *w, struct mp_buf *buf, size_t items, uint64_t number, uint64_t seq)
{
	mp_cbor_w_init(w, buf);
	mp_cbor_w_array(w, items);
	mp_cbor_w_uint(w, number);
	mp_cbor_w_uint(w, seq);
}

static uint64_t
expect(struct mp_cbor_r *r, struct mp_span bytes, size_t items, uint64_t number)
{
	mp_cbor_r_init(r, bytes);
	mp_cbor_r_array_exact(r, items);
	if (mp_cbor_r_uint(r, UINT64_MAX) != number)
		reader_fail(r, MP_EFORMAT);
	return mp_cbor_r_uint(r, UINT64_MAX);
}

/* ---- lists ---- */

static int
hashes_encode(
	struct mp_buf *buf, uint64_t number, uint64_t seq, const struct mp_hash *hashes, size_t n)
{
	struct mp_cbor_w w;

	begin(&w, buf, 3, number, seq);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++)
		mp_cbor_w_bytes(&w, hashes[i].b, sizeof(hashes[i].b));
	return w.rc;
}

static struct mp_hash
hash_next(struct mp_cbor_r *r)
{
	struct mp_hash hash;

	mp_cbor_r_fixed(r, hash.b, sizeof(hash.b));
	return hash;
}

static struct mp_cache_ref
ref_next(struct mp_cbor_r *r)
{
	struct mp_cache_ref ref;

	mp_cbor_r_array_exact(r, 2);
	ref.base = hash_next(r);
	ref.key = hash_next(r);
	return ref;
}

static struct mp_hash
got_next(struct mp_cbor_r *r, struct mp_span *record)
{
	struct mp_hash key;

	mp_cbor_r_array_exact(r, 2);
	key = hash_next(r);
	*record = mp_cbor_r_bytes(r, MP_CACHE_RECORD_MAX);
	if (record->n == 0)
		reader_fail(r, MP_EFORMAT);
	return key;
}

static int
list_decode(struct mp_span bytes, uint64_t number, size_t max, struct mp_msg_cache_list *out)
{
	struct mp_span record;
	struct mp_cbor_r r;

	out->seq = expect(&r, bytes, 3, number);
	out->count = mp_cbor_r_array(&r, max);
	out->items = r;
	for (size_t i = 0; i < out->count && r.rc == 0; i++) {
		if (number == MP_MSG_CACHE_HAVE)
			(void)ref_next(&r);
		else if (number == MP_MSG_CACHE_GOT)
			(void)got_next(&r, &record);
		else
			(void)hash_next(&r);
	}
	return mp_cbor_r_end(&r);
}

static void
list_take(struct mp_msg_cache_list *m)
{
	mp_assert(m->count > 0);
	m->count--;
}

int
mp_msg_cache_ask_encode(struct mp_buf *buf, uint64_t seq, const struct mp_hash *bases, size_t n)
{
	return hashes_encode(buf, MP_MSG_CACHE_ASK, seq, bases, n);
}

int
mp_msg_cache_ask_decode(struct mp_span bytes, struct mp_msg_cache_list *out)
{
	return list_decode(bytes, MP_MSG_CACHE_ASK, MP_CACHE_ASK_MAX, out);
}

int
mp_msg_cache_get_encode(struct mp_buf *buf, uint64_t seq, const struct mp_hash *keys, size_t n)
{
	return hashes_encode(buf, MP_MSG_CACHE_GET, seq, keys, n);
}

int
mp_msg_cache_get_decode(struct mp_span bytes, struct mp_msg_cache_list *out)
{
	return list_decode(bytes, MP_MSG_CACHE_GET, MP_CACHE_GET_MAX, out);
}

struct mp_hash
mp_msg_cache_next(struct mp_msg_cache_list *m)
{
	list_take(m);
	return hash_next(&m->items);
}

int
mp_msg_cache_have_encode(
	struct mp_buf *buf, uint64_t seq, const struct mp_cache_ref *refs, size_t n)
{
	struct mp_cbor_w w;

	begin(&w, buf, 3, MP_MSG_CACHE_HAVE, seq);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_bytes(&w, refs[i].base.b, sizeof(refs[i].base.b));
		mp_cbor_w_bytes(&w, refs[i].key.b, sizeof(refs[i].key.b));
	}
	return w.rc;
}

int
mp_msg_cache_have_decode(struct mp_span bytes, struct mp_msg_cache_list *out)
{
	return list_decode(bytes, MP_MSG_CACHE_HAVE, MP_CACHE_HAVE_MAX, out);
}

struct mp_cache_ref
mp_msg_cache_have_next(struct mp_msg_cache_list *m)
{
	list_take(m);
	return ref_next(&m->items);
}

int
mp_msg_cache_got_encode(struct mp_buf *buf, uint64_t seq, const struct mp_hash *keys,
	const struct mp_span *records, size_t n)
{
	struct mp_cbor_w w;
	size_t here = 0;

	for (size_t i = 0; i < n; i++)
		here += records[i].n > 0;
	begin(&w, buf, 3, MP_MSG_CACHE_GOT, seq);
	mp_cbor_w_array(&w, here);
	for (size_t i = 0; i < n; i++) {
		if (records[i].n == 0)
			continue;
		mp_cbor_w_array(&w, 2);
		mp_cbor_w_bytes(&w, keys[i].b, sizeof(keys[i].b));
		mp_cbor_w_span(&w, records[i]);
	}
	return w.rc;
}

int
mp_msg_cache_got_decode(struct mp_span bytes, struct mp_msg_cache_list *out)
{
	return list_decode(bytes, MP_MSG_CACHE_GOT, MP_CACHE_GET_MAX, out);
}

struct mp_hash
mp_msg_cache_got_next(struct mp_msg_cache_list *m, struct mp_span *record)
{
	list_take(m);
	return got_next(&m->items, record);
}

/* ---- hold ---- */

int
mp_msg_cache_hold_encode(struct mp_buf *buf, uint64_t seq, struct mp_span result, uint32_t copies,
	const struct mp_node_id *holders, size_t n)
{
	struct mp_cbor_w w;

	begin(&w, buf, 5, MP_MSG_CACHE_HOLD, seq);
	mp_cbor_w_span(&w, result);
	mp_cbor_w_uint(&w, copies);
	mp_holders_write(&w, holders, n);
	return w.rc;
}

int
mp_msg_cache_hold_decode(struct mp_span bytes, struct mp_msg_cache_hold *out)
{
	struct mp_cbor_r r;

	out->seq = expect(&r, bytes, 5, MP_MSG_CACHE_HOLD);
	out->result = mp_cbor_r_bytes(&r, MP_SIGNED_RESULT_MAX);
	out->copies = (uint32_t)mp_cbor_r_uint(&r, MP_COPIES_MAX);
	if (out->result.n == 0 || out->copies == 0)
		reader_fail(&r, MP_EFORMAT);
	mp_holders_read(&r, &out->holders);
	return mp_cbor_r_end(&r);
}

int
mp_msg_cache_held_encode(
	struct mp_buf *buf, uint64_t seq, const struct mp_node_id *holders, size_t n)
{
	struct mp_cbor_w w;

	begin(&w, buf, 3, MP_MSG_CACHE_HELD, seq);
	mp_holders_write(&w, holders, n);
	return w.rc;
}

int
mp_msg_cache_held_decode(struct mp_span bytes, struct mp_msg_cache_held *out)
{
	struct mp_cbor_r r;

	out->seq = expect(&r, bytes, 3, MP_MSG_CACHE_HELD);
	mp_holders_read(&r, &out->holders);
	return mp_cbor_r_end(&r);
}

/* ---- the record ---- */

int
mp_cache_record_encode(
	struct mp_buf *buf, struct mp_span result, const struct mp_node_id *holders, size_t n)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	record_begin(&w, 4, RECORD_DOMAIN);
	mp_cbor_w_span(&w, result);
	mp_holders_write(&w, holders, n);
	return w.rc;
}

int
mp_cache_record_decode(struct mp_span bytes, struct mp_cache_record *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	record_expect(&r, 4, RECORD_DOMAIN);
	out->result = mp_cbor_r_bytes(&r, MP_SIGNED_RESULT_MAX);
	if (out->result.n == 0)
		reader_fail(&r, MP_EFORMAT);
	mp_holders_read(&r, &out->holders);
	return mp_cbor_r_end(&r);
}
