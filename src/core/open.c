/* SPDX-License-Identifier: Apache-2.0 */
#include "core/open.h"

#include "codec/manifest.h"
#include "codec/msg_work.h"
#include "codec/record_run.h"
#include "core/mutant.h"
#include "core/vault.h"
#include "mp/limits.h"

#define ASK_MS       3000  /* an elector that has not answered by then is left out */
#define ASK_BYTES    1024  /* and a ms more for so many bytes of the pipeline, */
#define ASK_MODULES  100   /* and for so many modules that it expands to */
#define ASKS_MAX     8     /* records tried for one submission */
#define ABORT_MS     60000 /* electors that fell silent have so long to say that they forgot it */
#define BEGIN_MS     60000 /* the run that they took has so long to begin */
#define TIP_MS       300   /* so often the electors are asked whether it has, */
#define OWN_TIP_MS   3000  /* by an opener that is one when its own log has not by then */
#define MANIFEST_MAX (64u * 1024 * 1024)

enum opening_state {
	OPENING_READ,  /* the inputs' manifest */
	OPENING_HOLD,  /* the inputs themselves */
	OPENING_ASK,   /* the electors */
	OPENING_ABORT, /* until so many have forgotten the record that it can never start */
	OPENING_BEGIN, /* a majority took it: until its log has begun */
};

struct mp_opening {
	struct mp_opening *next;
	struct mp_open *open;
	enum opening_state state;
	struct mp_submit_req *req; /* NULL: forgotten */
	struct mp_buf pipeline, params, record;
	struct mp_buf secrets; /* in clear; each electorate gets them sealed anew */
	struct mp_buf sealed;
	struct mp_run_record rec; /* params borrow from `params` */
	uint32_t electors_wanted;
	bool survivor;       /* wanted, should one be mirrored */
	mp_time patience_ms; /* with an elector */
	struct mp_fetch_req fetch;
	struct mp_hold_req hold;
	unsigned asks;
	/* Bits by index of elector. */
	uint32_t accepted;
	uint32_t gone;    /* no use: it refused, or its stream broke, or it is silent */
	uint32_t without; /* it has nothing of the record, and never will */
	uint32_t reached; /* a stream to it was open since it was asked */
	mp_time deadline_ms;
	mp_time give_up_ms; /* ABORT and BEGIN */
	uint32_t begun;     /* BEGIN: of these, the log has an entry */
	bool tips;          /* BEGIN: they are asked for that */
	/* Who was no use so far. More than this many: the oldest is tried again. */
	struct mp_node_id left_out[16];
	size_t left_out_count;
	struct mp_node_id holders[MP_HOLDERS_MAX]; /* of the inputs */
	size_t holder_count;
	char refused[MP_ERROR_TEXT_MAX]; /* what the last one said */
};

struct mp_open {
	struct mp_open_parts parts;
	const struct mp_alloc *alloc;
	struct mp_opening *first;
	size_t count;
};

int
mp_open_new(struct mp_env *env, const struct mp_open_parts *parts, struct mp_open **out)
{
	struct mp_open *open = mp_realloc(env->alloc, NULL, 0, sizeof(*open));

	if (open == NULL)
		return MP_ENOMEM;
	*open = (struct mp_open){.parts = *parts, .alloc = env->alloc};
	*out = open;
	return 0;
}

static void
opening_free(struct mp_opening *o)
{
	struct mp_open *open = o->open;
	struct mp_opening **at = &open->first;

	while (*at != NULL && *at != o)
		at = &(*at)->next;
	if (*at == o) {
		*at = o->next;
		open->count--;
	}
	if (o->req != NULL)
		o->req->opening = NULL;
	mp_fetch_cancel(open->parts.fetch, &o->fetch);
	mp_hold_cancel(open->parts.hold, &o->hold);
	mp_buf_fini(&o->pipeline);
	mp_buf_fini(&o->params);
	mp_buf_fini(&o->record);
	mp_buf_wipe(&o->secrets);
	mp_buf_fini(&o->secrets);
	mp_buf_fini(&o->sealed);
	mp_dealloc(open->alloc, o, sizeof(*o));
}

