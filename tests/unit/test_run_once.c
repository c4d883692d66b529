/* SPDX-License-Identifier: Apache-2.0 */
/* What a log says of `once` modules. */
#include "unit/run_world.h"

static int
once_begin(struct fixture *f, struct mp_attempt_id id, int node)
{
	struct mp_assigned item = {id, nodes[node]};

	assert_int_equal(mp_body_once_begin_encode(&f->body, &item), 0);
	return apply(f, MP_ENTRY_ONCE_BEGIN);
}

static int
once_end(struct fixture *f, struct mp_attempt_id id, enum mp_once_how how)
{
	struct mp_once_end item = {id, how, mp_span_str("anna")};

	assert_int_equal(mp_body_once_end_encode(&f->body, &item), 0);
	return apply(f, MP_ENTRY_ONCE_END);
}

/* m1 needs m0, and m0 may not start twice. */
static void
once_init(struct fixture *f)
{
	unit_graph_init(&f->graph, 2);
	unit_graph_need(&f->graph, 1, 0);
	f->graph.modules[0].once = true;
	fixture_init(f);
	assert_int_equal(open_run(f), 0);
}

static void
test_once(void **state)
{
	struct mp_attempt_id id, other;
	struct fixture f;

	(void)state;
	once_init(&f);
	id = attempt(&f, 0, 1);
	other = attempt(&f, 0, 2);
	/* It begins by its own entry, and by no other. */
	assert_int_equal(assigned(&f, id, 0), 0);
	assert_states(&f, "rw");
	assert_int_equal(once_begin(&f, attempt(&f, 1, 1), 0), MP_EFORMAT);
	assert_int_equal(once_begin(&f, id, 0), 0);
	assert_states(&f, "Rw");
	assert_int_equal(once_begin(&f, other, 1), MP_EEXIST);
	/* Given back: as if it had not been tried. */
	assert_int_equal(once_end(&f, other, MP_ONCE_UNSTARTED), MP_EEXIST);
	assert_int_equal(once_end(&f, id, MP_ONCE_UNSTARTED), 0);
	assert_states(&f, "rw");
	assert_int_equal(f.run.modules[0].attempts, 0);
	assert_int_equal(once_begin(&f, other, 1), 0);
	assert_int_equal(once_end(&f, other, MP_ONCE_DONE), MP_EEXIST);
	assert_int_equal(finished(&f, other, 1, MP_STATUS_OK), 0);
	assert_states(&f, "Sr");
	assert_int_equal(once_end(&f, other, MP_ONCE_RERUN), MP_EEXIST);
	fixture_fini(&f);
}

/* In a later generation nobody knows what the lost part of the log had begun. */
static void
test_once_taken_over(void **state)
{
	struct mp_attempt_id id;
	struct fixture f;

	(void)state;
	unit_graph_init(&f.graph, 4);
	unit_graph_need(&f.graph, 3, 2);
	f.graph.modules[0].once = f.graph.modules[1].once = f.graph.modules[3].once = true;
	fixture_init(&f);
	assert_int_equal(open_run(&f), 0);
	assert_int_equal(once_begin(&f, attempt(&f, 0, 1), 0), 0);
	assert_states(&f, "Rrrw");
	assert_int_equal(term_start(&f, MP_TERM_FIRST(2) + 1, &nodes[1]), 0);
	assert_int_equal(f.run.generation, 2);
	assert_states(&f, "MMrw");
	assert_int_equal(once_begin(&f, attempt(&f, 1, 1), 0), MP_EEXIST);
	/* One that becomes ready only now too; another term of the generation changes nothing. */
	id = attempt(&f, 2, 1);
	assert_int_equal(assigned(&f, id, 0), 0);
	assert_int_equal(finished(&f, id, 0, MP_STATUS_OK), 0);
	assert_states(&f, "MMSM");
	assert_int_equal(once_end(&f, f.run.modules[1].attempt, MP_ONCE_RERUN), 0);
	assert_states(&f, "MrSM");
	assert_int_equal(term_start(&f, MP_TERM_FIRST(2) + 2, &nodes[1]), 0);
	assert_states(&f, "MrSM");
	assert_int_equal(once_begin(&f, attempt(&f, 1, 1), 0), 0);
	assert_int_equal(once_end(&f, f.run.modules[3].attempt, MP_ONCE_DONE), 0);
	assert_states(&f, "MRSS");
	fixture_fini(&f);
}

