/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader accepts, the writer gives back byte for byte; skipping and reading agree. */
#include "fuzz.h"

#include "codec/cbor.h"
#include "mp/limits.h"

static void
copy_item(struct mp_cbor_r *r, struct mp_cbor_w *w, int depth)
{
	struct mp_span s;
	size_t n = 0;

	switch (mp_cbor_r_peek(r)) {
	case MP_CBOR_UINT:
		mp_cbor_w_uint(w, mp_cbor_r_uint(r, UINT64_MAX));
		return;
	case MP_CBOR_NEGINT:
		mp_cbor_w_int(w, mp_cbor_r_int(r));
		return;
	case MP_CBOR_BYTES:
		mp_cbor_w_span(w, mp_cbor_r_bytes(r, SIZE_MAX));
		return;
	case MP_CBOR_TEXT:
		s = mp_cbor_r_text(r, SIZE_MAX);
		mp_cbor_w_text_n(w, (const char *)s.p, s.n);
		return;
	case MP_CBOR_ARRAY:
		n = mp_cbor_r_array(r, SIZE_MAX / 2);
		mp_cbor_w_array(w, n);
		break;
	case MP_CBOR_MAP:
		n = mp_cbor_r_map(r, SIZE_MAX / 2);
		mp_cbor_w_map(w, n);
		n *= 2;
		break;
	case MP_CBOR_BOOL:
		mp_cbor_w_bool(w, mp_cbor_r_bool(r));
		return;
	case MP_CBOR_NULL:
		mp_cbor_r_null(r);
		mp_cbor_w_null(w);
		return;
	case MP_CBOR_END:
	case MP_CBOR_OTHER:
		mp_cbor_r_skip(r);
		mp_assert(r->rc != 0);
		return;
	}
	if (n > 0 && depth == MP_DEPTH_MAX) {
		r->rc = r->rc != 0 ? r->rc : MP_ELIMIT;
		return;
	}
	for (; n > 0 && r->rc == 0; n--)
		copy_item(r, w, depth + 1);
}

/* The whole input as a sequence of items. */
static void
check_round_trip(struct mp_span in)
{
	struct fuzz_heap heap = {.max = 2 * in.n + 128};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_cbor_r skip, copy;
	struct mp_buf buf;
	struct mp_cbor_w w;

	mp_buf_init(&buf, &alloc, in.n + 64);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_r_init(&skip, in);
	mp_cbor_r_init(&copy, in);
	while (mp_cbor_r_peek(&skip) != MP_CBOR_END) {
		mp_cbor_r_skip(&skip);
		copy_item(&copy, &w, 0);
		mp_assert(skip.rc != 0 || copy.rc != 0 || skip.p == copy.p);
	}
	/* An integer below INT64_MIN may be skipped but not read. */
	mp_assert(skip.rc == 0 || copy.rc != 0);
	mp_assert(copy.rc == 0 || skip.rc != 0 || copy.rc == MP_ELIMIT);
	mp_assert((mp_cbor_r_end(&skip) == 0) == (skip.rc == 0));
	if (copy.rc == 0) {
		mp_assert(w.rc == 0);
		mp_assert(mp_span_eq(mp_buf_span(&buf), in));
	}
	mp_buf_fini(&buf);
	mp_assert(heap.live == 0);
}

/* The readers that copy, on whatever stands first. */
static void
check_copies(struct mp_span in)
{
	static const uint8_t zero[16];
	struct mp_cbor_r r;
	uint8_t fixed[16];
	char str[16];
	size_t extra;

	mp_cbor_r_init(&r, in);
	mp_cbor_r_fixed(&r, fixed, sizeof(fixed));
	mp_assert(r.rc == 0 || memcmp(fixed, zero, sizeof(fixed)) == 0);

	mp_cbor_r_init(&r, in);
	memset(str, 'x', sizeof(str));
	mp_cbor_r_str(&r, str, sizeof(str));
	mp_assert(memchr(str, '\0', sizeof(str)) != NULL);
	mp_assert(r.rc == 0 || str[0] == '\0');

	mp_cbor_r_init(&r, in);
	mp_cbor_r_array_min(&r, 2, 8, &extra);
	mp_assert(extra <= 6);
	mp_assert(mp_cbor_r_offset(&r) <= in.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_round_trip(mp_span(data, size));
	check_copies(mp_span(data, size));
	return 0;
}