void
mp_open_free(struct mp_open *open)
{
	if (open == NULL)
		return;
	while (open->first != NULL)
		opening_free(open->first);
	mp_dealloc(open->alloc, open, sizeof(*open));
}

/* Ends the opening; text NULL stands for the code's own. */
static void
opening_end(struct mp_opening *o, struct mp_env *env, int rc, const char *text)
{
	struct mp_submit_req *req = o->req;
	struct mp_run_id run = o->rec.id;
	char copy[MP_ERROR_TEXT_MAX] = "";

	if (text == NULL)
		text = mp_strerror(rc);
	memcpy(copy, text, mp_min_size(strlen(text), sizeof(copy) - 1));
	opening_free(o);
	if (req != NULL)
		req->done(req, env, rc, &run, copy);
}

/* ---- the electors ---- */

static bool
opening_left_out(const struct mp_opening *o, const struct mp_node_id *id)
{
	for (size_t i = 0; i < mp_min_size(o->left_out_count, mp_countof(o->left_out)); i++) {
		if (mp_node_id_eq(&o->left_out[i], id))
			return true;
	}
	return false;
}

static bool
elector_fit(const struct mp_opening *o, const struct mp_env *env, const struct mp_member *m)
{
	if (opening_left_out(o, &m->id) || (m->roles & MP_ROLE_NODE) == 0 ||
		mp_member_reaches_out(m))
		return false;
	if (mp_node_id_eq(&m->id, &env->self))
		return true;
	return m->state == MP_MEMBER_ALIVE && m->status <= MP_NODE_BUSY && !m->refused;
}

/* Rendezvous (Thaler and Ravishankar, 1998): everybody's score for this nonce. */
static uint64_t
elector_score(const struct mp_opening *o, const struct mp_env *env, const struct mp_node_id *id)
{
	struct mp_span parts[2] = {
		mp_span(o->rec.nonce, sizeof(o->rec.nonce)), mp_span(id->b, sizeof(id->b))};
	struct mp_hash h;
	uint64_t score;

	if (mp_node_id_eq(id, &env->self))
		return UINT64_MAX; /* the opener is one, whenever it can be */
	env->crypto->hash(&h, parts, 2);
	memcpy(&score, h.b, sizeof(score));
	return score >> 1;
}

static bool
elector_drawn(const struct mp_opening *o, const struct mp_node_id *id)
{
	for (uint32_t i = 0; i < o->rec.elector_count; i++) {
		if (mp_node_id_eq(&o->rec.electors[i], id))
			return true;
	}
	return false;
}

static bool
zone_taken(const struct mp_opening *o, const struct mp_member *m)
{
	const char *zone = m->caps != NULL ? m->caps->zone : "";

	for (uint32_t i = 0; zone[0] != '\0' && i < o->rec.elector_count; i++) {
		const struct mp_member *e =
			mp_roster_find(o->open->parts.roster, &o->rec.electors[i]);

		if (e != NULL && e->caps != NULL && strcmp(e->caps->zone, zone) == 0)
			return true;
	}
	return false;
}

/* The best by score that is not an elector yet; new zones first. */
static const struct mp_member *
elector_next(const struct mp_opening *o, const struct mp_env *env)
{
	const struct mp_roster *roster = o->open->parts.roster;
	const struct mp_member *best = NULL;
	uint64_t best_score = 0;
	bool best_taken = true;

	for (size_t i = 0; i < mp_roster_count(roster); i++) {
		const struct mp_member *m = mp_roster_at(roster, i);
		uint64_t score;
		bool taken;

		if (elector_drawn(o, &m->id) || !elector_fit(o, env, m))
			continue;
		score = elector_score(o, env, &m->id);
		taken = zone_taken(o, m);
		if (best == NULL || (best_taken && !taken) ||
			(best_taken == taken && score > best_score)) {
			best = m;
			best_score = score;
			best_taken = taken;
		}
	}
	return best;
}