static void
test_maybe_ran(void **state)
{
	enum mp_run_outcome outcome;
	struct mp_attempt_id id, next;
	struct fixture f;

	(void)state;
	once_init(&f);
	id = attempt(&f, 0, 1);
	next = attempt(&f, 0, 2);
	assert_int_equal(once_begin(&f, id, 0), 0);
	assert_int_equal(lost(&f, id), 0);
	assert_states(&f, "Mw");
	assert_int_equal(f.run.modules[0].lost, 1);
	assert_false(mp_run_outcome(&f.run, &outcome));
	/* Nothing begins by itself. */
	assert_int_equal(once_begin(&f, next, 1), MP_EEXIST);
	assert_int_equal(assigned(&f, next, 1), 0);
	assert_states(&f, "Mw");
	/* It is found alive: it goes on, and is lost again. */
	assert_int_equal(assigned(&f, id, 0), 0);
	assert_states(&f, "Rw");
	assert_int_equal(f.run.modules[0].attempts, 1);
	assert_int_equal(lost(&f, id), 0);
	/* How its worker says that it ended decides nothing. */
	assert_int_equal(finished(&f, id, 0, MP_STATUS_CANCELLED), 0);
	assert_states(&f, "Mw");
	assert_int_equal(f.run.modules[0].lost, 2);
	assert_int_equal(once_end(&f, next, MP_ONCE_RERUN), MP_EEXIST);
	assert_int_equal(once_end(&f, id, MP_ONCE_RERUN), 0);
	assert_states(&f, "rw");
	/* What the first one failed of counts no more; that it succeeded would. */
	assert_int_equal(finished(&f, id, 0, MP_STATUS_FAILED), MP_EEXIST);
	assert_int_equal(once_begin(&f, next, 1), 0);
	assert_int_equal(finished(&f, id, 0, MP_STATUS_OK), 0);
	assert_states(&f, "Sr");
	fixture_fini(&f);
}

static void
test_maybe_ran_ends(void **state)
{
	enum mp_run_outcome outcome;
	struct mp_attempt_id id;
	struct fixture f;

	(void)state;
	/* Killed for want of a lease, and done in the eyes of an operator. */
	once_init(&f);
	id = attempt(&f, 0, 1);
	assert_int_equal(once_begin(&f, id, 0), 0);
	assert_int_equal(finished(&f, id, 0, MP_STATUS_CANCELLED), 0);
	assert_states(&f, "Mw");
	assert_int_equal(once_end(&f, id, MP_ONCE_DONE), 0);
	assert_states(&f, "Sr");
	assert_int_equal(f.run.modules[0].entry, f.index);
	fixture_fini(&f);
	/* It had failed after all. */
	once_init(&f);
	assert_int_equal(once_begin(&f, id, 0), 0);
	assert_int_equal(lost(&f, id), 0);
	assert_int_equal(finished(&f, id, 0, MP_STATUS_FAILED), 0);
	assert_states(&f, "FK");
	fixture_fini(&f);
	/* A cancelled run does not wait for an operator. */
	once_init(&f);
	assert_int_equal(once_begin(&f, id, 0), 0);
	assert_int_equal(cancel(&f), 0);
	assert_states(&f, "RC");
	assert_int_equal(lost(&f, id), 0);
	assert_states(&f, "MC");
	assert_int_equal(once_end(&f, id, MP_ONCE_RERUN), MP_EEXIST);
	assert_true(mp_run_outcome(&f.run, &outcome) && outcome == MP_OUTCOME_CANCELLED);
	assert_int_equal(end(&f, MP_OUTCOME_CANCELLED), 0);
	fixture_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_maybe_ran),
		cmocka_unit_test(test_maybe_ran_ends),
		cmocka_unit_test(test_once_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
