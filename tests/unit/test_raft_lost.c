/* SPDX-License-Identifier: Apache-2.0 */
/* Electors that come back without their rows: core/raft.h says when they count again. */
#include "unit/raft_cluster.h"

#include "codec/record_work.h"

static uint64_t granted[8]; /* by node that granted */
static uint64_t taken[8];   /* by node: acknowledgements that count */

static bool
count_promises(struct cl *c, int from, int to, struct mp_span bytes)
{
	struct mp_msg_raft msg;

	(void)c;
	(void)to;
	assert_int_equal(mp_msg_raft_decode(bytes, &msg), 0);
	granted[from] += msg.kind == MP_MSG_VOTE_ACK && msg.u.voted.granted;
	taken[from] +=
		msg.kind == MP_MSG_APPEND_ACK && msg.u.appended.ok && msg.u.appended.loss == 0;
	return false;
}

static struct cl *
cluster(size_t n, uint64_t seed)
{
	struct cl *c = cl_new(n, seed, true);

	memset(granted, 0, sizeof(granted));
	memset(taken, 0, sizeof(taken));
	cl_run(c, 50);
	for (int i = 0; i < 5; i++)
		assert_int_equal(cl_propose(c, 0, mp_span_str("before")), 0);
	cl_settle(c, 1000);
	c->filter = count_promises;
	return c;
}

static void
wipe(struct cl *c, int i)
{
	assert_true(cl_wipe(c, i));
	granted[i] = taken[i] = 0;
	cl_restart(c, i);
}

/* How many RETURNED of it are in this log. */
static unsigned
returns_in(struct cl *c, int i, int who)
{
	struct mp_raft_entry entry;
	struct mp_returned r;
	unsigned n = 0;

	for (uint64_t k = 1; mp_raft_entry_at(cl_raft(c, i), k, &entry); k++)
		n += entry.kind == MP_ENTRY_RETURNED &&
		     mp_body_returned_decode(entry.body, &r) == 0 &&
		     mp_node_id_eq(&r.elector, &c->ids[who]);
	return n;
}

/* One is replaced, then another one dies: there is a majority. */
static void
one_after_the_other(size_t n, int victim)
{
	struct cl *c = cluster(n, 7);
	uint64_t term = cl_term(c, 0);
	int leader;

	wipe(c, 2);
	assert_true(mp_raft_lost(cl_raft(c, 2)));
	cl_settle(c, 3000);
	assert_int_equal(returns_in(c, 0, 2), 1);
	assert_false(mp_raft_lost(cl_raft(c, 2)));
	/* In the term in which that happened it still says nothing. */
	assert_int_equal(cl_leader(c), 0);
	assert_int_equal(cl_term(c, 0), term);
	assert_int_equal(cl_propose(c, 0, mp_span_str("more")), 0);
	cl_settle(c, 3000);
	assert_int_equal(taken[2], 0);
	/* Without it there is no majority any more. */
	for (int i = 0; i < (int)n / 2; i++)
		cl_crash(c, i == 0 ? victim : 2 + i, 99);
	cl_run(c, 5000);
	leader = cl_await_leader(c, 5000);
	assert_int_equal(cl_propose(c, leader, mp_span_str("after")), 0);
	cl_settle(c, 3000);
	assert_true(cl_term(c, 2) > term);
	assert_true(leader == 2 || taken[2] > 0);
	/* It stays so when it is restarted. */
	cl_crash(c, 2, 99);
	cl_run(c, 100);
	cl_restart(c, 2);
	assert_false(mp_raft_lost(cl_raft(c, 2)));
	(void)cl_await_leader(c, 8000);
	cl_free(c);
}

static void
test_one_after_the_other(void **state)
{
	(void)state;
	for (int victim = 0; victim < 2; victim++) {
		one_after_the_other(3, victim);
		one_after_the_other(5, victim);
	}
}

/* Nothing is decided by who does not know what it said. */
static void
test_mute(void **state)
{
	struct cl *c = cluster(3, 3);

	(void)state;
	cl_crash(c, 0, 99);
	/* Two are left of three. */
	(void)cl_await_leader(c, 8000);
	cl_settle(c, 3000);
	cl_restart(c, 0);
	cl_settle(c, 8000);
	wipe(c, 2);
	cl_isolate(c, 2, true);
	cl_run(c, 100);
	cl_crash(c, cl_leader(c), 99);
	cl_heal(c);
	cl_run(c, 20000);
	assert_int_equal(cl_leader(c), -1);
	assert_int_equal(granted[2] + taken[2], 0);
	assert_true(mp_raft_lost(cl_raft(c, 2)));
	cl_free(c);
}

