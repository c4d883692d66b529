/* SPDX-License-Identifier: Apache-2.0 */
/* Raft, one situation at a time. Worlds at random: test_raft_safety.c. */
#include "unit/raft_cluster.h"

/* ---- electing ---- */

static void
test_opener_leads_at_once(void **state)
{
	struct cl *c = cl_new(3, 1, true);

	(void)state;
	cl_run(c, 20);
	assert_int_equal(cl_leader(c), 0);
	assert_true(mp_raft_may_dispatch(cl_raft(c, 0), c->now));
	assert_int_equal(mp_raft_commit(cl_raft(c, 0)), 1);
	assert_memory_equal(mp_raft_leader(cl_raft(c, 2)), &c->ids[0], 32);
	assert_int_equal(mp_raft_stalled_since(cl_raft(c, 1)), MP_TIME_NEVER);
	cl_run(c, 600);
	assert_int_equal(mp_raft_commit(cl_raft(c, 2)), 1); /* by heartbeat */
	cl_free(c);
}

static void
test_single_elector(void **state)
{
	struct cl *c = cl_new(1, 1, false);
	struct mp_raft_entry entry;

	(void)state;
	assert_int_equal(mp_raft_role(cl_raft(c, 0)), MP_RAFT_CANDIDATE);
	assert_int_equal(mp_raft_commit(cl_raft(c, 0)), 0);
	cl_run(c, 5);
	assert_true(mp_raft_may_dispatch(cl_raft(c, 0), c->now + 1000000));
	assert_int_equal(cl_propose(c, 0, mp_span_str("a")), 0);
	assert_int_equal(mp_raft_commit(cl_raft(c, 0)), 1); /* not before the disk says so */
	cl_run(c, 5);
	assert_int_equal(mp_raft_commit(cl_raft(c, 0)), 2);
	assert_true(mp_raft_settled(cl_raft(c, 0)));
	cl_crash(c, 0, 0);
	cl_run(c, 100);
	cl_restart(c, 0);
	cl_run(c, 5);
	assert_int_equal(cl_leader(c), 0);
	assert_int_equal(cl_term(c, 0), 2);
	assert_int_equal(mp_raft_commit(cl_raft(c, 0)), 3);
	assert_true(mp_raft_entry_at(cl_raft(c, 0), 2, &entry));
	assert_true(mp_span_eq(entry.body, mp_span_str("a")));
	assert_int_equal(entry.kind, MP_ENTRY_ASSIGNED);
	assert_false(mp_raft_entry_at(cl_raft(c, 0), 4, &entry));
	cl_free(c);
}

/* However electors start and leaders die, there is a new one soon. */
static void
test_failover_time(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct cl *c = cl_new(seed % 2 == 0 ? 3 : 5, seed, false);
		int leader;

		c->faults = (struct cl_faults){.delay_ms = 20, .fsync_ms = 5};
		leader = cl_await_leader(c, 4000);
		cl_run(c, 1000);
		cl_crash(c, leader, 9);
		(void)cl_await_leader(c, 4000);
		cl_free(c);
	}
}

static void
test_certificate(void **state)
{
	struct cl *c = cl_new(5, 3, true);
	struct mp_leader_cert cert;
	uint8_t forged[MP_LEADER_CERT_MAX];
	struct mp_raft_entry entry;
	struct mp_node_id leader;
	struct mp_span bytes, logged;

	(void)state;
	cl_run(c, 50);
	bytes = mp_raft_certificate(cl_raft(c, 0));
	assert_int_equal(
		mp_leader_cert_verify(&fake_crypto, bytes, mp_raft_who(cl_raft(c, 0)), &cert), 0);
	assert_int_equal(cert.term, 1);
	assert_memory_equal(&cert.leader, &c->ids[0], 32);
	assert_true(cert.vote_count >= 3);
	/* A follower that was shown it can show it on. */
	assert_true(mp_span_eq(bytes, mp_raft_certificate(cl_raft(c, 4))));
	/* And whoever has the log has it. */
	assert_true(mp_raft_entry_at(cl_raft(c, 4), 1, &entry));
	assert_int_equal(mp_body_term_start_decode(entry.body, &leader, &logged), 0);
	assert_true(mp_span_eq(bytes, logged));
	for (size_t i = 0; i < bytes.n; i++) {
		memcpy(forged, bytes.p, bytes.n);
		forged[i] ^= 0x10;
		assert_int_not_equal(mp_leader_cert_verify(&fake_crypto, mp_span(forged, bytes.n),
					     mp_raft_who(cl_raft(c, 0)), NULL),
			0);
	}
	cl_free(c);
}

