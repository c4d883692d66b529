/* SPDX-License-Identifier: Apache-2.0 */
/* One result: who made it, on whose word, of what. */
#include <stdio.h>

#include "core/cachekey.h"
#include "ctl/proof.h"

/* The result that an entry brings, and what it has to be. */
struct subject {
	const struct mp_raft_entry *entry;
	struct mp_finished finished;
	struct mp_result result;
	struct mp_span record;
	uint32_t module; /* of this run */
	bool cached;
};

/* ---- of this run ---- */

static bool
same_words(struct mp_proof *p, const struct subject *s)
{
	const struct mp_result *r = &s->result;
	const char *what = NULL;

	if (!mp_run_id_eq(&r->run, &p->rec.id))
		what = "the result is that of another run";
	else if (r->generation != mp_term_generation(r->attempt.term))
		what = "the result is of another generation than its term";
	else if (!mp_attempt_eq(&r->attempt, &s->finished.attempt))
		what = "the result is that of another attempt";
	if (what != NULL)
		mp_proof_say(p, MP_PROOF_BROKEN, "result", "%s", what);
	if (!mp_node_id_eq(&r->node, &s->finished.worker)) {
		mp_proof_differ(p, "assignment", s->finished.worker.b, r->node.b,
			"the result is of another node than the one that the log names");
		return false;
	}
	return what == NULL;
}

/* The log may lack who was asked, when a leader fell: then its signed offer says it. */
static void
check_assigned(struct mp_proof *p, const struct mp_result *r)
{
	for (size_t i = p->assigned_count; i > 0; i--) {
		const struct proof_assigned *a = &p->assigned[i - 1];

		if (!mp_attempt_eq(&a->attempt, &r->attempt))
			continue;
		if (!mp_node_id_eq(&a->worker, &r->node))
			mp_proof_differ(p, "assignment", a->worker.b, r->node.b,
				"the result is by a node that was not assigned");
		return;
	}
}

static void
check_leader(struct mp_proof *p, const struct mp_result *r)
{
	const struct mp_node_id *leader = mp_proof_leader(p, r->attempt.term);

	if (leader == NULL)
		mp_proof_say(p, MP_PROOF_BROKEN, "offer",
			"the attempt is of a term that the log does not know");
	else if (!mp_node_id_eq(leader, &r->leader))
		mp_proof_differ(p, "offer", leader->b, r->leader.b,
			"the attempt was offered by a node that did not lead then");
}

static bool
is_bare(const struct mp_proof *p, uint32_t need)
{
	return p->graph->modules[need].once && p->modules[need].kind == MP_ENTRY_ONCE_END;
}

/* What it read is what the run was given and what its dependencies left, as the log has it. */
static int
check_inputs(struct mp_proof *p, const struct subject *s)
{
	const struct mp_graph_module *g = &p->graph->modules[s->module];
	size_t size = g->need_count * sizeof(struct mp_hash) + 1, n = 0;
	struct mp_hash *deps = mp_realloc(p->alloc, NULL, 0, size);
	struct mp_hash want;
	int rc = deps != NULL ? 0 : MP_ENOMEM;

	for (uint32_t i = 0; rc == 0 && i < g->need_count; i++) {
		if (is_bare(p, g->needs[i]))
			continue;
		if (p->modules[g->needs[i]].body == NULL) {
			mp_proof_say(p, MP_PROOF_BROKEN, "inputs",
				"it needs %s, and the log has no result of that before",
				p->graph->modules[g->needs[i]].name);
			rc = MP_ENOENT;
		} else {
			deps[n++] = p->modules[g->needs[i]].record;
		}
	}
	if (rc == 0)
		rc = mp_inputs_hash(p->crypto, p->alloc,
			mp_hash_is_zero(&p->rec.inputs) ? NULL : &p->rec.inputs, deps, n, &want);
	mp_dealloc(p->alloc, deps, size);
	if (rc == 0 && !mp_hash_eq(&want, &s->result.inputs))
		mp_proof_differ(p, "inputs", want.b, s->result.inputs.b,
			"what it read is not the run's inputs and what its dependencies left");
	return rc == MP_ENOMEM ? rc : 0;
}

