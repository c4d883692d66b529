/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_work.h"

#include "codec/record_run.h"
#include "codec/record_secret.h"

/* ---- pieces ---- */

uint64_t
mp_msg_number(struct mp_span bytes)
{
	struct mp_cbor_r r;
	uint64_t number;

	mp_cbor_r_init(&r, bytes);
	(void)mp_cbor_r_array(&r, 64);
	number = mp_cbor_r_uint(&r, UINT32_MAX);
	return r.rc == 0 ? number : 0;
}

static void
msg_begin(struct mp_cbor_w *w, struct mp_buf *buf, size_t items, enum mp_msg_work number)
{
	mp_cbor_w_init(w, buf);
	mp_cbor_w_array(w, items);
	mp_cbor_w_uint(w, (uint64_t)number);
}

static void
msg_expect(struct mp_cbor_r *r, struct mp_span bytes, size_t items, enum mp_msg_work number)
{
	mp_cbor_r_init(r, bytes);
	mp_cbor_r_array_exact(r, items);
	if (mp_cbor_r_uint(r, UINT32_MAX) != (uint64_t)number && r->rc == 0)
		r->rc = MP_EFORMAT;
}

/* Some messages end in one item more, which is never empty, when there is something to say. */
static bool
msg_expect_or_one_more(
	struct mp_cbor_r *r, struct mp_span bytes, size_t items, enum mp_msg_work number)
{
	size_t n;

	mp_cbor_r_init(r, bytes);
	n = mp_cbor_r_array(r, items + 1);
	if ((n < items || mp_cbor_r_uint(r, UINT32_MAX) != (uint64_t)number) && r->rc == 0)
		r->rc = MP_EFORMAT;
	return n > items;
}

static void
run_write(struct mp_cbor_w *w, const struct mp_run_id *run)
{
	mp_cbor_w_bytes(w, run->b, sizeof(run->b));
}

static void
run_read(struct mp_cbor_r *r, struct mp_run_id *run)
{
	mp_cbor_r_fixed(r, run->b, sizeof(run->b));
}

static void
head_write(struct mp_cbor_w *w, const struct mp_work_head *head)
{
	run_write(w, &head->run);
	mp_cbor_w_uint(w, head->generation);
	mp_cbor_w_uint(w, head->term);
}

static void
head_read(struct mp_cbor_r *r, struct mp_work_head *head)
{
	run_read(r, &head->run);
	head->generation = mp_cbor_r_uint(r, INT64_MAX);
	head->term = mp_cbor_r_uint(r, INT64_MAX);
}

static void
optional_write(struct mp_cbor_w *w, struct mp_span s)
{
	if (s.n == 0)
		mp_cbor_w_null(w);
	else
		mp_cbor_w_span(w, s);
}

static struct mp_span
optional_read(struct mp_cbor_r *r, size_t max)
{
	struct mp_span s = {NULL, 0};

	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
		return s;
	}
	s = mp_cbor_r_bytes(r, max);
	if (s.n == 0 && r->rc == 0)
		r->rc = MP_EFORMAT;
	return s;
}

static bool
list_next(struct mp_list *list)
{
	if (list->left == 0)
		return false;
	list->left--;
	return true;
}

static void
attempts_element(struct mp_cbor_r *r, void *scratch)
{
	mp_cbor_r_array_exact(r, 3);
	mp_attempt_read(r, scratch);
}

bool
mp_attempts_next(struct mp_list *list, struct mp_attempt_id *out)
{
	if (!list_next(list))
		return false;
	attempts_element(&list->r, out);
	return list->r.rc == 0;
}

static void
attempts_write(struct mp_cbor_w *w, const struct mp_attempt_id *attempts, size_t n)
{
	mp_cbor_w_array(w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(w, 3);
		mp_attempt_write(w, &attempts[i]);
	}
}

static void
attempts_read(struct mp_cbor_r *r, struct mp_list *out)
{
	struct mp_attempt_id scratch;

	mp_list_read(r, MP_WORK_LIST_MAX, out, attempts_element, &scratch);
}

/* [number, run] and [number, run, text] */

static int
run_only_encode(struct mp_buf *buf, enum mp_msg_work number, const struct mp_run_id *run)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 2, number);
	run_write(&w, run);
	return w.rc;
}

