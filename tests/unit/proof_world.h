/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run that was signed by real keys, as its nodes would hand it out, with one thing in it that is
 * not as it has to be:
 *
 *   modules   a, b which needs a, c which is taken from another run
 *   electors  FOUNDER, who leads, JOINER, who runs all, and STRANGER, who is certified here
 */
#ifndef MP_TESTS_PROOF_WORLD_H
#define MP_TESTS_PROOF_WORLD_H

#include "unit/trust.h"

#include "codec/record_revoke.h"
#include "core/cachekey.h"
#include "ctl/proof.h"
#include "util/hex.h"

enum spoil {
	SPOIL_NOTHING,
	SPOIL_RECORD_SIG,
	SPOIL_PIPELINE,
	SPOIL_ELECTOR,      /* one has no certificate */
	SPOIL_VOTE_MISSING, /* one of three voted */
	SPOIL_VOTE_SIG,
	SPOIL_VOTE_OTHER, /* for another leader */
	SPOIL_VOTE_SHUT,  /* of a key that was revoked */
	SPOIL_CHAIN,
	SPOIL_GAP,
	SPOIL_TERM, /* an entry of a term that did not begin */
	SPOIL_OTHER_RUN,
	SPOIL_SIG,
	SPOIL_UNASSIGNED, /* offered and signed, but the log says another node */
	SPOIL_UNCERTIFIED,
	SPOIL_SHUT_BEFORE,
	SPOIL_SHUT_LATER,
	SPOIL_SWAPPED,
	SPOIL_GENERATION,
	SPOIL_SPEC,
	SPOIL_INPUTS,
	SPOIL_OFFER,
	SPOIL_OFFER_SIG,
	SPOIL_LEADER,
	SPOIL_KEY,
	SPOIL_RECALL_KEY, /* of c: something else stands for it */
	SPOIL_RECALL_SIG,
	SPOIL_RECALL_OFFER_SIG,
	SPOIL_END_SIG,
	SPOIL_END_HASH,
	SPOIL_END_LEADER,
	SPOIL_END_COUNT,
	SPOIL_END_CUT, /* the log breaks off */
	SPOIL_END_NONE,
	SPOIL_REVOCATION, /* signed by no authority */
	SPOIL_COUNT,
};

#define ENTRIES_MAX 12
#define FINISHED_AT (NOW + 5000)

static const char pipeline_text[] = "meshpipe: 1\nname: proof\nmodules:\n"
				    "  a: { run: [\"true\"] }\n"
				    "  b: { needs: [a], run: [\"true\", \"b\"] }\n"
				    "  c: { run: [\"true\", \"c\"] }\n";

static struct proof_world {
	enum spoil spoil;
	struct mp_run_record rec;
	struct mp_graph *graph;
	struct mp_buf record, pipeline, end, third, revocation;
	struct mp_buf entries[ENTRIES_MAX];
	size_t entry_count;
	struct mp_hash tip;
	struct mp_hash a_record;
	struct mp_finding found[64];
	size_t found_count;
	struct mp_proof proof;
} W;

static inline struct mp_node_id
node_of(enum who i)
{
	struct mp_node_id id;

	memcpy(id.b, who[i].key, sizeof(id.b));
	return id;
}

static inline struct mp_hash
hash_of(struct mp_span bytes)
{
	struct mp_hash h;

	c->hash(&h, &bytes, 1);
	return h;
}

/* ---- who ---- */

static inline void
make_third(void)
{
	struct mp_join_request q = join_request();
	struct mp_trust trust = trust_of(NULL);
	struct mp_buf before = buf_new();

	q.node = who[STRANGER];
	q.xkey = xkeys[STRANGER];
	q.name = mp_span_str("third");
	W.third = buf_new();
	assert_int_equal(mp_trust_join(c, &q, &before, NULL), 0);
	assert_int_equal(mp_trust_admit(&trust, mp_buf_span(&before), &who[FOUNDER], NOW + 10,
				 &W.third, NULL),
		0);
	mp_buf_fini(&before);
}

