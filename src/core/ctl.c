/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ctl_int.h"

#include "core/node.h"
#include "mp/limits.h"
#include "mp/pipeline.h"

#define ASK_MS   2000
#define HOPS_MAX 2
/* While a run has no leader, its electors are asked so often whether they have one. */
#define LEADERLESS_MS 250

int
mp_ctl_new(struct mp_env *env, const struct mp_ctl_parts *parts, struct mp_ctl **out)
{
	struct mp_ctl *ctl = mp_realloc(env->alloc, NULL, 0, sizeof(*ctl));

	if (ctl == NULL)
		return MP_ENOMEM;
	*ctl = (struct mp_ctl){.parts = *parts, .alloc = env->alloc};
	if (mp_wait_new(env, &ctl->wait) != 0) {
		mp_dealloc(env->alloc, ctl, sizeof(*ctl));
		return MP_ENOMEM;
	}
	*out = ctl;
	return 0;
}

static void
open_free(struct open *o)
{
	struct mp_ctl *ctl = o->ctl;
	struct open **at = &ctl->first;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	ctl->count--;
	if (o->state == OPEN_SUBMITTING)
		mp_runs_submit_forget(ctl->parts.runs, &o->submit);
	mp_fetch_cancel(ctl->parts.fetch, &o->fetch);
	mp_runs_takeover_forget(ctl->parts.runs, &o->takeover);
	open_gather_free(o);
	explicit_bzero(o->bytes, o->size); /* secrets may be among it */
	mp_dealloc(ctl->alloc, o, sizeof(*o) + o->size);
}

void
mp_ctl_free(struct mp_ctl *ctl)
{
	if (ctl == NULL)
		return;
	while (ctl->first != NULL)
		open_free(ctl->first);
	mp_wait_free(ctl->wait);
	mp_dealloc(ctl->alloc, ctl, sizeof(*ctl));
}

/* ---- answers ---- */

/* To a client on its request, or to the peer that passed it on. */
static void
answer_to(struct mp_env *env, const struct mp_node_id *peer, uint64_t request, struct mp_span bytes,
	uint64_t after)
{
	struct mp_buf buf;
	struct mp_cbor_w w;

	if (peer == NULL) {
		mp_out_reply(env->out, request, bytes, true, after);
		return;
	}
	mp_buf_init(&buf, env->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 3);
	mp_cbor_w_uint(&w, MP_MSG_CTL_ANSWER);
	mp_cbor_w_uint(&w, request);
	mp_cbor_w_span(&w, bytes);
	if (w.rc == 0)
		mp_out_send(env->out, peer, MP_CLASS_CONTROL, mp_buf_span(&buf), after);
	mp_buf_fini(&buf);
}

static void
answer_error(struct mp_env *env, const struct mp_node_id *peer, uint64_t request, int code,
	const char *text)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (mp_ctl_error_encode(buf, code, text) == 0)
		answer_to(env, peer, request, mp_buf_span(buf), 0);
}

static const struct mp_node_id *
open_peer(const struct open *o)
{
	return o->remote ? &o->peer : NULL;
}

void
open_fail(struct open *o, struct mp_env *env, int code, const char *text)
{
	o->ctl->refused += o->remote && (mp_error_denies(code) || code == MP_ESIG);
	if (!o->gone)
		answer_error(env, open_peer(o), o->request, code, text);
	open_free(o);
}

/* rc and payload of an encoder; payload is finished here. */
void
open_answer(struct open *o, struct mp_env *env, int rc, struct mp_buf *payload)
{
	struct mp_buf *buf = mp_out_scratch(env->out);

	if (rc == 0)
		rc = mp_ctl_ok_encode(buf, mp_buf_span(payload));
	if (rc != 0)
		open_fail(o, env, rc, mp_strerror(rc));
	else {
		if (!o->gone)
			answer_to(env, open_peer(o), o->request, mp_buf_span(buf), o->after);
		open_free(o);
	}
	mp_buf_fini(payload);
}

void
open_answer_null(struct open *o, struct mp_env *env)
{
	struct mp_buf payload;
	struct mp_cbor_w w;

	mp_buf_init(&payload, env->alloc, 16);
	mp_cbor_w_init(&w, &payload);
	mp_cbor_w_null(&w);
	open_answer(o, env, w.rc, &payload);
}

void
open_answer_durable(struct open *o, struct mp_env *env)
{
	o->after = mp_out_seq(env->out);
	open_answer_null(o, env);
}

/* ---- asking others ---- */

