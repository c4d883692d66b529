/* SPDX-License-Identifier: Apache-2.0 */
/* What targets of CBOR decoders assert of what was accepted. */
#ifndef MP_TESTS_FUZZ_SAME_H
#define MP_TESTS_FUZZ_SAME_H

#include "fuzz.h"

#include "codec/cbor.h"

/* It is one item, whole: a count that is wrong in encoder and decoder alike is seen by neither. */
static inline void
fuzz_item(struct mp_span in)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, in);
	mp_cbor_r_skip(&r);
	/* What a newer node adds may be as deep as an item can be, and is inside of this one. */
	mp_assert(mp_cbor_r_end(&r) == 0 || r.rc == MP_ELIMIT);
}

/* Encoded again, with rc, it is what it was. Empties the buffer. */
static inline void
fuzz_same(struct mp_buf *buf, int rc, struct mp_span in)
{
	mp_assert(rc == 0);
	mp_assert(mp_span_eq(mp_buf_span(buf), in));
	fuzz_item(in);
	mp_buf_clear(buf);
}

#endif