static inline void
make_revocation(void)
{
	struct mp_revocation r = {.cluster = cluster,
		.subject = node_of(W.spoil == SPOIL_VOTE_SHUT ? STRANGER : JOINER),
		.why = mp_span_str("stolen"),
		.revoked_ms = W.spoil == SPOIL_SHUT_LATER  ? FINISHED_AT + 1
			      : W.spoil == SPOIL_VOTE_SHUT ? NOW + 500
							   : FINISHED_AT - 1};

	W.revocation = buf_new();
	if (W.spoil == SPOIL_SHUT_BEFORE || W.spoil == SPOIL_SHUT_LATER ||
		W.spoil == SPOIL_VOTE_SHUT || W.spoil == SPOIL_REVOCATION)
		assert_int_equal(mp_revocation_sign(c, &r,
					 &who[W.spoil == SPOIL_REVOCATION ? STRANGER : AUTHORITY],
					 &W.revocation),
			0);
}

/* ---- the record ---- */

static inline void
make_record(void)
{
	struct mp_pipeline *p = NULL;
	struct mp_buf text = buf_new();

	W.record = W.pipeline = buf_new();
	assert_int_equal(
		mp_pipeline_parse("p.yaml", mp_span_str(pipeline_text), &alloc, &p, NULL), 0);
	assert_int_equal(mp_pipeline_encode(p, &W.pipeline), 0);
	mp_pipeline_free(p);
	W.rec = (struct mp_run_record){.cluster = cluster,
		.pipeline = hash_of(mp_buf_span(&W.pipeline)),
		.opener = node_of(FOUNDER),
		.submitted_ms = NOW + 100,
		.name = "proof",
		.elector_count = 3,
		.electors = {node_of(FOUNDER), node_of(JOINER),
			node_of(W.spoil == SPOIL_ELECTOR ? AUTHORITY2 : STRANGER)},
		.copies = 2};
	assert_int_equal(mp_run_record_sign(c, who[FOUNDER].secret, &W.rec, &W.record), 0);
	assert_int_equal(mp_run_graph(c, &alloc, &W.rec, mp_buf_span(&W.pipeline), &W.graph), 0);
	if (W.spoil == SPOIL_RECORD_SIG)
		W.record.p[W.record.n - 1] ^= 1;
	if (W.spoil == SPOIL_PIPELINE)
		W.pipeline.p[W.pipeline.n - 1] ^= 1;
	W.tip = W.rec.hash;
	mp_buf_fini(&text);
}

/* ---- entries ---- */

static inline void
entry_put(enum mp_entry_kind kind, mp_time wall_ms, struct mp_buf *body)
{
	struct mp_entry e = {.run = W.rec.id,
		.index = W.entry_count + 1,
		.term = 1,
		.kind = kind,
		.prev = W.tip,
		.wall_ms = wall_ms,
		.body = mp_buf_span(body)};
	struct mp_buf *out = &W.entries[W.entry_count++];

	if (kind == MP_ENTRY_FINISHED && W.spoil == SPOIL_CHAIN)
		e.prev.b[0] ^= 1;
	if (kind == MP_ENTRY_OPEN && W.spoil == SPOIL_OTHER_RUN)
		e.run.b[0] ^= 1;
	if (kind == MP_ENTRY_ASSIGNED && W.spoil == SPOIL_TERM)
		e.term = 2;
	*out = buf_new();
	assert_int_equal(mp_entry_encode(out, &e), 0);
	W.tip = hash_of(mp_buf_span(out));
	mp_buf_fini(body);
	*body = buf_new();
}

