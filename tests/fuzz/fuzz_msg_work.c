/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about work: lists walk to their end, and what is accepted encodes to the same bytes. */
#include "same.h"

#include "codec/msg_show.h"
#include "codec/msg_work.h"

#define LIST_MAX 4096

static size_t
holders_of(struct mp_list list, struct mp_node_id out[MP_HOLDERS_MAX])
{
	size_t n = 0;

	while (mp_holders_next(&list, &out[n]))
		n++;
	mp_assert(list.left == 0);
	return n;
}

static void
check_open(struct mp_buf *buf, struct mp_span in)
{
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_run_tip tip;
	static struct mp_run_have have[MP_RUN_HAVE_MAX + 1];
	struct mp_msg_run_open open;
	struct mp_msg_run_known known;
	struct mp_run_id run;
	struct mp_span text;
	struct mp_list list;
	size_t n = 0;

	if (mp_msg_run_open_decode(in, &open) == 0)
		fuzz_same(buf,
			mp_msg_run_open_encode(
				buf, &open, holders, holders_of(open.inputs, holders)),
			in);
	if (mp_msg_run_tip_decode(in, &tip) == 0)
		fuzz_same(buf, mp_msg_run_tip_encode(buf, &tip), in);
	if (mp_msg_run_have_decode(in, &list) == 0) {
		while (mp_run_have_next(&list, &have[n]))
			n++;
		fuzz_same(buf, mp_msg_run_have_encode(buf, have, n), in);
	}
	if (mp_msg_run_known_decode(in, &known) == 0)
		fuzz_same(buf, mp_msg_run_known_encode(buf, &known), in);
	if (mp_msg_run_accept_decode(in, &run) == 0)
		fuzz_same(buf, mp_msg_run_accept_encode(buf, &run), in);
	if (mp_msg_run_refuse_decode(in, &run, &text) == 0)
		fuzz_same(buf, mp_msg_run_refuse_encode(buf, &run, text), in);
	if (mp_msg_run_want_decode(in, &run) == 0)
		fuzz_same(buf, mp_msg_run_want_encode(buf, &run), in);
	if (mp_msg_run_abort_decode(in, &run) == 0)
		fuzz_same(buf, mp_msg_run_abort_encode(buf, &run), in);
	if (mp_msg_work_who_decode(in, &run) == 0)
		fuzz_same(buf, mp_msg_work_who_encode(buf, &run), in);
}

static void
check_assign(struct mp_buf *buf, struct mp_span in)
{
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_msg_work_assign m;
	struct mp_work_item item;
	struct mp_work_dep dep;
	struct mp_cbor_w w;

	if (mp_msg_work_assign_decode(in, &m) != 0)
		return;
	mp_cbor_w_init(&w, buf);
	mp_work_assign_begin(&w, &m.head, m.items.left, m.secrets.n > 0);
	while (mp_work_item_next(&m.items, &item)) {
		mp_work_assign_item(&w, &item, item.deps.left);
		while (mp_work_dep_next(&item.deps, &dep))
			mp_work_assign_dep(&w, dep.name, dep.result, holders,
				holders_of(dep.holders, holders));
	}
	mp_work_assign_end(&w, holders, holders_of(m.inputs, holders), m.secrets);
	fuzz_same(buf, w.rc, in);
}

