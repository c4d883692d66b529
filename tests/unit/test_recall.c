/* SPDX-License-Identifier: Apache-2.0 */
/* A leader that finds results of other runs: the diamond, whose modules all use the cache. */
#include "unit/lead_world.h"

#include "codec/manifest.h"
#include "codec/msg_cache.h"
#include "core/cachekey.h"

#define KEPT_MAX UNIT_GRAPH_MAX

/* What the cluster's caches have. */
struct kept {
	struct mp_hash base, key;
	uint8_t record[MP_CACHE_RECORD_MAX];
	size_t size;
};

static struct world w;
static struct kept kept[KEPT_MAX];
static size_t kept_count;
static uint8_t specs[4][256];

static bool wide; /* m0 to m39 need nothing, m40 to m49 need m0 */

/* m1 takes the part src of the run's inputs, the others all of them. */
static void
make_graph(void)
{
	static const char *argv[] = {"true", NULL}, *globs[] = {"src/**", NULL};
	static const char *tools[] = {"gcc", NULL};
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);

	if (!wide)
		unit_graph_diamond(&w.graph);
	for (uint32_t i = 0; i < 4; i++) {
		struct mp_spec spec = {.argv = {argv, 1},
			.all_inputs = i != 1,
			.inputs = {globs, i == 1},
			.grace_ms = MP_GRACE_MS_DEFAULT,
			.tools = {tools, 1}};
		struct mp_buf buf;

		mp_buf_init(&buf, &alloc, sizeof(specs[i]));
		assert_int_equal(mp_spec_encode(&spec, &buf), 0);
		memcpy(specs[i], buf.p, buf.n);
		w.graph.modules[i].spec = mp_span(specs[i], buf.n);
		w.graph.modules[i].tools = spec.tools;
		w.graph.modules[i].cache = true;
		mp_buf_fini(&buf);
	}
	for (uint32_t i = 4; i < w.graph.graph.module_count; i++) {
		w.graph.modules[i].spec = w.graph.modules[0].spec;
		w.graph.modules[i].tools = w.graph.modules[0].tools;
		w.graph.modules[i].cache = true;
	}
}

static void
begin(void)
{
	make_graph();
	world_init(&w, 2);
	for (size_t i = 1; i < WORLD_NODES; i++) {
		unit_roster_tool(&w.roster, i, "gcc");
		memcpy(w.roster.caps[i].tools[0].version, "12", 3);
	}
	mp_lead_members(w.lead, &w.env);
}

static int
setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	kept_count = 0;
	begin();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_fini(&w);
	return 0;
}

/* What its dependencies left, as make_result() makes it. */
static struct mp_hash
output_of(uint32_t module, uint8_t flavour)
{
	return (struct mp_hash){{(uint8_t)(module + 1), flavour}};
}

struct make {
	uint32_t module;
	int node;
	uint8_t dep_flavour; /* of the outputs that it read */
	uint8_t flavour;     /* of those that it left */
	const struct mp_caps *where;
	struct mp_hash inputs;
	enum mp_status status;
	bool unsigned_;
	bool stranger;
	bool other_cluster;
	bool other_key;
	bool no_blobs;
	bool no_deps, bare_deps; /* it read as if it had none, or as if they had left nothing */
};

