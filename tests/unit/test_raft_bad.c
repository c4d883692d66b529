/* SPDX-License-Identifier: Apache-2.0 */
/* Raft with damaged rows, strangers, and leaders that lie. */
#include "unit/raft_cluster.h"

#include "core/raft_log.h"

static uint64_t granted[8]; /* by node that granted */

static bool
count_grants(struct cl *c, int from, int to, struct mp_span bytes)
{
	struct mp_msg_raft msg;

	(void)c;
	(void)to;
	assert_int_equal(mp_msg_raft_decode(bytes, &msg), 0);
	if (msg.kind == MP_MSG_VOTE_ACK && msg.u.voted.granted)
		granted[from]++;
	return true;
}

static void
test_damaged_rows(void **state)
{
	(void)state;
	for (int what = 0; what < 7; what++) {
		struct cl *c = cl_new(3, 5, true);
		struct cl_node *node = &c->nodes[2];
		uint64_t last;

		cl_run(c, 50);
		for (int i = 0; i < 10; i++)
			assert_int_equal(cl_propose(c, 0, mp_span_str("body")), 0);
		cl_settle(c, 1000);
		cl_run(c, 50);
		cl_crash(c, 2, 99);
		last = node->row_count;
		assert_true(last > 5);
		if (what == 0) /* a bit in a body */
			node->rows[3].p[node->rows[3].n - 1] ^= 1;
		if (what == 1) /* a row that is cut */
			node->rows[3].n--;
		if (what == 2) /* a row that is not what was there */
			memcpy(node->rows[4].p, node->rows[3].p, node->rows[3].n);
		if (what == 3) /* a vote that is gone: its entries are not */
			node->vote_size = 0;
		if (what == 4) /* another term, well-formed */
			node->vote[MP_LOG_ROW_HEAD + 2] ^= 2;
		if (what == 5) /* the last one, which no other names */
			node->rows[last].p[node->rows[last].n - 1] ^= 1;
		if (what == 6)
			node->rows[2].n = 3;
		cl_restart(c, 2);
		assert_true(mp_raft_lost(cl_raft(c, 2)));
		/* What is damaged is gone, and what comes after it. */
		cl_isolate(c, 2, true);
		cl_run(c, 20);
		assert_true(what == 3 ? node->row_count == last : node->row_count < last);
		/* Two of three are left, and one of them does not count. */
		c->filter = count_grants;
		memset(granted, 0, sizeof(granted));
		cl_crash(c, 0, 99);
		cl_heal(c);
		assert_int_equal(cl_deliver(c, 1, 2, cl_vote_msg(c, 99, 99, 99)), 0);
		cl_run(c, 10000);
		assert_int_equal(cl_leader(c), -1);
		assert_int_equal(granted[2], 0);
		/* All three again: it gets what it lost, and has a say in later terms. */
		c->filter = NULL;
		cl_restart(c, 0);
		cl_settle(c, 20000);
		assert_false(mp_raft_lost(cl_raft(c, 2)));
		assert_true(node->row_count > last);
		cl_crash(c, cl_leader(c), 99);
		(void)cl_await_leader(c, 8000);
		cl_free(c);
	}
}

static void
test_strangers(void **state)
{
	struct cl *c = cl_new(3, 5, true);
	struct mp_msg_raft msg = {.kind = MP_MSG_VOTE, .generation = 1, .term = 50};
	struct mp_node_id stranger = {{99}};
	struct mp_env *env;
	struct mp_span bytes;

	(void)state;
	cl_run(c, 50);
	cl_crash(c, 0, 0);
	cl_run(c, 1500);
	bytes = cl_vote_msg(c, 50, 99, 99);
	env = cl_begin(c, 1);
	assert_int_equal(mp_raft_message(cl_raft(c, 1), env, &stranger, bytes), MP_EAUTH);
	assert_int_equal(mp_raft_message(cl_raft(c, 1), env, &c->ids[1], bytes), MP_EAUTH);
	for (size_t n = 0; n < bytes.n; n++)
		assert_int_not_equal(
			mp_raft_message(cl_raft(c, 1), env, &c->ids[2], mp_span(bytes.p, n)), 0);
	msg.generation = 2;
	bytes = cl_encode(c, &msg);
	assert_int_equal(mp_raft_message(cl_raft(c, 1), env, &c->ids[2], bytes), MP_EAUTH);
	c->run.b[0] ^= 1;
	bytes = cl_vote_msg(c, 50, 99, 99);
	assert_int_equal(mp_raft_message(cl_raft(c, 1), env, &c->ids[2], bytes), MP_EAUTH);
	c->run.b[0] ^= 1;
	assert_false(mp_raft_heard_leader(cl_raft(c, 1), env, &stranger, 60, 0));
	assert_false(mp_raft_heard_leader(cl_raft(c, 1), env, &c->ids[1], 60, 0));
	mp_raft_heard_follower(cl_raft(c, 1), env, &stranger, 60, 0);
	cl_end(c, 1);
	assert_true(cl_term(c, 1) < 50);
	cl_free(c);
}

