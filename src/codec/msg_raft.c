/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/msg_raft.h"

#include "codec/record_run.h"

static void
r_fail(struct mp_cbor_r *r, int rc)
{
	if (r->rc == 0)
		r->rc = rc;
}

static size_t
msg_items(enum mp_msg_raft_kind kind)
{
	switch (kind) {
	case MP_MSG_PREVOTE:
	case MP_MSG_PREVOTE_ACK:
	case MP_MSG_VOTE_ACK:
		return 6;
	case MP_MSG_VOTE:
		return 7;
	case MP_MSG_APPEND:
		return 11;
	case MP_MSG_APPEND_ACK:
		return 10;
	case MP_MSG_TIMEOUT_NOW:
		return 4;
	case MP_MSG_PULSE_RECORD:
	case MP_MSG_PULSE_ACK_RECORD:
	case MP_MSG_PULSE:
	case MP_MSG_PULSE_ACK:
		break;
	}
	return 0;
}

/* ---- writing ---- */

static void
w_append(struct mp_cbor_w *w, const struct mp_msg_raft *msg)
{
	mp_cbor_w_uint(w, msg->u.append.seq);
	mp_cbor_w_int(w, msg->u.append.sent_ms);
	mp_cbor_w_uint(w, msg->u.append.prev_index);
	mp_cbor_w_bytes(w, msg->u.append.prev_hash.b, sizeof(msg->u.append.prev_hash.b));
	mp_cbor_w_uint(w, msg->u.append.commit);
	if (msg->u.append.certificate.n == 0)
		mp_cbor_w_null(w);
	else
		mp_cbor_w_span(w, msg->u.append.certificate);
	mp_cbor_w_array(w, msg->u.append.entry_count);
	for (size_t i = 0; i < msg->u.append.entry_count; i++)
		mp_cbor_w_span(w, msg->u.append.entries[i]);
}

static void
w_body(struct mp_cbor_w *w, const struct mp_msg_raft *msg)
{
	switch (msg->kind) {
	case MP_MSG_PREVOTE:
	case MP_MSG_VOTE:
		mp_cbor_w_uint(w, msg->u.vote.last_index);
		mp_cbor_w_uint(w, msg->u.vote.last_term);
		if (msg->kind == MP_MSG_VOTE)
			mp_cbor_w_bool(w, msg->u.vote.transfer);
		return;
	case MP_MSG_PREVOTE_ACK:
		mp_cbor_w_bool(w, msg->u.voted.granted);
		mp_cbor_w_uint(w, msg->u.voted.own_term);
		return;
	case MP_MSG_VOTE_ACK:
		mp_cbor_w_bool(w, msg->u.voted.granted);
		if (msg->u.voted.granted)
			mp_cbor_w_bytes(w, msg->u.voted.sig.b, sizeof(msg->u.voted.sig.b));
		else
			mp_cbor_w_null(w);
		return;
	case MP_MSG_APPEND:
		w_append(w, msg);
		return;
	case MP_MSG_APPEND_ACK:
		mp_cbor_w_uint(w, msg->u.appended.seq);
		mp_cbor_w_int(w, msg->u.appended.sent_ms);
		mp_cbor_w_bool(w, msg->u.appended.ok);
		mp_cbor_w_uint(w, msg->u.appended.match_index);
		mp_cbor_w_uint(w, msg->u.appended.hint);
		mp_cbor_w_uint(w, msg->u.appended.loss);
		return;
	case MP_MSG_TIMEOUT_NOW:
		return;
	case MP_MSG_PULSE_RECORD:
	case MP_MSG_PULSE_ACK_RECORD:
	case MP_MSG_PULSE:
	case MP_MSG_PULSE_ACK:
		break;
	}
	mp_unreachable();
}

int
mp_msg_raft_encode(struct mp_buf *buf, const struct mp_msg_raft *msg)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, msg_items(msg->kind));
	mp_cbor_w_uint(&w, (uint64_t)msg->kind);
	mp_cbor_w_bytes(&w, msg->run.b, sizeof(msg->run.b));
	mp_cbor_w_uint(&w, msg->generation);
	mp_cbor_w_uint(&w, msg->term);
	w_body(&w, msg);
	return w.rc;
}