/* A second loss is another one: what was said of the first does not count for it. */
static void
test_twice(void **state)
{
	struct cl *c = cluster(3, 4);
	uint64_t loss;

	(void)state;
	wipe(c, 2);
	cl_settle(c, 3000);
	loss = mp_raft_loss(cl_raft(c, 2));
	assert_false(mp_raft_lost(cl_raft(c, 2)));
	wipe(c, 2);
	assert_true(mp_raft_lost(cl_raft(c, 2)));
	assert_int_not_equal(mp_raft_loss(cl_raft(c, 2)), loss);
	cl_settle(c, 3000);
	assert_false(mp_raft_lost(cl_raft(c, 2)));
	assert_int_equal(returns_in(c, 0, 2), 2);
	/* Asked again, a leader has nothing to add; nor has the next one. */
	cl_run(c, 3000);
	cl_crash(c, 0, 99);
	cl_settle(c, 8000);
	assert_int_equal(returns_in(c, cl_await_leader(c, 8000), 2), 2);
	cl_free(c);
}

/* What a leader knew it to hold, it holds no more. */
static void
test_stale_commit(void **state)
{
	struct cl *c = cluster(3, 5);
	uint64_t commit = mp_raft_commit(cl_raft(c, 0));
	struct mp_env *env;

	(void)state;
	assert_true(commit > 3);
	cl_isolate(c, 2, true);
	wipe(c, 2);
	env = cl_begin(c, 2);
	assert_false(mp_raft_heard_leader(cl_raft(c, 2), env, &c->ids[0], cl_term(c, 0), commit));
	cl_end(c, 2);
	assert_int_equal(mp_raft_commit(cl_raft(c, 2)), 0);
	assert_true(mp_raft_blank(cl_raft(c, 2)));
	cl_heal(c);
	cl_settle(c, 3000);
	assert_false(mp_raft_blank(cl_raft(c, 2)));
	cl_free(c);
}

/* It does not stand, not when it is told to, and nobody hands over to it. */
static void
test_never_leads(void **state)
{
	struct mp_msg_raft msg = {.kind = MP_MSG_TIMEOUT_NOW, .generation = 1};
	struct cl *c = cluster(3, 6);

	(void)state;
	wipe(c, 2);
	cl_crash(c, 1, 99);
	cl_run(c, 300); /* it hears the leader, and nothing can be committed */
	assert_true(mp_raft_lost(cl_raft(c, 2)));
	cl_transfer(c, 0);
	cl_run(c, 300);
	assert_int_not_equal(mp_raft_role(cl_raft(c, 2)), MP_RAFT_LEADER);
	msg.term = cl_term(c, 2);
	(void)cl_deliver(c, 0, 2, cl_encode(c, &msg));
	cl_run(c, 20000);
	assert_int_equal(mp_raft_role(cl_raft(c, 2)), MP_RAFT_FOLLOWER);
	/* Its answers are worth nothing to a lease either. */
	assert_int_equal(cl_leader(c), -1);
	cl_restart(c, 1);
	cl_settle(c, 8000);
	assert_false(mp_raft_lost(cl_raft(c, 2)));
	cl_free(c);
}

/* A leader that drains, and takes it for its heir, learns better and goes on: nobody else is there
 * that could let it count again. */
static void
test_no_heir(void **state)
{
	struct cl *c = cluster(3, 7);
	int leader = cl_leader(c), heir = (leader + 1) % 3, other = (leader + 2) % 3;
	uint64_t term = cl_term(c, leader);
	struct mp_env *env;

	(void)state;
	wipe(c, heir);
	assert_int_equal(cl_propose(c, leader, mp_span_str("body")), 0);
	env = cl_begin(c, leader);
	assert_true(mp_raft_transfer(cl_raft(c, leader), env, 1u << other));
	cl_end(c, leader);
	cl_run(c, 5000);
	assert_int_equal(cl_leader(c), leader);
	assert_int_equal(cl_term(c, leader), term);
	assert_int_equal(returns_in(c, leader, heir), 1);
	cl_free(c);
}

/* An only elector that has lost its log waits for a takeover. */
static void
test_alone(void **state)
{
	struct cl *c = cl_new(1, 1, true);

	(void)state;
	cl_run(c, 100);
	assert_int_equal(cl_propose(c, 0, mp_span_str("body")), 0);
	cl_settle(c, 1000);
	cl_crash(c, 0, 99);
	c->nodes[0].rows[1].p[c->nodes[0].rows[1].n - 1] ^= 1;
	cl_restart(c, 0);
	cl_run(c, 20000);
	assert_int_equal(cl_leader(c), -1);
	assert_true(mp_raft_lost(cl_raft(c, 0)));
	cl_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_mute),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_stale_commit),
		cmocka_unit_test(test_never_leads),
		cmocka_unit_test(test_no_heir),
		cmocka_unit_test(test_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