static void
check_leader(struct mp_buf *buf, struct mp_span in)
{
	static struct mp_attempt_id ids[LIST_MAX];
	struct mp_msg_work_status_req req;
	struct mp_msg_work_list list;
	struct mp_msg_work_lead lead;
	struct mp_msg_work_lease lease;
	struct mp_work_head head;
	size_t n = 0;

	if (mp_msg_work_lease_decode(in, MP_MSG_WORK_LEASE, &lease) == 0)
		fuzz_same(buf, mp_msg_work_lease_encode(buf, MP_MSG_WORK_LEASE, &lease), in);
	if (mp_msg_work_lead_decode(in, &lead) == 0)
		fuzz_same(buf, mp_msg_work_lead_encode(buf, &lead), in);
	if (mp_msg_work_status_req_decode(in, &req) == 0)
		fuzz_same(buf, mp_msg_work_status_req_encode(buf, &req), in);
	if (mp_msg_work_end_decode(in, &head) == 0)
		fuzz_same(buf, mp_msg_work_end_encode(buf, &head), in);
	if (mp_msg_work_list_decode(in, MP_MSG_WORK_KILL, &list) == 0 &&
		list.attempts.left <= LIST_MAX) {
		while (mp_attempts_next(&list.attempts, &ids[n]))
			n++;
		fuzz_same(buf, mp_msg_work_list_encode(buf, MP_MSG_WORK_KILL, &list.head, ids, n),
			in);
	}
}

static void
check_worker(struct mp_buf *buf, struct mp_span in)
{
	static struct mp_work_state states[LIST_MAX];
	static struct mp_attempt_id ids[LIST_MAX];
	struct mp_msg_work_status status;
	struct mp_msg_work_reject reject;
	uint32_t slots;
	size_t n = 0;

	if (mp_msg_work_status_decode(in, &status) == 0 && status.states.left <= LIST_MAX) {
		while (mp_work_states_next(&status.states, &states[n]))
			n++;
		fuzz_same(buf, mp_msg_work_status_encode(buf, &status, states, n), in);
	}
	n = 0;
	if (mp_msg_work_reject_decode(in, &reject) == 0 && reject.attempts.left <= LIST_MAX) {
		while (mp_attempts_next(&reject.attempts, &ids[n]))
			n++;
		fuzz_same(buf, mp_msg_work_reject_encode(buf, &reject, ids, n), in);
	}
	if (mp_msg_work_free_decode(in, &slots) == 0)
		fuzz_same(buf, mp_msg_work_free_encode(buf, slots), in);
}

static void
check_result(struct mp_buf *buf, struct mp_span in)
{
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_msg_work_result m;
	struct mp_work_done done;
	struct mp_cbor_w w;

	if (mp_msg_work_result_decode(in, &m) != 0)
		return;
	mp_cbor_w_init(&w, buf);
	mp_work_result_begin(&w, &m.head, m.results.left);
	while (mp_work_done_next(&m.results, &done))
		mp_work_result_item(
			&w, &done.attempt, done.result, holders, holders_of(done.holders, holders));
	fuzz_same(buf, w.rc, in);
}

static void
check_show(struct mp_buf *buf, struct mp_span in)
{
	struct mp_node_id holders[MP_HOLDERS_MAX];
	struct mp_show_module module;
	struct mp_show_run run;
	struct mp_show show;
	struct mp_list list;
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	if (mp_show_decode(in, &show) == 0) {
		mp_show_begin(&w, &show, show.modules.left);
		while (mp_show_module_next(&show.modules, &module))
			mp_show_module(&w, &module, holders, holders_of(module.holders, holders));
		fuzz_same(buf, w.rc, in);
	}
	if (mp_show_list_decode(in, &list) == 0) {
		mp_show_list_begin(&w, list.left);
		while (mp_show_list_next(&list, &run))
			mp_show_list_run(&w, &run);
		fuzz_same(buf, w.rc, in);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_heap heap = {.max = 4 * size + 4096};
	struct mp_alloc alloc = FUZZ_ALLOC(&heap);
	struct mp_span in = mp_span(data, size);
	struct mp_buf buf;

	(void)mp_msg_number(in);
	mp_buf_init(&buf, &alloc, 2 * size + 1024);
	check_open(&buf, in);
	check_assign(&buf, in);
	check_leader(&buf, in);
	check_worker(&buf, in);
	check_result(&buf, in);
	check_show(&buf, in);
	mp_buf_fini(&buf);
	mp_assert(heap.live == 0);
	return 0;
}
