/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/record_revoke.h"

#include "codec/record_signed.h"

#define ITEMS 7

static const char tag_revocation[] = "mp-revocation";

static bool
why_valid(struct mp_span why)
{
	if (why.n > MP_REVOCATION_WHY_MAX)
		return false;
	for (size_t i = 0; i < why.n; i++) {
		if (why.p[i] < 0x20 || why.p[i] == 0x7f)
			return false;
	}
	return true;
}

int
mp_revocation_encode(const struct mp_revocation *revocation, struct mp_buf *out)
{
	size_t n = out->n;
	struct mp_cbor_w w;

	if (!why_valid(revocation->why) || !time_valid(revocation->revoked_ms))
		return MP_EINVAL;
	body_begin(&w, out, tag_revocation, ITEMS);
	mp_cbor_w_bytes(&w, revocation->cluster.b, sizeof(revocation->cluster.b));
	mp_cbor_w_bytes(&w, revocation->subject.b, sizeof(revocation->subject.b));
	mp_cbor_w_text_n(&w, (const char *)revocation->why.p, revocation->why.n);
	mp_cbor_w_uint(&w, (uint64_t)revocation->revoked_ms);
	mp_cbor_w_bytes(&w, revocation->signer, sizeof(revocation->signer));
	if (w.rc != 0)
		out->n = n;
	return w.rc;
}

int
mp_revocation_decode(struct mp_span body, struct mp_revocation *out)
{
	struct mp_cbor_r r;

	memset(out, 0, sizeof(*out));
	body_open(&r, body, tag_revocation, ITEMS);
	body_cluster(&r, &out->cluster);
	mp_cbor_r_fixed(&r, out->subject.b, sizeof(out->subject.b));
	out->why = mp_cbor_r_text(&r, MP_REVOCATION_WHY_MAX);
	if (r.rc == 0 && !why_valid(out->why))
		r.rc = MP_EFORMAT;
	out->revoked_ms = body_ms(&r);
	mp_cbor_r_fixed(&r, out->signer, sizeof(out->signer));
	return mp_cbor_r_end(&r);
}

int
mp_revocation_sign(const struct mp_crypto *crypto, const struct mp_revocation *revocation,
	const struct mp_signer *authority, struct mp_buf *out)
{
	struct mp_revocation own = *revocation;
	uint8_t bytes[MP_REVOCATION_MAX];
	struct mp_buf body = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_sig sig;
	int rc;

	memcpy(own.signer, authority->key, sizeof(own.signer));
	rc = mp_revocation_encode(&own, &body);
	if (rc != 0)
		return rc;
	(void)record_sign(crypto, tag_revocation, mp_buf_span(&body), authority, &sig);
	return record_put(out, mp_buf_span(&body), &sig, 1);
}

static int
revocation_split(
	struct mp_span bytes, struct mp_span *body, struct mp_sig *sig, struct mp_revocation *out)
{
	int rc = bytes.n <= MP_REVOCATION_MAX ? record_split(bytes, body, sig, 1) : MP_ELIMIT;

	return rc == 0 ? mp_revocation_decode(*body, out) : rc;
}

int
mp_revocation_peek(struct mp_span bytes, struct mp_revocation *out)
{
	struct mp_span body;
	struct mp_sig sig;

	return revocation_split(bytes, &body, &sig, out);
}

int
mp_revocation_open(const struct mp_crypto *crypto, struct mp_span bytes, struct mp_revocation *out,
	struct mp_hash *hash)
{
	struct mp_span body;
	struct mp_hash h;
	struct mp_sig sig;
	int rc = revocation_split(bytes, &body, &sig, out);

	if (rc != 0)
		return rc;
	h = record_hash(crypto, tag_revocation, body);
	if (hash != NULL)
		*hash = h;
	return crypto->verify(out->signer, &sig, mp_span(h.b, sizeof(h.b)));
}
