/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "core/run.h"
#include "unit/fake_crypto.h"
#include "unit/graph.h"
#include "util/rng.h"

static const struct mp_run_id run_id = {{7}};
static const struct mp_node_id nodes[3] = {{{1}}, {{2}}, {{3}}};

/* A run that is told what happens, and a second one that must follow it. */
struct fixture {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct unit_graph graph;
	struct mp_run run, twin;
	struct mp_buf body;
	uint64_t index;
	uint64_t term;
	mp_time wall_ms;
};

static void
fixture_init(struct fixture *f)
{
	f->heap = (struct unit_heap){0};
	f->alloc = UNIT_ALLOC(&f->heap);
	f->index = 0;
	f->term = 1;
	f->wall_ms = 1000;
	mp_buf_init(&f->body, &f->alloc, 1u << 20);
	assert_int_equal(mp_run_init(&f->run, &f->alloc, &f->graph.graph, &run_id, 0), 0);
	assert_int_equal(mp_run_init(&f->twin, &f->alloc, &f->graph.graph, &run_id, 0), 0);
}

static void
fixture_fini(struct fixture *f)
{
	mp_run_fini(&f->run);
	mp_run_fini(&f->twin);
	mp_buf_fini(&f->body);
	assert_int_equal(f->heap.live, 0);
}

static int
apply(struct fixture *f, enum mp_entry_kind kind)
{
	struct mp_raft_entry entry = {
		.index = ++f->index,
		.term = f->term,
		.kind = kind,
		.wall_ms = f->wall_ms += 10,
		.body = mp_buf_span(&f->body),
		.hash = {{(uint8_t)f->index}},
	};
	struct mp_hash a, b;
	int rc = mp_run_apply(&f->run, &entry);

	assert_int_equal(mp_run_apply(&f->twin, &entry), rc);
	mp_run_digest(&f->run, &fake_crypto, &a);
	mp_run_digest(&f->twin, &fake_crypto, &b);
	assert_true(mp_hash_eq(&a, &b));
	mp_buf_clear(&f->body);
	return rc;
}

static int
term_start(struct fixture *f, uint64_t term, const struct mp_node_id *leader)
{
	f->term = term;
	assert_int_equal(mp_body_term_start_encode(&f->body, leader), 0);
	return apply(f, MP_ENTRY_TERM_START);
}

static int
open_run(struct fixture *f)
{
	assert_int_equal(term_start(f, 1, &nodes[0]), 0);
	assert_int_equal(mp_body_open_encode(&f->body), 0);
	return apply(f, MP_ENTRY_OPEN);
}

static struct mp_attempt_id
attempt(struct fixture *f, uint32_t module, uint32_t counter)
{
	return (struct mp_attempt_id){.module = module, .term = f->term, .counter = counter};
}

static int
assigned(struct fixture *f, struct mp_attempt_id id, int node)
{
	struct mp_assigned item = {id, nodes[node]};

	assert_int_equal(mp_body_assigned_encode(&f->body, &item, 1), 0);
	return apply(f, MP_ENTRY_ASSIGNED);
}

static int
lost(struct fixture *f, struct mp_attempt_id id)
{
	struct mp_lost item = {id, MP_LOST_SILENT};

	assert_int_equal(mp_body_lost_encode(&f->body, &item), 0);
	return apply(f, MP_ENTRY_LOST);
}

static void
encode_result(struct fixture *f, const struct mp_result *result, struct mp_buf *out)
{
	struct mp_secret secret;
	struct mp_result_sig sig;
	struct mp_buf record;
	struct mp_span span;

	mp_buf_init(&record, &f->alloc, 4096);
	mp_buf_init(out, &f->alloc, 4096);
	memcpy(secret.public_key, result->node.b, 32);
	assert_int_equal(mp_result_encode(&record, result), 0);
	span = mp_buf_span(&record);
	mp_result_sign(&fake_crypto, &secret, &span, 1, &sig);
	assert_int_equal(mp_signed_result_encode(out, span, &sig), 0);
	mp_buf_fini(&record);
}

static void
encode_finished(struct fixture *f, struct mp_attempt_id id, int node, enum mp_status status,
	const struct mp_run_id *run)
{
	struct mp_result result = {
		.run = *run,
		.attempt = id,
		.node = nodes[node],
		.status = status,
		.exit_code = status == MP_STATUS_OK ? 0 : 1,
	};
	struct mp_finished finished = {.attempt = id, .worker = nodes[node]};
	struct mp_buf both;

	encode_result(f, &result, &both);
	finished.result = mp_buf_span(&both);
	assert_int_equal(mp_body_finished_encode(&f->body, &finished, nodes, 2), 0);
	mp_buf_fini(&both);
}

static int
finished(struct fixture *f, struct mp_attempt_id id, int node, enum mp_status status)
{
	encode_finished(f, id, node, status, &run_id);
	return apply(f, MP_ENTRY_FINISHED);
}

/* The result of another run, made by an attempt of its own. */
static int
cached(struct fixture *f, uint32_t module, int node, enum mp_status status, uint8_t key)
{
	struct mp_result result = {
		.run = {{99}},
		.generation = 3,
		.attempt = {.term = 77, .module = 5, .counter = 6},
		.node = nodes[node],
		.status = status,
		.cache_key = {{key}},
	};
	struct mp_recalled recalled = {.module = module};
	struct mp_buf both;

	encode_result(f, &result, &both);
	recalled.result = mp_buf_span(&both);
	assert_int_equal(mp_body_cached_encode(&f->body, &recalled, nodes, 2), 0);
	mp_buf_fini(&both);
	return apply(f, MP_ENTRY_CACHED);
}

static int
end(struct fixture *f, enum mp_run_outcome outcome)
{
	assert_int_equal(mp_body_end_encode(&f->body, outcome), 0);
	return apply(f, MP_ENTRY_END);
}

static int
retry(struct fixture *f, uint32_t module, mp_time not_before_ms)
{
	struct mp_retry_at at = {module, not_before_ms};

	assert_int_equal(mp_body_retry_encode(&f->body, &at), 0);
	return apply(f, MP_ENTRY_RETRY);
}

static int
cancel(struct fixture *f)
{
	assert_int_equal(mp_body_cancel_encode(&f->body, mp_span_str("anna")), 0);
	return apply(f, MP_ENTRY_CANCEL);
}

/* One letter per module: the first of its state's word, capital when it has ended. */
static void
assert_states(struct fixture *f, const char *expect)
{
	static const char letters[] = "wrubpRSIFTMKC";
	char is[UNIT_GRAPH_MAX + 1] = {0};
	uint32_t ended = 0;

	for (uint32_t i = 0; i < f->graph.graph.module_count; i++) {
		is[i] = letters[f->run.modules[i].state];
		ended += mp_module_ended(mp_run_module_state(&f->run, i));
	}
	assert_string_equal(is, expect);
	assert_int_equal(f->run.ended_count, ended);
}

static void
run_module(struct fixture *f, uint32_t module)
{
	struct mp_attempt_id id = attempt(f, module, module + 1);

	assert_int_equal(assigned(f, id, 0), 0);
	assert_int_equal(finished(f, id, 0, MP_STATUS_OK), 0);
}

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
	assert_int_equal(finished(&f, id, 0, MP_STATUS_CANCELLED), MP_EEXIST);
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
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_once_taken_over),
		cmocka_unit_test(test_maybe_ran),
		cmocka_unit_test(test_maybe_ran_ends),
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
