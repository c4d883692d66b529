/* SPDX-License-Identifier: Apache-2.0 */
/* Run records, log entries and certificates: what is accepted encodes to the same bytes. */
#include "same.h"

#include "codec/record_run.h"
#include "null_crypto.h"

static void
check_params(const struct mp_run_record *rec)
{
	struct mp_run_param param;
	uint32_t n = 0;
	size_t at = 0;

	while (mp_run_param_next(rec, &at, &param)) {
		mp_assert(param.key.n >= 1 && param.key.n <= MP_NAME_MAX);
		mp_assert(param.value.n <= MP_RUN_PARAM_MAX);
		n++;
	}
	mp_assert(n == rec->param_count);
}

static void
check_takeover(struct mp_buf *buf, struct mp_span in)
{
	struct mp_takeover t;

	if (mp_takeover_decode(in, &t) == 0) {
		mp_assert(t.who.generation > 1);
		fuzz_same(buf, mp_takeover_encode(buf, &t), in);
	}
}

static void
check_cert(struct mp_buf *buf, struct mp_span in)
{
	static const struct mp_electorate who = {
		.generation = 1, .elector_count = 3, .electors = {{{1}}, {{2}}, {{3}}}};
	struct mp_leader_cert cert, again;

	if (mp_leader_cert_decode(in, &cert) == 0) {
		mp_assert(in.n <= MP_LEADER_CERT_MAX);
		fuzz_same(buf, mp_leader_cert_encode(buf, &cert), in);
	}
	if (mp_leader_cert_verify(&null_crypto, in, &who, &again) == 0) {
		mp_assert(again.vote_count >= 2);
		mp_assert(mp_electorate_find(&who, &again.leader) >= 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mp_cluster_id cluster;
	struct fuzz_heap heap = {.max = 64u * 1024 * 1024};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span in = mp_span(data, size), record;
	static struct mp_run_record rec;
	struct mp_entry entry;
	struct mp_sig sig;
	struct mp_buf buf;

	mp_buf_init(&buf, &alloc, 16u * 1024 * 1024);
	if (mp_run_record_decode(in, &rec) == 0) {
		check_params(&rec);
		fuzz_same(&buf, mp_run_record_encode(&buf, &rec), in);
	}
	if (mp_run_signed_decode(in, &record, &sig, NULL, NULL) == 0 &&
		mp_run_record_verify(&null_crypto, &cluster, in, &rec) == 0)
		fuzz_same(&buf, mp_run_record_encode(&buf, &rec), record);
	if (mp_entry_decode(in, &entry) == 0) {
		mp_assert(in.n <= entry.body.n + MP_ENTRY_OVERHEAD);
		fuzz_same(&buf, mp_entry_encode(&buf, &entry), in);
	}
	check_takeover(&buf, in);
	check_cert(&buf, in);
	mp_buf_fini(&buf);
	mp_assert(heap.live == 0);
	return 0;
}