/* ---- votes ---- */

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
test_vote_not_repeated(void **state)
{
	struct cl *c = cl_new(3, 1, false);

	(void)state;
	memset(granted, 0, sizeof(granted));
	c->filter = count_grants;
	assert_int_equal(cl_deliver(c, 0, 2, cl_vote_msg(c, 5, 0, 0)), 0);
	assert_int_equal(granted[2], 0); /* not before it is on disk */
	cl_run(c, 5);
	assert_int_equal(granted[2], 1);
	cl_crash(c, 2, 0);
	cl_restart(c, 2);
	assert_int_equal(cl_term(c, 2), 5);
	cl_run(c, 1501); /* until it is no longer bound by what it may have promised */
	assert_int_equal(cl_deliver(c, 1, 2, cl_vote_msg(c, 5, 0, 0)), 0);
	cl_run(c, 5);
	assert_int_equal(granted[2], 1);
	/* The same candidate may ask again, another one in a later term. */
	assert_int_equal(cl_deliver(c, 0, 2, cl_vote_msg(c, 5, 0, 0)), 0);
	cl_run(c, 5);
	assert_int_equal(granted[2], 2);
	assert_int_equal(cl_deliver(c, 1, 2, cl_vote_msg(c, 6, 0, 0)), 0);
	cl_run(c, 5);
	assert_int_equal(granted[2], 3);
	cl_free(c);
}

static void
test_vote_lost_with_the_disk(void **state)
{
	struct cl *c = cl_new(3, 1, false);

	(void)state;
	memset(granted, 0, sizeof(granted));
	c->filter = count_grants;
	c->faults.fsync_ms = 1000000;
	assert_int_equal(cl_deliver(c, 0, 2, cl_vote_msg(c, 5, 0, 0)), 0);
	cl_run(c, 500);
	assert_int_equal(granted[2], 0);
	cl_crash(c, 2, 0);
	cl_restart(c, 2);
	assert_int_equal(cl_term(c, 2), 0); /* it never said otherwise */
	cl_free(c);
}

/* What an elector told its leader before it was restarted, it keeps to: a lease may rest on it. */
static void
test_promise_kept(void **state)
{
	struct cl *c = cl_new(3, 1, true);
	uint64_t last, term;

	(void)state;
	cl_run(c, 2000);
	assert_int_equal(cl_leader(c), 0);
	assert_true(mp_raft_may_dispatch(cl_raft(c, 0), c->now));
	last = mp_raft_last_index(cl_raft(c, 0));
	term = cl_term(c, 0);
	memset(granted, 0, sizeof(granted));
	c->filter = count_grants;
	cl_crash(c, 1, 0);
	cl_restart(c, 1);
	cl_cut(c, 0, 1, true);
	assert_int_equal(cl_deliver(c, 2, 1, cl_vote_msg(c, term + 1, last, term)), 0);
	cl_run(c, 5);
	assert_int_equal(granted[1], 0);
	cl_cut(c, 2, 1, true);
	cl_run(c, 1501);
	assert_int_equal(cl_deliver(c, 2, 1, cl_vote_msg(c, term + 9, last, term)), 0);
	cl_cut(c, 2, 1, false);
	cl_run(c, 5);
	assert_int_equal(granted[1], 1);
	cl_free(c);
}