static int
run_only_decode(struct mp_span bytes, enum mp_msg_work number, struct mp_run_id *run)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 2, number);
	run_read(&r, run);
	return mp_cbor_r_end(&r);
}

static int
run_text_encode(struct mp_buf *buf, enum mp_msg_work number, const struct mp_run_id *run,
	struct mp_span text, size_t max)
{
	struct mp_cbor_w w;
	size_t n = text.n;

	if (n > max) {
		n = max;
		while (n > 0 && (text.p[n] & 0xc0) == 0x80)
			n--;
	}
	msg_begin(&w, buf, 3, number);
	run_write(&w, run);
	mp_cbor_w_text_n(&w, (const char *)text.p, n);
	return w.rc;
}

static int
run_text_decode(struct mp_span bytes, enum mp_msg_work number, struct mp_run_id *run,
	struct mp_span *text, size_t max)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 3, number);
	run_read(&r, run);
	*text = mp_cbor_r_text(&r, max);
	return mp_cbor_r_end(&r);
}

int
mp_msg_work_run(struct mp_span bytes, struct mp_run_id *run)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	(void)mp_cbor_r_array(&r, 64);
	(void)mp_cbor_r_uint(&r, UINT64_MAX);
	mp_cbor_r_fixed(&r, run->b, sizeof(run->b));
	return r.rc;
}

/* ---- opening ---- */

int
mp_msg_run_open_encode(struct mp_buf *buf, const struct mp_msg_run_open *m,
	const struct mp_node_id *inputs, size_t n)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, m->sealed.n > 0 ? 6 : 5, MP_MSG_RUN_OPEN);
	mp_cbor_w_span(&w, m->record);
	mp_cbor_w_span(&w, m->pipeline);
	mp_holders_write(&w, inputs, n);
	mp_cbor_w_uint(&w, m->boot);
	if (m->sealed.n > 0)
		mp_cbor_w_span(&w, m->sealed);
	return w.rc;
}

int
mp_msg_run_open_decode(struct mp_span bytes, struct mp_msg_run_open *out)
{
	struct mp_cbor_r r;
	bool more = msg_expect_or_one_more(&r, bytes, 5, MP_MSG_RUN_OPEN);

	out->record = mp_cbor_r_bytes(&r, MP_SIGNED_RECORD_MAX);
	out->pipeline = mp_cbor_r_bytes(&r, MP_PIPELINE_CBOR_MAX);
	mp_holders_read(&r, &out->inputs);
	out->boot = mp_cbor_r_uint(&r, INT64_MAX);
	out->sealed = more ? mp_cbor_r_bytes(&r, MP_SEALED_MAX + 128) : mp_span(NULL, 0);
	if (r.rc == 0 && more && out->sealed.n == 0)
		r.rc = MP_EFORMAT;
	return mp_cbor_r_end(&r);
}

int
mp_msg_run_accept_encode(struct mp_buf *buf, const struct mp_run_id *run)
{
	return run_only_encode(buf, MP_MSG_RUN_ACCEPT, run);
}

int
mp_msg_run_accept_decode(struct mp_span bytes, struct mp_run_id *run)
{
	return run_only_decode(bytes, MP_MSG_RUN_ACCEPT, run);
}

int
mp_msg_run_refuse_encode(struct mp_buf *buf, const struct mp_run_id *run, struct mp_span text)
{
	return run_text_encode(buf, MP_MSG_RUN_REFUSE, run, text, MP_ERROR_TEXT_MAX);
}

int
mp_msg_run_refuse_decode(struct mp_span bytes, struct mp_run_id *run, struct mp_span *text)
{
	return run_text_decode(bytes, MP_MSG_RUN_REFUSE, run, text, MP_ERROR_TEXT_MAX);
}

int
mp_msg_run_want_encode(struct mp_buf *buf, const struct mp_run_id *run)
{
	return run_only_encode(buf, MP_MSG_RUN_WANT, run);
}

int
mp_msg_run_want_decode(struct mp_span bytes, struct mp_run_id *run)
{
	return run_only_decode(bytes, MP_MSG_RUN_WANT, run);
}

int
mp_msg_run_abort_encode(struct mp_buf *buf, const struct mp_run_id *run)
{
	return run_only_encode(buf, MP_MSG_RUN_ABORT, run);
}