/* A result of an earlier run is in somebody's cache. */
static void
keep(const struct make *m)
{
	const struct mp_graph_module *g = &w.graph.modules[m->module];
	struct kept *k = &kept[kept_count++];
	struct mp_secret secret = w.secrets[m->node];
	struct mp_cache_dep deps[4];
	struct mp_cache_what what = {.inputs = m->inputs, .deps = deps, .dep_count = g->need_count};
	const struct mp_caps *where = m->where != NULL ? m->where : &w.roster.caps[1];
	struct mp_result r = {.cluster = w.env.cluster,
		.run = {{0xaa}},
		.generation = 2,
		.attempt = {.term = 5, .module = 9, .counter = 1},
		.node = *world_id(&w, m->node),
		.status = m->status,
		.started_ms = 77,
		.ended_ms = 88};
	struct mp_result_sig sig;
	struct mp_buf record, both, out;
	struct mp_span span;

	for (uint32_t i = 0; i < g->need_count; i++) {
		deps[i] = (struct mp_cache_dep){.manifest = output_of(g->needs[i], m->dep_flavour)};
		if (m->bare_deps)
			deps[i] = (struct mp_cache_dep){.manifest = {{0}}};
	}
	if (m->no_deps)
		what.dep_count = 0;
	assert_int_equal(
		mp_cache_base_of(&fake_crypto, &w.alloc, &w.graph.graph, m->module, &k->base), 0);
	what.base = k->base;
	assert_int_equal(mp_cache_where(&fake_crypto, &w.alloc, where, g->tools, &what.where), 0);
	assert_int_equal(mp_cache_key(&fake_crypto, &w.alloc, &what, &k->key), 0);
	r.cache_key = k->key;
	r.cache_key.b[3] ^= m->other_key;
	r.cluster.b[0] ^= m->other_cluster;
	if (!m->no_blobs)
		r.manifest = output_of(m->module, m->flavour);
	if (m->stranger) {
		memset(r.node.b, 0xee, sizeof(r.node.b));
		memcpy(secret.public_key, r.node.b, sizeof(r.node.b));
	}
	mp_buf_init(&record, &w.alloc, 4096);
	mp_buf_init(&both, &w.alloc, 4096);
	mp_buf_init(&out, &w.alloc, sizeof(k->record));
	assert_int_equal(mp_result_encode(&record, &r), 0);
	span = mp_buf_span(&record);
	mp_result_sign(&fake_crypto, &secret, &span, 1, &sig);
	sig.root_sig.b[1] ^= m->unsigned_;
	assert_int_equal(mp_signed_result_encode(&both, span, &sig), 0);
	assert_int_equal(
		mp_cache_record_encode(&out, mp_buf_span(&both), world_id(&w, m->node), 1), 0);
	k->size = out.n;
	memcpy(k->record, out.p, out.n);
	mp_buf_fini(&record);
	mp_buf_fini(&both);
	mp_buf_fini(&out);
}

/* The cluster answers what it has for the bases that were asked for, in order. */
static void
answer(void)
{
	struct mp_shelf_ask_req *req = w.shelf.ask;
	struct mp_shelf_ref refs[2 * KEPT_MAX];
	size_t n = 0;

	assert_non_null(req);
	for (size_t i = 0; i < w.shelf.base_count; i++) {
		for (size_t k = 0; k < kept_count; k++) {
			if (!mp_hash_eq(&kept[k].base, &w.shelf.bases[i]))
				continue;
			refs[n++] = (struct mp_shelf_ref){
				{kept[k].base, kept[k].key}, *world_id(&w, 2)};
			refs[n++] = (struct mp_shelf_ref){
				{kept[k].base, kept[k].key}, *world_id(&w, 3)};
		}
	}
	w.shelf.ask = NULL;
	req->job = NULL;
	req->done(req, &w.env, refs, n);
}

/* Gives the record that is asked for first; or not. */
static void
give(int rc)
{
	struct world_get get = w.shelf.gets[0];
	struct mp_span record = mp_span(NULL, 0);

	assert_true(w.shelf.get_count > 0);
	memmove(w.shelf.gets, w.shelf.gets + 1, --w.shelf.get_count * sizeof(get));
	get.req->job = NULL;
	for (size_t i = 0; i < kept_count && rc == 0; i++) {
		if (mp_hash_eq(&kept[i].key, &get.key))
			record = mp_span(kept[i].record, kept[i].size);
	}
	get.req->done(get.req, &w.env, rc, record);
}

static void
held(int rc)
{
	struct world_hold hold = w.shelf.holds[0];
	const struct mp_node_id holders[] = {*world_id(&w, 2), *world_id(&w, 1)};

	assert_true(w.shelf.hold_count > 0);
	memmove(w.shelf.holds, w.shelf.holds + 1, --w.shelf.hold_count * sizeof(hold));
	hold.req->job = NULL;
	hold.req->done(hold.req, &w.env, rc, holders, rc == 0 ? 2 : 0);
}

