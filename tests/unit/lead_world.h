/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A leader among workers that a test plays: a log that commits when it is told to, a roster that
 * the test writes, and the leader's messages taken apart. Included by one test program only.
 */
#ifndef MP_TESTS_LEAD_WORLD_H
#define MP_TESTS_LEAD_WORLD_H

#include "unit/unit.h"

#include "codec/msg_work.h"
#include "core/fetch.h"
#include "core/lead.h"
#include "core/run.h"
#include "core/shelf.h"
#include "unit/fake_crypto.h"
#include "unit/graph.h"
#include "unit/roster.h"

#define WORLD_LOG_MAX  4096
#define WORLD_SENT_MAX 1024
#define WORLD_NODES    4 /* n0 leads and has no slots */
#define WORLD_OPEN_MAX 128

/* Stands in for src/core/raft*.c. */
struct mp_raft {
	struct mp_raft_entry log[WORLD_LOG_MAX];
	uint8_t *bodies[WORLD_LOG_MAX];
	uint64_t count, commit;
	uint64_t term;
	uint64_t heard_term; /* a newer leader that was shown to us */
	bool lease;
	bool refuses;
	const struct mp_env *env;
};

/* Stands in for src/core/shelf.c: what was asked, for the test to answer. */
struct world_get {
	struct mp_shelf_get_req *req;
	struct mp_hash key;
	size_t node_count;
};

struct world_hold {
	struct mp_shelf_hold_req *req;
	uint32_t copies;
	struct mp_node_id nodes[32];
	size_t node_count;
};

struct mp_shelf {
	struct mp_shelf_ask_req *ask; /* NULL: nothing is asked */
	size_t asks;
	struct mp_hash bases[MP_CACHE_ASK_MAX];
	size_t base_count;
	struct world_get gets[WORLD_OPEN_MAX];
	size_t get_count;
	struct world_hold holds[WORLD_OPEN_MAX];
	size_t hold_count;
	bool no_memory;
};

/* Stands in for src/core/fetch.c: one blob. */
struct mp_fetch {
	struct mp_fetch_req *req; /* NULL: nothing is wanted */
	struct mp_hash digest;
	size_t reads;
};

struct world_sent {
	int to;
	enum mp_msg_work number;
	uint8_t *bytes;
	size_t size;
};

/* What a worker was asked to run, and by which signature. */
struct world_item {
	int worker; /* 0: not handed out */
	struct mp_attempt_id id;
	uint32_t attempt_number;
	size_t deps;
	struct mp_hash spec, inputs, offer;
};

static const struct mp_profile world_profile = {.heartbeat_ms = 250};

struct world {
	struct unit_heap heap;
	struct mp_alloc alloc;
	struct unit_graph graph;
	struct mp_roster roster;
	struct mp_secret secrets[WORLD_NODES];
	struct mp_run_record record;
	struct mp_env env;
	struct mp_raft raft;
	struct mp_shelf shelf;
	struct mp_fetch fetch;
	struct mp_run run;
	struct mp_lead *lead;
	struct world_sent sent[WORLD_SENT_MAX];
	size_t sent_count;
	struct world_item items[UNIT_GRAPH_MAX]; /* the last of each module */
};

int
mp_raft_propose(struct mp_raft *raft, struct mp_env *env, enum mp_entry_kind kind,
	struct mp_span body, uint64_t *index)
{
	struct mp_raft_entry *e = &raft->log[raft->count];

	(void)index;
	if (raft->refuses)
		return MP_ENOTLEADER;
	assert_true(raft->count < WORLD_LOG_MAX);
	raft->bodies[raft->count] = malloc(body.n);
	assert_non_null(raft->bodies[raft->count]);
	memcpy(raft->bodies[raft->count], body.p, body.n);
	*e = (struct mp_raft_entry){
		.index = raft->count + 1,
		.term = raft->term,
		.kind = kind,
		.wall_ms = env->wall_ms,
		.body = mp_span(raft->bodies[raft->count], body.n),
	};
	raft->count++;
	return 0;
}

uint64_t
mp_raft_last_index(const struct mp_raft *raft)
{
	return raft->count;
}

