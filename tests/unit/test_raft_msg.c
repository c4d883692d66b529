/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "codec/msg_raft.h"
#include "codec/record_run.h"

static uint8_t bytes[64 * 1024];
static struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};

/* Encodes, refuses every shorter and a longer form, and decodes. */
static struct mp_msg_raft
there_and_back(const struct mp_msg_raft *msg)
{
	struct mp_msg_raft out;
	uint64_t generation;
	struct mp_run_id run;

	buf.n = 0;
	assert_int_equal(mp_msg_raft_encode(&buf, msg), 0);
	for (size_t n = 0; n < buf.n; n++)
		assert_int_not_equal(mp_msg_raft_decode(mp_span(buf.p, n), &out), 0);
	assert_int_not_equal(mp_msg_raft_decode(mp_span(buf.p, buf.n + 1), &out), 0);
	assert_int_equal(mp_msg_raft_run(mp_buf_span(&buf), &run, &generation), 0);
	assert_int_equal(generation, msg->generation);
	assert_true(mp_run_id_eq(&run, &msg->run));
	assert_int_equal(mp_msg_raft_decode(mp_buf_span(&buf), &out), 0);
	assert_int_equal(out.kind, msg->kind);
	assert_int_equal(out.generation, msg->generation);
	assert_int_equal(out.term, msg->term);
	return out;
}

static struct mp_msg_raft
msg_of(enum mp_msg_raft_kind kind)
{
	return (struct mp_msg_raft){
		.kind = kind, .run = {{1, 2, 3}}, .generation = 2, .term = 1u << 20};
}

static void
test_votes(void **state)
{
	struct mp_msg_raft msg = msg_of(MP_MSG_VOTE), out;

	(void)state;
	msg.u.vote.last_index = 77;
	msg.u.vote.last_term = 3;
	msg.u.vote.transfer = true;
	out = there_and_back(&msg);
	assert_int_equal(out.u.vote.last_index, 77);
	assert_int_equal(out.u.vote.last_term, 3);
	assert_true(out.u.vote.transfer);
	msg.kind = MP_MSG_PREVOTE;
	out = there_and_back(&msg);
	assert_int_equal(out.u.vote.last_index, 77);
	assert_false(out.u.vote.transfer);
	msg = msg_of(MP_MSG_PREVOTE_ACK);
	msg.u.voted.granted = true;
	msg.u.voted.own_term = 9;
	out = there_and_back(&msg);
	assert_true(out.u.voted.granted);
	assert_int_equal(out.u.voted.own_term, 9);
	msg = msg_of(MP_MSG_VOTE_ACK);
	out = there_and_back(&msg);
	assert_false(out.u.voted.granted);
	msg.u.voted.granted = true;
	msg.u.voted.sig.b[63] = 5;
	out = there_and_back(&msg);
	assert_int_equal(out.u.voted.sig.b[63], 5);
	msg = msg_of(MP_MSG_TIMEOUT_NOW);
	(void)there_and_back(&msg);
}

static void
test_append(void **state)
{
	struct mp_span entries[] = {mp_span_str("one"), mp_span_str("two"), mp_span_str("")};
	struct mp_msg_raft msg = msg_of(MP_MSG_APPEND), out;
	struct mp_span entry;

	(void)state;
	msg.u.append.seq = 4;
	msg.u.append.sent_ms = -5;
	msg.u.append.prev_index = 6;
	msg.u.append.prev_hash.b[31] = 7;
	msg.u.append.commit = 8;
	out = there_and_back(&msg);
	assert_int_equal(out.u.append.certificate.n, 0);
	assert_false(mp_msg_raft_entry(&out, &entry));
	msg.u.append.certificate = mp_span_str("certificate");
	msg.u.append.entries = entries;
	msg.u.append.entry_count = 3;
	out = there_and_back(&msg);
	assert_int_equal(out.u.append.seq, 4);
	assert_int_equal(out.u.append.sent_ms, -5);
	assert_int_equal(out.u.append.prev_index, 6);
	assert_int_equal(out.u.append.prev_hash.b[31], 7);
	assert_int_equal(out.u.append.commit, 8);
	assert_true(mp_span_eq(out.u.append.certificate, mp_span_str("certificate")));
	for (size_t i = 0; i < 3; i++) {
		assert_true(mp_msg_raft_entry(&out, &entry));
		assert_true(mp_span_eq(entry, entries[i]));
	}
	assert_false(mp_msg_raft_entry(&out, &entry));
	msg = msg_of(MP_MSG_APPEND_ACK);
	msg.u.appended.seq = 4;
	msg.u.appended.sent_ms = 5;
	msg.u.appended.ok = true;
	msg.u.appended.match_index = 6;
	msg.u.appended.hint = 7;
	msg.u.appended.loss = 8;
	out = there_and_back(&msg);
	assert_true(out.u.appended.ok);
	assert_int_equal(out.u.appended.match_index, 6);
	assert_int_equal(out.u.appended.hint, 7);
	assert_int_equal(out.u.appended.loss, 8);
}