static void
test_vote_wants_the_log(void **state)
{
	struct cl *c = cl_new(3, 1, true);
	uint64_t last;

	(void)state;
	cl_run(c, 50);
	assert_int_equal(cl_propose(c, 0, mp_span_str("x")), 0);
	cl_settle(c, 1000);
	last = mp_raft_last_index(cl_raft(c, 0));
	cl_crash(c, 0, 0);
	cl_run(c, 1400);
	memset(granted, 0, sizeof(granted));
	c->filter = count_grants;
	/* Bound while the leader was heard. */
	assert_int_equal(cl_deliver(c, 1, 2, cl_vote_msg(c, 9, last, 1)), 0);
	assert_int_equal(cl_term(c, 2), 1);
	cl_run(c, 400);
	assert_int_equal(cl_deliver(c, 1, 2, cl_vote_msg(c, 90, last - 1, 1)), 0);
	cl_run(c, 3);
	assert_int_equal(granted[2], 0);
	assert_int_equal(cl_deliver(c, 1, 2, cl_vote_msg(c, 90, last - 1, 2)), 0);
	cl_run(c, 3);
	assert_int_equal(granted[2], 1);
	cl_free(c);
}

/* ---- leaders that are none any more ---- */

static void
test_prevote_does_not_disturb(void **state)
{
	struct cl *c = cl_new(3, 7, true);
	uint64_t term;

	(void)state;
	cl_run(c, 50);
	term = cl_term(c, 0);
	cl_isolate(c, 2, true);
	cl_run(c, 20000);
	assert_int_equal(cl_term(c, 2), term);
	assert_int_not_equal(mp_raft_stalled_since(cl_raft(c, 2)), MP_TIME_NEVER);
	cl_heal(c);
	cl_run(c, 3000);
	/* It hears nobody but is heard by all: nor does that help it. */
	c->cut[0][2] = c->cut[1][2] = true;
	cl_run(c, 20000);
	cl_heal(c);
	cl_run(c, 3000);
	assert_int_equal(cl_leader(c), 0);
	assert_int_equal(cl_term(c, 0), term);
	assert_int_equal(cl_term(c, 2), term);
	assert_int_equal(mp_raft_stalled_since(cl_raft(c, 2)), MP_TIME_NEVER);
	cl_free(c);
}

static void
test_lease_and_step_down(void **state)
{
	struct cl *c = cl_new(3, 5, true);
	mp_time cut_at;
	int leader;

	(void)state;
	cl_run(c, 1100);
	cl_isolate(c, 0, true);
	cut_at = c->now;
	assert_true(mp_raft_may_dispatch(cl_raft(c, 0), c->now));
	cl_run(c, 1200);
	assert_false(mp_raft_may_dispatch(cl_raft(c, 0), c->now));
	assert_int_equal(mp_raft_role(cl_raft(c, 0)), MP_RAFT_LEADER);
	cl_run(c, 310);
	assert_int_not_equal(mp_raft_role(cl_raft(c, 0)), MP_RAFT_LEADER);
	assert_true(mp_raft_stalled_since(cl_raft(c, 0)) <= cut_at + 10);
	assert_int_equal(cl_propose(c, 0, mp_span_str("no")), MP_ENOTLEADER);
	leader = cl_await_leader(c, 3000);
	assert_int_not_equal(leader, 0);
	assert_int_equal(c->lease_overlaps, 0);
	cl_free(c);
}

/* A leader that is heard but hears nobody gives up as well. */
static void
test_deaf_leader(void **state)
{
	struct cl *c = cl_new(3, 5, true);

	(void)state;
	cl_run(c, 100);
	c->cut[1][0] = c->cut[2][0] = true;
	cl_run(c, 1600);
	assert_int_not_equal(cl_leader(c), 0);
	assert_int_not_equal(cl_await_leader(c, 4000), 0);
	cl_free(c);
}