/* An only elector has the next best one for its mirror, which gets the run from it once it is
 * open. */
static void
mirror_draw(struct mp_opening *o, const struct mp_env *env)
{
	const struct mp_member *m = o->rec.elector_count == 1 ? elector_next(o, env) : NULL;

	o->rec.mirrored = m != NULL;
	o->rec.survivor = o->survivor && m != NULL;
	o->rec.mirror = m != NULL ? m->id : (struct mp_node_id){{0}};
}

static void
electors_draw(struct mp_opening *o, struct mp_env *env)
{
	size_t fit = 0, want;

	for (size_t i = 0; i < mp_roster_count(o->open->parts.roster); i++)
		fit += elector_fit(o, env, mp_roster_at(o->open->parts.roster, i));
	want = fit >= o->electors_wanted ? o->electors_wanted : fit >= 3 ? 3 : 1;
	o->rec.elector_count = 0;
	while (o->rec.elector_count < want) {
		const struct mp_member *m = elector_next(o, env);

		if (m == NULL)
			break;
		o->rec.electors[o->rec.elector_count++] = m->id;
	}
	mirror_draw(o, env);
}

/* ---- asking them ---- */

static unsigned
bits(uint32_t v)
{
	unsigned n = 0;

	for (; v != 0; v &= v - 1)
		n++;
	return n;
}

static void
opening_abort_say(struct mp_opening *o, struct mp_env *env)
{
	o->deadline_ms = env->now_ms + ASK_MS;
	for (uint32_t i = 0; i < o->rec.elector_count; i++) {
		struct mp_buf *buf = mp_out_scratch(env->out);

		if ((o->without & 1u << i) == 0 && mp_msg_run_abort_encode(buf, &o->rec.id) == 0)
			mp_out_send(env->out, &o->rec.electors[i], MP_CLASS_CONTROL,
				mp_buf_span(buf), 0);
	}
}

/* Nobody else may be asked while this record may start: while those that may still have it could
 * make a majority, and while it is on this node's own disk, which hands it on after a restart. */
static bool
opening_may_start(const struct mp_opening *o, const struct mp_env *env)
{
	int self = mp_run_elector(&o->rec, &env->self);

	return o->rec.elector_count - bits(o->without) > o->rec.elector_count / 2 ||
	       (self >= 0 && (o->without & 1u << self) == 0);
}

/* Another record. False when there have been enough, or there is nobody to be asked. */
static bool
opening_draw(struct mp_opening *o, struct mp_env *env)
{
	uint64_t r[2];

	if (++o->asks > ASKS_MAX)
		return false;
	r[0] = mp_rng_next(&env->rng);
	r[1] = mp_rng_next(&env->rng);
	memcpy(o->rec.nonce, r, sizeof(o->rec.nonce));
	electors_draw(o, env);
	return o->rec.elector_count > 0;
}