static void
check_spec(struct mp_proof *p, const struct subject *s)
{
	struct mp_hash want;

	p->crypto->hash(&want, &p->graph->modules[s->module].spec, 1);
	if (!mp_hash_eq(&want, &s->result.spec))
		mp_proof_differ(p, "spec", want.b, s->result.spec.b,
			"it ran something else than the pipeline says");
}

/* ---- of any run ---- */

/* The offer follows from the result; a leader signed it. */
static int
check_offer(struct mp_proof *p, const struct mp_result *r)
{
	const struct mp_offer offer = {.cluster = r->cluster,
		.run = r->run,
		.generation = r->generation,
		.attempt = r->attempt,
		.worker = r->node,
		.spec = r->spec,
		.inputs = r->inputs};
	struct mp_hash want;
	int rc = mp_offer_hash(p->crypto, p->alloc, &offer, &want);

	if (rc != 0)
		return rc;
	if (!mp_hash_eq(&want, &r->offer))
		mp_proof_differ(p, "offer", want.b, r->offer.b,
			"the offer that it answers is not one of this attempt on that node");
	else if (p->crypto->verify(r->leader.b, &r->offer_sig, mp_span(want.b, sizeof(want.b))) !=
		 0)
		mp_proof_say(p, MP_PROOF_BROKEN, "offer",
			"the leader's signature of the offer does not hold");
	return 0;
}

/* ---- cache keys ---- */

static int
inputs_read(struct mp_proof *p)
{
	int rc;

	if (p->inputs_rc <= 0)
		return p->inputs_rc;
	rc = p->blob != NULL ? p->blob(p->ctx, &p->rec.inputs, &p->input_bytes) : MP_ENOENT;
	if (rc == 0)
		rc = mp_manifest_decode(p->alloc, mp_buf_span(&p->input_bytes), &p->inputs, NULL);
	p->inputs_rc = rc;
	return rc;
}

/* Digest of what a module gets of the run's inputs, as core/cachekey.h wants it. */
static int
inputs_digest(struct mp_proof *p, const struct mp_spec *spec, struct mp_hash *out)
{
	int rc;

	*out = p->rec.inputs;
	if (spec->all_inputs || mp_hash_is_zero(out))
		return 0;
	rc = inputs_read(p);
	if (rc == 0)
		rc = mp_cache_inputs(
			p->crypto, p->alloc, spec, p->inputs.files, p->inputs.count, out);
	return rc;
}

static int
key_make(
	struct mp_proof *p, const struct subject *s, struct mp_cache_dep *deps, struct mp_hash *out)
{
	const struct mp_graph_module *g = &p->graph->modules[s->module];
	struct mp_cache_what what = {.deps = deps, .where = s->result.where};
	struct mp_spec *spec = NULL;
	int rc = mp_spec_decode(g->spec, p->alloc, &spec);

	for (uint32_t i = 0; i < g->need_count; i++) {
		const struct proof_module *need = &p->modules[g->needs[i]];

		deps[what.dep_count++] = (struct mp_cache_dep){need->manifest, need->value};
	}
	if (rc == 0)
		rc = inputs_digest(p, spec, &what.inputs);
	if (rc == 0)
		rc = mp_cache_base_of(p->crypto, p->alloc, p->graph, s->module, &what.base);
	if (rc == 0)
		rc = mp_cache_key(p->crypto, p->alloc, &what, out);
	mp_spec_free(spec);
	return rc;
}

/* Then its worker knew of fewer dependencies than it has: the key is none of any other module. */
static bool
hangs_on_bare(const struct mp_proof *p, uint32_t module)
{
	const struct mp_graph_module *g = &p->graph->modules[module];
	uint32_t i = 0;

	while (i < g->need_count && !is_bare(p, g->needs[i]))
		i++;
	return i < g->need_count;
}

