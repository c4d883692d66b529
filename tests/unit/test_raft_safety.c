/* SPDX-License-Identifier: Apache-2.0 */
/* Raft in bad worlds: many seeds, every promise checked after each step, and once the world is good
 * again everyone agrees soon. RAFT_SEED runs one seed, RAFT_SEEDS as many as it says. */
#include <stdio.h>

#include "unit/raft_cluster.h"

static struct cl_faults
faults_of(uint64_t seed)
{
	switch (seed % 5) {
	case 0: /* a local network with bad disks */
		return (struct cl_faults){
			.delay_ms = 3, .fsync_ms = 20, .stall = 5, .event_ms = 150};
	case 1: /* datagrams */
		return (struct cl_faults){.loss = 150,
			.twice = 150,
			.delay_ms = 40,
			.late = 50,
			.fsync_ms = 5,
			.event_ms = 200};
	case 2: /* streams that break */
		return (struct cl_faults){
			.ordered = true, .delay_ms = 10, .late = 5, .fsync_ms = 5, .event_ms = 120};
	case 3: /* all at once */
		return (struct cl_faults){.loss = 50,
			.twice = 50,
			.delay_ms = 100,
			.late = 100,
			.fsync_ms = 100,
			.stall = 10,
			.event_ms = 100};
	default: /* nothing but crashes, cuts and haste */
		return (struct cl_faults){.fsync_ms = 2, .event_ms = 60};
	}
}

static uint64_t total_steps, total_commits, total_overlaps, total_wipes, total_returns;

static void
run_seed(uint64_t seed)
{
	struct cl *c = cl_new(seed % 3 == 0 ? 5 : 3, seed, true);

	c->faults = faults_of(seed);
	if (seed % 2 == 0)
		c->faults.wipe = 25;
	cl_run(c, 15000);
	cl_quiet(c);
	(void)cl_await_leader(c, 12000);
	cl_settle(c, 10000);
	assert_int_equal(cl_propose(c, cl_await_leader(c, 5000), mp_span_str("last")), 0);
	cl_settle(c, 5000);
	total_steps += c->steps;
	total_commits += c->commit;
	total_overlaps += c->lease_overlaps;
	total_wipes += c->wipes;
	total_returns += c->returns;
	cl_free(c);
}

static void
test_seeds(void **state)
{
	const char *one = getenv("RAFT_SEED"), *many = getenv("RAFT_SEEDS");
	uint64_t seeds = many != NULL ? strtoull(many, NULL, 10) : 300;

	(void)state;
	if (one != NULL) {
		run_seed(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= seeds; seed++)
		run_seed(seed);
	print_message("# %llu steps, %llu entries committed, %llu lease overlaps, of %llu losses "
		      "%llu regained\n",
		(unsigned long long)total_steps, (unsigned long long)total_commits,
		(unsigned long long)total_overlaps, (unsigned long long)total_wipes,
		(unsigned long long)total_returns);
	/* Nothing was proved if nothing happened. */
	assert_true(total_commits > seeds * 20);
	assert_true(total_returns > seeds / 10);
}

static void
shut(struct cl *c, int at, int whom)
{
	struct mp_env *env = cl_begin(c, at);

	mp_raft_shut(cl_raft(c, at), env, &c->ids[whom]);
	cl_end(c, at);
}

/* An elector was shut out: the others go on by a majority of all, and not with its help. */
static void
test_shut(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct cl *c = cl_new(3, seed, true);
		int out = (int)(seed % 3), one = (out + 1) % 3, two = (out + 2) % 3, leader;
		uint64_t commit;

		(void)state;
		leader = cl_await_leader(c, 12000);
		assert_int_equal(cl_propose(c, leader, mp_span_str("before")), 0);
		cl_run(c, (mp_time)(seed % 7));
		shut(c, one, out);
		cl_run(c, (mp_time)(seed % 5) * 20);
		shut(c, two, out);
		cl_run(c, 4000);
		leader = cl_leader(c);
		assert_true(leader == one || leader == two || leader == out);
		cl_crash(c, out, 0);
		leader = cl_await_leader(c, 12000);
		assert_true(leader == one || leader == two);
		assert_int_equal(cl_propose(c, leader, mp_span_str("after")), 0);
		cl_settle(c, 5000);
		/* With one of them alone, what the third says makes no majority. */
		cl_restart(c, out);
		cl_cut(c, one, two, true);
		cl_run(c, 4000);
		commit = mp_raft_commit(cl_raft(c, leader));
		(void)cl_propose(c, leader, mp_span_str("never"));
		cl_run(c, 4000);
		assert_int_equal(mp_raft_commit(cl_raft(c, leader)), commit);
		assert_false(mp_raft_may_dispatch(cl_raft(c, one), c->now));
		assert_false(mp_raft_may_dispatch(cl_raft(c, two), c->now));
		cl_free(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shut),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
