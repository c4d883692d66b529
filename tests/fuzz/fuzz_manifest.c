/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoder accepts, the encoder gives back byte for byte, and its memory is bounded. */
#include "same.h"

#include "codec/manifest.h"
#include "mp/error.h"
#include "mp/limits.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 4096 + 8 * size};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span in = mp_span(data, size);
	struct mp_manifest m;
	struct mp_error err;
	struct mp_buf buf;

	if (mp_manifest_decode(&alloc, in, &m, &err) != 0) {
		mp_assert(err.code != MP_ENOMEM && heap.live == 0 && m.count == 0);
		return 0;
	}
	mp_buf_init(&buf, &alloc, MP_MANIFEST_BYTES_MAX);
	mp_assert(mp_manifest_encode(&buf, m.files, m.count, NULL) == 0);
	mp_assert(mp_span_eq(mp_buf_span(&buf), in));
	fuzz_item(in);
	for (size_t i = 0; i < m.count; i++)
		mp_assert(mp_files_find(m.files, m.count, m.files[i].path) == &m.files[i]);
	mp_buf_fini(&buf);
	mp_manifest_fini(&m);
	mp_assert(heap.live == 0);
	return 0;
}