static void
opening_ask(struct mp_opening *o, struct mp_env *env)
{
	struct mp_msg_run_open m = {0};
	struct mp_buf buf;
	int rc;

	if (!opening_draw(o, env)) {
		opening_end(o, env, MP_ENOQUORUM,
			o->refused[0] != '\0' ? o->refused
			: o->left_out_count > 0
				? "the nodes that were to keep the run do not answer"
				: "there is no node to keep the run");
		return;
	}
	o->state = OPENING_ASK;
	o->accepted = o->gone = o->without = o->reached = 0;
	o->deadline_ms = env->now_ms + o->patience_ms;
	for (uint32_t i = 0; i < o->rec.elector_count; i++) {
		const struct mp_member *e =
			mp_roster_find(o->open->parts.roster, &o->rec.electors[i]);

		if (e != NULL && e->link_up)
			o->reached |= 1u << i;
	}
	mp_buf_clear(&o->record);
	rc = mp_run_record_sign(env->crypto, env->secret, &o->rec, &o->record);
	mp_buf_clear(&o->sealed);
	if (rc == 0 && o->secrets.n > 0)
		rc = mp_vault_seal(env, o->open->parts.roster, &o->rec.now,
			mp_buf_span(&o->secrets), &o->sealed);
	mp_buf_init(&buf, env->alloc, MP_MSG_MAX);
	m.record = mp_buf_span(&o->record);
	m.pipeline = mp_buf_span(&o->pipeline);
	m.sealed = mp_buf_span(&o->sealed);
	for (uint32_t i = 0; rc == 0 && i < o->rec.elector_count; i++) {
		const struct mp_member *e =
			mp_roster_find(o->open->parts.roster, &o->rec.electors[i]);

		m.boot = e != NULL ? mp_member_boot(e) : 0;
		mp_buf_clear(&buf);
		rc = mp_msg_run_open_encode(&buf, &m, o->holders, o->holder_count);
		if (rc == 0)
			mp_out_send(env->out, &o->rec.electors[i], MP_CLASS_CONTROL,
				mp_buf_span(&buf), 0);
	}
	mp_buf_fini(&buf);
	if (rc != 0)
		opening_end(o, env, rc, NULL);
}

/* Somebody said no, or can no longer be hoped for. Once a majority is out of reach the record is
 * given up: all who may have it are to forget it, this node included. */
static void
opening_lost(struct mp_opening *o, struct mp_env *env, uint32_t elector)
{
	uint32_t n = o->rec.elector_count;

	if (o->state != OPENING_ASK || ((o->accepted | o->gone) & 1u << elector) != 0)
		return;
	o->gone |= 1u << elector;
	o->left_out[o->left_out_count++ % mp_countof(o->left_out)] = o->rec.electors[elector];
	if (n - bits(o->gone) > n / 2)
		return;
	o->state = OPENING_ABORT;
	o->give_up_ms = env->now_ms + ABORT_MS;
	opening_abort_say(o, env);
}

/* An elector has nothing of the record. Enough of those, and others can be asked. */
static void
opening_without(struct mp_opening *o, struct mp_env *env, uint32_t elector)
{
	o->without |= 1u << elector;
	opening_lost(o, env, elector);
	if (o->state == OPENING_ABORT && !opening_may_start(o, env))
		opening_ask(o, env);
}

static struct mp_opening *
opening_of(struct mp_open *open, const struct mp_run_id *run)
{
	for (struct mp_opening *o = open->first; o != NULL; o = o->next) {
		if ((o->state == OPENING_ASK || o->state == OPENING_ABORT) &&
			mp_run_id_eq(&o->rec.id, run))
			return o;
	}
	return NULL;
}

int
mp_open_accept(struct mp_open *open, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_id *run)
{
	struct mp_opening *o = opening_of(open, run);
	int elector = o != NULL ? mp_run_elector(&o->rec, from) : -1;

	if (elector < 0 || o->state != OPENING_ASK)
		return MP_ENOENT;
	o->accepted |= 1u << elector;
	if (bits(o->accepted) <= o->rec.elector_count / 2 && !MP_MUTANT(OPEN_BY_ONE))
		return 0;
	o->state = OPENING_BEGIN;
	mp_buf_wipe(&o->secrets); /* nobody else is asked any more */
	o->tips = !open->parts.opened(open->parts.ctx, env, run, mp_buf_span(&o->record));
	o->give_up_ms = env->now_ms + BEGIN_MS;
	o->deadline_ms = env->now_ms + (o->tips ? TIP_MS : OWN_TIP_MS);
	if (MP_MUTANT(OPEN_BY_ONE))
		opening_end(o, env, 0, "");
	return 0;
}