int
mp_msg_run_abort_decode(struct mp_span bytes, struct mp_run_id *run)
{
	return run_only_decode(bytes, MP_MSG_RUN_ABORT, run);
}

int
mp_msg_run_known_encode(struct mp_buf *buf, const struct mp_msg_run_known *m)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 3, MP_MSG_RUN_KNOWN);
	mp_cbor_w_span(&w, m->record);
	optional_write(&w, m->end);
	return w.rc;
}

int
mp_msg_run_known_decode(struct mp_span bytes, struct mp_msg_run_known *out)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 3, MP_MSG_RUN_KNOWN);
	out->record = mp_cbor_r_bytes(&r, MP_SIGNED_RECORD_MAX);
	out->end = optional_read(&r, MP_SIGNED_END_MAX);
	return mp_cbor_r_end(&r);
}

static void
have_element(struct mp_cbor_r *r, void *scratch)
{
	struct mp_run_have *have = scratch;

	mp_cbor_r_array_exact(r, 4);
	run_read(r, &have->run);
	have->ended = mp_cbor_r_bool(r);
	have->generation = mp_cbor_r_uint(r, INT64_MAX);
	mp_cbor_r_fixed(r, have->naming, sizeof(have->naming));
}

int
mp_msg_run_have_encode(struct mp_buf *buf, const struct mp_run_have *runs, size_t n)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 2, MP_MSG_RUN_HAVE);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(&w, 4);
		run_write(&w, &runs[i].run);
		mp_cbor_w_bool(&w, runs[i].ended);
		mp_cbor_w_uint(&w, runs[i].generation);
		mp_cbor_w_bytes(&w, runs[i].naming, sizeof(runs[i].naming));
	}
	return w.rc;
}

int
mp_msg_run_have_decode(struct mp_span bytes, struct mp_list *out)
{
	struct mp_run_have scratch;
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 2, MP_MSG_RUN_HAVE);
	mp_list_read(&r, MP_RUN_HAVE_MAX, out, have_element, &scratch);
	return mp_cbor_r_end(&r);
}

bool
mp_run_have_next(struct mp_list *list, struct mp_run_have *out)
{
	if (!list_next(list))
		return false;
	have_element(&list->r, out);
	return list->r.rc == 0;
}

int
mp_msg_run_tip_ask_encode(struct mp_buf *buf, const struct mp_run_id *run)
{
	return run_only_encode(buf, MP_MSG_RUN_TIP_ASK, run);
}

int
mp_msg_run_tip_ask_decode(struct mp_span bytes, struct mp_run_id *run)
{
	return run_only_decode(bytes, MP_MSG_RUN_TIP_ASK, run);
}

int
mp_msg_run_tip_encode(struct mp_buf *buf, const struct mp_run_tip *tip)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 8, MP_MSG_RUN_TIP);
	run_write(&w, &tip->run);
	mp_cbor_w_uint(&w, tip->generation);
	mp_cbor_w_uint(&w, tip->index);
	mp_cbor_w_uint(&w, tip->term);
	mp_cbor_w_bytes(&w, tip->hash.b, sizeof(tip->hash.b));
	mp_cbor_w_bool(&w, tip->led);
	mp_cbor_w_bool(&w, tip->lost);
	return w.rc;
}

int
mp_msg_run_tip_decode(struct mp_span bytes, struct mp_run_tip *out)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 8, MP_MSG_RUN_TIP);
	run_read(&r, &out->run);
	out->generation = mp_cbor_r_uint(&r, MP_GENERATION_MAX - 1);
	out->index = mp_cbor_r_uint(&r, INT64_MAX);
	out->term = mp_cbor_r_uint(&r, INT64_MAX);
	mp_cbor_r_fixed(&r, out->hash.b, sizeof(out->hash.b));
	out->led = mp_cbor_r_bool(&r);
	out->lost = mp_cbor_r_bool(&r);
	/* What a takeover could not be made of. */
	if (r.rc == 0 && (out->generation == 0 || (out->index == 0) != (out->term == 0) ||
				 mp_term_generation(out->term) > out->generation))
		return MP_EFORMAT;
	return mp_cbor_r_end(&r);
}

/* ---- leader to worker ---- */