/* ---- reading ---- */

static uint64_t
r_number(struct mp_cbor_r *r)
{
	return mp_cbor_r_uint(r, INT64_MAX);
}

/* Every entry is a byte string; whether it is an entry is judged when it is appended. */
static void
r_entries(struct mp_cbor_r *r, struct mp_msg_raft *out)
{
	size_t n = mp_cbor_r_array(r, MP_APPEND_ENTRIES_MAX);

	out->u.append.entry_count = n;
	out->u.append.items = *r;
	for (size_t i = 0; i < n && r->rc == 0; i++)
		(void)mp_cbor_r_bytes(r, MP_ENTRY_MAX);
}

static void
r_append(struct mp_cbor_r *r, struct mp_msg_raft *out)
{
	out->u.append.seq = r_number(r);
	out->u.append.sent_ms = mp_cbor_r_int(r);
	out->u.append.prev_index = r_number(r);
	mp_cbor_r_fixed(r, out->u.append.prev_hash.b, sizeof(out->u.append.prev_hash.b));
	out->u.append.commit = r_number(r);
	if (mp_cbor_r_peek(r) == MP_CBOR_NULL) {
		mp_cbor_r_null(r);
	} else {
		out->u.append.certificate = mp_cbor_r_bytes(r, MP_LEADER_CERT_MAX);
		if (out->u.append.certificate.n == 0)
			r_fail(r, MP_EFORMAT);
	}
	r_entries(r, out);
}

static void
r_body(struct mp_cbor_r *r, struct mp_msg_raft *out)
{
	switch (out->kind) {
	case MP_MSG_PREVOTE:
	case MP_MSG_VOTE:
		out->u.vote.last_index = r_number(r);
		out->u.vote.last_term = r_number(r);
		if (out->kind == MP_MSG_VOTE)
			out->u.vote.transfer = mp_cbor_r_bool(r);
		return;
	case MP_MSG_PREVOTE_ACK:
		out->u.voted.granted = mp_cbor_r_bool(r);
		out->u.voted.own_term = r_number(r);
		return;
	case MP_MSG_VOTE_ACK:
		out->u.voted.granted = mp_cbor_r_bool(r);
		if (out->u.voted.granted)
			mp_cbor_r_fixed(r, out->u.voted.sig.b, sizeof(out->u.voted.sig.b));
		else
			mp_cbor_r_null(r);
		return;
	case MP_MSG_APPEND:
		r_append(r, out);
		return;
	case MP_MSG_APPEND_ACK:
		out->u.appended.seq = r_number(r);
		out->u.appended.sent_ms = mp_cbor_r_int(r);
		out->u.appended.ok = mp_cbor_r_bool(r);
		out->u.appended.match_index = r_number(r);
		out->u.appended.hint = r_number(r);
		out->u.appended.loss = r_number(r);
		return;
	case MP_MSG_TIMEOUT_NOW:
		return;
	case MP_MSG_PULSE_RECORD:
	case MP_MSG_PULSE_ACK_RECORD:
	case MP_MSG_PULSE:
	case MP_MSG_PULSE_ACK:
		break;
	}
	r_fail(r, MP_EFORMAT);
}

int
mp_msg_raft_decode(struct mp_span bytes, struct mp_msg_raft *out)
{
	struct mp_cbor_r r;
	size_t items;

	*out = (struct mp_msg_raft){.term = 0};
	mp_cbor_r_init(&r, bytes);
	items = mp_cbor_r_array(&r, 16);
	out->kind = (enum mp_msg_raft_kind)mp_cbor_r_uint(&r, MP_MSG_PULSE_ACK);
	if (items == 0 || items != msg_items(out->kind))
		r_fail(&r, MP_EFORMAT);
	mp_cbor_r_fixed(&r, out->run.b, sizeof(out->run.b));
	out->generation = r_number(&r);
	out->term = r_number(&r);
	if (r.rc == 0)
		r_body(&r, out);
	return mp_cbor_r_end(&r);
}

