/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/run_world.h"

static void
test_diamond(void **state)
{
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(mp_run_state(&f.run), MP_RUN_PENDING);
	assert_states(&f, "wwww");
	assert_int_equal(open_run(&f), 0);
	assert_states(&f, "rwww");
	run_module(&f, 0);
	assert_states(&f, "Srrw");
	run_module(&f, 2);
	assert_states(&f, "SrSw");
	assert_int_equal(end(&f, MP_OUTCOME_SUCCEEDED), MP_EFORMAT);
	run_module(&f, 1);
	assert_states(&f, "SSSr");
	assert_true(f.run.modules[3].queued_ms == f.wall_ms);
	run_module(&f, 3);
	assert_states(&f, "SSSS");
	assert_int_equal(end(&f, MP_OUTCOME_FAILED), MP_EFORMAT);
	assert_int_equal(mp_run_state(&f.run), MP_RUN_RUNNING);
	assert_int_equal(end(&f, MP_OUTCOME_SUCCEEDED), 0);
	assert_int_equal(mp_run_state(&f.run), MP_RUN_SUCCEEDED);
	assert_int_equal(end(&f, MP_OUTCOME_SUCCEEDED), MP_EEXIST);
	assert_int_equal(f.run.modules[0].attempts, 1);
	assert_true(mp_node_id_eq(mp_run_node(&f.run, f.run.modules[0].worker), &nodes[0]));
	fixture_fini(&f);
}

/* m0 fails: m1 and m3 are skipped through m2; m4 does not depend on it and goes on. */
static void
test_failure_skips(void **state)
{
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 6);
	unit_graph_need(&f.graph, 1, 0);
	unit_graph_need(&f.graph, 2, 0);
	unit_graph_need(&f.graph, 3, 2);
	unit_graph_need(&f.graph, 3, 4);
	unit_graph_need(&f.graph, 5, 4);
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	assert_states(&f, "rwwwrw");
	assert_int_equal(assigned(&f, attempt(&f, 0, 1), 1), 0);
	assert_int_equal(finished(&f, attempt(&f, 0, 1), 1, MP_STATUS_FAILED), 0);
	assert_states(&f, "FKKKrw");
	run_module(&f, 4);
	assert_states(&f, "FKKKSr");
	run_module(&f, 5);
	assert_int_equal(end(&f, MP_OUTCOME_FAILED), 0);
	assert_int_equal(mp_run_state(&f.run), MP_RUN_FAILED);
	fixture_fini(&f);
}

static void
test_retry(void **state)
{
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	f.graph.modules[0].retry.attempts = 2;
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	assert_int_equal(assigned(&f, attempt(&f, 0, 1), 1), 0);
	assert_int_equal(finished(&f, attempt(&f, 0, 1), 1, MP_STATUS_FAILED), 0);
	assert_states(&f, "bwww");
	/* Not before the leader has said when. */
	assert_int_equal(assigned(&f, attempt(&f, 0, 2), 1), 0);
	assert_states(&f, "bwww");
	assert_int_equal(retry(&f, 0, 5000), 0);
	assert_int_equal(f.run.modules[0].not_before_ms, 5000);
	assert_int_equal(retry(&f, 0, 6000), MP_EEXIST);
	assert_int_equal(assigned(&f, attempt(&f, 0, 2), 2), 0);
	assert_states(&f, "Rwww");
	assert_int_equal(finished(&f, attempt(&f, 0, 2), 2, MP_STATUS_TIMED_OUT), 0);
	assert_states(&f, "TKKK");
	assert_int_equal(f.run.modules[0].attempts, 2);
	assert_int_equal(f.run.modules[0].failures, 2);
	assert_int_equal(end(&f, MP_OUTCOME_FAILED), 0);
	fixture_fini(&f);
}

static void
test_lost(void **state)
{
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	for (uint32_t i = 1; i <= MP_LOST_MAX; i++) {
		assert_int_equal(assigned(&f, attempt(&f, 0, i), 1), 0);
		assert_int_equal(lost(&f, attempt(&f, 0, i)), 0);
		assert_int_equal(lost(&f, attempt(&f, 0, i)), MP_EEXIST);
		assert_states(&f, "rwww");
	}
	assert_int_equal(assigned(&f, attempt(&f, 0, 7), 1), 0);
	assert_int_equal(lost(&f, attempt(&f, 0, 1)), MP_EEXIST);
	assert_int_equal(lost(&f, attempt(&f, 0, 7)), 0);
	assert_states(&f, "FKKK");
	assert_int_equal(f.run.modules[0].failures, 0);
	fixture_fini(&f);
}