/* Whatever is found is there. */
static void
serve(void)
{
	world_settle(&w);
	while (w.shelf.get_count > 0 || w.shelf.hold_count > 0) {
		if (w.shelf.get_count > 0)
			give(0);
		else
			held(0);
		world_settle(&w);
	}
}

static enum mp_module_state
state_of(uint32_t module)
{
	return mp_run_module_state(&w.run, module);
}

static void
keep_all(void)
{
	for (uint32_t i = 0; i < 4; i++)
		keep(&(struct make){.module = i, .node = 1 + (int)i % 3, .flavour = 0});
}

/* ---- tests ---- */

static void
test_all_cached(void **state)
{
	struct mp_node_id id;
	struct mp_finished finished;
	struct mp_result result;

	(void)state;
	keep_all();
	assert_int_equal(w.shelf.asks, 1);
	assert_int_equal(w.shelf.base_count, 4);
	world_settle(&w);
	assert_int_equal(w.sent_count, 0);
	answer();
	serve();
	assert_int_equal(mp_run_state(&w.run), MP_RUN_SUCCEEDED);
	assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 4);
	assert_int_equal(world_entries(&w, MP_ENTRY_ASSIGNED), 0);
	assert_int_equal(world_count(&w, -1, MP_MSG_WORK_ASSIGN), 0);
	assert_int_equal(w.shelf.asks, 1);
	for (uint32_t i = 0; i < 4; i++) {
		assert_true(w.run.modules[i].cached);
		assert_int_equal(w.run.modules[i].attempts, 0);
		assert_true(mp_node_id_eq(mp_run_node(&w.run, w.run.modules[i].worker),
			world_id(&w, 1 + (int)i % 3)));
	}
	assert_int_equal(
		mp_run_result(&w.raft.log[w.run.modules[3].entry - 1], &finished, &result), 0);
	assert_true(mp_holders_next(&finished.holders, &id));
	assert_true(mp_node_id_eq(&id, world_id(&w, 2)));
	assert_int_equal(result.started_ms, 77);
}

/* No cache anywhere: one question, and everything runs. */
static void
test_nothing_there(void **state)
{
	(void)state;
	world_settle(&w);
	assert_int_equal(w.sent_count, 0);
	answer();
	world_settle(&w);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(world_count(&w, -1, MP_MSG_WORK_ASSIGN) > 0, true);
		if (state_of(i) == MP_MODULE_RUNNING)
			assert_int_equal(world_ok(&w, i), 0);
		world_settle(&w);
	}
	assert_int_equal(mp_run_state(&w.run), MP_RUN_SUCCEEDED);
	assert_int_equal(w.shelf.asks, 1);
	assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 0);
}

/* m0 may have run, and an operator said that it did. It left no result: what hangs on it gets
 * nothing of it, and no result of a run that had something, or nothing, in its place. */
static void
test_resolved(void **state)
{
	struct mp_work_state unsure;
	struct mp_raft_at at;

	(void)state;
	world_fini(&w);
	memset(&w, 0, sizeof(w));
	make_graph();
	w.graph.modules[0].once = true;
	w.graph.modules[0].cache = false;
	world_init(&w, 1);
	for (size_t i = 1; i < WORLD_NODES; i++) {
		unit_roster_tool(&w.roster, i, "gcc");
		memcpy(w.roster.caps[i].tools[0].version, "12", 3);
	}
	world_only_n1(&w);
	for (uint32_t i = 1; i < 4; i++) {
		keep(&(struct make){.module = i, .node = 1});
		keep(&(struct make){.module = i, .node = 1, .no_deps = true});
		keep(&(struct make){.module = i, .node = 1, .bare_deps = true});
	}
	world_settle(&w);
	answer();
	world_settle(&w);
	unsure = (struct mp_work_state){w.items[0].id, MP_WORK_UNSURE};
	assert_int_equal(world_status(&w, 1, 0, 2, &unsure, 1), 0);
	world_settle(&w);
	assert_int_equal(state_of(0), MP_MODULE_MAYBE_RAN);
	assert_int_equal(
		mp_lead_resolve(w.lead, &w.env, 0, MP_ONCE_DONE, mp_span_str("anna"), &at), 0);
	serve();
	assert_int_equal(state_of(0), MP_MODULE_SUCCEEDED);
	for (uint32_t i = 1; i < 3; i++) {
		assert_int_equal(state_of(i), MP_MODULE_RUNNING);
		assert_int_equal(w.items[i].deps, 0);
		assert_int_equal(world_ok(&w, i), 0);
		world_settle(&w);
	}
	assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 0);
}