bool
mp_raft_entry_at(const struct mp_raft *raft, uint64_t index, struct mp_raft_entry *out)
{
	if (index == 0 || index > raft->count)
		return false;
	*out = raft->log[index - 1];
	return true;
}

void
mp_raft_heal(struct mp_raft *raft, struct mp_env *env)
{
	(void)raft;
	(void)env;
}

bool
mp_raft_may_dispatch(const struct mp_raft *raft, mp_time now_ms)
{
	(void)now_ms;
	return raft->lease;
}

uint64_t
mp_raft_term(const struct mp_raft *raft)
{
	return raft->term;
}

uint64_t
mp_raft_generation(const struct mp_raft *raft)
{
	(void)raft;
	return 1;
}

struct mp_span
mp_raft_certificate(const struct mp_raft *raft)
{
	(void)raft;
	return mp_span_str("certificate");
}

bool
mp_raft_heard_leader(struct mp_raft *raft, struct mp_env *env, const struct mp_node_id *leader,
	uint64_t term, uint64_t commit)
{
	(void)env;
	(void)leader;
	(void)commit;
	raft->heard_term = term;
	return true;
}

/* ---- the shelf and the store ---- */

int
mp_shelf_ask(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_ask_req *req,
	const struct mp_hash *bases, size_t n)
{
	(void)env;
	assert_null(shelf->ask);
	assert_true(n > 0 && n <= MP_CACHE_ASK_MAX);
	if (shelf->no_memory)
		return MP_ENOMEM;
	shelf->ask = req;
	shelf->asks++;
	memcpy(shelf->bases, bases, n * sizeof(*bases));
	shelf->base_count = n;
	req->job = (void *)shelf;
	return 0;
}

void
mp_shelf_ask_cancel(struct mp_shelf *shelf, struct mp_shelf_ask_req *req)
{
	if (shelf->ask == req)
		shelf->ask = NULL;
	req->job = NULL;
}

int
mp_shelf_get(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_get_req *req,
	const struct mp_hash *key, const struct mp_node_id *nodes, size_t n)
{
	(void)env;
	(void)nodes;
	if (shelf->no_memory)
		return MP_ENOMEM;
	assert_true(shelf->get_count < WORLD_OPEN_MAX);
	shelf->gets[shelf->get_count++] = (struct world_get){req, *key, n};
	req->job = (void *)shelf;
	return 0;
}

void
mp_shelf_get_cancel(struct mp_shelf *shelf, struct mp_shelf_get_req *req)
{
	for (size_t i = 0; i < shelf->get_count; i++) {
		if (shelf->gets[i].req == req)
			shelf->gets[i--] = shelf->gets[--shelf->get_count];
	}
	req->job = NULL;
}

int
mp_shelf_hold(struct mp_shelf *shelf, struct mp_env *env, struct mp_shelf_hold_req *req,
	struct mp_span result, uint32_t copies, const struct mp_node_id *nodes, size_t n)
{
	struct world_hold *h = &shelf->holds[shelf->hold_count];

	(void)env;
	assert_true(result.n > 0 && shelf->hold_count < WORLD_OPEN_MAX);
	assert_true(n > 0 && n <= mp_countof(h->nodes));
	if (shelf->no_memory)
		return MP_ENOMEM;
	*h = (struct world_hold){.req = req, .copies = copies, .node_count = n};
	memcpy(h->nodes, nodes, n * sizeof(*nodes));
	shelf->hold_count++;
	req->job = (void *)shelf;
	return 0;
}

void
mp_shelf_hold_cancel(struct mp_shelf *shelf, struct mp_shelf_hold_req *req)
{
	for (size_t i = 0; i < shelf->hold_count; i++) {
		if (shelf->holds[i].req == req)
			shelf->holds[i--] = shelf->holds[--shelf->hold_count];
	}
	req->job = NULL;
}

int
mp_fetch_read(struct mp_fetch *fetch, struct mp_env *env, struct mp_fetch_req *req,
	const struct mp_hash *digest, size_t max, const struct mp_node_id *holders,
	size_t holder_count)
{
	(void)env;
	(void)max;
	(void)holders;
	(void)holder_count;
	assert_null(fetch->req);
	fetch->req = req;
	fetch->digest = *digest;
	fetch->reads++;
	return 0;
}