/* The attempt that was given up reports after all, before and while another one runs. */
static void
test_late_result(void **state)
{
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	assert_int_equal(assigned(&f, attempt(&f, 0, 1), 1), 0);
	assert_int_equal(lost(&f, attempt(&f, 0, 1)), 0);
	assert_int_equal(assigned(&f, attempt(&f, 0, 2), 2), 0);
	/* A late failure does not count against the attempt that runs. */
	assert_int_equal(finished(&f, attempt(&f, 0, 1), 1, MP_STATUS_FAILED), MP_EEXIST);
	assert_states(&f, "Rwww");
	assert_int_equal(finished(&f, attempt(&f, 0, 1), 1, MP_STATUS_OK), 0);
	assert_states(&f, "Srrw");
	assert_true(mp_node_id_eq(mp_run_node(&f.run, f.run.modules[0].worker), &nodes[1]));
	assert_int_equal(finished(&f, attempt(&f, 0, 2), 2, MP_STATUS_OK), MP_EEXIST);
	assert_states(&f, "Srrw");
	/* Of an attempt whose ASSIGNED went down with its leader, and that nobody waited for. */
	assert_int_equal(finished(&f, attempt(&f, 1, 9), 2, MP_STATUS_OK), 0);
	assert_int_equal(f.run.modules[1].attempts, 1);
	assert_int_equal(lost(&f, attempt(&f, 1, 9)), MP_EEXIST);
	fixture_fini(&f);
}

static void
test_reassigned_and_adopted(void **state)
{
	struct mp_attempt_id old;
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	old = attempt(&f, 0, 1);
	assert_int_equal(assigned(&f, old, 1), 0);
	/* Its worker was busy: the same attempt goes elsewhere. */
	assert_int_equal(assigned(&f, attempt(&f, 0, 2), 2), 0);
	assert_int_equal(f.run.modules[0].attempts, 1);
	assert_int_equal(term_start(&f, 4, &nodes[2]), 0);
	assert_true(mp_node_id_eq(&f.run.leader_before, &nodes[0]));
	assert_int_equal(term_start(&f, 4, &nodes[2]), 0);
	assert_true(mp_node_id_eq(&f.run.leader_before, &nodes[0]));
	assert_int_equal(f.run.term, 4);
	assert_int_equal(assigned(&f, old, 1), 0);
	assert_true(mp_attempt_eq(&f.run.modules[0].attempt, &old));
	assert_int_equal(finished(&f, old, 1, MP_STATUS_OK), 0);
	assert_states(&f, "Srrw");
	/* Of a term that has not come yet. */
	assert_int_equal(assigned(&f, (struct mp_attempt_id){9, 1, 1}, 1), MP_EFORMAT);
	fixture_fini(&f);
}

static void
test_cancel(void **state)
{
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 5);
	unit_graph_need(&f.graph, 4, 3);
	f.graph.modules[1].retry.attempts = 5;
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(assigned(&f, attempt(&f, i, i + 1), 1), 0);
	assert_int_equal(cancel(&f), 0);
	assert_int_equal(cancel(&f), MP_EEXIST);
	assert_string_equal(f.run.cancelled_by.s, "anna");
	assert_states(&f, "RRRRC");
	assert_int_equal(finished(&f, attempt(&f, 0, 1), 1, MP_STATUS_CANCELLED), 0);
	assert_int_equal(finished(&f, attempt(&f, 1, 2), 1, MP_STATUS_FAILED), 0);
	assert_int_equal(lost(&f, attempt(&f, 2, 3)), 0);
	assert_int_equal(finished(&f, attempt(&f, 3, 4), 1, MP_STATUS_OK), 0);
	/* The second one would have been tried again. */
	assert_states(&f, "CCCSC");
	assert_int_equal(f.run.modules[0].lost, 0);
	assert_int_equal(end(&f, MP_OUTCOME_CANCELLED), 0);
	assert_int_equal(mp_run_state(&f.run), MP_RUN_CANCELLED);
	fixture_fini(&f);
}

static void
test_killed_without_cancel_is_lost(void **state)
{
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	assert_int_equal(assigned(&f, attempt(&f, 0, 1), 1), 0);
	assert_int_equal(finished(&f, attempt(&f, 0, 1), 1, MP_STATUS_CANCELLED), 0);
	assert_states(&f, "rwww");
	assert_int_equal(f.run.modules[0].lost, 1);
	fixture_fini(&f);
}