static inline void
make_term(void)
{
	struct mp_leader_cert cert = {
		.run = W.rec.id, .generation = 1, .term = 1, .leader = node_of(FOUNDER)};
	struct mp_vote vote = {.cluster = cluster,
		.run = W.rec.id,
		.generation = 1,
		.naming = W.rec.hash,
		.term = 1,
		.candidate = node_of(FOUNDER)};
	const enum who voters[] = {FOUNDER, STRANGER};
	struct mp_node_id leader = node_of(FOUNDER);
	struct mp_buf body = buf_new(), bytes = buf_new();

	if (W.spoil == SPOIL_VOTE_OTHER)
		cert.leader = vote.candidate = node_of(JOINER);
	for (uint32_t i = 0; i < (W.spoil == SPOIL_VOTE_MISSING ? 1 : 2); i++) {
		cert.votes[i].elector = 2 * i;
		mp_vote_sign(c, who[voters[i]].secret, &vote, &cert.votes[i].sig);
		cert.vote_count++;
	}
	if (W.spoil == SPOIL_ELECTOR)
		mp_vote_sign(c, who[AUTHORITY2].secret, &vote, &cert.votes[1].sig);
	cert.votes[1].sig.b[0] ^= W.spoil == SPOIL_VOTE_SIG;
	assert_int_equal(mp_leader_cert_encode(&bytes, &cert), 0);
	assert_int_equal(mp_body_term_start_encode(&body, &leader, mp_buf_span(&bytes)), 0);
	entry_put(MP_ENTRY_TERM_START, NOW + 1000, &body);
	assert_int_equal(mp_body_open_encode(&body), 0);
	entry_put(MP_ENTRY_OPEN, NOW + 1000, &body);
	mp_buf_fini(&bytes);
	mp_buf_fini(&body);
}

/* ---- results ---- */

static inline struct mp_hash
key_make(uint32_t module, struct mp_hash where)
{
	struct mp_cache_dep deps[1] = {{.value = {{0}}}};
	struct mp_cache_what what = {
		.deps = deps, .dep_count = W.graph->modules[module].need_count, .where = where};
	struct mp_hash key;

	assert_int_equal(mp_cache_base_of(c, &alloc, W.graph, module, &what.base), 0);
	assert_int_equal(mp_cache_key(c, &alloc, &what, &key), 0);
	return key;
}

/* Spoils `a` if it is of this run, else c. */
static inline void
result_spoil(struct mp_result *r, bool recalled)
{
	if (recalled) {
		r->cache_key.b[0] ^= W.spoil == SPOIL_RECALL_KEY;
		return;
	}
	r->generation += W.spoil == SPOIL_GENERATION;
	r->spec.b[0] ^= W.spoil == SPOIL_SPEC;
	r->inputs.b[0] ^= W.spoil == SPOIL_INPUTS;
	r->cache_key.b[0] ^= W.spoil == SPOIL_KEY;
	if (W.spoil == SPOIL_UNASSIGNED)
		r->node = node_of(STRANGER);
	if (W.spoil == SPOIL_UNCERTIFIED)
		r->node = node_of(AUTHORITY2);
	if (W.spoil == SPOIL_LEADER)
		r->leader = node_of(STRANGER);
}

static inline const struct mp_secret *
secret_of(const struct mp_node_id *id)
{
	for (int i = 0; i < WHO_COUNT; i++) {
		if (memcmp(who[i].key, id->b, sizeof(id->b)) == 0)
			return who[i].secret;
	}
	fail();
	return NULL;
}