static void
test_stale_leader_refused(void **state)
{
	struct cl *c = cl_new(3, 5, true);
	uint64_t last;
	int leader;

	(void)state;
	cl_run(c, 100);
	cl_isolate(c, 0, true);
	/* Left in an old leader's log, and never anybody's. */
	assert_int_equal(cl_propose(c, 0, mp_span_str("stale")), 0);
	last = mp_raft_last_index(cl_raft(c, 0));
	cl_run(c, 1000);
	/* Hand it back while it still believes: a new leader is made by force of transfer. */
	leader = cl_await_leader(c, 100);
	assert_int_equal(leader, 0);
	{
		struct mp_msg_raft now = {
			.kind = MP_MSG_TIMEOUT_NOW, .generation = 1, .term = cl_term(c, 1)};

		assert_int_equal(cl_deliver(c, 0, 1, cl_encode(c, &now)), 0);
	}
	cl_run(c, 50);
	assert_int_equal(mp_raft_role(cl_raft(c, 1)), MP_RAFT_LEADER);
	assert_int_equal(mp_raft_role(cl_raft(c, 0)), MP_RAFT_LEADER); /* of an older term */
	cl_heal(c);
	cl_run(c, 1000);
	assert_int_equal(mp_raft_role(cl_raft(c, 0)), MP_RAFT_FOLLOWER);
	assert_int_equal(cl_term(c, 0), 2);
	cl_settle(c, 1000);
	assert_int_equal(mp_raft_last_index(cl_raft(c, 0)), last);
	cl_free(c);
}

static void
test_transfer(void **state)
{
	struct cl *c = cl_new(3, 5, true);
	int leader;

	(void)state;
	cl_run(c, 100);
	cl_isolate(c, 1, true);
	for (int i = 0; i < 50; i++)
		assert_int_equal(cl_propose(c, 0, mp_span_str("x")), 0);
	cl_run(c, 300);
	cl_transfer(c, 0);
	assert_false(mp_raft_may_dispatch(cl_raft(c, 0), c->now));
	assert_int_equal(cl_propose(c, 0, mp_span_str("no")), MP_ENOTLEADER);
	cl_run(c, 30);
	leader = cl_leader(c);
	assert_int_equal(leader, 2); /* the one that has it all, and no election timeout */
	assert_true(mp_raft_may_dispatch(cl_raft(c, 2), c->now));
	assert_int_equal(mp_raft_role(cl_raft(c, 0)), MP_RAFT_FOLLOWER);
	cl_heal(c);
	cl_settle(c, 5000);
	cl_free(c);
}

/* ---- commit ---- */

/* What a dead leader committed is known to be committed without anything new. */
static void
test_term_start_commits(void **state)
{
	struct cl *c = cl_new(3, 5, true);
	uint64_t last;

	(void)state;
	cl_run(c, 100);
	assert_int_equal(cl_propose(c, 0, mp_span_str("x")), 0);
	cl_run(c, 8);
	last = mp_raft_last_index(cl_raft(c, 0));
	assert_int_equal(mp_raft_commit(cl_raft(c, 0)), last);
	assert_int_not_equal(mp_raft_commit(cl_raft(c, 1)), last);
	cl_crash(c, 0, 9);
	(void)cl_await_leader(c, 4000);
	cl_settle(c, 1000);
	assert_true(mp_raft_commit(cl_raft(c, 1)) > last);
	cl_free(c);
}

struct figure8 {
	int who;
	uint64_t cut_after; /* entries after this one do not leave that node */
};

static bool
figure8_filter(struct cl *c, int from, int to, struct mp_span bytes)
{
	struct figure8 *f = c->filter_data;
	struct mp_msg_raft msg;

	(void)to;
	assert_int_equal(mp_msg_raft_decode(bytes, &msg), 0);
	return from == f->who && msg.kind == MP_MSG_APPEND && msg.u.append.entry_count > 0 &&
	       msg.u.append.prev_index + msg.u.append.entry_count > f->cut_after;
}