static void
test_skip(void **state)
{
	struct mp_skip skip = {0, MP_SKIP_FAILED, mp_span_str("nobody has clang")};
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	assert_int_equal(mp_body_skip_encode(&f.body, &skip), 0);
	assert_int_equal(apply(&f, MP_ENTRY_SKIP), 0);
	assert_states(&f, "FKKK");
	assert_int_equal(f.run.modules[0].entry, f.index);
	fixture_fini(&f);
}

static void
test_hostile(void **state)
{
	static const struct mp_run_id other = {{8}};
	struct mp_raft_entry entry = {.index = 99, .kind = MP_ENTRY_OPEN};
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(assigned(&f, attempt(&f, 0, 1), 1), MP_EFORMAT); /* not opened */
	assert_int_equal(open_run(&f), 0);
	assert_int_equal(mp_run_apply(&f.run, &entry), MP_EINVAL);
	assert_int_equal(assigned(&f, attempt(&f, 4, 1), 1), MP_EFORMAT);
	assert_int_equal(lost(&f, attempt(&f, 4, 1)), MP_EFORMAT);
	assert_int_equal(retry(&f, 4, 1), MP_EFORMAT);
	assert_int_equal(finished(&f, attempt(&f, 4, 1), 1, MP_STATUS_OK), MP_EFORMAT);
	assert_int_equal(finished(&f, attempt(&f, 3, 1), 1, MP_STATUS_OK), MP_EFORMAT);
	encode_finished(&f, attempt(&f, 0, 1), 1, MP_STATUS_OK, &other);
	assert_int_equal(apply(&f, MP_ENTRY_FINISHED), MP_EFORMAT);
	assert_int_equal(apply(&f, MP_ENTRY_FINISHED), MP_ETRUNC);
	assert_int_equal(apply(&f, MP_ENTRY_PAUSE), MP_EUNSUPPORTED);
	assert_int_equal(apply(&f, (enum mp_entry_kind)200), MP_EUNSUPPORTED);
	assert_states(&f, "rwww");
	fixture_fini(&f);
}

static int
random_entry(struct fixture *f, struct mp_rng *rng)
{
	uint32_t module = (uint32_t)mp_rng_below(rng, UNIT_GRAPH_MAX + 2);
	uint32_t counter = 1 + (uint32_t)mp_rng_below(rng, 3);
	int node = (int)mp_rng_below(rng, 3);
	struct mp_attempt_id id = attempt(f, module, counter);

	switch (mp_rng_below(rng, 40)) {
	case 0:
		return term_start(f, f->term + mp_rng_below(rng, 3), &nodes[node]);
	case 1:
		return open_run(f);
	case 2:
		return mp_rng_below(rng, 4) == 0 ? cancel(f) : 0;
	case 3:
	case 4:
		return end(f, (enum mp_run_outcome)(1 + mp_rng_below(rng, 3)));
	case 5:
		for (size_t i = mp_rng_below(rng, 30); i > 0; i--) {
			uint8_t byte = (uint8_t)mp_rng_next(rng);

			assert_int_equal(mp_buf_append(&f->body, &byte, 1), 0);
		}
		return apply(f, (enum mp_entry_kind)mp_rng_below(rng, 16));
	case 6:
	case 7:
	case 8:
		return lost(f, id);
	case 9:
	case 10:
		return retry(f, module, 77);
	default:
		if (mp_rng_below(rng, 2) == 0)
			return assigned(f, id, node);
		return finished(f, id, node,
			mp_rng_below(rng, 4) == 0 ? (enum mp_status)mp_rng_below(rng, 7)
						  : MP_STATUS_OK);
	}
}

/* Whatever stands in a log: counts agree, ended modules stay, and a second reading ends the same
 * (apply() compares after every entry). */
static void
test_random_logs(void **state)
{
	uint8_t before[UNIT_GRAPH_MAX];
	int ended_runs = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct mp_rng rng = {seed};
		struct fixture f;

		unit_graph_init(&f.graph, UNIT_GRAPH_MAX);
		for (uint32_t m = 1; m < UNIT_GRAPH_MAX; m++) {
			for (uint32_t n = 0; n < m; n++) {
				if (mp_rng_below(&rng, m) == 0)
					unit_graph_need(&f.graph, m, n);
			}
			f.graph.modules[m].retry.attempts = 1 + (uint32_t)mp_rng_below(&rng, 3);
		}
		fixture_init(&f);
		for (int i = 0; i < 1500; i++) {
			uint32_t sum = 0;

			for (uint32_t m = 0; m < UNIT_GRAPH_MAX; m++)
				before[m] = f.run.modules[m].state;
			(void)random_entry(&f, &rng);
			for (uint32_t m = 0; m < UNIT_GRAPH_MAX; m++)
				assert_true(!mp_module_ended((enum mp_module_state)before[m]) ||
					    before[m] == f.run.modules[m].state);
			for (int s = 0; s < MP_MODULE_STATE_COUNT; s++)
				sum += f.run.counts[s];
			assert_int_equal(sum, UNIT_GRAPH_MAX);
		}
		ended_runs += (unsigned)f.run.outcome != 0;
		fixture_fini(&f);
	}
	assert_true(ended_runs > 0);
}