static void
test_append_limits(void **state)
{
	static struct mp_span many[MP_APPEND_ENTRIES_MAX + 1];
	static const uint8_t long_one[MP_LEADER_CERT_MAX + 1];
	struct mp_msg_raft msg = msg_of(MP_MSG_APPEND), out;

	(void)state;
	msg.u.append.entries = many;
	msg.u.append.entry_count = MP_APPEND_ENTRIES_MAX + 1;
	buf.n = 0;
	assert_int_equal(mp_msg_raft_encode(&buf, &msg), 0);
	assert_int_equal(mp_msg_raft_decode(mp_buf_span(&buf), &out), MP_ELIMIT);
	msg.u.append.entry_count = 0;
	msg.u.append.certificate = mp_span(long_one, sizeof(long_one));
	buf.n = 0;
	assert_int_equal(mp_msg_raft_encode(&buf, &msg), 0);
	assert_int_equal(mp_msg_raft_decode(mp_buf_span(&buf), &out), MP_ELIMIT);
}

static void
test_kinds(void **state)
{
	struct mp_msg_raft msg = msg_of(MP_MSG_TIMEOUT_NOW), out;

	(void)state;
	buf.n = 0;
	assert_int_equal(mp_msg_raft_encode(&buf, &msg), 0);
	for (unsigned kind = 0; kind < 256; kind++) {
		bytes[2] = (uint8_t)kind; /* after 0x84 0x18 */
		assert_true((mp_msg_raft_decode(mp_buf_span(&buf), &out) == 0) ==
			    (kind == MP_MSG_TIMEOUT_NOW));
	}
}

static void
test_pulse(void **state)
{
	struct mp_pulse_run runs[] = {{{{1}}, 1, 2, 3}, {{{2}}, 0, UINT32_MAX, INT64_MAX}}, run;
	static const enum mp_msg_raft_kind kinds[] = {
		MP_MSG_PULSE_RECORD, MP_MSG_PULSE_ACK_RECORD, MP_MSG_PULSE, MP_MSG_PULSE_ACK};
	struct mp_msg_pulse msg;

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		buf.n = 0;
		assert_int_equal(mp_msg_pulse_encode(&buf, kinds[k], 99, runs, 2), 0);
		assert_true(buf.n <= MP_PULSE_HEAD_MAX + 2 * MP_PULSE_ITEM_MAX);
		for (size_t n = 0; n < buf.n; n++)
			assert_int_not_equal(mp_msg_pulse_decode(mp_span(buf.p, n), &msg), 0);
		assert_int_equal(mp_msg_pulse_decode(mp_buf_span(&buf), &msg), 0);
		assert_true(msg.ack == (k % 2 == 1));
		assert_true(msg.record == (k < 2));
		assert_int_equal(msg.seq, 99);
		for (size_t i = 0; i < 2; i++) {
			assert_true(mp_msg_pulse_next(&msg, &run));
			assert_true(mp_run_id_eq(&run.run, &runs[i].run));
			assert_int_equal(run.term, runs[i].term);
			assert_int_equal(run.commit, msg.ack ? 0 : runs[i].commit);
		}
		assert_false(mp_msg_pulse_next(&msg, &run));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_votes),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_limits),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_pulse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
