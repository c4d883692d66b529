/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One opener among members that a test writes, without a network: what it says is noted, and what
 * it hears the test tells. The store answers when the test lets it. Included by one test program
 * only.
 */
#ifndef MP_TESTS_OPEN_WORLD_H
#define MP_TESTS_OPEN_WORLD_H

#include "unit/unit.h"

#include "codec/msg_work.h"
#include "core/open.h"
#include "mp/limits.h"
#include "unit/fake_crypto.h"
#include "unit/pipeline_case.h"
#include "unit/roster.h"

#define NOW      1000
#define SAID_MAX 256

/* Something that the opener said. */
struct said {
	int to; /* member */
	uint64_t kind;
	struct mp_run_id run;
};

struct world {
	struct unit_heap heap, own_heap; /* the second of the test itself */
	struct mp_alloc alloc, own;
	struct mp_roster roster;
	struct mp_secret secret;
	struct mp_env env;
	struct mp_open *open;
	struct mp_buf pipeline;
	/* What was asked for last; `rec` borrows from `record`. */
	struct said said[SAID_MAX];
	size_t said_count;
	struct mp_buf record;
	struct mp_run_record rec;
	struct mp_node_id holders[MP_HOLDERS_MAX];
	size_t holder_count;
	/* What became of it. */
	struct mp_submit_req req;
	size_t done;
	int rc;
	struct mp_run_id run;
	char text[MP_ERROR_TEXT_MAX];
	size_t opened;
	bool begins; /* what opened() answers */
};

/* ---- stand-ins for the store ---- */

struct mp_fetch {
	struct mp_fetch_req *req;
	struct mp_hash digest;
};

struct mp_hold {
	struct mp_hold_req *req;
	size_t refs, copies;
	struct mp_blob_ref last;
	int rc;
};

static struct mp_fetch fetch;
static struct mp_hold hold;

int
mp_fetch_read(struct mp_fetch *f, struct mp_env *env, struct mp_fetch_req *req,
	const struct mp_hash *digest, size_t max, const struct mp_node_id *holders,
	size_t holder_count)
{
	(void)env;
	(void)max;
	(void)holders;
	assert_int_equal(holder_count, 0);
	*f = (struct mp_fetch){req, *digest};
	return 0;
}

void
mp_fetch_cancel(struct mp_fetch *f, struct mp_fetch_req *req)
{
	if (f->req == req)
		f->req = NULL;
}

int
mp_hold_request(struct mp_hold *h, struct mp_env *env, struct mp_hold_req *req,
	const struct mp_blob_ref *refs, size_t ref_count, size_t copies)
{
	(void)env;
	if (h->rc != 0)
		return h->rc;
	*h = (struct mp_hold){req, ref_count, copies, refs[ref_count - 1], 0};
	return 0;
}

void
mp_hold_cancel(struct mp_hold *h, struct mp_hold_req *req)
{
	if (h->req == req)
		h->req = NULL;
}

/* ---- the world ---- */

static inline int
member_of(const struct mp_node_id *id)
{
	return id->b[0] - 1;
}

static const struct mp_node_id *
id_of(const struct world *w, int member)
{
	return &w->roster.members[member].id;
}

static inline bool
opened(void *ctx, struct mp_env *env, const struct mp_run_id *run, struct mp_span record)
{
	struct world *w = ctx;
	struct mp_run_record rec;

	assert_int_equal(mp_run_record_verify(&fake_crypto, &env->cluster, record, &rec), 0);
	assert_true(mp_run_id_eq(&rec.id, run));
	assert_int_equal(w->done, 0);
	w->opened++;
	return w->begins;
}

static inline void
done(struct mp_submit_req *req, struct mp_env *env, int rc, const struct mp_run_id *run,
	const char *text)
{
	struct world *w = mp_container_of(req, struct world, req);

	(void)env;
	assert_null(req->opening);
	w->done++;
	w->rc = rc;
	w->run = *run;
	memcpy(w->text, text, strlen(text) + 1);
}

static inline void
begin(struct world *w)
{
	w->env.wall_ms = 1700000000000 + w->env.now_ms;
	mp_out_begin(w->env.out);
}

static inline void
hear(struct world *w, int to, struct mp_span bytes)
{
	struct said *s = &w->said[w->said_count++];
	struct mp_msg_run_open m;

	assert_true(w->said_count <= SAID_MAX);
	*s = (struct said){.to = to, .kind = mp_msg_number(bytes)};
	if (s->kind == MP_MSG_RUN_ABORT) {
		assert_int_equal(mp_msg_run_abort_decode(bytes, &s->run), 0);
		return;
	}
	if (s->kind == MP_MSG_RUN_TIP_ASK) {
		assert_int_equal(mp_msg_run_tip_ask_decode(bytes, &s->run), 0);
		return;
	}
	assert_int_equal(s->kind, MP_MSG_RUN_OPEN);
	assert_int_equal(mp_msg_run_open_decode(bytes, &m), 0);
	assert_true(m.pipeline.n == w->pipeline.n &&
		    memcmp(m.pipeline.p, w->pipeline.p, m.pipeline.n) == 0);
	mp_buf_clear(&w->record);
	assert_int_equal(mp_buf_append(&w->record, m.record.p, m.record.n), 0);
	assert_int_equal(mp_run_record_verify(
				 &fake_crypto, &w->env.cluster, mp_buf_span(&w->record), &w->rec),
		0);
	assert_true(mp_run_elector(&w->rec, id_of(w, to)) >= 0);
	s->run = w->rec.id;
	w->holder_count = 0;
	while (w->holder_count < MP_HOLDERS_MAX &&
		mp_holders_next(&m.inputs, &w->holders[w->holder_count]))
		w->holder_count++;
}

