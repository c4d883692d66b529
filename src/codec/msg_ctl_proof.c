/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_ctl_proof.h"

#include "mp/limits.h"

int
mp_ctl_record_encode(struct mp_buf *buf, const struct mp_ctl_record *record)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_span(&w, record->record);
	mp_cbor_w_span(&w, record->pipeline);
	if (record->end.n > 0)
		mp_cbor_w_span(&w, record->end);
	else
		mp_cbor_w_null(&w);
	return w.rc;
}

int
mp_ctl_record_decode(struct mp_span payload, struct mp_ctl_record *out)
{
	struct mp_cbor_r r;

	*out = (struct mp_ctl_record){.end = mp_span(NULL, 0)};
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 3);
	out->record = mp_cbor_r_bytes(&r, MP_MSG_MAX);
	out->pipeline = mp_cbor_r_bytes(&r, MP_MSG_MAX);
	if (mp_cbor_r_peek(&r) == MP_CBOR_NULL)
		mp_cbor_r_null(&r);
	else
		out->end = mp_cbor_r_bytes(&r, MP_MSG_MAX);
	if (out->end.p != NULL && out->end.n == 0)
		return MP_EFORMAT; /* null stands for none */
	return mp_cbor_r_end(&r);
}

void
mp_ctl_proofs_begin(struct mp_cbor_w *w, uint64_t next, size_t count)
{
	mp_cbor_w_array(w, 2);
	mp_cbor_w_uint(w, next);
	mp_cbor_w_array(w, count);
}

int
mp_ctl_proofs_decode(struct mp_span payload, struct mp_ctl_proofs *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 2);
	out->next = mp_cbor_r_uint(&r, INT64_MAX);
	out->left = mp_cbor_r_array(&r, MP_MSG_MAX);
	out->r = r;
	for (size_t i = 0; i < out->left && r.rc == 0; i++)
		(void)mp_cbor_r_bytes(&r, MP_MSG_MAX);
	return mp_cbor_r_end(&r);
}

bool
mp_ctl_proofs_next(struct mp_ctl_proofs *page, struct mp_span *out)
{
	if (page->left == 0)
		return false;
	page->left--;
	*out = mp_cbor_r_bytes(&page->r, MP_MSG_MAX);
	return page->r.rc == 0;
}