/* The question is not even put: no memory. */
static void
test_no_memory(void **state)
{
	(void)state;
	keep_all();
	w.shelf.no_memory = true;
	world_lead(&w, 2);
	world_settle(&w);
	assert_int_equal(state_of(0), MP_MODULE_RUNNING);
	w.shelf.no_memory = false;
	world_lead(&w, 3);
	w.shelf.no_memory = true;
	answer();
	world_settle(&w);
	assert_int_equal(w.shelf.get_count, 0);
}

/* m0 does not use the cache, so it runs at once; what hangs on it hits by what it left. */
static void
test_some_run(void **state)
{
	struct mp_result result;
	struct mp_finished finished;

	(void)state;
	world_fini(&w);
	make_graph();
	w.graph.modules[0].cache = false;
	world_init(&w, 2);
	for (size_t i = 1; i < WORLD_NODES; i++) {
		unit_roster_tool(&w.roster, i, "gcc");
		memcpy(w.roster.caps[i].tools[0].version, "12", 3);
	}
	mp_lead_members(w.lead, &w.env);
	assert_int_equal(w.shelf.base_count, 3);
	world_settle(&w);
	assert_int_equal(state_of(0), MP_MODULE_RUNNING);
	/* It leaves nothing. */
	w.graph.modules[0].cache = true;
	keep(&(struct make){.module = 1, .node = 1, .dep_flavour = 0});
	w.graph.modules[0].cache = false;
	answer();
	assert_int_equal(world_ok(&w, 0), 0);
	serve();
	/* The one in the cache had read another output. */
	assert_int_equal(
		mp_run_result(&w.raft.log[w.run.modules[0].entry - 1], &finished, &result), 0);
	assert_true(mp_hash_is_zero(&result.manifest));
	assert_int_equal(state_of(1), MP_MODULE_RUNNING);
	assert_int_equal(state_of(2), MP_MODULE_RUNNING);
	assert_int_equal(w.items[1].deps, 1);
}

/* Other bytes of a dependency, other inputs, another tool, another machine: it runs. */
static void
test_other_keys(void **state)
{
	struct mp_caps newer = w.roster.caps[1], arm = w.roster.caps[1];

	(void)state;
	memcpy(newer.tools[0].version, "13", 3);
	memcpy(arm.arch, "arm64", 6);
	keep(&(struct make){.module = 0, .node = 1, .where = &newer});
	keep(&(struct make){.module = 0, .node = 1, .where = &arm});
	keep(&(struct make){.module = 0, .node = 1, .inputs = {{1}}});
	keep(&(struct make){.module = 1, .node = 1, .dep_flavour = 9});
	keep(&(struct make){.module = 2, .node = 1});
	answer();
	world_settle(&w);
	assert_int_equal(w.shelf.get_count, 0);
	assert_int_equal(state_of(0), MP_MODULE_RUNNING);
	/* One such machine is there after all, for the next leader. */
	w.roster.caps[2] = arm;
	w.roster.version++;
	world_lead(&w, 2);
	world_settle(&w);
	assert_int_equal(w.run.modules[0].attempts, 1);
	assert_int_equal(w.shelf.base_count, 3);
	answer();
	world_settle(&w);
	assert_int_equal(w.shelf.get_count, 0);
}