void
mp_fetch_cancel(struct mp_fetch *fetch, struct mp_fetch_req *req)
{
	if (fetch->req == req)
		fetch->req = NULL;
}

/* ---- the leader's side ---- */

static inline int
world_node(const struct world *w, const struct mp_node_id *id)
{
	for (int i = 0; i < WORLD_NODES; i++) {
		if (mp_node_id_eq(&w->roster.members[i].id, id))
			return i;
	}
	fail();
	return 0;
}

static const struct mp_node_id *
world_id(const struct world *w, int node)
{
	return &w->roster.members[node].id;
}

static inline void
world_hashes(struct world *w, const struct mp_work_item *item, struct world_item *out)
{
	struct mp_offer offer = {
		.cluster = w->env.cluster,
		.run = w->record.id,
		.generation = 1,
		.attempt = out->id,
		.worker = *world_id(w, out->worker),
	};
	struct mp_hash deps[UNIT_GRAPH_MAX];
	struct mp_list list = item->deps;
	struct mp_work_dep dep;
	struct mp_span bytes;
	struct mp_buf buf;

	out->deps = 0;
	while (mp_work_dep_next(&list, &dep)) {
		struct mp_result result;
		struct mp_span record;

		assert_int_equal(
			mp_signed_result_open(&fake_crypto, dep.result, &result, &record), 0);
		fake_hash(&deps[out->deps++], &record, 1);
	}
	assert_int_equal(mp_inputs_hash(&fake_crypto, &w->alloc,
				 mp_hash_is_zero(&w->record.inputs) ? NULL : &w->record.inputs,
				 deps, out->deps, &out->inputs),
		0);
	fake_hash(&out->spec, &item->spec, 1);
	offer.spec = out->spec;
	offer.inputs = out->inputs;
	mp_buf_init(&buf, &w->alloc, 4096);
	assert_int_equal(mp_offer_encode(&buf, &offer), 0);
	bytes = mp_buf_span(&buf);
	fake_hash(&out->offer, &bytes, 1);
	assert_int_equal(fake_verify(world_id(w, 0)->b, &item->offer_sig,
				 mp_span(out->offer.b, sizeof(out->offer.b))),
		0);
	mp_buf_fini(&buf);
}

static inline void
world_assigned(struct world *w, int to, struct mp_span bytes)
{
	struct mp_msg_work_assign m;
	struct mp_work_item item;

	assert_int_equal(mp_msg_work_assign_decode(bytes, &m), 0);
	while (mp_work_item_next(&m.items, &item)) {
		struct world_item *out = &w->items[item.module];

		out->worker = to;
		out->id = (struct mp_attempt_id){
			.module = item.module, .term = m.head.term, .counter = item.counter};
		out->attempt_number = item.attempt_number;
		world_hashes(w, &item, out);
	}
}

/* Takes the step's messages out of the outbox. */
static inline void
world_collect(struct world *w)
{
	const struct mp_effect *fx;
	size_t n;

	mp_out_end(w->env.out, &fx, &n);
	for (size_t i = 0; i < n; i++) {
		struct world_sent *s = &w->sent[w->sent_count++];

		assert_int_equal(fx[i].kind, MP_FX_SEND);
		assert_true(w->sent_count < WORLD_SENT_MAX);
		s->to = world_node(w, &fx[i].u.send.peer);
		s->number = (enum mp_msg_work)mp_msg_number(fx[i].u.send.bytes);
		s->size = fx[i].u.send.bytes.n;
		s->bytes = malloc(s->size);
		assert_non_null(s->bytes);
		memcpy(s->bytes, fx[i].u.send.bytes.p, s->size);
		if (s->number == MP_MSG_WORK_ASSIGN)
			world_assigned(w, s->to, fx[i].u.send.bytes);
	}
	mp_out_begin(w->env.out);
}

