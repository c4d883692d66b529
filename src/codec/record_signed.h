/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the signed records of record_cert.c and record_revoke.c have in common: [body,
 * signature...], and in the body [tag, version, ...]. Nobody else includes this.
 */
#ifndef MP_CODEC_RECORD_SIGNED_H
#define MP_CODEC_RECORD_SIGNED_H

#include "codec/cbor.h"
#include "codec/record_cert.h"

#define TRUST_VERSION 1

/* Largest body of one record, its signatures not counted. */
#define BODY_MAX 3072

static inline int
fail_code(struct mp_error *err, int rc, const char *what)
{
	return mp_fail(err, rc, "%s: %s", what, mp_strerror(rc));
}

/* The tag's NUL is hashed too, so that no tag is the start of another. */
static inline struct mp_hash
record_hash(const struct mp_crypto *crypto, const char *tag, struct mp_span body)
{
	struct mp_span parts[2] = {mp_span(tag, strlen(tag) + 1), body};
	struct mp_hash h;

	crypto->hash(&h, parts, 2);
	return h;
}

static inline struct mp_hash
record_sign(const struct mp_crypto *crypto, const char *tag, struct mp_span body,
	const struct mp_signer *signer, struct mp_sig *sig)
{
	struct mp_hash h = record_hash(crypto, tag, body);

	crypto->sign(signer->secret, sig, mp_span(h.b, sizeof(h.b)));
	return h;
}

static inline void
body_begin(struct mp_cbor_w *w, struct mp_buf *buf, const char *tag, size_t items)
{
	mp_cbor_w_init(w, buf);
	mp_cbor_w_array(w, items);
	mp_cbor_w_text(w, tag);
	mp_cbor_w_uint(w, TRUST_VERSION);
}

/* Appends [body, signature...]. */
static inline int
record_put(struct mp_buf *out, struct mp_span body, const struct mp_sig *sigs, size_t sig_count)
{
	struct mp_cbor_w w;
	size_t n = out->n;

	mp_cbor_w_init(&w, out);
	mp_cbor_w_array(&w, 1 + sig_count);
	mp_cbor_w_span(&w, body);
	for (size_t i = 0; i < sig_count; i++)
		mp_cbor_w_bytes(&w, sigs[i].b, sizeof(sigs[i].b));
	if (w.rc != 0)
		out->n = n;
	return w.rc;
}

static inline int
record_split(struct mp_span bytes, struct mp_span *body, struct mp_sig *sigs, size_t sig_count)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 1 + sig_count);
	*body = mp_cbor_r_bytes(&r, BODY_MAX);
	for (size_t i = 0; i < sig_count; i++)
		mp_cbor_r_fixed(&r, sigs[i].b, sizeof(sigs[i].b));
	return mp_cbor_r_end(&r);
}

/* Reads [tag, version, and steps to the rest of `items`. */
static inline void
body_open(struct mp_cbor_r *r, struct mp_span body, const char *tag, size_t items)
{
	struct mp_span text;
	uint64_t version;
	size_t n;

	mp_cbor_r_init(r, body);
	n = mp_cbor_r_array(r, SIZE_MAX / 2);
	text = mp_cbor_r_text(r, 64);
	if (r->rc == 0 && !mp_span_eq(text, mp_span_str(tag)))
		r->rc = MP_EFORMAT;
	version = mp_cbor_r_uint(r, UINT64_MAX);
	if (r->rc == 0 && version != TRUST_VERSION)
		r->rc = MP_EVERSION;
	if (r->rc == 0 && n != items)
		r->rc = MP_EFORMAT;
}

static inline mp_time
body_ms(struct mp_cbor_r *r)
{
	return (mp_time)mp_cbor_r_uint(r, MP_TIME_NEVER - 1);
}

static inline void
body_cluster(struct mp_cbor_r *r, struct mp_cluster_id *out)
{
	mp_cbor_r_fixed(r, out->b, sizeof(out->b));
}

static inline bool
time_valid(mp_time t)
{
	return t >= 0 && t < MP_TIME_NEVER;
}

#endif