int
mp_msg_work_lead_encode(struct mp_buf *buf, const struct mp_msg_work_lead *m)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 3, MP_MSG_WORK_LEAD);
	mp_cbor_w_span(&w, m->record);
	mp_cbor_w_span(&w, m->certificate);
	return w.rc;
}

int
mp_msg_work_lead_decode(struct mp_span bytes, struct mp_msg_work_lead *out)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 3, MP_MSG_WORK_LEAD);
	out->record = mp_cbor_r_bytes(&r, MP_SIGNED_RECORD_MAX);
	out->certificate = mp_cbor_r_bytes(&r, MP_CERTIFICATE_MAX);
	return mp_cbor_r_end(&r);
}

static void
dep_element(struct mp_cbor_r *r, void *scratch)
{
	struct mp_work_dep *dep = scratch;

	mp_cbor_r_array_exact(r, 3);
	dep->name = mp_cbor_r_text(r, MP_NAME_MAX);
	dep->result = mp_cbor_r_bytes(r, MP_SIGNED_RESULT_MAX);
	mp_holders_read(r, &dep->holders);
}

bool
mp_work_dep_next(struct mp_list *list, struct mp_work_dep *out)
{
	if (!list_next(list))
		return false;
	dep_element(&list->r, out);
	return list->r.rc == 0;
}

static void
item_element(struct mp_cbor_r *r, void *scratch)
{
	struct mp_work_item *item = scratch;
	struct mp_work_dep dep;

	mp_cbor_r_array_exact(r, 7);
	item->module = (uint32_t)mp_cbor_r_uint(r, MP_MODULES_MAX - 1);
	item->counter = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	item->attempt_number = (uint32_t)mp_cbor_r_uint(r, UINT32_MAX);
	if ((item->counter == 0 || item->attempt_number == 0) && r->rc == 0)
		r->rc = MP_EFORMAT;
	item->name = mp_cbor_r_text(r, MP_NAME_MAX);
	item->spec = mp_cbor_r_bytes(r, MP_SPEC_MAX);
	mp_cbor_r_fixed(r, item->offer_sig.b, sizeof(item->offer_sig.b));
	mp_list_read(r, MP_NEEDS_MAX, &item->deps, dep_element, &dep);
}

bool
mp_work_item_next(struct mp_list *list, struct mp_work_item *out)
{
	if (!list_next(list))
		return false;
	item_element(&list->r, out);
	return list->r.rc == 0;
}

int
mp_msg_work_assign_decode(struct mp_span bytes, struct mp_msg_work_assign *out)
{
	struct mp_work_item scratch;
	struct mp_cbor_r r;
	bool more = msg_expect_or_one_more(&r, bytes, 6, MP_MSG_WORK_ASSIGN);

	head_read(&r, &out->head);
	mp_list_read(&r, MP_WORK_ASSIGN_MAX, &out->items, item_element, &scratch);
	mp_holders_read(&r, &out->inputs);
	out->secrets = more ? mp_cbor_r_bytes(&r, MP_SECRETS_ENCODED_MAX) : mp_span(NULL, 0);
	if (r.rc == 0 && more)
		r.rc = mp_secrets_check(out->secrets);
	return mp_cbor_r_end(&r);
}

void
mp_work_assign_begin(
	struct mp_cbor_w *w, const struct mp_work_head *head, size_t items, bool secrets)
{
	mp_cbor_w_array(w, secrets ? 7 : 6);
	mp_cbor_w_uint(w, MP_MSG_WORK_ASSIGN);
	head_write(w, head);
	mp_cbor_w_array(w, items);
}

void
mp_work_assign_item(struct mp_cbor_w *w, const struct mp_work_item *item, size_t deps)
{
	mp_cbor_w_array(w, 7);
	mp_cbor_w_uint(w, item->module);
	mp_cbor_w_uint(w, item->counter);
	mp_cbor_w_uint(w, item->attempt_number);
	mp_cbor_w_text_n(w, (const char *)item->name.p, item->name.n);
	mp_cbor_w_span(w, item->spec);
	mp_cbor_w_bytes(w, item->offer_sig.b, sizeof(item->offer_sig.b));
	mp_cbor_w_array(w, deps);
}

