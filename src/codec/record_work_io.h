/* SPDX-License-Identifier: Apache-2.0 */
/* What record_work.c and record_body.c share: heads of records, optional hashes, bounded numbers.
 */
#ifndef MP_CODEC_RECORD_WORK_IO_H
#define MP_CODEC_RECORD_WORK_IO_H

#include "codec/cbor.h"
#include "mp/limits.h"

#define RECORD_VERSION 1

static inline void
record_begin(struct mp_cbor_w *w, size_t items, const char *domain)
{
	mp_cbor_w_array(w, items);
	mp_cbor_w_text(w, domain);
	mp_cbor_w_uint(w, RECORD_VERSION);
}

static inline void
reader_fail(struct mp_cbor_r *r, int rc)
{
	if (r->rc == 0)
		r->rc = rc;
}

/* The length of the array is checked after the version: another version may have another one. */
static inline void
record_expect(struct mp_cbor_r *r, size_t items, const char *domain)
{
	size_t n = mp_cbor_r_array(r, 256);
	struct mp_span text = mp_cbor_r_text(r, 32);

	if (r->rc == 0 && !mp_span_eq(text, mp_span_str(domain)))
		reader_fail(r, MP_EFORMAT);
	if (mp_cbor_r_uint(r, UINT64_MAX) != RECORD_VERSION)
		reader_fail(r, MP_EVERSION);
	if (n != items)
		reader_fail(r, MP_EFORMAT);
}

/* An optional hash: null for the zero hash. */
static inline void
hash_write(struct mp_cbor_w *w, const struct mp_hash *h)
{
	if (mp_hash_is_zero(h))
		mp_cbor_w_null(w);
	else
		mp_cbor_w_bytes(w, h->b, sizeof(h->b));
}

static inline void
hash_read(struct mp_cbor_r *r, struct mp_hash *out)
{
	*out = (struct mp_hash){{0}};
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
		return;
	}
	mp_cbor_r_fixed(r, out->b, sizeof(out->b));
	if (mp_hash_is_zero(out))
		reader_fail(r, MP_EFORMAT);
}

/* Text that is too long is cut between characters. */
static inline void
text_write(struct mp_cbor_w *w, struct mp_span text, size_t max)
{
	size_t n = text.n;

	if (n > max) {
		n = max;
		while (n > 0 && (text.p[n] & 0xc0) == 0x80)
			n--;
	}
	mp_cbor_w_text_n(w, (const char *)text.p, n);
}

static inline int32_t
int32_read(struct mp_cbor_r *r)
{
	int64_t v = mp_cbor_r_int(r);

	if (v < INT32_MIN || v > INT32_MAX)
		reader_fail(r, MP_ELIMIT);
	return (int32_t)v;
}

static inline mp_time
time_read(struct mp_cbor_r *r)
{
	return (mp_time)mp_cbor_r_uint(r, INT64_MAX);
}

static inline void
time_write(struct mp_cbor_w *w, mp_time t)
{
	mp_cbor_w_uint(w, t > 0 ? (uint64_t)t : 0);
}

static inline uint32_t
module_read(struct mp_cbor_r *r)
{
	return (uint32_t)mp_cbor_r_uint(r, MP_MODULES_MAX - 1);
}

static inline uint32_t
counter_read(struct mp_cbor_r *r)
{
	uint32_t v = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);

	if (v == 0)
		reader_fail(r, MP_EFORMAT);
	return v;
}

#endif