static void
opening_ask_tips(struct mp_opening *o, struct mp_env *env)
{
	o->tips = true;
	o->deadline_ms = env->now_ms + TIP_MS;
	for (uint32_t i = 0; i < o->rec.elector_count; i++) {
		struct mp_buf *buf = mp_out_scratch(env->out);

		if ((o->begun & 1u << i) == 0 && mp_msg_run_tip_ask_encode(buf, &o->rec.id) == 0)
			mp_out_send(env->out, &o->rec.electors[i], MP_CLASS_CONTROL,
				mp_buf_span(buf), 0);
	}
}

int
mp_open_tip(struct mp_open *open, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_tip *tip)
{
	struct mp_opening *o = open->first;
	int elector;

	while (o != NULL &&
		(o->state != OPENING_BEGIN || !o->tips || !mp_run_id_eq(&o->rec.id, &tip->run)))
		o = o->next;
	elector = o != NULL ? mp_run_elector(&o->rec, from) : -1;
	if (elector < 0)
		return MP_ENOENT;
	if (tip->index > 0)
		o->begun |= 1u << elector;
	if (bits(o->begun) > o->rec.elector_count / 2)
		opening_end(o, env, 0, "");
	return 0;
}

void
mp_open_begun(struct mp_open *open, struct mp_env *env, const struct mp_run_id *run)
{
	struct mp_opening *o = open->first;

	while (o != NULL && (o->state != OPENING_BEGIN || !mp_run_id_eq(&o->rec.id, run)))
		o = o->next;
	if (o != NULL)
		opening_end(o, env, 0, "");
}

int
mp_open_refuse(struct mp_open *open, struct mp_env *env, const struct mp_node_id *from,
	const struct mp_run_id *run, struct mp_span text)
{
	struct mp_opening *o = opening_of(open, run);
	int elector = o != NULL ? mp_run_elector(&o->rec, from) : -1;
	size_t n = mp_min_size(text.n, sizeof(o->refused) - 1);

	if (elector < 0)
		return MP_ENOENT;
	if (o->state == OPENING_ASK) {
		if (n > 0)
			memcpy(o->refused, text.p, n);
		o->refused[n] = '\0';
	}
	opening_without(o, env, (uint32_t)elector);
	return 0;
}

/* A stream that could not be opened carried nothing. One that broke may have. */
void
mp_open_link(struct mp_open *open, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state)
{
	struct mp_opening *next;

	for (struct mp_opening *o = open->first; o != NULL; o = next) {
		int elector = -1;

		next = o->next;
		if (o->state == OPENING_ASK || o->state == OPENING_ABORT)
			elector = mp_run_elector(&o->rec, peer);
		if (elector < 0 || mp_node_id_eq(peer, &env->self))
			continue;
		if (state == MP_LINK_UP || state == MP_LINK_DOWN)
			o->reached |= 1u << elector;
		if (state == MP_LINK_UP && o->state == OPENING_ABORT)
			opening_abort_say(o, env);
		else if (state != MP_LINK_UP && (o->reached & 1u << elector) == 0)
			opening_without(o, env, (uint32_t)elector);
		else if (state != MP_LINK_UP)
			opening_lost(o, env, (uint32_t)elector);
	}
}

/* ---- the inputs ---- */

static void
held(struct mp_hold_req *req, struct mp_env *env, int rc, const struct mp_node_id *holders,
	size_t holder_count)
{
	struct mp_opening *o = mp_container_of(req, struct mp_opening, hold);

	if (rc != 0) {
		opening_end(o, env, rc, "the run's inputs could not be stored");
		return;
	}
	o->holder_count = mp_min_size(holder_count, mp_countof(o->holders));
	if (o->holder_count > 0)
		memcpy(o->holders, holders, o->holder_count * sizeof(o->holders[0]));
	opening_ask(o, env);
}

