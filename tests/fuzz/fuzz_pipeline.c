/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a pipeline in CBOR, and as a module's specification. What is accepted encodes to
 * the very bytes it came from; every specification of an expanded graph is accepted.
 */
#include "fuzz.h"

#include "mp/limits.h"
#include "mp/pipeline.h"
#include "util/buf.h"

static void
check_graph(const struct mp_graph *g, const struct mp_alloc *alloc)
{
	uint64_t needs = 0;
	uint64_t dependants = 0;

	for (uint32_t i = 0; i < g->module_count; i++) {
		const struct mp_graph_module *m = &g->modules[i];
		struct mp_spec *s;
		int rc = mp_spec_decode(m->spec, alloc, &s);

		mp_assert(rc == 0 || rc == MP_ENOMEM);
		if (rc == 0)
			mp_spec_free(s);
		for (uint32_t k = 0; k < m->need_count; k++)
			mp_assert(m->needs[k] < g->module_count && m->needs[k] != i &&
				  (k == 0 || m->needs[k - 1] < m->needs[k]));
		for (uint32_t k = 0; k < m->dependant_count; k++)
			mp_assert(m->dependants[k] < g->module_count && m->dependants[k] != i &&
				  (k == 0 || m->dependants[k - 1] < m->dependants[k]));
		needs += m->need_count;
		dependants += m->dependant_count;
	}
	mp_assert(needs == g->edge_count && dependants == g->edge_count);
}

static void
check_pipeline(struct mp_span in, const struct mp_alloc *alloc)
{
	struct mp_pipeline *p;
	struct mp_graph *g;
	struct mp_buf again;

	if (mp_pipeline_decode(in, alloc, &p, NULL) != 0)
		return;
	mp_buf_init(&again, alloc, MP_PIPELINE_BYTES_MAX);
	mp_assert(mp_pipeline_encode(p, &again) == 0);
	mp_assert(mp_span_eq(mp_buf_span(&again), in));
	mp_buf_fini(&again);
	if (mp_graph_expand(p, NULL, 0, alloc, &g, NULL) == 0) {
		check_graph(g, alloc);
		mp_graph_free(g);
	}
	mp_pipeline_free(p);
}

static void
check_spec(struct mp_span in, const struct mp_alloc *alloc)
{
	struct mp_spec *s;
	struct mp_buf again;

	if (mp_spec_decode(in, alloc, &s) != 0)
		return;
	mp_assert((s->argv.n > 0) != (s->shell != NULL));
	mp_buf_init(&again, alloc, MP_SPEC_MAX);
	mp_assert(mp_spec_encode(s, &again) == 0);
	mp_assert(mp_span_eq(mp_buf_span(&again), in));
	mp_buf_fini(&again);
	mp_spec_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 256u << 20};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);

	check_pipeline(mp_span(data, size), &alloc);
	check_spec(mp_span(data, size), &alloc);
	mp_assert(heap.live == 0);
	return 0;
}