bool
mp_msg_raft_entry(struct mp_msg_raft *msg, struct mp_span *entry)
{
	if (msg->u.append.entry_count == 0)
		return false;
	msg->u.append.entry_count--;
	*entry = mp_cbor_r_bytes(&msg->u.append.items, MP_ENTRY_MAX);
	return msg->u.append.items.rc == 0;
}

int
mp_msg_raft_run(struct mp_span bytes, struct mp_run_id *run, uint64_t *generation)
{
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, bytes);
	(void)mp_cbor_r_array(&r, 16);
	(void)mp_cbor_r_uint(&r, MP_MSG_TIMEOUT_NOW);
	mp_cbor_r_fixed(&r, run->b, sizeof(run->b));
	*generation = mp_cbor_r_uint(&r, INT64_MAX);
	return r.rc;
}

/* ---- heartbeats ---- */

static bool
pulse_is_ack(enum mp_msg_raft_kind kind)
{
	return kind == MP_MSG_PULSE_ACK || kind == MP_MSG_PULSE_ACK_RECORD;
}

int
mp_msg_pulse_encode(struct mp_buf *buf, enum mp_msg_raft_kind kind, uint64_t seq,
	const struct mp_pulse_run *runs, size_t n)
{
	bool ack = pulse_is_ack(kind);
	struct mp_cbor_w w;

	mp_assert(ack || kind == MP_MSG_PULSE || kind == MP_MSG_PULSE_RECORD);
	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, (uint64_t)kind);
	mp_cbor_w_uint(&w, seq);
	mp_cbor_w_array(&w, n);
	for (size_t i = 0; i < n; i++) {
		mp_cbor_w_array(&w, ack ? 2 : 4);
		mp_cbor_w_bytes(&w, runs[i].run.b, sizeof(runs[i].run.b));
		if (!ack)
			mp_cbor_w_uint(&w, runs[i].generation);
		mp_cbor_w_uint(&w, runs[i].term);
		if (!ack)
			mp_cbor_w_uint(&w, runs[i].commit);
	}
	return w.rc;
}

static void
r_pulse_run(struct mp_cbor_r *r, bool ack, struct mp_pulse_run *out)
{
	*out = (struct mp_pulse_run){.term = 0};
	mp_cbor_r_array_exact(r, ack ? 2 : 4);
	mp_cbor_r_fixed(r, out->run.b, sizeof(out->run.b));
	if (!ack)
		out->generation = r_number(r);
	out->term = r_number(r);
	if (!ack)
		out->commit = r_number(r);
}

int
mp_msg_pulse_decode(struct mp_span bytes, struct mp_msg_pulse *out)
{
	struct mp_pulse_run run;
	struct mp_cbor_r r;
	uint64_t kind;

	mp_cbor_r_init(&r, bytes);
	mp_cbor_r_array_exact(&r, 3);
	kind = mp_cbor_r_uint(&r, MP_MSG_PULSE_ACK);
	if (kind != MP_MSG_PULSE && kind != MP_MSG_PULSE_ACK && kind != MP_MSG_PULSE_RECORD &&
		kind != MP_MSG_PULSE_ACK_RECORD)
		r_fail(&r, MP_EFORMAT);
	out->ack = pulse_is_ack((enum mp_msg_raft_kind)kind);
	out->record = kind == MP_MSG_PULSE_RECORD || kind == MP_MSG_PULSE_ACK_RECORD;
	out->seq = r_number(&r);
	out->count = mp_cbor_r_array(&r, MP_RUNS_MAX);
	out->items = r;
	for (size_t i = 0; i < out->count && r.rc == 0; i++)
		r_pulse_run(&r, out->ack, &run);
	return mp_cbor_r_end(&r);
}

bool
mp_msg_pulse_next(struct mp_msg_pulse *msg, struct mp_pulse_run *out)
{
	if (msg->count == 0)
		return false;
	msg->count--;
	r_pulse_run(&msg->items, msg->ack, out);
	return msg->items.rc == 0;
}
