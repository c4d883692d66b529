/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/cbor.h"

#include <cbor.h>

#include "mp/limits.h"
#include "util/utf8.h"

/* ---- writing ---- */

void
mp_cbor_w_init(struct mp_cbor_w *w, struct mp_buf *buf)
{
	*w = (struct mp_cbor_w){.buf = buf};
}

static void
w_append(struct mp_cbor_w *w, const void *p, size_t n)
{
	if (w->rc == 0)
		w->rc = mp_buf_append(w->buf, p, n);
}

/* libcbor's encoders choose the shortest head, as section 4.2.1 wants. */
static void
w_head(struct mp_cbor_w *w, size_t (*encode)(size_t, unsigned char *, size_t), size_t v)
{
	unsigned char head[9];

	w_append(w, head, encode(v, head, sizeof(head)));
}

void
mp_cbor_w_array(struct mp_cbor_w *w, size_t items)
{
	w_head(w, cbor_encode_array_start, items);
}

void
mp_cbor_w_map(struct mp_cbor_w *w, size_t pairs)
{
	w_head(w, cbor_encode_map_start, pairs);
}

void
mp_cbor_w_uint(struct mp_cbor_w *w, uint64_t v)
{
	unsigned char head[9];

	w_append(w, head, cbor_encode_uint(v, head, sizeof(head)));
}

void
mp_cbor_w_int(struct mp_cbor_w *w, int64_t v)
{
	unsigned char head[9];

	if (v >= 0)
		mp_cbor_w_uint(w, (uint64_t)v);
	else
		w_append(w, head, cbor_encode_negint((uint64_t)(-1 - v), head, sizeof(head)));
}

void
mp_cbor_w_bool(struct mp_cbor_w *w, bool v)
{
	unsigned char head[1];

	w_append(w, head, cbor_encode_bool(v, head, sizeof(head)));
}

void
mp_cbor_w_null(struct mp_cbor_w *w)
{
	unsigned char head[1];

	w_append(w, head, cbor_encode_null(head, sizeof(head)));
}

void
mp_cbor_w_bytes(struct mp_cbor_w *w, const void *p, size_t n)
{
	w_head(w, cbor_encode_bytestring_start, n);
	w_append(w, p, n);
}

void
mp_cbor_w_span(struct mp_cbor_w *w, struct mp_span s)
{
	mp_cbor_w_bytes(w, s.p, s.n);
}

void
mp_cbor_w_text_n(struct mp_cbor_w *w, const char *s, size_t n)
{
	w_head(w, cbor_encode_string_start, n);
	w_append(w, s, n);
}

void
mp_cbor_w_text(struct mp_cbor_w *w, const char *s)
{
	mp_cbor_w_text_n(w, s, strlen(s));
}

void
mp_cbor_w_raw(struct mp_cbor_w *w, struct mp_span encoded)
{
	w_append(w, encoded.p, encoded.n);
}

/* ---- reading: one head at a time ---- */

struct head {
	enum mp_cbor_type type;
	uint64_t value;      /* of integers and booleans; items of arrays; pairs of maps */
	struct mp_span data; /* of strings */
};

static void
head_set(void *ctx, enum mp_cbor_type type, uint64_t value)
{
	struct head *h = ctx;

	h->type = type;
	h->value = value;
}

static void
head_string(void *ctx, enum mp_cbor_type type, cbor_data p, size_t n)
{
	struct head *h = ctx;

	h->type = type;
	h->value = n;
	h->data = mp_span(p, n);
}

#define ON_UINT(bits)                                                                              \
	static void on_uint##bits(void *ctx, uint##bits##_t v)                                     \
	{                                                                                          \
		head_set(ctx, MP_CBOR_UINT, v);                                                    \
	}                                                                                          \
	static void on_negint##bits(void *ctx, uint##bits##_t v)                                   \
	{                                                                                          \
		head_set(ctx, MP_CBOR_NEGINT, v);                                                  \
	}
ON_UINT(8)
ON_UINT(16)
ON_UINT(32)
ON_UINT(64)

static void
on_bytes(void *ctx, cbor_data p, size_t n)
{
	head_string(ctx, MP_CBOR_BYTES, p, n);
}

static void
on_text(void *ctx, cbor_data p, size_t n)
{
	head_string(ctx, MP_CBOR_TEXT, p, n);
}

static void
on_array(void *ctx, size_t n)
{
	head_set(ctx, MP_CBOR_ARRAY, n);
}

static void
on_map(void *ctx, size_t n)
{
	head_set(ctx, MP_CBOR_MAP, n);
}

static void
on_bool(void *ctx, bool v)
{
	head_set(ctx, MP_CBOR_BOOL, v);
}

static void
on_null(void *ctx)
{
	head_set(ctx, MP_CBOR_NULL, 0);
}