/* Signed result of a module; recalled: of another run. */
static inline void
result_make(uint32_t module, bool recalled, struct mp_buf *out)
{
	bool first = module == 0 || recalled;
	struct mp_result r = {.cluster = cluster,
		.run = W.rec.id,
		.generation = 1,
		.attempt = {.module = module, .term = 1, .counter = module + 1},
		.node = node_of(JOINER),
		.leader = node_of(FOUNDER),
		.spec = hash_of(W.graph->modules[module].spec),
		.started_ms = NOW + 2000,
		.ended_ms = NOW + 3000,
		.where = {{9}}};
	struct mp_offer offer;
	struct mp_result_sig sig;
	struct mp_buf record = buf_new();
	struct mp_span span;

	assert_int_equal(mp_inputs_hash(c, &alloc, NULL, &W.a_record, module == 1, &r.inputs), 0);
	r.cache_key = key_make(module, r.where);
	r.run.b[0] ^= recalled;
	if (first)
		result_spoil(&r, recalled);
	offer = (struct mp_offer){
		r.cluster, r.run, r.generation, r.attempt, r.node, r.spec, r.inputs};
	offer.attempt.counter += first && W.spoil == SPOIL_OFFER && !recalled;
	assert_int_equal(mp_offer_hash(c, &alloc, &offer, &r.offer), 0);
	c->sign(secret_of(&r.leader), &r.offer_sig, mp_span(r.offer.b, sizeof(r.offer.b)));
	r.offer_sig.b[0] ^=
		first && W.spoil == (recalled ? SPOIL_RECALL_OFFER_SIG : SPOIL_OFFER_SIG);
	assert_int_equal(mp_result_encode(&record, &r), 0);
	span = mp_buf_span(&record);
	mp_result_sign(c, secret_of(&r.node), &span, 1, &sig);
	sig.root_sig.b[0] ^= first && W.spoil == (recalled ? SPOIL_RECALL_SIG : SPOIL_SIG);
	assert_int_equal(mp_signed_result_encode(out, span, &sig), 0);
	if (module == 0)
		W.a_record = hash_of(span);
	mp_buf_fini(&record);
}

static inline void
finished_put(uint32_t module)
{
	struct mp_node_id holder = node_of(FOUNDER);
	struct mp_assigned a = {
		{.module = module, .term = 1, .counter = module + 1}, node_of(JOINER)};
	struct mp_finished f = {.attempt = a.attempt, .worker = a.worker};
	struct mp_buf body = buf_new(), result = buf_new();

	assert_int_equal(mp_body_assigned_encode(&body, &a, 1), 0);
	entry_put(MP_ENTRY_ASSIGNED, NOW + 2000, &body);
	/* a's place has the result of b, or its own. */
	result_make(W.spoil == SPOIL_SWAPPED ? 1 - module : module, false, &result);
	if (W.spoil == SPOIL_UNASSIGNED && module == 0)
		f.worker = node_of(STRANGER);
	if (W.spoil == SPOIL_UNCERTIFIED && module == 0)
		f.worker = node_of(AUTHORITY2);
	f.result = mp_buf_span(&result);
	assert_int_equal(mp_body_finished_encode(&body, &f, &holder, 1), 0);
	entry_put(MP_ENTRY_FINISHED, FINISHED_AT, &body);
	mp_buf_fini(&result);
	mp_buf_fini(&body);
}

static inline void
cached_put(void)
{
	struct mp_node_id holder = node_of(FOUNDER);
	struct mp_recalled f = {.module = 2};
	struct mp_buf body = buf_new(), result = buf_new();

	result_make(2, true, &result);
	f.result = mp_buf_span(&result);
	assert_int_equal(mp_body_cached_encode(&body, &f, &holder, 1), 0);
	entry_put(MP_ENTRY_CACHED, FINISHED_AT, &body);
	mp_buf_fini(&result);
	mp_buf_fini(&body);
}

/* ---- the end ---- */