/*
 * Figure 8 of Ongaro and Ousterhout (2014): an entry of an old term is on a majority, and its
 * leader of a new term dies before an entry of that term is. Another one with a later, shorter log
 * may still win and replace it, so it must not have counted as committed.
 */
static void
test_figure_8(void **state)
{
	struct cl *c = cl_new(3, 5, true);
	static uint8_t big[400 * 1024];
	struct figure8 f = {.who = 1};
	uint64_t base;

	(void)state;
	cl_run(c, 600);
	base = mp_raft_commit(cl_raft(c, 2));
	/* (a) node 0 appends entries that reach nobody; two of them fill a message */
	cl_isolate(c, 0, true);
	for (int i = 0; i < 4; i++) {
		big[0] = (uint8_t)i;
		assert_int_equal(cl_propose(c, 0, mp_span(big, sizeof(big))), 0);
	}
	cl_run(c, 20);
	cl_crash(c, 0, 99);
	/* (b) node 1 leads in a later term and appends its own, which reaches nobody either */
	c->filter = figure8_filter;
	c->filter_data = &f;
	while (cl_leader(c) < 0)
		cl_run(c, 1);
	assert_int_equal(cl_leader(c), 1); /* else choose another seed */
	cl_run(c, 10);
	cl_crash(c, 1, 99);
	assert_int_equal(mp_raft_last_index(cl_raft(c, 2)), base);
	/* (c) node 0 comes back and leads; some of its old entries reach node 2, nothing new does
	 */
	cl_heal(c);
	f = (struct figure8){.who = 0, .cut_after = base + 2};
	cl_restart(c, 0);
	for (int i = 0; i < 8000 && mp_raft_last_index(cl_raft(c, 2)) < base + 2; i++)
		cl_run(c, 1);
	assert_int_equal(mp_raft_last_index(cl_raft(c, 2)), base + 2);
	cl_run(c, 20);
	/* They are on a majority, and are not committed. */
	assert_true(mp_raft_commit(cl_raft(c, 0)) <= base);
	cl_crash(c, 0, 99);
	/* (d) node 1 wins with its later term and replaces them */
	cl_restart(c, 1);
	assert_int_equal(cl_await_leader(c, 8000), 1);
	cl_settle(c, 3000);
	assert_int_equal(mp_raft_last_index(cl_raft(c, 2)), mp_raft_last_index(cl_raft(c, 1)));
	/* and node 0 gives in */
	c->filter = NULL;
	cl_restart(c, 0);
	cl_settle(c, 5000);
	cl_free(c);
}

/* ---- the log ---- */

static size_t appends, biggest;

static bool
count_appends(struct cl *c, int from, int to, struct mp_span bytes)
{
	struct mp_msg_raft msg;

	(void)c;
	(void)from;
	(void)to;
	assert_int_equal(mp_msg_raft_decode(bytes, &msg), 0);
	if (msg.kind == MP_MSG_APPEND) {
		appends++;
		if (bytes.n > biggest)
			biggest = bytes.n;
	}
	return false;
}