void
mp_work_assign_dep(struct mp_cbor_w *w, struct mp_span name, struct mp_span result,
	const struct mp_node_id *holders, size_t n)
{
	mp_cbor_w_array(w, 3);
	mp_cbor_w_text_n(w, (const char *)name.p, name.n);
	mp_cbor_w_span(w, result);
	mp_holders_write(w, holders, n);
}

void
mp_work_assign_end(
	struct mp_cbor_w *w, const struct mp_node_id *inputs, size_t n, struct mp_span secrets)
{
	mp_holders_write(w, inputs, n);
	if (secrets.n > 0)
		mp_cbor_w_span(w, secrets);
}

int
mp_msg_work_status_req_encode(struct mp_buf *buf, const struct mp_msg_work_status_req *m)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 5, MP_MSG_WORK_STATUS_REQ);
	head_write(&w, &m->head);
	mp_cbor_w_uint(&w, m->seq);
	return w.rc;
}

int
mp_msg_work_status_req_decode(struct mp_span bytes, struct mp_msg_work_status_req *out)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 5, MP_MSG_WORK_STATUS_REQ);
	head_read(&r, &out->head);
	out->seq = mp_cbor_r_uint(&r, INT64_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_msg_work_list_encode(struct mp_buf *buf, enum mp_msg_work number,
	const struct mp_work_head *head, const struct mp_attempt_id *attempts, size_t n)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 5, number);
	head_write(&w, head);
	attempts_write(&w, attempts, n);
	return w.rc;
}

int
mp_msg_work_list_decode(struct mp_span bytes, enum mp_msg_work number, struct mp_msg_work_list *out)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 5, number);
	head_read(&r, &out->head);
	attempts_read(&r, &out->attempts);
	return mp_cbor_r_end(&r);
}

int
mp_msg_work_end_encode(struct mp_buf *buf, const struct mp_work_head *head)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 4, MP_MSG_WORK_END);
	head_write(&w, head);
	return w.rc;
}

int
mp_msg_work_end_decode(struct mp_span bytes, struct mp_work_head *out)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 4, MP_MSG_WORK_END);
	head_read(&r, out);
	return mp_cbor_r_end(&r);
}

int
mp_msg_work_lease_encode(
	struct mp_buf *buf, enum mp_msg_work number, const struct mp_msg_work_lease *m)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 5, number);
	head_write(&w, &m->head);
	mp_cbor_w_uint(&w, (uint64_t)m->asked_ms);
	return w.rc;
}

int
mp_msg_work_lease_decode(
	struct mp_span bytes, enum mp_msg_work number, struct mp_msg_work_lease *out)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 5, number);
	head_read(&r, &out->head);
	out->asked_ms = (mp_time)mp_cbor_r_uint(&r, INT64_MAX);
	return mp_cbor_r_end(&r);
}

/* ---- worker to leader ---- */

int
mp_msg_work_who_encode(struct mp_buf *buf, const struct mp_run_id *run)
{
	return run_only_encode(buf, MP_MSG_WORK_WHO, run);
}

int
mp_msg_work_who_decode(struct mp_span bytes, struct mp_run_id *run)
{
	return run_only_decode(bytes, MP_MSG_WORK_WHO, run);
}

static void
state_element(struct mp_cbor_r *r, void *scratch)
{
	struct mp_work_state *state = scratch;

	mp_cbor_r_array_exact(r, 4);
	mp_attempt_read(r, &state->attempt);
	state->phase = (enum mp_work_phase)mp_cbor_r_uint(r, MP_WORK_UNSURE);
}

bool
mp_work_states_next(struct mp_list *list, struct mp_work_state *out)
{
	if (!list_next(list))
		return false;
	state_element(&list->r, out);
	return list->r.rc == 0;
}

int
mp_msg_work_status_encode(struct mp_buf *buf, const struct mp_msg_work_status *m,
	const struct mp_work_state *states, size_t n)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 9, MP_MSG_WORK_STATUS);
	head_write(&w, &m->head);
	mp_cbor_w_uint(&w, m->seq);
	mp_cbor_w_uint(&w, m->boot);
	mp_cbor_w_uint(&w, m->slots);
	mp_cbor_w_uint(&w, m->slots_free);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(&w, 4);
		mp_attempt_write(&w, &states[i].attempt);
		mp_cbor_w_uint(&w, (uint64_t)states[i].phase);
	}
	return w.rc;
}