void
open_snapshot(struct open *o, struct mp_env *env)
{
	struct mp_buf payload;
	int rc;

	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	if (o->r.number == MP_CTL_EVENTS)
		rc = mp_runs_events(o->ctl->parts.runs, &o->run, o->r.from, &payload);
	else if (o->r.number == MP_CTL_RECORD)
		rc = mp_runs_record(o->ctl->parts.runs, &o->run, &payload);
	else if (o->r.number == MP_CTL_ENTRIES)
		rc = mp_runs_entries(o->ctl->parts.runs, &o->run, o->r.from, &payload);
	else
		rc = mp_runs_snapshot(
			o->ctl->parts.runs, env, &o->run, o->r.from, o->r.count, &payload);
	open_answer(o, env, rc, &payload);
}

/* Does a run's leader have to do something for it? */
static bool
open_is_decided(const struct open *o)
{
	return o->r.number == MP_CTL_CANCEL || o->r.number == MP_CTL_RESOLVE ||
	       o->r.number == MP_CTL_SECRETS;
}

/* Nobody else could say. */
static void
open_alone(struct open *o, struct mp_env *env)
{
	enum mp_runs_have have = mp_runs_have(o->ctl->parts.runs, &o->run);

	if (open_is_decided(o) && have != MP_RUNS_HAVE_NOTHING && env->now_ms < o->patient_ms) {
		o->state = OPEN_LEADERLESS;
		o->deadline_ms = env->now_ms + LEADERLESS_MS;
	} else if (o->r.number == MP_CTL_DRAIN || o->r.number == MP_CTL_COPY)
		open_fail(o, env, MP_ENOQUORUM,
			"the node cannot be reached from here, or is stopping; try again, or on "
			"that node itself");
	else if (o->r.number == MP_CTL_LOG)
		open_fail(o, env, MP_ENOENT,
			"that attempt does not run, or its node is out of reach");
	else if (!open_is_decided(o) && have >= MP_RUNS_HAVE_STATE)
		open_snapshot(o, env);
	else if (have == MP_RUNS_HAVE_NOTHING)
		open_fail(o, env, MP_ENOENT, "no such run is known here");
	else
		open_fail(o, env, MP_ENOQUORUM,
			open_is_decided(o)
				? "no majority of the run's electors can be reached from here: "
				  "nobody leads it; try again, or on another node. Where they "
				  "are lost for good, mpctl takeover first"
				: "none of the run's electors can be reached from here; try again, "
				  "or on another node");
}

/* What may be done twice when it is said twice is said once: whoever was told has its time, and
 * whoever asked has more than that. */
static mp_time
ask_ms(const struct open *o)
{
	if (o->r.number != MP_CTL_RESOLVE)
		return ASK_MS;
	return MP_CTL_DECIDE_MS + (mp_time)(HOPS_MAX - o->hops) * 1000;
}