static void
test_batches(void **state)
{
	struct cl *c = cl_new(3, 5, true);
	struct mp_env *env;
	size_t writes = 0;

	(void)state;
	cl_run(c, 100);
	appends = biggest = 0;
	c->filter = count_appends;
	env = cl_begin(c, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(mp_raft_propose(cl_raft(c, 0), env, MP_ENTRY_ASSIGNED,
					 mp_span_str("x"), NULL),
			0);
	mp_raft_flush(cl_raft(c, 0), env);
	cl_end(c, 0);
	assert_int_equal(appends, 4); /* 512 and 488, to each of two */
	for (struct cl_txn *txn = c->nodes[0].txns; txn != NULL; txn = txn->next)
		writes++;
	assert_int_equal(writes, 1);
	cl_settle(c, 1000);
	assert_int_equal(mp_raft_commit(cl_raft(c, 0)), 1001);
	cl_run(c, 1000);
	assert_true(mp_raft_settled(cl_raft(c, 0)));
	cl_free(c);
}

/* One that was away gets everything, in pieces and with a window; the others do not wait. */
static void
test_catch_up(void **state)
{
	static uint8_t body[100 * 1024];
	struct cl *c = cl_new(3, 5, true);
	mp_time healed_at;

	(void)state;
	cl_run(c, 100);
	cl_crash(c, 2, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(cl_propose(c, 0, mp_span(body, sizeof(body))), 0);
		cl_run(c, 5);
	}
	assert_int_equal(mp_raft_commit(cl_raft(c, 0)), 101);
	assert_false(mp_raft_settled(cl_raft(c, 0)));
	cl_run(c, 30000);
	appends = biggest = 0;
	c->filter = count_appends;
	cl_restart(c, 2);
	healed_at = c->now;
	cl_settle(c, 2000);
	assert_true(c->now - healed_at < 1000);
	assert_true(biggest <= MP_APPEND_BYTES_MAX + 64 * 1024);
	assert_in_range(appends, 10, 20);
	cl_free(c);
}

/* A log with many entries of many terms that nobody else has is replaced in few round trips. */
static void
test_back_up(void **state)
{
	struct cl *c = cl_new(3, 5, true);

	(void)state;
	cl_run(c, 100);
	cl_isolate(c, 0, true);
	for (int i = 0; i < 500; i++)
		assert_int_equal(cl_propose(c, 0, mp_span_str("lost")), 0);
	cl_run(c, 2000);
	(void)cl_await_leader(c, 3000);
	for (int i = 0; i < 700; i++)
		assert_int_equal(cl_propose(c, cl_leader(c), mp_span_str("kept")), 0);
	cl_run(c, 100);
	appends = biggest = 0;
	c->filter = count_appends;
	cl_heal(c);
	cl_settle(c, 1500);
	assert_in_range(appends, 1, 10);
	assert_true(mp_raft_last_index(cl_raft(c, 0)) >= 700);
	cl_free(c);
}

static void
test_limits(void **state)
{
	struct cl *c = cl_new(1, 5, true);
	static uint8_t body[MP_ENTRY_MAX];
	struct mp_env *env;
	uint64_t index = 0;

	(void)state;
	cl_run(c, 5);
	assert_int_equal(cl_propose(c, 0, mp_span(body, sizeof(body))), MP_ELIMIT);
	env = cl_begin(c, 0);
	c->heap.fail_at = c->heap.calls + 1;
	assert_int_equal(
		mp_raft_propose(cl_raft(c, 0), env, MP_ENTRY_ASSIGNED, mp_span(body, 1000), &index),
		MP_ENOMEM);
	c->heap.fail_at = 0;
	assert_int_equal(mp_raft_last_index(cl_raft(c, 0)), 1);
	assert_int_equal(
		mp_raft_propose(cl_raft(c, 0), env, MP_ENTRY_ASSIGNED, mp_span(body, 1000), &index),
		0);
	assert_int_equal(index, 2);
	cl_end(c, 0);
	cl_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opener_leads_at_once),
		cmocka_unit_test(test_single_elector),
		cmocka_unit_test(test_failover_time),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_vote_not_repeated),
		cmocka_unit_test(test_vote_lost_with_the_disk),
		cmocka_unit_test(test_promise_kept),
		cmocka_unit_test(test_vote_wants_the_log),
		cmocka_unit_test(test_prevote_does_not_disturb),
		cmocka_unit_test(test_lease_and_step_down),
		cmocka_unit_test(test_deaf_leader),
		cmocka_unit_test(test_stale_leader_refused),
		cmocka_unit_test(test_transfer),
		cmocka_unit_test(test_term_start_commits),
		cmocka_unit_test(test_figure_8),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_catch_up),
		cmocka_unit_test(test_back_up),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