static inline void
world_plan(struct world *w)
{
	mp_lead_plan(w->lead, &w->env);
	/* Until what was handed out is logged. */
	if (mp_lead_deadline(w->lead) <= w->env.now_ms + MP_LEAD_UNLOGGED_MS) {
		w->env.now_ms += MP_LEAD_UNLOGGED_MS;
		w->env.wall_ms += MP_LEAD_UNLOGGED_MS;
		mp_lead_plan(w->lead, &w->env);
	}
	world_collect(w);
}

/* How many messages of this kind went to a node (-1: to anyone), and forgets all. */
static inline size_t
world_count(const struct world *w, int to, enum mp_msg_work number)
{
	size_t n = 0;

	for (size_t i = 0; i < w->sent_count; i++)
		n += w->sent[i].number == number && (to < 0 || w->sent[i].to == to);
	return n;
}

static inline void
world_forget(struct world *w)
{
	for (size_t i = 0; i < w->sent_count; i++)
		free(w->sent[i].bytes);
	w->sent_count = 0;
}

/* Is this attempt named in a SETTLED or KILL to that worker? */
static inline bool
world_named(const struct world *w, int to, enum mp_msg_work number, const struct mp_attempt_id *id)
{
	for (size_t i = 0; i < w->sent_count; i++) {
		const struct world_sent *s = &w->sent[i];
		struct mp_msg_work_list m;
		struct mp_attempt_id other;

		if (s->to != to || s->number != number)
			continue;
		assert_int_equal(
			mp_msg_work_list_decode(mp_span(s->bytes, s->size), number, &m), 0);
		while (mp_attempts_next(&m.attempts, &other)) {
			if (mp_attempt_eq(&other, id))
				return true;
		}
	}
	return false;
}

/* ---- the log ---- */

/* Commits and applies everything that was proposed. */
static inline void
world_commit_one(struct world *w)
{
	const struct mp_raft_entry *e = &w->raft.log[w->raft.commit++];
	int rc = mp_run_apply(&w->run, e);

	if (w->lead != NULL)
		mp_lead_applied(w->lead, &w->env, e, rc);
}

static inline void
world_commit(struct world *w)
{
	while (w->raft.commit < w->raft.count)
		world_commit_one(w);
}

/* Commits and plans until nothing moves any more. */
static inline void
world_settle(struct world *w)
{
	do {
		world_commit(w);
		world_plan(w);
	} while (w->raft.commit < w->raft.count);
}

static inline size_t
world_entries(const struct world *w, enum mp_entry_kind kind)
{
	size_t n = 0;

	for (uint64_t i = 0; i < w->raft.count; i++)
		n += w->raft.log[i].kind == kind;
	return n;
}

static inline void
world_lead(struct world *w, uint64_t term)
{
	const struct mp_lead_config config = {
		.record = &w->record,
		.signed_record = mp_span_str("record"),
		.graph = &w->graph.graph,
		.run = &w->run,
		.raft = &w->raft,
		.roster = &w->roster,
		.shelf = &w->shelf,
		.fetch = &w->fetch,
	};
	struct mp_buf body;

	mp_lead_free(w->lead);
	w->lead = NULL;
	w->raft.term = term;
	mp_buf_init(&body, &w->alloc, 64);
	assert_int_equal(mp_body_term_start_encode(&body, world_id(w, 0), mp_span(NULL, 0)), 0);
	assert_int_equal(
		mp_raft_propose(&w->raft, &w->env, MP_ENTRY_TERM_START, mp_buf_span(&body), NULL),
		0);
	mp_buf_fini(&body);
	world_commit(w);
	assert_int_equal(mp_lead_new(&w->env, &config, &w->lead), 0);
}

/* ---- life ---- */