/* Two kinds of machines: either's result counts. */
static void
test_kinds(void **state)
{
	(void)state;
	memcpy(w.roster.caps[2].tools[0].version, "13", 3);
	memcpy(w.roster.caps[3].arch, "arm64", 6);
	mp_lead_members(w.lead, &w.env);
	keep(&(struct make){.module = 0, .node = 1, .where = &w.roster.caps[3]});
	keep(&(struct make){.module = 1, .node = 1, .where = &w.roster.caps[2]});
	answer();
	serve();
	assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 2);
	assert_int_equal(state_of(1), MP_MODULE_SUCCEEDED);
	assert_int_equal(state_of(2), MP_MODULE_RUNNING);
}

/* Only the part of the inputs that the module takes counts, and is read once. */
static void
test_inputs(void **state)
{
	struct mp_file files[] = {{.path = mp_span_str("doc/a"), .digest = {{1}}},
		{.path = mp_span_str("src/a"), .digest = {{2}}}};
	struct mp_spec *spec;
	struct make make = {.module = 1, .node = 1};
	struct mp_fetch_req *req;
	struct mp_buf buf;

	(void)state;
	w.record.inputs = (struct mp_hash){{5}};
	assert_int_equal(mp_spec_decode(w.graph.modules[1].spec, &w.alloc, &spec), 0);
	assert_int_equal(mp_cache_inputs(&fake_crypto, &w.alloc, spec, files, 2, &make.inputs), 0);
	mp_spec_free(spec);
	keep(&make);
	keep(&(struct make){.module = 0, .node = 1, .inputs = w.record.inputs});
	answer();
	serve();
	assert_int_equal(state_of(0), MP_MODULE_SUCCEEDED);
	assert_int_equal(state_of(1), MP_MODULE_READY);
	assert_int_equal(state_of(2), MP_MODULE_RUNNING);
	assert_int_equal(w.fetch.reads, 1);
	assert_true(mp_hash_eq(&w.fetch.digest, &w.record.inputs));
	mp_buf_init(&buf, &w.alloc, 4096);
	assert_int_equal(mp_manifest_encode(&buf, files, 2, NULL), 0);
	req = w.fetch.req;
	w.fetch.req = NULL;
	req->done(req, &w.env, 0, &w.record.inputs, mp_buf_span(&buf));
	mp_buf_fini(&buf);
	serve();
	assert_int_equal(state_of(1), MP_MODULE_SUCCEEDED);
	assert_true(w.run.modules[1].cached);
}

static void
test_inputs_gone(void **state)
{
	struct mp_fetch_req *req;

	(void)state;
	w.record.inputs = (struct mp_hash){{5}};
	keep(&(struct make){.module = 0, .node = 1, .inputs = w.record.inputs});
	keep(&(struct make){.module = 1, .node = 1});
	answer();
	serve();
	req = w.fetch.req;
	w.fetch.req = NULL;
	req->done(req, &w.env, MP_ENOENT, &w.record.inputs, mp_span(NULL, 0));
	world_settle(&w);
	assert_int_equal(state_of(1), MP_MODULE_RUNNING);
}

/* A record that is not what it says: the module runs. */
static void
test_false_records(void **state)
{
	const struct make bad[] = {
		{.node = 1, .unsigned_ = true},
		{.node = 1, .stranger = true},
		{.node = 1, .other_cluster = true},
		{.node = 1, .other_key = true},
		{.node = 1, .status = MP_STATUS_FAILED},
	};

	for (size_t i = 0; i < mp_countof(bad); i++) {
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
		keep(&bad[i]);
		answer();
		world_settle(&w);
		assert_int_equal(w.shelf.get_count, 1);
		give(0);
		world_settle(&w);
		assert_int_equal(w.shelf.hold_count, 0);
		assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 0);
		assert_int_equal(state_of(0), MP_MODULE_RUNNING);
	}
	/* Junk instead of a record, and none at all. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
		keep(&(struct make){.node = 1});
		kept[0].size -= 3;
		answer();
		world_settle(&w);
		give(i == 0 ? 0 : MP_ENOENT);
		world_settle(&w);
		assert_int_equal(state_of(0), MP_MODULE_RUNNING);
	}
}

/* The bytes are gone: it runs, and is not looked up again. */
static void
test_bytes_gone(void **state)
{
	(void)state;
	keep(&(struct make){.node = 1});
	answer();
	world_settle(&w);
	give(0);
	assert_int_equal(w.shelf.holds[0].copies, 2);
	assert_int_equal(w.shelf.holds[0].node_count, 4);
	assert_true(mp_node_id_eq(&w.shelf.holds[0].nodes[0], world_id(&w, 1)));
	assert_true(mp_node_id_eq(&w.shelf.holds[0].nodes[3], world_id(&w, 0)));
	world_settle(&w);
	assert_int_equal(w.sent_count, 0);
	held(MP_ENOENT);
	world_settle(&w);
	assert_int_equal(state_of(0), MP_MODULE_RUNNING);
	assert_int_equal(w.shelf.get_count, 0);
}

