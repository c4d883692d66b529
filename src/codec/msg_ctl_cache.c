/* SPDX-License-Identifier: Apache-2.0 */
/* What a node says of its cache. */
#include "codec/msg_ctl.h"

#include "mp/error.h"

int
mp_ctl_totals_encode(struct mp_buf *buf, const struct mp_cache_totals *totals)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 5);
	mp_cbor_w_uint(&w, totals->blobs);
	mp_cbor_w_uint(&w, totals->bytes);
	mp_cbor_w_uint(&w, totals->stored);
	mp_cbor_w_uint(&w, totals->results);
	mp_cbor_w_uint(&w, totals->result_bytes);
	return w.rc;
}

int
mp_ctl_totals_decode(struct mp_span payload, struct mp_cache_totals *out)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 5);
	out->blobs = mp_cbor_r_uint(&r, UINT64_MAX);
	out->bytes = mp_cbor_r_uint(&r, UINT64_MAX);
	out->stored = mp_cbor_r_uint(&r, UINT64_MAX);
	out->results = mp_cbor_r_uint(&r, UINT64_MAX);
	out->result_bytes = mp_cbor_r_uint(&r, UINT64_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_ctl_sound_encode(struct mp_buf *buf, const struct mp_cache_sound *sound)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	if (sound->wrong[0] != '\0')
		mp_cbor_w_text(&w, sound->wrong);
	else
		mp_cbor_w_null(&w);
	mp_cbor_w_uint(&w, sound->results);
	mp_cbor_w_uint(&w, sound->damaged);
	return w.rc;
}

int
mp_ctl_sound_decode(struct mp_span payload, struct mp_cache_sound *out)
{
	struct mp_cbor_r r;

	*out = (struct mp_cache_sound){.results = 0};
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 3);
	if (mp_cbor_r_peek(&r) == MP_CBOR_NULL)
		mp_cbor_r_null(&r);
	else
		mp_cbor_r_str(&r, out->wrong, sizeof(out->wrong));
	out->results = mp_cbor_r_uint(&r, UINT64_MAX);
	out->damaged = mp_cbor_r_uint(&r, UINT64_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_ctl_checked_encode(struct mp_buf *buf, const struct mp_cache_checked *checked)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_uint(&w, checked->blobs);
	mp_cbor_w_uint(&w, checked->bytes);
	if (checked->more)
		mp_cbor_w_bytes(&w, checked->last.b, sizeof(checked->last.b));
	else
		mp_cbor_w_null(&w);
	mp_cbor_w_array(&w, checked->damaged_count);
	for (size_t i = 0; i < checked->damaged_count; i++)
		mp_cbor_w_bytes(&w, checked->damaged[i].b, sizeof(checked->damaged[i].b));
	return w.rc;
}

int
mp_ctl_checked_decode(struct mp_span payload, struct mp_cache_checked *out)
{
	struct mp_cbor_r r;

	*out = (struct mp_cache_checked){.blobs = 0};
	mp_cbor_r_init(&r, payload);
	mp_cbor_r_array_exact(&r, 4);
	out->blobs = mp_cbor_r_uint(&r, UINT64_MAX);
	out->bytes = mp_cbor_r_uint(&r, UINT64_MAX);
	out->more = mp_cbor_r_peek(&r) != MP_CBOR_NULL;
	if (out->more)
		mp_cbor_r_fixed(&r, out->last.b, sizeof(out->last.b));
	else
		mp_cbor_r_null(&r);
	out->damaged_count = mp_cbor_r_array(&r, MP_CACHE_CHECK_MAX);
	for (size_t i = 0; i < out->damaged_count; i++)
		mp_cbor_r_fixed(&r, out->damaged[i].b, sizeof(out->damaged[i].b));
	return mp_cbor_r_end(&r);
}
