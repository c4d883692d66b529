/* SPDX-License-Identifier: Apache-2.0 */
/* What people say of runs: it is said when it is in the log for good, and not before. */
#include "unit/runs_case.h"

static int
cancel(struct cluster *c, int node, const struct mp_run_id *run, struct mp_raft_at *at)
{
	int rc;

	step_begin(c, node);
	rc = mp_runs_cancel(c->nodes[node].runs, &c->nodes[node].env, run, mp_span_str("anna"), at);
	step_end(c, node);
	return rc;
}

static void
test_cancel(void **state)
{
	struct cluster *c = cluster_new(3);
	struct mp_node_id who[MP_ELECTORS_MAX];
	struct mp_raft_at at, again;
	struct submission s;

	(void)state;
	c->job_ms = 100000;
	submit_ok(c, 0, &s);
	cluster_run(c, 1000);
	assert_int_equal(cancel(c, 1, &s.run, &at), MP_ENOTLEADER);
	assert_int_equal(mp_runs_whom(c->nodes[1].runs, &s.run, who), 2);
	assert_int_equal(cluster_index(&who[0]), 0);
	assert_int_equal(cancel(c, 0, &s.run, &at), 0);
	assert_true(at.index > 0);
	assert_int_equal(mp_runs_decided(c->nodes[0].runs, &s.run, &at), MP_EBUSY);
	/* Twice said is once said. */
	assert_int_equal(cancel(c, 0, &s.run, &again), 0);
	assert_int_equal(again.index, at.index);
	cluster_run(c, 100);
	assert_int_equal(mp_runs_decided(c->nodes[0].runs, &s.run, &at), 0);
	assert_int_equal(cancel(c, 0, &s.run, &again), 0);
	assert_int_equal(again.index, 0);
	/* These workers say nothing of what was killed: it is found missing. */
	cluster_run(c, 60000);
	assert_all_ended(c, &s.run, MP_RUN_CANCELLED);
	assert_int_equal(cancel(c, 1, &s.run, &at), 0);
	assert_int_equal(at.index, 0);
	cluster_free(c);
}

/* A leader that nobody hears any more decides nothing, and learns that it did not. */
static void
test_cancel_in_vain(void **state)
{
	struct cluster *c = cluster_new(3);
	struct mp_raft_at at;
	struct submission s;

	(void)state;
	c->job_ms = 100000;
	submit_ok(c, 0, &s);
	cluster_run(c, 1000);
	c->nodes[0].deaf = true;
	assert_int_equal(cancel(c, 0, &s.run, &at), 0);
	assert_true(at.index > 0);
	cluster_run(c, 8000);
	assert_int_equal(mp_runs_decided(c->nodes[0].runs, &s.run, &at), MP_EBUSY);
	assert_int_not_equal(leader_of(c), 0);
	c->nodes[0].deaf = false;
	cluster_run(c, 8000);
	assert_int_equal(mp_runs_decided(c->nodes[0].runs, &s.run, &at), MP_ECANCELED);
	assert_int_equal(cancel(c, 0, &s.run, &at), MP_ENOTLEADER);
	assert_int_equal(state_at(c, 0, &s.run, NULL), MP_RUN_RUNNING);
	cluster_free(c);
}

/* Who opens a run and is no elector of it hears that it has begun, soon. */
static void
test_opener_elsewhere(void **state)
{
	struct cluster *c = cluster_new(4);
	struct mp_error err = {0};
	struct submission s;

	(void)state;
	c->roster.members[3].roles = MP_ROLE_SUBMIT;
	assert_int_equal(submit(c, 3, DIAMOND, &s, &err), 0);
	while (!s.done) {
		/* Not before a majority can go on without it. */
		cluster_run(c, 1);
		assert_true(c->now_ms < 3000);
	}
	assert_int_equal(s.rc, 0);
	assert_null(mp_runs_raft(c->nodes[3].runs, &s.run));
	for (int i = 0; i < 3; i++)
		assert_true(mp_raft_last_index(mp_runs_raft(c->nodes[i].runs, &s.run)) > 0);
	node_crash(c, 3);
	cluster_run(c, 20000);
	assert_all_ended(c, &s.run, MP_RUN_SUCCEEDED);
	cluster_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_in_vain),
		cmocka_unit_test(test_opener_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