/* The graph was made before. Everything else is new, and this node leads term 1. */
static inline void
world_init(struct world *w, uint32_t slots)
{
	w->heap = (struct unit_heap){0};
	w->alloc = UNIT_ALLOC(&w->heap);
	unit_roster_init(&w->roster, WORLD_NODES, slots);
	w->roster.caps[0].slots = 0;
	for (int i = 0; i < WORLD_NODES; i++)
		memcpy(w->secrets[i].public_key, world_id(w, i)->b, 32);
	w->record = (struct mp_run_record){.id = {{7}},
		.copies = 2,
		.now = {.generation = 1, .elector_count = 1, .electors = {*world_id(w, 0)}}};
	w->env = (struct mp_env){
		.profile = &world_profile,
		.alloc = &w->alloc,
		.crypto = &fake_crypto,
		.secret = &w->secrets[0],
		.self = *world_id(w, 0),
		.cluster = {{9}},
		.now_ms = 100000,
		.wall_ms = 1700000000000,
	};
	w->env.out = mp_out_new(&w->alloc, NULL, NULL, NULL);
	assert_non_null(w->env.out);
	mp_out_begin(w->env.out);
	memset(&w->raft, 0, sizeof(w->raft));
	memset(&w->shelf, 0, sizeof(w->shelf));
	memset(&w->fetch, 0, sizeof(w->fetch));
	w->raft.lease = true;
	w->lead = NULL;
	w->sent_count = 0;
	memset(w->items, 0, sizeof(w->items));
	assert_int_equal(mp_run_init(&w->run, &w->alloc, &w->graph.graph, &w->record.id, 1), 0);
	world_lead(w, 1);
}

/* From now on only n1 has room. */
static inline void
world_only_n1(struct world *w)
{
	w->roster.caps[2].slots = w->roster.caps[3].slots = 0;
	mp_lead_members(w->lead, &w->env);
}

/* One module, and n1 alone to run it. */
static inline void
world_init_one(struct world *w)
{
	unit_graph_init(&w->graph, 1);
	world_init(w, 1);
	world_only_n1(w);
}

static inline void
world_fini(struct world *w)
{
	world_forget(w);
	mp_lead_free(w->lead);
	mp_run_fini(&w->run);
	mp_out_free(w->env.out);
	for (uint64_t i = 0; i < w->raft.count; i++)
		free(w->raft.bodies[i]);
	assert_int_equal(w->heap.live, 0);
}

static inline void
world_sleep(struct world *w, mp_time ms)
{
	w->env.now_ms += ms;
	w->env.wall_ms += ms;
}

/* ---- the workers' side ---- */

static inline int
world_say(struct world *w, int from, const struct mp_buf *buf)
{
	return mp_lead_message(w->lead, &w->env, world_id(w, from), mp_buf_span(buf));
}

/* A result of that item, as its worker would make it, less what `spoil` spoils. */
enum world_spoil {
	SPOIL_NOTHING,
	SPOIL_SIGNATURE,
	SPOIL_SPEC,
	SPOIL_INPUTS,
	SPOIL_OFFER,
	SPOIL_OFFER_SIG,
	SPOIL_LEADER,
	SPOIL_NODE,
};

static inline int
world_result(struct world *w, const struct world_item *item, enum mp_status status,
	enum world_spoil spoil)
{
	int node = spoil == SPOIL_NODE ? 1 + item->worker % 3 : item->worker;
	struct mp_result result = {
		.cluster = w->env.cluster,
		.run = w->record.id,
		.generation = 1,
		.attempt = item->id,
		.node = *world_id(w, node),
		.offer = item->offer,
		.leader = *world_id(w, spoil == SPOIL_LEADER),
		.spec = item->spec,
		.inputs = item->inputs,
		.status = status,
		.exit_code = status == MP_STATUS_OK ? 0 : 1,
	};
	const struct mp_work_head head = {w->record.id, 1, item->id.term};
	struct mp_buf record, both, msg;
	struct mp_result_sig sig;
	struct mp_span span;
	struct mp_cbor_w cw;
	int rc;