int
mp_msg_work_status_decode(struct mp_span bytes, struct mp_msg_work_status *out)
{
	struct mp_work_state scratch;
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 9, MP_MSG_WORK_STATUS);
	head_read(&r, &out->head);
	out->seq = mp_cbor_r_uint(&r, INT64_MAX);
	out->boot = mp_cbor_r_uint(&r, INT64_MAX);
	out->slots = (uint32_t)mp_cbor_r_uint(&r, UINT16_MAX);
	out->slots_free = (uint32_t)mp_cbor_r_uint(&r, UINT16_MAX);
	mp_list_read(&r, MP_WORK_LIST_MAX, &out->states, state_element, &scratch);
	return mp_cbor_r_end(&r);
}

static void
done_element(struct mp_cbor_r *r, void *scratch)
{
	struct mp_work_done *done = scratch;

	mp_cbor_r_array_exact(r, 5);
	mp_attempt_read(r, &done->attempt);
	done->result = mp_cbor_r_bytes(r, MP_SIGNED_RESULT_MAX);
	mp_holders_read(r, &done->holders);
}

bool
mp_work_done_next(struct mp_list *list, struct mp_work_done *out)
{
	if (!list_next(list))
		return false;
	done_element(&list->r, out);
	return list->r.rc == 0;
}

int
mp_msg_work_result_decode(struct mp_span bytes, struct mp_msg_work_result *out)
{
	struct mp_work_done scratch;
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 5, MP_MSG_WORK_RESULT);
	head_read(&r, &out->head);
	mp_list_read(&r, MP_WORK_LIST_MAX, &out->results, done_element, &scratch);
	return mp_cbor_r_end(&r);
}

void
mp_work_result_begin(struct mp_cbor_w *w, const struct mp_work_head *head, size_t n)
{
	mp_cbor_w_array(w, 5);
	mp_cbor_w_uint(w, MP_MSG_WORK_RESULT);
	head_write(w, head);
	mp_cbor_w_array(w, n);
}

void
mp_work_result_item(struct mp_cbor_w *w, const struct mp_attempt_id *attempt, struct mp_span result,
	const struct mp_node_id *holders, size_t n)
{
	mp_cbor_w_array(w, 5);
	mp_attempt_write(w, attempt);
	mp_cbor_w_span(w, result);
	mp_holders_write(w, holders, n);
}

int
mp_msg_work_reject_encode(struct mp_buf *buf, const struct mp_msg_work_reject *m,
	const struct mp_attempt_id *attempts, size_t n)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 8, MP_MSG_WORK_REJECT);
	head_write(&w, &m->head);
	attempts_write(&w, attempts, n);
	mp_cbor_w_uint(&w, (uint64_t)m->why);
	optional_write(&w, m->certificate);
	optional_write(&w, m->record);
	return w.rc;
}

int
mp_msg_work_reject_decode(struct mp_span bytes, struct mp_msg_work_reject *out)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 8, MP_MSG_WORK_REJECT);
	head_read(&r, &out->head);
	attempts_read(&r, &out->attempts);
	out->why = (enum mp_reject_why)mp_cbor_r_uint(&r, MP_REJECT_TROUBLE);
	if ((unsigned)out->why < MP_REJECT_BUSY && r.rc == 0)
		r.rc = MP_EFORMAT;
	out->certificate = optional_read(&r, MP_CERTIFICATE_MAX);
	out->record = optional_read(&r, MP_SIGNED_RECORD_MAX);
	return mp_cbor_r_end(&r);
}

int
mp_msg_work_free_encode(struct mp_buf *buf, uint32_t slots_free)
{
	struct mp_cbor_w w;

	msg_begin(&w, buf, 2, MP_MSG_WORK_FREE);
	mp_cbor_w_uint(&w, slots_free);
	return w.rc;
}

int
mp_msg_work_free_decode(struct mp_span bytes, uint32_t *slots_free)
{
	struct mp_cbor_r r;

	msg_expect(&r, bytes, 2, MP_MSG_WORK_FREE);
	*slots_free = (uint32_t)mp_cbor_r_uint(&r, UINT16_MAX);
	return mp_cbor_r_end(&r);
}
