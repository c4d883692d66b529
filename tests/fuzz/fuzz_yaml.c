/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a YAML pipeline. What is accepted encodes, decodes to the same bytes and expands;
 * what is refused says why; nothing is kept.
 */
#include "fuzz.h"

#include "mp/limits.h"
#include "mp/pipeline.h"
#include "util/buf.h"

static void
check_accepted(const struct mp_pipeline *p, const struct mp_alloc *alloc)
{
	struct mp_pipeline *again;
	struct mp_graph *g;
	struct mp_buf one;
	struct mp_buf two;
	int rc;

	mp_buf_init(&one, alloc, MP_PIPELINE_BYTES_MAX);
	mp_buf_init(&two, alloc, MP_PIPELINE_BYTES_MAX);
	if (mp_pipeline_encode(p, &one) == 0) {
		rc = mp_pipeline_decode(mp_buf_span(&one), alloc, &again, NULL);
		mp_assert(rc == 0 || rc == MP_ENOMEM);
		if (rc == 0) {
			mp_assert(mp_pipeline_encode(again, &two) == 0);
			mp_assert(mp_span_eq(mp_buf_span(&one), mp_buf_span(&two)));
			mp_pipeline_free(again);
		}
	}
	if (mp_graph_expand(p, NULL, 0, alloc, &g, NULL) == 0)
		mp_graph_free(g);
	mp_buf_fini(&one);
	mp_buf_fini(&two);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 256u << 20};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_pipeline *p = NULL;
	struct mp_diags diags;
	char line[MP_DIAG_LINE_MAX];
	int rc;

	mp_diags_init(&diags, &alloc, "fuzz.yaml");
	if (size > 0 && data[0] >= 0xa0 && data[0] <= 0xbf)
		size = 0; /* CBOR is fuzz_pipeline's */
	rc = mp_pipeline_parse("fuzz.yaml", mp_span(data, size), &alloc, &p, &diags);
	mp_assert(rc == 0 || rc == MP_ENOMEM || (rc == MP_EPIPELINE && diags.n > 0));
	mp_assert((rc == 0) == (p != NULL));
	for (size_t i = 0; i < diags.n + (diags.dropped > 0); i++)
		mp_diags_format(&diags, i, line);
	if (rc == 0) {
		mp_assert(diags.n == 0);
		check_accepted(p, &alloc);
		mp_pipeline_free(p);
	}
	mp_diags_fini(&diags);
	mp_assert(heap.live == 0);
	return 0;
}
