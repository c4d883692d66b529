/* SPDX-License-Identifier: Apache-2.0 */
/* Each message about blobs that a decoder accepts, its encoder gives back byte for byte. */
#include "same.h"

#include "codec/msg_blob.h"
#include "mp/error.h"

static int
copy_hold(struct mp_buf *buf, struct mp_msg_hold *m)
{
	size_t n = m->count;
	int rc = mp_msg_hold_head(buf, m->req, n);

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct mp_blob_ref ref = mp_msg_hold_next(m);

		rc = mp_msg_hold_ref(buf, &ref);
	}
	return rc;
}

/* Decodes with each decoder; at most one may accept. */
static size_t
copy_any(struct mp_buf *buf, struct mp_span in)
{
	struct mp_msg_blob_data data;
	struct mp_msg_blob_get get;
	struct mp_msg_hold hold;
	struct mp_msg_held held;
	struct mp_hash digest;
	size_t accepted = 0;
	int rc = 0;

	if (mp_msg_blob_get_decode(in, &get) == 0 && ++accepted > 0)
		rc = mp_msg_blob_get_encode(buf, &get);
	if (mp_msg_blob_data_decode(in, &data) == 0 && ++accepted > 0)
		rc = mp_msg_blob_data_encode(buf, &data);
	if (mp_msg_blob_none_decode(in, &digest) == 0 && ++accepted > 0)
		rc = mp_msg_blob_none_encode(buf, &digest);
	if (mp_msg_hold_decode(in, &hold) == 0 && ++accepted > 0)
		rc = copy_hold(buf, &hold);
	if (mp_msg_held_decode(in, &held) == 0 && ++accepted > 0)
		rc = mp_msg_held_encode(buf, &held);
	mp_assert(rc == 0);
	return accepted;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 4096 + 4 * size};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span in = mp_span(data, size);
	struct mp_buf buf;
	size_t accepted;

	mp_buf_init(&buf, &alloc, SIZE_MAX / 4);
	accepted = copy_any(&buf, in);
	mp_assert(accepted <= 1);
	mp_assert(accepted == 0 || mp_span_eq(mp_buf_span(&buf), in));
	if (accepted > 0)
		fuzz_item(in);
	mp_buf_fini(&buf);
	mp_assert(heap.live == 0);
	return 0;
}
