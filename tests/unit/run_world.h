/* SPDX-License-Identifier: Apache-2.0 */
/* A run that is told what happens, for tests of its state. */
#ifndef MP_TESTS_RUN_WORLD_H
#define MP_TESTS_RUN_WORLD_H

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

static inline void
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

static inline void
fixture_fini(struct fixture *f)
{
	mp_run_fini(&f->run);
	mp_run_fini(&f->twin);
	mp_buf_fini(&f->body);
	assert_int_equal(f->heap.live, 0);
}

static inline int
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

static inline int
term_start(struct fixture *f, uint64_t term, const struct mp_node_id *leader)
{
	f->term = term;
	assert_int_equal(mp_body_term_start_encode(&f->body, leader, mp_span(NULL, 0)), 0);
	return apply(f, MP_ENTRY_TERM_START);
}

static inline int
open_run(struct fixture *f)
{
	assert_int_equal(term_start(f, 1, &nodes[0]), 0);
	assert_int_equal(mp_body_open_encode(&f->body), 0);
	return apply(f, MP_ENTRY_OPEN);
}

static inline struct mp_attempt_id
attempt(struct fixture *f, uint32_t module, uint32_t counter)
{
	return (struct mp_attempt_id){.module = module, .term = f->term, .counter = counter};
}

static inline int
assigned(struct fixture *f, struct mp_attempt_id id, int node)
{
	struct mp_assigned item = {id, nodes[node]};

	assert_int_equal(mp_body_assigned_encode(&f->body, &item, 1), 0);
	return apply(f, MP_ENTRY_ASSIGNED);
}

static inline int
lost(struct fixture *f, struct mp_attempt_id id)
{
	struct mp_lost item = {id, MP_LOST_SILENT};

	assert_int_equal(mp_body_lost_encode(&f->body, &item), 0);
	return apply(f, MP_ENTRY_LOST);
}

static inline void
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

static inline void
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

static inline int
finished(struct fixture *f, struct mp_attempt_id id, int node, enum mp_status status)
{
	encode_finished(f, id, node, status, &run_id);
	return apply(f, MP_ENTRY_FINISHED);
}

/* The result of another run, made by an attempt of its own. */
static inline int
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

static inline int
end(struct fixture *f, enum mp_run_outcome outcome)
{
	assert_int_equal(mp_body_end_encode(&f->body, outcome), 0);
	return apply(f, MP_ENTRY_END);
}

static inline int
retry(struct fixture *f, uint32_t module, mp_time not_before_ms)
{
	struct mp_retry_at at = {module, not_before_ms};

	assert_int_equal(mp_body_retry_encode(&f->body, &at), 0);
	return apply(f, MP_ENTRY_RETRY);
}

static inline int
cancel(struct fixture *f)
{
	assert_int_equal(mp_body_cancel_encode(&f->body, mp_span_str("anna")), 0);
	return apply(f, MP_ENTRY_CANCEL);
}

/* One letter per module: the first of its state's word, capital when it has ended. */
static inline void
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

static inline void
run_module(struct fixture *f, uint32_t module)
{
	struct mp_attempt_id id = attempt(f, module, module + 1);

	assert_int_equal(assigned(f, id, 0), 0);
	assert_int_equal(finished(f, id, 0, MP_STATUS_OK), 0);
}

#endif