/* Nobody who has the bytes answers: after some time nobody waits for that any more. */
static void
test_slow(void **state)
{
	assert_int_equal(teardown(state), 0);
	unit_graph_init(&w.graph, 50);
	for (uint32_t i = 40; i < 50; i++)
		unit_graph_need(&w.graph, i, 0);
	wide = true;
	begin();
	wide = false;
	for (uint32_t i = 0; i < 50; i++)
		keep(&(struct make){.module = i, .node = 1});
	answer();
	world_settle(&w);
	assert_int_equal(w.shelf.get_count, 40);
	give(0); /* of m0, for most hangs on it */
	world_sleep(&w, 1500);
	for (int i = 0; i < 32; i++) {
		give(MP_ENOENT);
		world_settle(&w);
	}
	assert_int_equal(w.shelf.get_count, 7);
	held(0);
	world_settle(&w);
	assert_true(w.run.modules[0].cached);
	/* Those that are under way go on, others do not begin. */
	for (uint32_t i = 40; i < 50; i++)
		assert_false(w.run.modules[i].cached);
	assert_int_equal(w.shelf.get_count, 7);
	give(0);
	held(0);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 2);
	assert_true(state_of(40) == MP_MODULE_READY || state_of(40) == MP_MODULE_RUNNING);
	assert_true(mp_lead_outstanding(w.lead) > 0);
}

/* Nothing was left, so nothing need be held. */
static void
test_no_blobs(void **state)
{
	(void)state;
	keep(&(struct make){.node = 1, .no_blobs = true});
	answer();
	world_settle(&w);
	give(0);
	assert_int_equal(w.shelf.hold_count, 0);
	world_settle(&w);
	assert_true(w.run.modules[0].cached);
}

/* The next leader asks anew, whatever the last one was about. */
static void
test_leader_change(void **state)
{
	(void)state;
	keep_all();
	world_lead(&w, 2);
	assert_int_equal(w.shelf.asks, 2);
	answer();
	world_settle(&w);
	assert_int_equal(w.shelf.get_count, 1);
	world_lead(&w, 3);
	assert_int_equal(w.shelf.get_count, 0);
	answer();
	world_settle(&w);
	give(0);
	assert_int_equal(w.shelf.hold_count, 1);
	world_lead(&w, 4);
	assert_int_equal(w.shelf.hold_count, 0);
	answer();
	world_settle(&w);
	give(0);
	held(0);
	/* CACHED is in the log, but this leader does not see it committed. */
	assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 1);
	world_lead(&w, 5);
	assert_true(w.run.modules[0].cached);
	assert_int_equal(w.shelf.base_count, 3);
	answer();
	serve();
	assert_int_equal(mp_run_state(&w.run), MP_RUN_SUCCEEDED);
	assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 4);
}