/* A leader without a majority's votes is none. */
static void
test_forged_leader(void **state)
{
	struct cl *c = cl_new(3, 5, false);
	struct mp_leader_cert cert = {
		.run = c->run, .generation = 1, .term = 3, .leader = c->ids[0]};
	struct mp_vote vote = {.run = c->run,
		.generation = 1,
		.naming = {{1, 2, 3}},
		.term = 3,
		.candidate = c->ids[0]};
	struct mp_msg_raft msg = {.kind = MP_MSG_APPEND, .generation = 1, .term = 3};
	uint8_t bytes[MP_LEADER_CERT_MAX];
	struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};

	(void)state;
	vote.cluster = c->nodes[0].env.cluster;
	msg.u.append.prev_hash = (struct mp_hash){{1, 2, 3}};
	/* None: asked for. */
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), 0);
	assert_null(mp_raft_leader(cl_raft(c, 1)));
	/* With its own vote alone; with one that it made up. */
	cert.vote_count = 1;
	mp_vote_sign(&fake_crypto, &c->nodes[0].secret, &vote, &cert.votes[0].sig);
	assert_int_equal(mp_leader_cert_encode(&buf, &cert), 0);
	msg.u.append.certificate = mp_buf_span(&buf);
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), MP_ENOQUORUM);
	cert.vote_count = 2;
	cert.votes[1].elector = 2;
	cert.votes[1].sig = cert.votes[0].sig;
	buf.n = 0;
	assert_int_equal(mp_leader_cert_encode(&buf, &cert), 0);
	msg.u.append.certificate = mp_buf_span(&buf);
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), MP_ESIG);
	/* A good one, shown by another. */
	mp_vote_sign(&fake_crypto, &c->nodes[2].secret, &vote, &cert.votes[1].sig);
	buf.n = 0;
	assert_int_equal(mp_leader_cert_encode(&buf, &cert), 0);
	msg.u.append.certificate = mp_buf_span(&buf);
	assert_int_equal(cl_deliver(c, 2, 1, cl_encode(c, &msg)), MP_EAUTH);
	assert_int_equal(cl_term(c, 1), 0);
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), 0);
	assert_memory_equal(mp_raft_leader(cl_raft(c, 1)), &c->ids[0], 32);
	assert_int_equal(cl_deliver(c, 2, 1, cl_encode(c, &msg)), MP_EAUTH);
	cl_free(c);
}

/* A leader of a good certificate that sends what does not fit. */
static void
test_entries_that_do_not_fit(void **state)
{
	struct cl *c = cl_new(3, 5, true);
	struct mp_msg_raft msg = {.kind = MP_MSG_APPEND, .generation = 1, .term = 1};
	struct mp_entry entry = {.run = c->run, .index = 3, .term = 1, .kind = MP_ENTRY_CANCEL};
	struct mp_raft_entry last, first;
	uint8_t bytes[256];
	struct mp_buf buf = {.p = bytes, .cap = sizeof(bytes), .max = sizeof(bytes)};
	struct mp_span one;

	(void)state;
	cl_run(c, 50);
	assert_int_equal(cl_propose(c, 0, mp_span_str("x")), 0);
	cl_settle(c, 2000);
	assert_true(mp_raft_entry_at(cl_raft(c, 1), 1, &first));
	assert_true(mp_raft_entry_at(cl_raft(c, 1), 2, &last));
	msg.u.append.seq = 1000;
	msg.u.append.prev_index = 2;
	msg.u.append.prev_hash = last.hash;
	msg.u.append.entries = &one;
	msg.u.append.entry_count = 1;
	/* Not chained. */
	assert_int_equal(mp_entry_encode(&buf, &entry), 0);
	one = mp_buf_span(&buf);
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), MP_ECORRUPT);
	/* Of a term that has not begun. */
	entry.prev = last.hash;
	entry.term = 2;
	buf.n = 0;
	assert_int_equal(mp_entry_encode(&buf, &entry), 0);
	one = mp_buf_span(&buf);
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), MP_ECORRUPT);
	/* Of another run. */
	entry.term = 1;
	entry.run.b[3] ^= 1;
	buf.n = 0;
	assert_int_equal(mp_entry_encode(&buf, &entry), 0);
	one = mp_buf_span(&buf);
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), MP_EAUTH);
	/* No entry at all. */
	one = mp_span_str("\x01");
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), MP_EFORMAT);
	assert_int_equal(mp_raft_last_index(cl_raft(c, 1)), 2);
	assert_false(mp_raft_corrupt(cl_raft(c, 1)));
	/* Against what is committed: one of us is wrong, and this one says no more. */
	entry.run = c->run;
	entry.index = 2;
	entry.prev = first.hash;
	buf.n = 0;
	assert_int_equal(mp_entry_encode(&buf, &entry), 0);
	one = mp_buf_span(&buf);
	msg.u.append.prev_index = 1;
	msg.u.append.prev_hash = first.hash;
	assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &msg)), MP_ECORRUPT);
	assert_true(mp_raft_corrupt(cl_raft(c, 1)));
	assert_int_equal(mp_raft_last_index(cl_raft(c, 1)), 2);
	cl_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damaged_rows),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_forged_leader),
		cmocka_unit_test(test_entries_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