static void
test_memory_runs_out(void **state)
{
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	for (size_t n = 1;; n++) {
		struct mp_assigned item = {attempt(&f, 0, 1), nodes[1]};
		struct mp_raft_entry entry = {
			.index = f.index + 1, .term = 1, .kind = MP_ENTRY_ASSIGNED};
		int rc;

		mp_buf_clear(&f.body);
		assert_int_equal(mp_body_assigned_encode(&f.body, &item, 1), 0);
		entry.body = mp_buf_span(&f.body);
		f.heap.fail_at = f.heap.calls + n;
		rc = mp_run_apply(&f.run, &entry);
		f.heap.fail_at = 0;
		if (rc == 0)
			break;
		assert_int_equal(rc, MP_ENOMEM);
		assert_int_equal(f.run.applied, f.index);
		assert_states(&f, "rwww");
	}
	assert_states(&f, "Rwww");
	fixture_fini(&f);
}

/* A module that is not run: no attempt, its node is who made the result, and its dependants go on.
 */
static void
test_cached(void **state)
{
	struct mp_finished result;
	struct mp_result original;
	struct mp_raft_entry entry;
	struct fixture f;

	(void)state;
	unit_graph_diamond(&f.graph);
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	assert_int_equal(cached(&f, 1, 2, MP_STATUS_OK, 1), MP_EFORMAT);
	assert_int_equal(cached(&f, 4, 2, MP_STATUS_OK, 1), MP_EFORMAT);
	assert_int_equal(cached(&f, 0, 2, MP_STATUS_FAILED, 1), MP_EFORMAT);
	assert_int_equal(cached(&f, 0, 2, MP_STATUS_OK, 0), MP_EFORMAT);
	assert_states(&f, "rwww");
	assert_int_equal(cached(&f, 0, 2, MP_STATUS_OK, 1), 0);
	assert_states(&f, "Srrw");
	assert_true(f.run.modules[0].cached);
	assert_int_equal(f.run.cached_count, 1);
	assert_int_equal(f.run.modules[0].attempts, 0);
	assert_true(f.run.modules[0].entry == f.index);
	assert_true(f.run.modules[0].ended_ms == f.wall_ms);
	assert_true(mp_node_id_eq(mp_run_node(&f.run, f.run.modules[0].worker), &nodes[2]));
	assert_int_equal(cached(&f, 0, 2, MP_STATUS_OK, 1), MP_EEXIST);
	/* What runs, or has run, is not taken from elsewhere. */
	assert_int_equal(assigned(&f, attempt(&f, 1, 1), 0), 0);
	assert_int_equal(cached(&f, 1, 2, MP_STATUS_OK, 1), MP_EEXIST);
	assert_states(&f, "SRrw");
	assert_int_equal(finished(&f, attempt(&f, 1, 1), 0, MP_STATUS_OK), 0);
	assert_false(f.run.modules[1].cached);
	assert_int_equal(cached(&f, 2, 1, MP_STATUS_OK, 1), 0);
	/* A late result of the cached one changes nothing. */
	assert_int_equal(finished(&f, attempt(&f, 2, 9), 0, MP_STATUS_OK), MP_EEXIST);
	run_module(&f, 3);
	assert_int_equal(end(&f, MP_OUTCOME_SUCCEEDED), 0);
	encode_finished(&f, attempt(&f, 3, 4), 1, MP_STATUS_OK, &run_id);
	entry = (struct mp_raft_entry){.kind = MP_ENTRY_FINISHED, .body = mp_buf_span(&f.body)};
	assert_int_equal(mp_run_result(&entry, &result, &original), 0);
	assert_true(mp_node_id_eq(&result.worker, &nodes[1]));
	entry.kind = MP_ENTRY_LOST;
	assert_int_equal(mp_run_result(&entry, &result, &original), MP_EINVAL);
	mp_buf_clear(&f.body);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diamond),
		cmocka_unit_test(test_failure_skips),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_late_result),
		cmocka_unit_test(test_reassigned_and_adopted),
		cmocka_unit_test(test_cached),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_killed_without_cancel_is_lost),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_random_logs),
		cmocka_unit_test(test_memory_runs_out),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
