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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