static void
on_other(void *ctx)
{
	head_set(ctx, MP_CBOR_OTHER, 0);
}

static void
on_float(void *ctx, float v)
{
	(void)v;
	on_other(ctx);
}

static void
on_double(void *ctx, double v)
{
	(void)v;
	on_other(ctx);
}

static void
on_tag(void *ctx, uint64_t v)
{
	(void)v;
	on_other(ctx);
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = on_negint8,
	.negint16 = on_negint16,
	.negint32 = on_negint32,
	.negint64 = on_negint64,
	.byte_string = on_bytes,
	.byte_string_start = on_other,
	.string = on_text,
	.string_start = on_other,
	.array_start = on_array,
	.indef_array_start = on_other,
	.map_start = on_map,
	.indef_map_start = on_other,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.null = on_null,
	.undefined = on_other,
	.boolean = on_bool,
	.indef_break = on_other,
};

static size_t
shortest_head(uint64_t v)
{
	return v < 24 ? 1 : v <= UINT8_MAX ? 2 : v <= UINT16_MAX ? 3 : v <= UINT32_MAX ? 5 : 9;
}

static void
r_fail(struct mp_cbor_r *r, int rc)
{
	if (r->rc == 0)
		r->rc = rc;
}

void
mp_cbor_r_init(struct mp_cbor_r *r, struct mp_span bytes)
{
	*r = (struct mp_cbor_r){.p = bytes.p, .end = bytes.p, .start = bytes.p};
	if (bytes.n > 0)
		r->end = bytes.p + bytes.n;
}

/* Reads one head, with its data for strings; sets r->rc and returns false on anything refused. */
static bool
r_head(struct mp_cbor_r *r, struct head *h)
{
	struct cbor_decoder_result res;
	size_t left = (size_t)(r->end - r->p);

	*h = (struct head){.type = MP_CBOR_OTHER};
	if (r->rc != 0)
		return false;
	if (left == 0) {
		r_fail(r, MP_ETRUNC);
		return false;
	}
	res = cbor_stream_decode(r->p, left, &callbacks, h);
	if (res.status != CBOR_DECODER_FINISHED) {
		r_fail(r, res.status == CBOR_DECODER_NEDATA ? MP_ETRUNC : MP_EFORMAT);
		return false;
	}
	if (h->type == MP_CBOR_OTHER) {
		r_fail(r, MP_EFORMAT);
		return false;
	}
	if (h->type != MP_CBOR_BOOL && h->type != MP_CBOR_NULL &&
		res.read - h->data.n != shortest_head(h->value)) {
		r_fail(r, MP_EFORMAT);
		return false;
	}
	if (h->type == MP_CBOR_TEXT && mp_utf8_prefix(h->data) != h->data.n) {
		r_fail(r, MP_EFORMAT);
		return false;
	}
	r->p += res.read;
	return true;
}

static bool
r_expect(struct mp_cbor_r *r, struct head *h, enum mp_cbor_type type)
{
	const uint8_t *at = r->p;

	if (!r_head(r, h))
		return false;
	if (h->type == type)
		return true;
	r->p = at;
	r_fail(r, MP_EFORMAT);
	return false;
}

enum mp_cbor_type
mp_cbor_r_peek(const struct mp_cbor_r *r)
{
	static const enum mp_cbor_type major[] = {MP_CBOR_UINT, MP_CBOR_NEGINT, MP_CBOR_BYTES,
		MP_CBOR_TEXT, MP_CBOR_ARRAY, MP_CBOR_MAP, MP_CBOR_OTHER};

	if (r->rc != 0 || r->p == r->end)
		return MP_CBOR_END;
	if (*r->p >> 5 < 7)
		return major[*r->p >> 5];
	if (*r->p == 0xf4 || *r->p == 0xf5)
		return MP_CBOR_BOOL;
	return *r->p == 0xf6 ? MP_CBOR_NULL : MP_CBOR_OTHER;
}

/* A count cannot exceed the bytes that are left: each item takes one at least. */
static size_t
r_count(struct mp_cbor_r *r, enum mp_cbor_type type, size_t max)
{
	struct head h;

	if (!r_expect(r, &h, type))
		return 0;
	if (h.value > max) {
		r_fail(r, MP_ELIMIT);
		return 0;
	}
	if (h.value * (type == MP_CBOR_MAP ? 2 : 1) > (uint64_t)(r->end - r->p)) {
		r_fail(r, MP_ETRUNC);
		return 0;
	}
	return (size_t)h.value;
}

size_t
mp_cbor_r_array(struct mp_cbor_r *r, size_t max)
{
	return r_count(r, MP_CBOR_ARRAY, max);
}