static void
manifest_read(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct mp_opening *o = mp_container_of(req, struct mp_opening, fetch);
	struct mp_manifest manifest = {0};
	struct mp_blob_ref *refs = NULL;

	(void)blob;
	if (rc == 0)
		rc = mp_manifest_decode(env->alloc, bytes, &manifest, NULL);
	if (rc != 0) {
		opening_end(o, env, rc, "the manifest of the run's inputs cannot be read");
		return;
	}
	refs = mp_realloc(env->alloc, NULL, 0, (manifest.count + 1) * sizeof(*refs));
	rc = refs != NULL ? 0 : MP_ENOMEM;
	if (rc == 0) {
		refs[0] = (struct mp_blob_ref){.digest = o->rec.inputs, .size = bytes.n};
		for (size_t i = 0; i < manifest.count; i++)
			refs[i + 1] = (struct mp_blob_ref){
				.digest = manifest.files[i].digest, .size = manifest.files[i].size};
		o->state = OPENING_HOLD;
		o->hold.done = held;
		rc = mp_hold_request(o->open->parts.hold, env, &o->hold, refs, manifest.count + 1,
			o->rec.copies);
		mp_dealloc(env->alloc, refs, (manifest.count + 1) * sizeof(*refs));
	}
	mp_manifest_fini(&manifest);
	if (rc != 0)
		opening_end(o, env, rc, NULL);
}

/* ---- in ---- */

/* Fills what the pipeline decides, and finds every mistake in it. */
static int
opening_check(struct mp_opening *o, struct mp_env *env, const struct mp_submission *s,
	struct mp_error *err)
{
	struct mp_pipeline *pipeline = NULL;
	struct mp_graph *graph = NULL;
	struct mp_diags diags;
	int rc;

	mp_diags_init(&diags, env->alloc, "pipeline");
	rc = mp_pipeline_decode(s->pipeline, env->alloc, &pipeline, &diags);
	if (rc == 0)
		rc = mp_graph_expand(
			pipeline, s->params, s->param_count, env->alloc, &graph, &diags);
	if (rc == 0) {
		size_t n = mp_min_size(strlen(graph->name), MP_NAME_MAX);

		rc = mp_vault_check(&graph->secrets, s->secrets, err);
		memcpy(o->rec.name, graph->name, n);
		o->rec.copies = graph->copies;
		o->electors_wanted = graph->electors;
		o->survivor = graph->survivor;
		o->patience_ms = ASK_MS + (mp_time)(s->pipeline.n / ASK_BYTES) +
				 graph->module_count / ASK_MODULES;
	} else if (diags.n > 0) {
		char line[MP_DIAG_LINE_MAX];

		mp_diags_format(&diags, 0, line);
		(void)mp_fail(err, rc, "%s", line);
	} else {
		(void)mp_fail(err, rc, "%s", mp_strerror(rc));
	}
	mp_graph_free(graph);
	mp_pipeline_free(pipeline);
	mp_diags_fini(&diags);
	return rc;
}

static int
opening_params(struct mp_opening *o, struct mp_env *env, const struct mp_submission *s)
{
	struct mp_run_param *params =
		mp_realloc(env->alloc, NULL, 0, (s->param_count + 1) * sizeof(*params));
	int rc;

	if (params == NULL)
		return MP_ENOMEM;
	for (size_t i = 0; i < s->param_count; i++)
		params[i] = (struct mp_run_param){.key = mp_span_str(s->params[i].name),
			.value = mp_span_str(s->params[i].value)};
	rc = mp_run_params_encode(&o->params, params, s->param_count);
	mp_dealloc(env->alloc, params, (s->param_count + 1) * sizeof(*params));
	o->rec.params = mp_buf_span(&o->params);
	o->rec.param_count = (uint32_t)s->param_count;
	return rc;
}

static int
opening_fill(struct mp_opening *o, struct mp_env *env, const struct mp_submission *s,
	struct mp_error *err)
{
	int rc = opening_check(o, env, s, err);

	if (rc != 0)
		return rc;
	rc = opening_params(o, env, s);
	if (rc == 0)
		rc = mp_buf_append(&o->pipeline, s->pipeline.p, s->pipeline.n);
	if (rc == 0)
		rc = mp_buf_append(&o->secrets, s->secrets.p, s->secrets.n);
	if (rc != 0)
		return mp_fail(err, rc, "submission: %s", mp_strerror(rc));
	o->rec.cluster = env->cluster;
	env->crypto->hash(&o->rec.pipeline, &s->pipeline, 1);
	o->rec.opener = env->self;
	o->rec.submitted_ms = env->wall_ms;
	o->rec.inputs = s->inputs;
	return 0;
}