/* The key says what the result may stand for: it is made again from the pipeline and the log. */
static int
check_key(struct mp_proof *p, const struct subject *s)
{
	uint32_t needs = p->graph->modules[s->module].need_count;
	size_t size = needs * sizeof(struct mp_cache_dep) + 1;
	struct mp_cache_dep *deps;
	struct mp_hash want;
	int rc;

	if (mp_hash_is_zero(&s->result.cache_key) || hangs_on_bare(p, s->module))
		return 0;
	deps = mp_realloc(p->alloc, NULL, 0, size);
	if (deps == NULL)
		return MP_ENOMEM;
	rc = key_make(p, s, deps, &want);
	mp_dealloc(p->alloc, deps, size);
	if (rc != 0)
		mp_proof_say(p, MP_PROOF_OPEN, "cache", "its cache key cannot be made again: %s",
			rc == MP_ENOENT ? "the list of the run's inputs is lost" : mp_strerror(rc));
	else if (!mp_hash_eq(&want, &s->result.cache_key))
		mp_proof_differ(p, "cache", want.b, s->result.cache_key.b,
			s->cached ? "the result of another run stands here for something else"
				  : "the cache key is not that of what it ran and read");
	return rc == MP_ENOMEM ? rc : 0;
}

/* ---- all of it ---- */

static int
subject_read(const struct mp_proof *p, const struct mp_raft_entry *entry, struct subject *s)
{
	struct mp_recalled recalled;
	int rc = mp_run_result(entry, &s->finished, &s->result);

	s->entry = entry;
	s->cached = entry->kind == MP_ENTRY_CACHED;
	s->module = s->finished.attempt.module;
	if (rc == 0 && s->cached) {
		rc = mp_body_cached_decode(entry->body, &recalled);
		s->module = recalled.module;
	}
	return rc == 0 && s->module >= p->graph->module_count ? MP_EFORMAT : rc;
}

static int
check_origin(struct mp_proof *p, const struct subject *s)
{
	const struct mp_result *r = &s->result;
	mp_time at = s->entry->wall_ms;
	int rc = 0;

	if (!mp_cluster_id_eq(&r->cluster, &p->cluster))
		mp_proof_say(p, MP_PROOF_BROKEN, "result", "the result is of another cluster");
	(void)mp_proof_signer(p, &r->node, at, "signed the result");
	rc = check_offer(p, r);
	if (rc != 0)
		return rc;
	if (s->cached)
		(void)mp_proof_signer(p, &r->leader, at, "offered it");
	if (s->cached || !same_words(p, s))
		return 0;
	check_assigned(p, r);
	check_leader(p, r);
	check_spec(p, s);
	return check_inputs(p, s);
}

int
mp_proof_check_result(struct mp_proof *p, const struct mp_raft_entry *entry)
{
	struct mp_result_sig sig;
	struct subject s;
	int rc = subject_read(p, entry, &s);

	if (rc == 0)
		rc = mp_signed_result_decode(s.finished.result, &s.record, &sig);
	if (rc != 0) {
		mp_proof_say(p, MP_PROOF_BROKEN, "result", "not a result: %s", mp_strerror(rc));
		return 0;
	}
	mp_proof_at(p, entry->index, s.module, &s.result.node);
	p->results++;
	p->recalled += s.cached;
	/* Then nothing in it is anybody's word. */
	if (mp_result_verify(p->crypto, &s.result.node, s.record, &sig) != 0) {
		mp_proof_say(
			p, MP_PROOF_BROKEN, "signature", "the result is not what its node signed");
		return 0;
	}
	rc = check_origin(p, &s);
	return rc == 0 ? check_key(p, &s) : rc;
}

int
mp_proof_keep(struct mp_proof *p, const struct mp_raft_entry *entry, uint32_t module)
{
	struct proof_module *m = &p->modules[module];
	struct mp_finished finished;
	struct mp_result_sig sig;
	struct mp_result result;
	struct mp_span record;

	mp_dealloc(p->alloc, m->body, m->size);
	*m = (struct proof_module){.kind = (uint8_t)entry->kind,
		.entry = entry->index,
		.committed_ms = entry->wall_ms};
	if (mp_run_result(entry, &finished, &result) != 0 ||
		mp_signed_result_decode(finished.result, &record, &sig) != 0)
		return 0; /* it ended without one */
	m->body = mp_realloc(p->alloc, NULL, 0, entry->body.n);
	if (m->body == NULL)
		return MP_ENOMEM;
	m->size = (uint32_t)entry->body.n;
	memcpy(m->body, entry->body.p, m->size);
	m->manifest = result.manifest;
	m->value = result.value;
	p->crypto->hash(&m->record, &record, 1);
	return 0;
}