static inline void
end_put(void)
{
	struct mp_end end = {.cluster = cluster,
		.run = W.rec.id,
		.generation = 1,
		.term = 1,
		.leader = node_of(W.spoil == SPOIL_END_LEADER ? STRANGER : FOUNDER),
		.outcome = MP_OUTCOME_SUCCEEDED,
		.ended_ms = NOW + 6000,
		.modules = 3,
		.succeeded = W.spoil == SPOIL_END_COUNT ? 2 : 3};
	struct mp_buf body = buf_new();

	assert_int_equal(mp_body_end_encode(&body, MP_OUTCOME_SUCCEEDED), 0);
	entry_put(MP_ENTRY_END, NOW + 6000, &body);
	end.last_index = W.entry_count;
	end.last_hash = W.tip;
	end.last_hash.b[0] ^= W.spoil == SPOIL_END_HASH;
	W.end = buf_new();
	assert_int_equal(mp_end_sign(c, secret_of(&end.leader), &end, &W.end), 0);
	W.end.p[W.end.n - 1] ^= W.spoil == SPOIL_END_SIG;
	if (W.spoil == SPOIL_END_NONE)
		mp_buf_clear(&W.end);
	mp_buf_fini(&body);
}

static inline void
world_make(enum spoil spoil)
{
	memset(&W, 0, sizeof(W));
	W.spoil = spoil;
	make_third();
	make_revocation();
	make_record();
	make_term();
	finished_put(0);
	finished_put(1);
	cached_put();
	end_put();
}

static inline void
world_free(void)
{
	for (size_t i = 0; i < W.entry_count; i++)
		mp_buf_fini(&W.entries[i]);
	mp_buf_fini(&W.record);
	mp_buf_fini(&W.pipeline);
	mp_buf_fini(&W.end);
	mp_buf_fini(&W.third);
	mp_buf_fini(&W.revocation);
	mp_graph_free(W.graph);
}

/* ---- judging ---- */

static inline void
on_finding(void *ctx, const struct mp_finding *f)
{
	(void)ctx;
	if (W.found_count < mp_countof(W.found))
		W.found[W.found_count++] = *f;
}

static inline int
walk(struct mp_proof *p)
{
	const struct mp_buf *credentials[] = {&W.third, &member, &founder};
	char run[33] = "";
	int rc = mp_proof_init(p, &alloc, c, &cluster, on_finding, NULL);

	mp_hex(run, W.rec.id.b, sizeof(W.rec.id.b));
	if (rc == 0)
		rc = mp_proof_authority(p, mp_buf_span(&log_bytes));
	if (rc == 0 && W.revocation.n > 0)
		rc = mp_proof_revocation(p, mp_buf_span(&W.revocation));
	for (size_t i = 0; rc == 0 && i < mp_countof(credentials); i++)
		rc = mp_proof_credential(p, mp_buf_span(credentials[i]));
	if (rc == 0)
		rc = mp_proof_settle(p);
	if (rc == 0)
		rc = mp_proof_run(p, run, mp_buf_span(&W.record), mp_buf_span(&W.pipeline));
	for (size_t i = 0; rc == 0 && i < W.entry_count; i++) {
		if (W.spoil == SPOIL_GAP && i == 4)
			continue;
		if (W.spoil == SPOIL_END_CUT && i > 4)
			break;
		rc = mp_proof_entry(p, mp_buf_span(&W.entries[i]));
	}
	return rc == 0 ? mp_proof_end(p, mp_buf_span(&W.end)) : rc;
}

/* Walks all that was made, and keeps what was found in W. What mp_proof_*() returned. */
static inline int
judge(void)
{
	int rc;

	W.found_count = 0;
	rc = walk(&W.proof);
	mp_proof_fini(&W.proof);
	return rc;
}

static inline bool
finding(const char *check, uint32_t module, struct mp_finding *out)
{
	for (size_t i = 0; i < W.found_count; i++) {
		if (strcmp(W.found[i].check, check) != 0 || W.found[i].module != module)
			continue;
		if (out != NULL)
			*out = W.found[i];
		return true;
	}
	return false;
}

static inline size_t
weighing(enum mp_proof_weight weight)
{
	size_t n = 0;

	for (size_t i = 0; i < W.found_count; i++)
		n += W.found[i].weight == weight;
	return n;
}

#endif