	fake_crypto.sign(&w->secrets[spoil == SPOIL_LEADER], &result.offer_sig,
		mp_span(item->offer.b, sizeof(item->offer.b)));
	result.offer_sig.b[0] ^= spoil == SPOIL_OFFER_SIG;
	result.spec.b[0] ^= spoil == SPOIL_SPEC;
	result.inputs.b[0] ^= spoil == SPOIL_INPUTS;
	result.offer.b[0] ^= spoil == SPOIL_OFFER;
	mp_buf_init(&record, &w->alloc, 4096);
	mp_buf_init(&both, &w->alloc, 4096);
	mp_buf_init(&msg, &w->alloc, 65536);
	assert_int_equal(mp_result_encode(&record, &result), 0);
	span = mp_buf_span(&record);
	mp_result_sign(&fake_crypto, &w->secrets[node], &span, 1, &sig);
	sig.root_sig.b[0] ^= spoil == SPOIL_SIGNATURE;
	assert_int_equal(mp_signed_result_encode(&both, span, &sig), 0);
	mp_cbor_w_init(&cw, &msg);
	mp_work_result_begin(&cw, &head, 1);
	mp_work_result_item(&cw, &item->id, mp_buf_span(&both), world_id(w, item->worker), 1);
	rc = world_say(w, item->worker, &msg);
	mp_buf_fini(&record);
	mp_buf_fini(&both);
	mp_buf_fini(&msg);
	return rc;
}

static inline int
world_ok(struct world *w, uint32_t module)
{
	return world_result(w, &w->items[module], MP_STATUS_OK, SPOIL_NOTHING);
}

/* The last status request that went to this node. */
static inline uint64_t
world_asked(const struct world *w, int node)
{
	uint64_t seq = 0;

	for (size_t i = 0; i < w->sent_count; i++) {
		struct mp_msg_work_status_req m;

		if (w->sent[i].to == node && w->sent[i].number == MP_MSG_WORK_STATUS_REQ &&
			mp_msg_work_status_req_decode(
				mp_span(w->sent[i].bytes, w->sent[i].size), &m) == 0)
			seq = m.seq;
	}
	return seq;
}

static inline int
world_status(struct world *w, int node, uint64_t seq, uint64_t boot,
	const struct mp_work_state *states, size_t n)
{
	const struct mp_msg_work_status m = {
		.head = {w->record.id, 1, w->raft.term},
		.seq = seq,
		.boot = boot,
		.slots = 2,
	};
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &w->alloc, 65536);
	assert_int_equal(mp_msg_work_status_encode(&buf, &m, states, n), 0);
	rc = world_say(w, node, &buf);
	mp_buf_fini(&buf);
	return rc;
}

static inline int
world_reject(struct world *w, const struct world_item *item, enum mp_reject_why why)
{
	const struct mp_msg_work_reject m = {
		.head = {w->record.id, 1, w->raft.term},
		.why = why,
	};
	struct mp_buf buf;
	int rc;

	mp_buf_init(&buf, &w->alloc, 65536);
	assert_int_equal(mp_msg_work_reject_encode(&buf, &m, &item->id, 1), 0);
	rc = world_say(w, item->worker, &buf);
	mp_buf_fini(&buf);
	return rc;
}

static inline enum mp_module_state
world_state(const struct world *w, uint32_t module)
{
	return mp_run_module_state(&w->run, module);
}

/* Asked again before it is decided, it is the same entry that decides. */
static inline int
world_cancel(struct world *w, const char *by)
{
	struct mp_raft_at at, again;
	int rc = mp_lead_cancel(w->lead, &w->env, mp_span_str(by), &at);

	assert_int_equal(mp_lead_cancel(w->lead, &w->env, mp_span_str(by), &again), rc);
	assert_true(rc != 0 || (at.index == again.index && at.term == again.term));
	return rc;
}

/* The same, and it runs. */
static inline void
world_run_one(struct world *w)
{
	world_init_one(w);
	world_settle(w);
	assert_int_equal(mp_lead_outstanding(w->lead), 1);
	world_forget(w);
}

/* Time passes in steps of a second; the worker answers when it `talks`. */
static inline void
world_pass(struct world *w, int seconds, bool talks)
{
	struct mp_work_state running = {w->items[0].id, MP_WORK_RUNNING};

	for (int i = 0; i < seconds; i++) {
		world_sleep(w, 1000);
		if (mp_lead_deadline(w->lead) <= w->env.now_ms)
			world_settle(w);
		if (talks && world_asked(w, 1) > 0)
			assert_int_equal(world_status(w, 1, world_asked(w, 1), 1, &running, 1), 0);
		world_forget(w);
	}
}

#endif
