/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_blob.h"

#include "mp/error.h"
#include "mp/limits.h"

static void
begin(struct mp_cbor_w *w, struct mp_buf *buf, size_t items, uint64_t number)
{
	mp_cbor_w_init(w, buf);
	mp_cbor_w_array(w, items);
	mp_cbor_w_uint(w, number);
}

static void
expect(struct mp_cbor_r *r, struct mp_span bytes, size_t items, uint64_t number)
{
	mp_cbor_r_init(r, bytes);
	mp_cbor_r_array_exact(r, items);
	if (mp_cbor_r_uint(r, UINT64_MAX) != number && r->rc == 0)
		r->rc = MP_EFORMAT;
}

/* An error that the reader cannot see. */
static void
refuse(struct mp_cbor_r *r, bool wrong)
{
	if (r->rc == 0 && wrong)
		r->rc = MP_EFORMAT;
}

int
mp_msg_blob_get_encode(struct mp_buf *buf, const struct mp_msg_blob_get *m)
{
	struct mp_cbor_w w;

	begin(&w, buf, 4, MP_MSG_BLOB_GET);
	mp_cbor_w_bytes(&w, m->digest.b, sizeof(m->digest.b));
	mp_cbor_w_uint(&w, m->offset);
	mp_cbor_w_uint(&w, m->size);
	return w.rc;
}

int
mp_msg_blob_get_decode(struct mp_span bytes, struct mp_msg_blob_get *out)
{
	struct mp_cbor_r r;

	expect(&r, bytes, 4, MP_MSG_BLOB_GET);
	mp_cbor_r_fixed(&r, out->digest.b, sizeof(out->digest.b));
	out->offset = mp_cbor_r_uint(&r, MP_BLOB_MAX);
	out->size = (uint32_t)mp_cbor_r_uint(&r, MP_CHUNK_SIZE);
	refuse(&r, out->offset % MP_CHUNK_SIZE != 0 || out->size == 0);
	return mp_cbor_r_end(&r);
}

int
mp_msg_blob_data_encode(struct mp_buf *buf, const struct mp_msg_blob_data *m)
{
	struct mp_cbor_w w;

	begin(&w, buf, 5, MP_MSG_BLOB_DATA);
	mp_cbor_w_bytes(&w, m->digest.b, sizeof(m->digest.b));
	mp_cbor_w_uint(&w, m->total);
	mp_cbor_w_uint(&w, m->offset);
	mp_cbor_w_span(&w, m->bytes);
	return w.rc;
}

int
mp_msg_blob_data_decode(struct mp_span bytes, struct mp_msg_blob_data *out)
{
	struct mp_cbor_r r;

	expect(&r, bytes, 5, MP_MSG_BLOB_DATA);
	mp_cbor_r_fixed(&r, out->digest.b, sizeof(out->digest.b));
	out->total = mp_cbor_r_uint(&r, MP_BLOB_MAX);
	out->offset = mp_cbor_r_uint(&r, MP_BLOB_MAX);
	out->bytes = mp_cbor_r_bytes(&r, MP_CHUNK_SIZE);
	refuse(&r, out->offset % MP_CHUNK_SIZE != 0 || out->offset > out->total);
	refuse(&r,
		out->bytes.n > out->total - out->offset || (out->bytes.n == 0 && out->total != 0));
	return mp_cbor_r_end(&r);
}

int
mp_msg_blob_none_encode(struct mp_buf *buf, const struct mp_hash *digest)
{
	struct mp_cbor_w w;

	begin(&w, buf, 2, MP_MSG_BLOB_NONE);
	mp_cbor_w_bytes(&w, digest->b, sizeof(digest->b));
	return w.rc;
}

int
mp_msg_blob_none_decode(struct mp_span bytes, struct mp_hash *digest)
{
	struct mp_cbor_r r;

	expect(&r, bytes, 2, MP_MSG_BLOB_NONE);
	mp_cbor_r_fixed(&r, digest->b, sizeof(digest->b));
	return mp_cbor_r_end(&r);
}

int
mp_msg_hold_head(struct mp_buf *buf, uint64_t req, size_t count)
{
	struct mp_cbor_w w;

	begin(&w, buf, 3, MP_MSG_HOLD);
	mp_cbor_w_uint(&w, req);
	mp_cbor_w_array(&w, count);
	return w.rc;
}

int
mp_msg_hold_ref(struct mp_buf *buf, const struct mp_blob_ref *ref)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_bytes(&w, ref->digest.b, sizeof(ref->digest.b));
	if (ref->size == MP_SIZE_UNKNOWN)
		mp_cbor_w_null(&w);
	else
		mp_cbor_w_uint(&w, ref->size);
	return w.rc;
}

static struct mp_blob_ref
ref_read(struct mp_cbor_r *r)
{
	struct mp_blob_ref ref = {.size = MP_SIZE_UNKNOWN};

	mp_cbor_r_array_exact(r, 2);
	mp_cbor_r_fixed(r, ref.digest.b, sizeof(ref.digest.b));
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL)
		mp_cbor_r_null(r);
	else
		ref.size = mp_cbor_r_uint(r, MP_BLOB_MAX);
	return ref;
}

int
mp_msg_hold_decode(struct mp_span bytes, struct mp_msg_hold *out)
{
	struct mp_cbor_r r;

	expect(&r, bytes, 3, MP_MSG_HOLD);
	out->req = mp_cbor_r_uint(&r, UINT64_MAX);
	out->count = mp_cbor_r_array(&r, MP_HOLD_REFS_MAX);
	out->items = r;
	for (size_t i = 0; i < out->count && r.rc == 0; i++)
		(void)ref_read(&r);
	return mp_cbor_r_end(&r);
}

struct mp_blob_ref
mp_msg_hold_next(struct mp_msg_hold *m)
{
	mp_assert(m->count > 0);
	m->count--;
	return ref_read(&m->items);
}

int
mp_msg_held_encode(struct mp_buf *buf, const struct mp_msg_held *m)
{
	struct mp_cbor_w w;

	begin(&w, buf, 3, MP_MSG_HELD);
	mp_cbor_w_uint(&w, m->req);
	mp_cbor_w_bool(&w, m->ok);
	return w.rc;
}

int
mp_msg_held_decode(struct mp_span bytes, struct mp_msg_held *out)
{
	struct mp_cbor_r r;

	expect(&r, bytes, 3, MP_MSG_HELD);
	out->req = mp_cbor_r_uint(&r, UINT64_MAX);
	out->ok = mp_cbor_r_bool(&r);
	return mp_cbor_r_end(&r);
}