static void
open_ask_next(struct open *o, struct mp_env *env)
{
	struct mp_cbor_w w;
	struct mp_buf buf;
	int rc;

	if (o->who_next == o->who_count) {
		open_alone(o, env);
		return;
	}
	o->state = OPEN_ASKING;
	o->ask = ++o->ctl->asks;
	o->deadline_ms = env->now_ms + ask_ms(o);
	mp_buf_init(&buf, env->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_uint(&w, MP_MSG_CTL_ASK);
	mp_cbor_w_uint(&w, o->ask);
	mp_cbor_w_uint(&w, o->hops + 1);
	mp_cbor_w_bytes(&w, o->bytes, o->size);
	rc = w.rc;
	if (rc == 0)
		mp_out_send(
			env->out, &o->who[o->who_next++], MP_CLASS_CONTROL, mp_buf_span(&buf), 0);
	mp_buf_fini(&buf);
	if (rc != 0)
		open_fail(o, env, rc, mp_strerror(rc));
}

void
open_ask(struct open *o, struct mp_env *env)
{
	o->who_next = 0;
	o->who_count = o->hops < HOPS_MAX ? mp_runs_whom(o->ctl->parts.runs, &o->run, o->who) : 0;
	open_ask_next(o, env);
}

void
open_ask_node(struct open *o, struct mp_env *env, const struct mp_node_id *node)
{
	o->who_next = 0;
	o->who[0] = *node;
	o->who_count = o->hops == 0 && mp_roster_find(o->ctl->parts.roster, node) != NULL;
	open_ask_next(o, env);
}

/* ---- the others ---- */

static void
submitted(struct mp_submit_req *req, struct mp_env *env, int rc, const struct mp_run_id *run,
	const char *text)
{
	struct open *o = mp_container_of(req, struct open, submit);
	struct mp_buf payload;

	o->state = OPEN_ASKING; /* nothing to forget any more */
	if (rc != 0) {
		open_fail(o, env, rc, text != NULL ? text : mp_strerror(rc));
		return;
	}
	mp_buf_init(&payload, env->alloc, 64);
	rc = mp_ctl_submitted_encode(&payload, run);
	open_answer(o, env, rc, &payload);
}

/* Names and values with a NUL at their end, in step memory. */
static struct mp_param *
params_copy(struct mp_env *env, struct mp_span encoded, size_t *count)
{
	struct mp_ctl_param p;
	struct mp_param *params;
	struct mp_cbor_r r;
	size_t left, n = 0;

	left = mp_ctl_list_begin(&r, encoded);
	params = mp_out_mem(env->out, (left + 1) * sizeof(*params));
	while (params != NULL && mp_ctl_param_next(&r, &left, &p)) {
		char *name = mp_out_mem(env->out, p.name.n + 1);
		char *value = mp_out_mem(env->out, p.value.n + 1);

		if (name == NULL || value == NULL)
			return NULL;
		if (p.name.n > 0)
			memcpy(name, p.name.p, p.name.n);
		if (p.value.n > 0)
			memcpy(value, p.value.p, p.value.n);
		params[n++] = (struct mp_param){.name = name, .value = value};
	}
	*count = n;
	return params;
}

static void
open_submit(struct open *o, struct mp_env *env)
{
	struct mp_submission s = {
		.pipeline = o->r.pipeline, .inputs = o->r.inputs, .secrets = o->r.secrets};
	struct mp_error err = {0};
	char key[MP_NAME_MAX + 1] = "";
	int rc;

	if (o->r.key.n > 0) {
		memcpy(key, o->r.key.p, o->r.key.n);
		s.key = key;
	}
	s.params = params_copy(env, o->r.params, &s.param_count);
	if (s.params == NULL) {
		open_fail(o, env, MP_ENOMEM, "out of memory");
		return;
	}
	o->state = OPEN_SUBMITTING;
	rc = mp_runs_submit(o->ctl->parts.runs, env, &s, &o->submit, &err);
	if (rc != 0) {
		o->state = OPEN_ASKING;
		open_fail(o, env, rc, err.text[0] != '\0' ? err.text : mp_strerror(rc));
	}
}

static void
fetched(struct mp_fetch_req *req, struct mp_env *env, int rc, const struct mp_hash *blob,
	struct mp_span bytes)
{
	struct open *o = mp_container_of(req, struct open, fetch);

	(void)blob;
	(void)bytes;
	if (rc == MP_ENOENT)
		open_fail(o, env, rc, "no live node has these bytes");
	else if (rc != 0)
		open_fail(o, env, rc, mp_strerror(rc));
	else
		open_answer_null(o, env);
}

static void
open_fetch(struct open *o, struct mp_env *env)
{
	struct mp_blob_ref *refs;
	struct mp_node_id *holders;
	size_t left, n = 0, k = 0;
	struct mp_cbor_r r;
	int rc = MP_ENOMEM;

	if (o->remote) {
		open_fail(o, env, MP_EAUTH, "a node brings bytes for clients of its own");
		return;
	}
	left = mp_ctl_list_begin(&r, o->r.blobs);
	refs = mp_out_mem(env->out, (left + 1) * sizeof(*refs));
	while (refs != NULL && mp_ctl_blob_next(&r, &left, &refs[n]))
		n++;
	left = mp_ctl_list_begin(&r, o->r.holders);
	holders = mp_out_mem(env->out, (left + 1) * sizeof(*holders));
	while (holders != NULL && mp_ctl_holder_next(&r, &left, &holders[k]))
		k++;
	o->state = OPEN_FETCHING;
	o->fetch.done = fetched;
	o->fetch.all = true;
	if (refs != NULL && holders != NULL)
		rc = mp_fetch_get(o->ctl->parts.fetch, env, &o->fetch, refs, n, holders, k);
	if (rc != 0)
		open_fail(o, env, rc, mp_strerror(rc));
}

static void
open_runs(struct open *o, struct mp_env *env)
{
	struct mp_buf payload;
	int rc;

	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	rc = mp_runs_list(o->ctl->parts.runs, env, &payload);
	open_answer(o, env, rc, &payload);
}

/* Of a node that we can ask, or of this one. */
static void
open_log(struct open *o, struct mp_env *env)
{
	struct mp_effect fx = {.kind = MP_FX_LOG_READ};

	if (!mp_node_id_eq(&o->r.node, &env->self)) {
		open_ask_node(o, env, &o->r.node);
		return;
	}
	o->state = OPEN_READING;
	o->ask = MP_TOKEN_CTL | ++o->ctl->asks;
	fx.u.log_read.token = o->ask;
	fx.u.log_read.piece = o->r.log;
	mp_out_effect(env->out, &fx);
}

struct open *
open_reading(const struct mp_ctl *ctl, uint64_t token)
{
	struct open *o = ctl->first;

	while (o != NULL && (o->state != OPEN_READING || o->ask != token))
		o = o->next;
	return o;
}

void
mp_ctl_logged(struct mp_ctl *ctl, struct mp_env *env, const struct mp_event *ev)
{
	struct open *o = open_reading(ctl, ev->u.log_read.token);
	struct mp_buf payload;
	int rc = ev->u.log_read.rc;

	if (o == NULL)
		return;
	if (rc != 0) {
		open_fail(o, env, rc,
			rc == MP_ENOENT ? "that attempt does not run on this node"
					: "what the attempt has written cannot be read");
		return;
	}
	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	rc = mp_ctl_logged_encode(&payload, ev->u.log_read.offset, ev->u.log_read.bytes);
	open_answer(o, env, rc, &payload);
}

static void
open_leave(struct open *o, struct mp_env *env)
{
	struct mp_error err = {0};
	bool anyway = o->r.number == MP_CTL_LEAVE_ANYWAY;

	if (o->remote)
		open_fail(o, env, MP_EAUTH, "a node leaves when it is asked itself");
	else if (mp_leave_begin(o->ctl->parts.leave, env, anyway, &err) != 0)
		open_fail(o, env, err.code, err.text);
	else
		o->state = OPEN_LEAVING;
}

static void
open_begin(struct open *o, struct mp_env *env)
{
	switch (o->r.number) {
	case MP_CTL_SUBMIT:
		open_submit(o, env);
		break;
	case MP_CTL_SHOW:
	case MP_CTL_EVENTS:
	case MP_CTL_RECORD:
	case MP_CTL_ENTRIES:
	case MP_CTL_WAIT:
	case MP_CTL_CANCEL:
	case MP_CTL_RESOLVE:
	case MP_CTL_TAKEOVER:
	case MP_CTL_SECRETS:
		open_about_run(o, env);
		break;
	case MP_CTL_TAKE:
		open_take(o, env);
		break;
	case MP_CTL_RUNS:
		open_runs(o, env);
		break;
	case MP_CTL_NODES:
		open_nodes(o, env);
		break;
	case MP_CTL_DRAIN:
		open_drain(o, env);
		break;
	case MP_CTL_KNOCK:
		open_knock(o, env);
		break;
	case MP_CTL_PENDING:
		open_pending(o, env);
		break;
	case MP_CTL_GRANT:
		open_grant(o, env);
		break;
	case MP_CTL_REVOKE:
	case MP_CTL_TRUST:
	case MP_CTL_CHARTER:
		if (o->remote)
			open_fail(o, env, MP_EAUTH, "an authority's word is taken from clients");
		else if (o->r.number == MP_CTL_REVOKE)
			open_revoke(o, env);
		else if (o->r.number == MP_CTL_TRUST)
			open_trust(o, env);
		else
			open_charter(o, env);
		break;
	case MP_CTL_FETCH:
		open_fetch(o, env);
		break;
	case MP_CTL_LOG:
		open_log(o, env);
		break;
	case MP_CTL_CREDENTIALS:
		open_credentials(o, env);
		break;
	case MP_CTL_COPY:
		open_copy(o, env);
		break;
	case MP_CTL_LEAVE:
	case MP_CTL_LEAVE_ANYWAY:
		open_leave(o, env);
		break;
	case MP_CTL_OK:
	case MP_CTL_ERROR:
		mp_unreachable();
	}
}

/* ---- in ---- */

static struct open *
open_new(struct mp_ctl *ctl, struct mp_span bytes)
{
	struct open *o = mp_realloc(ctl->alloc, NULL, 0, sizeof(*o) + bytes.n);

	if (o == NULL)
		return NULL;
	*o = (struct open){.ctl = ctl,
		.state = OPEN_ASKING,
		.size = bytes.n,
		.next = ctl->first,
		.deadline_ms = MP_TIME_NEVER};
	memcpy(o->bytes, bytes.p, bytes.n);
	o->submit.done = submitted;
	mp_buf_init(&o->found, ctl->alloc, 0);
	ctl->first = o;
	ctl->count++;
	return o;
}

/* For one more of that peer, or of a client. */
static bool
ctl_has_room(const struct mp_ctl *ctl, const struct mp_node_id *peer,
	const struct mp_ctl_request *r, size_t size)
{
	size_t of_peer = 0, of_peers = 0, fetching = 0;

	for (const struct open *o = ctl->first; o != NULL; o = o->next) {
		of_peers += o->remote;
		of_peer += o->remote && peer != NULL && mp_node_id_eq(&o->peer, peer);
		fetching += o->state == OPEN_FETCHING ? o->size : 0;
	}
	if (peer != NULL && (of_peer >= MP_CTL_OPEN_PEER_MAX || of_peers >= MP_CTL_OPEN_PEERS_MAX))
		return false;
	if (r->number == MP_CTL_FETCH && fetching > 0 && fetching + size > MP_CTL_FETCHING_MAX)
		return false;
	return ctl->count < MP_CTL_OPEN_MAX;
}

static int
ctl_open(struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *peer, uint64_t request,
	uint64_t hops, struct mp_span bytes)
{
	struct mp_ctl_request r;
	struct open *o;
	int rc = mp_ctl_request_decode(bytes, &r);

	if (rc != 0) {
		answer_error(env, peer, request, rc,
			"the node does not understand this request; are mpctl and mpnode of one "
			"version?");
		return rc;
	}
	if (!ctl_has_room(ctl, peer, &r, bytes.n) || (o = open_new(ctl, bytes)) == NULL) {
		answer_error(env, peer, request, MP_EBUSY, "too many requests are open; try again");
		return MP_EBUSY;
	}
	(void)mp_ctl_request_decode(mp_span(o->bytes, o->size), &o->r);
	o->request = request;
	o->hops = hops;
	if (peer != NULL) {
		o->remote = true;
		o->peer = *peer;
	} else {
		o->patient_ms = env->now_ms + MP_CTL_DECIDE_MS;
	}
	open_begin(o, env);
	return 0;
}

void
mp_ctl_request(
	struct mp_ctl *ctl, struct mp_env *env, uint64_t request, struct mp_span bytes, bool ready)
{
	if (ready)
		(void)ctl_open(ctl, env, NULL, request, 0, bytes);
	else
		answer_error(env, NULL, request, MP_EBUSY,
			"this node is not a member yet, or is stopping");
}

void
mp_ctl_closed(struct mp_ctl *ctl, uint64_t request)
{
	for (struct open *o = ctl->first; o != NULL; o = o->next) {
		if (o->remote || o->gone || o->request != request)
			continue;
		if (o->state == OPEN_SUBMITTING)
			o->gone = true;
		else
			open_free(o);
		return;
	}
}

static int
ctl_answered(struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *from, uint64_t ask,
	struct mp_span answer)
{
	for (struct open *o = ctl->first; o != NULL; o = o->next) {
		struct mp_error err = {0};
		struct mp_span payload;
		int rc;

		if (open_gathered(o, env, from, ask, answer))
			return 0;
		if (o->state != OPEN_ASKING || o->ask != ask || o->who_next == 0 ||
			!mp_node_id_eq(&o->who[o->who_next - 1], from))
			continue;
		rc = mp_ctl_answer_decode(answer, &payload, &err);
		/* It does not know either: the next one may. What a node has of a blob it knows. */
		if (o->r.number != MP_CTL_COPY && (rc == MP_ENOENT || rc == MP_ENOQUORUM ||
							  rc == MP_ENOTLEADER || rc == MP_EBUSY)) {
			open_ask_next(o, env);
			return 0;
		}
		if (!o->gone)
			answer_to(env, open_peer(o), o->request, answer, 0);
		open_free(o);
		return 0;
	}
	return MP_ENOENT;
}

int
mp_ctl_message(
	struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *from, struct mp_span bytes)
{
	struct mp_span inner;
	struct mp_cbor_r r;
	uint64_t kind, ask, hops = 0;
	size_t items;
	int rc;

	mp_cbor_r_init(&r, bytes);
	items = mp_cbor_r_array(&r, 4);
	kind = mp_cbor_r_uint(&r, UINT64_MAX);
	ask = mp_cbor_r_uint(&r, UINT64_MAX);
	if (kind == MP_MSG_CTL_ASK)
		hops = mp_cbor_r_uint(&r, HOPS_MAX);
	inner = mp_cbor_r_bytes(&r, MP_MSG_MAX);
	rc = mp_cbor_r_end(&r);
	if (rc == 0 && items != (kind == MP_MSG_CTL_ASK ? 4u : 3u))
		rc = MP_EFORMAT;
	if (rc != 0)
		return rc;
	if (kind == MP_MSG_CTL_ASK)
		return ctl_open(ctl, env, from, ask, hops, inner);
	return ctl_answered(ctl, env, from, ask, inner);
}

/* ---- what others do, and time ---- */

/* Calls open_ask_next() for each open request that waits for this peer, or whose time is over; but
 * for what is said once, unless it cannot have been heard. */
static void
ctl_move_on(struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *peer, bool heard)
{
	struct open *next;

	for (struct open *o = ctl->first; o != NULL; o = next) {
		next = o->next;
		if (o->state == OPEN_GATHERING) {
			open_gather_on(o, env, peer);
			continue;
		}
		if (o->state != OPEN_ASKING || o->who_next == 0)
			continue;
		if (peer != NULL ? !mp_node_id_eq(&o->who[o->who_next - 1], peer)
				 : o->deadline_ms > env->now_ms)
			continue;
		if (heard && o->r.number == MP_CTL_RESOLVE)
			open_fail(o, env, MP_ETIMEOUT,
				"the node that leads the run does not say that it is decided; "
				"mpctl "
				"show tells");
		else
			open_ask_next(o, env);
	}
}

void
mp_ctl_link(struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *peer,
	enum mp_link_state state)
{
	struct open *next;

	if (state == MP_LINK_UP) {
		ctl_grants_tell(ctl, env, peer);
		return;
	}
	/* A stream that could not be opened carried nothing. */
	ctl_move_on(ctl, env, peer, state == MP_LINK_DOWN);
	for (struct open *o = ctl->first; o != NULL; o = next) {
		next = o->next;
		if (o->remote && o->state != OPEN_SUBMITTING && mp_node_id_eq(&o->peer, peer))
			open_free(o); /* it will ask again, here or elsewhere */
	}
}

void
mp_ctl_flush(struct mp_ctl *ctl, struct mp_env *env)
{
	struct open *next;

	for (struct open *o = ctl->first; o != NULL; o = next) {
		next = o->next;
		if (o->state == OPEN_DECIDING)
			open_decided(o, env);
	}
	if (mp_runs_ends(ctl->parts.runs) == ctl->ends &&
		mp_runs_loads(ctl->parts.runs) == ctl->loads)
		return;
	ctl->ends = mp_runs_ends(ctl->parts.runs);
	ctl->loads = mp_runs_loads(ctl->parts.runs);
	for (struct open *o = ctl->first; o != NULL; o = next) {
		next = o->next;
		if ((o->state == OPEN_WAITING && mp_runs_ended(ctl->parts.runs, &o->run)) ||
			(o->state == OPEN_LOADING && !mp_runs_loading(ctl->parts.runs, &o->run)))
			open_show(o, env);
	}
}

void
mp_ctl_left(struct mp_ctl *ctl, struct mp_env *env, const struct mp_error *why)
{
	struct open *next;

	for (struct open *o = ctl->first; o != NULL; o = next) {
		next = o->next;
		if (o->state != OPEN_LEAVING)
			continue;
		if (why->code != 0)
			open_fail(o, env, why->code, why->text);
		else
			open_answer_null(o, env);
	}
}

void
mp_ctl_tick(struct mp_ctl *ctl, struct mp_env *env)
{
	struct open *next;

	ctl_move_on(ctl, env, NULL, true);
	for (struct open *o = ctl->first; o != NULL; o = next) {
		next = o->next;
		if (o->state == OPEN_LEADERLESS && o->deadline_ms <= env->now_ms)
			open_about_run(o, env);
	}
}

bool
mp_ctl_quiet(const struct mp_ctl *ctl)
{
	return ctl->count == 0;
}

mp_time
mp_ctl_deadline(const struct mp_ctl *ctl)
{
	mp_time first = MP_TIME_NEVER;

	for (const struct open *o = ctl->first; o != NULL; o = o->next) {
		if ((o->state == OPEN_ASKING || o->state == OPEN_DECIDING ||
			    o->state == OPEN_GATHERING || o->state == OPEN_LEADERLESS) &&
			o->deadline_ms < first)
			first = o->deadline_ms;
	}
	return first;
}