static inline void
end(struct world *w)
{
	const struct mp_effect *fx;
	struct mp_span bytes;
	size_t count;

	while (mp_out_loop(w->env.out, &bytes))
		hear(w, 0, bytes);
	mp_out_end(w->env.out, &fx, &count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(fx[i].kind, MP_FX_SEND);
		hear(w, member_of(&fx[i].u.send.peer), fx[i].u.send.bytes);
	}
}

static const char one_module[] = "meshpipe: 1\nname: one\nmodules:\n  a: { run: [\"true\"] }\n";

/* n0, which opens, and others. */
static inline void
world_init_yaml(struct world *w, size_t members, const char *yaml)
{
	struct mp_open_parts parts = {
		.roster = &w->roster, .fetch = &fetch, .hold = &hold, .opened = opened, .ctx = w};
	struct mp_pipeline *p;

	*w = (struct world){.begins = true, .req.done = done};
	fetch = (struct mp_fetch){.req = NULL};
	hold = (struct mp_hold){.req = NULL};
	w->alloc = UNIT_ALLOC(&w->heap);
	w->own = UNIT_ALLOC(&w->own_heap);
	unit_roster_init(&w->roster, members, 4);
	memset(w->secret.public_key, 1, sizeof(w->secret.public_key));
	w->env = (struct mp_env){.alloc = &w->alloc,
		.crypto = &fake_crypto,
		.secret = &w->secret,
		.self = *id_of(w, 0),
		.cluster.b = {7},
		.now_ms = NOW,
		.rng.state = 5};
	w->env.out = mp_out_new(&w->alloc, &w->env.self, NULL, NULL);
	assert_non_null(w->env.out);
	mp_buf_init(&w->pipeline, &w->own, 1u << 20);
	mp_buf_init(&w->record, &w->own, MP_SIGNED_RECORD_MAX);
	p = case_good(&w->own, yaml);
	assert_int_equal(mp_pipeline_encode(p, &w->pipeline), 0);
	mp_pipeline_free(p);
	assert_int_equal(mp_open_new(&w->env, &parts, &w->open), 0);
}

static inline void
world_init(struct world *w, size_t members)
{
	world_init_yaml(w, members, one_module);
}

static inline void
world_fini(struct world *w)
{
	mp_open_free(w->open);
	mp_out_free(w->env.out);
	mp_buf_fini(&w->pipeline);
	mp_buf_fini(&w->record);
	assert_int_equal(w->heap.live, 0);
	assert_int_equal(w->own_heap.live, 0);
}

static inline int
submit_as(struct world *w, const struct mp_submission *s, struct mp_error *err)
{
	int rc;

	begin(w);
	rc = mp_open_submit(w->open, &w->env, s, &w->req, err);
	end(w);
	return rc;
}

/* The pipeline without anything. */
static inline int
submit(struct world *w)
{
	struct mp_submission s = {.pipeline = mp_buf_span(&w->pipeline)};
	struct mp_error err = {0};

	return submit_as(w, &s, &err);
}

static inline void
tick(struct world *w, mp_time ms)
{
	w->env.now_ms += ms;
	w->said_count = 0;
	begin(w);
	mp_open_tick(w->open, &w->env);
	end(w);
}

/* Submitted, and the electors are asked. */
static inline void
ask(struct world *w)
{
	assert_int_equal(submit(w), 0);
	assert_int_equal(w->said_count, 0);
	assert_int_equal(mp_open_deadline(w->open), w->env.now_ms);
	tick(w, 0);
}

static inline int
accept(struct world *w, int member, const struct mp_run_id *run)
{
	struct mp_run_id copy = *run;
	int rc;

	w->said_count = 0;
	begin(w);
	rc = mp_open_accept(w->open, &w->env, id_of(w, member), &copy);
	end(w);
	return rc;
}

static inline int
refuse(struct world *w, int member, const struct mp_run_id *run, const char *text)
{
	struct mp_run_id copy = *run;
	int rc;

	w->said_count = 0;
	begin(w);
	rc = mp_open_refuse(w->open, &w->env, id_of(w, member), &copy, mp_span_str(text));
	end(w);
	return rc;
}

static inline void
link_of(struct world *w, int member, enum mp_link_state state)
{
	w->said_count = 0;
	begin(w);
	mp_open_link(w->open, &w->env, id_of(w, member), state);
	end(w);
}

static inline void
begun(struct world *w, const struct mp_run_id *run)
{
	struct mp_run_id copy = *run;

	begin(w);
	mp_open_begun(w->open, &w->env, &copy);
	end(w);
}

/* Bits: to which members it was said. */
static unsigned
told(const struct world *w, enum mp_msg_work kind)
{
	unsigned to = 0;

	for (size_t i = 0; i < w->said_count; i++) {
		if (w->said[i].kind == kind)
			to |= 1u << w->said[i].to;
	}
	return to;
}

static inline unsigned
electors(const struct world *w)
{
	unsigned who = 0;

	for (uint32_t i = 0; i < w->rec.elector_count; i++)
		who |= 1u << member_of(&w->rec.electors[i]);
	return who;
}

#endif
