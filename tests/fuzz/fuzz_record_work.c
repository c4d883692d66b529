/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoders of records and bodies accept, the encoders give back byte for byte. */
#include "same.h"

#include "codec/record_work.h"

static void
check_records(struct mp_buf *buf, struct mp_span in)
{
	struct mp_result_sig sig;
	struct mp_result result;
	struct mp_span record;
	struct mp_offer offer;

	if (mp_offer_decode(in, &offer) == 0)
		fuzz_same(buf, mp_offer_encode(buf, &offer), in);
	if (mp_result_decode(in, &result) == 0)
		fuzz_same(buf, mp_result_encode(buf, &result), in);
	if (mp_signed_result_decode(in, &record, &sig) == 0)
		fuzz_same(buf, mp_signed_result_encode(buf, record, &sig), in);
}

static void
check_lists(struct mp_buf *buf, struct mp_span in)
{
	static struct mp_assigned items[4096];
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_finished finished;
	struct mp_recalled recalled;
	struct mp_list list;
	size_t n = 0;

	if (mp_body_assigned_decode(in, &list) == 0 && list.left <= mp_countof(items)) {
		while (mp_assigned_next(&list, &items[n]))
			n++;
		mp_assert(list.left == 0);
		fuzz_same(buf, mp_body_assigned_encode(buf, items, n), in);
	}
	n = 0;
	if (mp_body_finished_decode(in, &finished) == 0) {
		while (mp_holders_next(&finished.holders, &holders[n]))
			n++;
		fuzz_same(buf, mp_body_finished_encode(buf, &finished, holders, n), in);
	}
	n = 0;
	if (mp_body_cached_decode(in, &recalled) == 0) {
		while (mp_holders_next(&recalled.holders, &holders[n]))
			n++;
		fuzz_same(buf, mp_body_cached_encode(buf, &recalled, holders, n), in);
	}
}

static void
check_bodies(struct mp_buf *buf, struct mp_span in)
{
	enum mp_run_outcome outcome;
	struct mp_assigned begin;
	struct mp_once_end once;
	struct mp_node_id leader;
	struct mp_retry_at retry;
	struct mp_returned returned;
	struct mp_lost lost;
	struct mp_skip skip;
	struct mp_end end;
	struct mp_span by, cert;

	if (mp_body_open_decode(in) == 0)
		fuzz_same(buf, mp_body_open_encode(buf), in);
	if (mp_body_term_start_decode(in, &leader, &cert) == 0)
		fuzz_same(buf, mp_body_term_start_encode(buf, &leader, cert), in);
	if (mp_body_returned_decode(in, &returned) == 0)
		fuzz_same(buf, mp_body_returned_encode(buf, &returned), in);
	if (mp_body_lost_decode(in, &lost) == 0)
		fuzz_same(buf, mp_body_lost_encode(buf, &lost), in);
	if (mp_body_retry_decode(in, &retry) == 0)
		fuzz_same(buf, mp_body_retry_encode(buf, &retry), in);
	if (mp_body_cancel_decode(in, &by) == 0)
		fuzz_same(buf, mp_body_cancel_encode(buf, by), in);
	if (mp_body_skip_decode(in, &skip) == 0)
		fuzz_same(buf, mp_body_skip_encode(buf, &skip), in);
	if (mp_end_decode(in, &end) == 0)
		fuzz_same(buf, mp_end_encode(buf, &end), in);
	if (mp_body_once_begin_decode(in, &begin) == 0)
		fuzz_same(buf, mp_body_once_begin_encode(buf, &begin), in);
	if (mp_body_once_end_decode(in, &once) == 0)
		fuzz_same(buf, mp_body_once_end_encode(buf, &once), in);
	if (mp_body_end_decode(in, &outcome) == 0)
		fuzz_same(buf, mp_body_end_encode(buf, outcome), in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 4 * size + 4096};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_buf buf;

	mp_buf_init(&buf, &alloc, 2 * size + 1024);
	check_records(&buf, mp_span(data, size));
	check_lists(&buf, mp_span(data, size));
	check_bodies(&buf, mp_span(data, size));
	mp_buf_fini(&buf);
	mp_assert(heap.live == 0);
	return 0;
}