size_t
mp_cbor_r_map(struct mp_cbor_r *r, size_t max)
{
	return r_count(r, MP_CBOR_MAP, max);
}

void
mp_cbor_r_array_exact(struct mp_cbor_r *r, size_t n)
{
	if (mp_cbor_r_array(r, SIZE_MAX / 2) != n)
		r_fail(r, MP_EFORMAT);
}

void
mp_cbor_r_array_min(struct mp_cbor_r *r, size_t n, size_t max, size_t *extra)
{
	size_t items = mp_cbor_r_array(r, max);

	*extra = 0;
	if (items < n)
		r_fail(r, MP_EFORMAT);
	else
		*extra = items - n;
}

uint64_t
mp_cbor_r_uint(struct mp_cbor_r *r, uint64_t max)
{
	struct head h;

	if (!r_expect(r, &h, MP_CBOR_UINT))
		return 0;
	if (h.value > max) {
		r_fail(r, MP_ELIMIT);
		return 0;
	}
	return h.value;
}

int64_t
mp_cbor_r_int(struct mp_cbor_r *r)
{
	bool negative = mp_cbor_r_peek(r) == MP_CBOR_NEGINT;
	struct head h;

	if (!r_expect(r, &h, negative ? MP_CBOR_NEGINT : MP_CBOR_UINT))
		return 0;
	if (h.value > INT64_MAX) {
		r_fail(r, MP_ELIMIT);
		return 0;
	}
	return negative ? -1 - (int64_t)h.value : (int64_t)h.value;
}

bool
mp_cbor_r_bool(struct mp_cbor_r *r)
{
	struct head h;

	return r_expect(r, &h, MP_CBOR_BOOL) && h.value != 0;
}

void
mp_cbor_r_null(struct mp_cbor_r *r)
{
	struct head h;

	(void)r_expect(r, &h, MP_CBOR_NULL);
}

static struct mp_span
r_string(struct mp_cbor_r *r, enum mp_cbor_type type, size_t max)
{
	struct head h;

	if (!r_expect(r, &h, type))
		return mp_span(NULL, 0);
	if (h.data.n > max) {
		r_fail(r, MP_ELIMIT);
		return mp_span(NULL, 0);
	}
	return h.data;
}

struct mp_span
mp_cbor_r_bytes(struct mp_cbor_r *r, size_t max)
{
	return r_string(r, MP_CBOR_BYTES, max);
}

struct mp_span
mp_cbor_r_text(struct mp_cbor_r *r, size_t max)
{
	return r_string(r, MP_CBOR_TEXT, max);
}

void
mp_cbor_r_fixed(struct mp_cbor_r *r, void *out, size_t n)
{
	struct mp_span s = mp_cbor_r_bytes(r, n);

	memset(out, 0, n);
	if (r->rc != 0)
		return;
	if (s.n != n)
		r_fail(r, MP_EFORMAT);
	else
		memcpy(out, s.p, n);
}

void
mp_cbor_r_str(struct mp_cbor_r *r, char *out, size_t size)
{
	struct mp_span s = mp_cbor_r_text(r, size - 1);

	out[0] = '\0';
	if (r->rc != 0)
		return;
	if (s.n > 0 && memchr(s.p, 0, s.n) != NULL) {
		r_fail(r, MP_EFORMAT);
		return;
	}
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

void
mp_cbor_r_skip(struct mp_cbor_r *r)
{
	uint64_t left[MP_DEPTH_MAX + 1]; /* items still to read, per level */
	size_t depth = 0;
	struct head h;

	left[0] = 1;
	while (r_head(r, &h)) {
		left[depth]--;
		if ((h.type == MP_CBOR_ARRAY || h.type == MP_CBOR_MAP) && h.value > 0) {
			if (depth == MP_DEPTH_MAX || h.value > (uint64_t)(r->end - r->p)) {
				r_fail(r, depth == MP_DEPTH_MAX ? MP_ELIMIT : MP_ETRUNC);
				return;
			}
			left[++depth] = h.type == MP_CBOR_MAP ? h.value * 2 : h.value;
		}
		while (left[depth] == 0) {
			if (depth == 0)
				return;
			depth--;
		}
	}
}

struct mp_span
mp_cbor_r_item(struct mp_cbor_r *r)
{
	const uint8_t *at = r->p;

	mp_cbor_r_skip(r);
	return r->rc == 0 ? mp_span(at, (size_t)(r->p - at)) : mp_span(NULL, 0);
}

int
mp_cbor_r_end(const struct mp_cbor_r *r)
{
	if (r->rc != 0)
		return r->rc;
	return r->p == r->end ? 0 : MP_EFORMAT;
}

size_t
mp_cbor_r_offset(const struct mp_cbor_r *r)
{
	return (size_t)(r->p - r->start);
}