int
mp_open_submit(struct mp_open *open, struct mp_env *env, const struct mp_submission *s,
	struct mp_submit_req *req, struct mp_error *err)
{
	struct mp_opening *o;
	int rc;

	mp_assert(req->opening == NULL);
	if (s->key != NULL)
		return mp_fail(err, MP_EUNSUPPORTED, "submission keys are not implemented yet");
	if (open->count >= MP_OPEN_MAX)
		return mp_fail(
			err, MP_EBUSY, "%d submissions are under way; try again", MP_OPEN_MAX);
	o = mp_realloc(open->alloc, NULL, 0, sizeof(*o));
	if (o == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	*o = (struct mp_opening){.open = open, .deadline_ms = MP_TIME_NEVER};
	mp_buf_init(&o->pipeline, open->alloc, MP_PIPELINE_CBOR_MAX);
	mp_buf_init(&o->params, open->alloc, MP_MSG_MAX);
	mp_buf_init(&o->record, open->alloc, MP_SIGNED_RECORD_MAX);
	mp_buf_init(&o->secrets, open->alloc, MP_SECRETS_ENCODED_MAX);
	mp_buf_init(&o->sealed, open->alloc, MP_SEALED_MAX + 128);
	rc = opening_fill(o, env, s, err);
	if (rc == 0 && !mp_hash_is_zero(&s->inputs)) {
		o->fetch.done = manifest_read;
		rc = mp_fetch_read(
			open->parts.fetch, env, &o->fetch, &s->inputs, MANIFEST_MAX, NULL, 0);
	} else if (rc == 0) {
		/* done() is never called from in here: the first question goes out with the tick.
		 */
		o->state = OPENING_ASK;
		o->deadline_ms = env->now_ms;
	}
	if (rc != 0) {
		opening_free(o);
		return rc;
	}
	o->req = req;
	req->opening = o;
	o->next = open->first;
	open->first = o;
	open->count++;
	return 0;
}

void
mp_open_forget(struct mp_open *open, struct mp_submit_req *req)
{
	(void)open;
	if (req->opening != NULL)
		req->opening->req = NULL;
	req->opening = NULL;
}

static void
opening_tick(struct mp_opening *o, struct mp_env *env)
{
	if ((o->state == OPENING_BEGIN || o->state == OPENING_ABORT) &&
		env->now_ms >= o->give_up_ms) {
		opening_end(o, env, MP_ETIMEOUT,
			"the nodes that took the run fell silent; it may start without more");
		return;
	}
	if (o->state == OPENING_BEGIN) {
		opening_ask_tips(o, env);
		return;
	}
	if (o->state == OPENING_ABORT) {
		opening_abort_say(o, env);
		return;
	}
	if (o->asks == 0) {
		opening_ask(o, env);
		return;
	}
	o->deadline_ms = env->now_ms + o->patience_ms;
	for (uint32_t i = 0; i < o->rec.elector_count; i++)
		opening_lost(o, env, i);
}

void
mp_open_tick(struct mp_open *open, struct mp_env *env)
{
	struct mp_opening *next;

	for (struct mp_opening *o = open->first; o != NULL; o = next) {
		next = o->next;
		if (o->state >= OPENING_ASK && o->deadline_ms <= env->now_ms)
			opening_tick(o, env);
	}
}

mp_time
mp_open_deadline(const struct mp_open *open)
{
	mp_time first = MP_TIME_NEVER;

	for (const struct mp_opening *o = open->first; o != NULL; o = o->next) {
		if (o->state >= OPENING_ASK && o->deadline_ms < first)
			first = o->deadline_ms;
	}
	return first;
}