static void
test_cancel(void **state)
{
	(void)state;
	keep_all();
	for (int at = 0; at < 4; at++) {
		world_settle(&w);
		if (at > 0)
			answer();
		world_settle(&w);
		if (at > 1)
			give(0);
		if (at > 2)
			held(0);
		assert_int_equal(world_cancel(&w, "me"), 0);
		world_settle(&w);
		assert_int_equal(mp_run_state(&w.run), MP_RUN_CANCELLED);
		assert_int_equal(w.shelf.get_count + w.shelf.hold_count, 0);
		assert_int_equal(state_of(0), at < 3 ? MP_MODULE_CANCELLED : MP_MODULE_SUCCEEDED);
		assert_int_equal(w.sent_count, 0);
		assert_int_equal(teardown(state), 0);
		begin();
	}
}

/* Somebody runs it all the same, and says so before the cache does. */
static void
test_adopted(void **state)
{
	struct mp_work_state running = {{.module = 0, .term = 1, .counter = 1}, MP_WORK_RUNNING};

	(void)state;
	keep_all();
	world_settle(&w);
	world_lead(&w, 2);
	answer();
	world_settle(&w);
	assert_int_equal(w.shelf.get_count, 1);
	assert_int_equal(world_status(&w, 1, world_asked(&w, 1), 1, &running, 1), 0);
	assert_int_equal(w.shelf.get_count, 0);
	world_settle(&w);
	assert_int_equal(state_of(0), MP_MODULE_RUNNING);
	assert_int_equal(mp_lead_outstanding(w.lead), 1);
}

/* Once CACHED is proposed, an attempt is not adopted, and a result waits. */
static void
test_not_adopted(void **state)
{
	struct mp_work_state running = {{.module = 0, .term = 1, .counter = 1}, MP_WORK_RUNNING};

	(void)state;
	keep_all();
	world_settle(&w);
	world_lead(&w, 2);
	answer();
	world_settle(&w);
	give(0);
	held(0);
	assert_int_equal(world_status(&w, 1, world_asked(&w, 1), 1, &running, 1), 0);
	assert_int_equal(world_entries(&w, MP_ENTRY_ASSIGNED), 0);
	assert_int_equal(mp_lead_outstanding(w.lead), 0);
	world_settle(&w);
	assert_true(w.run.modules[0].cached);
	world_forget(&w);
	assert_int_equal(world_status(&w, 1, 9, 1, &running, 1), 0);
	world_settle(&w);
	assert_true(world_named(&w, 1, MP_MSG_WORK_KILL, &running.attempt));
}

/* The log does not take it: the module runs. */
static void
test_log_refuses(void **state)
{
	(void)state;
	keep_all();
	answer();
	world_settle(&w);
	give(0);
	w.raft.refuses = true;
	held(0);
	w.raft.refuses = false;
	world_sleep(&w, 2000);
	world_settle(&w);
	assert_int_equal(world_entries(&w, MP_ENTRY_CACHED), 0);
	assert_int_equal(state_of(0), MP_MODULE_RUNNING);
}

/* A module that was lost or has failed is run again, whatever the caches have by then. */
static void
test_after_an_attempt(void **state)
{
	(void)state;
	answer();
	world_settle(&w);
	assert_int_equal(world_reject(&w, &w.items[0], MP_REJECT_BAD), 0);
	keep_all();
	world_settle(&w);
	assert_int_equal(w.run.modules[0].lost, 1);
	assert_int_equal(state_of(0), MP_MODULE_RUNNING);
	assert_int_equal(w.shelf.get_count, 0);
	world_lead(&w, 2);
	assert_int_equal(w.shelf.base_count, 3);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_all_cached),
		CASE(test_nothing_there),
		CASE(test_resolved),
		CASE(test_no_memory),
		CASE(test_some_run),
		CASE(test_other_keys),
		CASE(test_kinds),
		CASE(test_inputs),
		CASE(test_inputs_gone),
		CASE(test_false_records),
		CASE(test_bytes_gone),
		CASE(test_slow),
		CASE(test_no_blobs),
		CASE(test_leader_change),
		CASE(test_cancel),
		CASE(test_adopted),
		CASE(test_not_adopted),
		CASE(test_log_refuses),
		CASE(test_after_an_attempt),
	};

	return cmocka_run_group_tests_name("recall", tests, NULL, NULL);
}
