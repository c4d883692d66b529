/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about who waits to be admitted: they concern all nodes, which are asked at once. */
#include "core/ctl_int.h"

#define GATHER_MS 2000
/* Nodes that are asked, those with an open stream first. */
#define ASKED_MAX 256

/* ---- asking all ---- */

static bool
is_found(const struct open *o, struct mp_span request)
{
	struct mp_ctl_pending p;
	struct mp_cbor_r r;

	mp_cbor_r_init(&r, mp_buf_span(&o->found));
	for (size_t i = 0; i < o->found_count; i++) {
		mp_ctl_pending_next(&r, &p);
		if (mp_span_eq(p.request, request))
			return true;
	}
	return false;
}

static int
found_add(struct open *o, const struct mp_ctl_pending *p)
{
	int rc;

	if (o->found_count == MP_CTL_PENDING_MAX || is_found(o, p->request))
		return 0;
	rc = mp_ctl_pending_encode(&o->found, p);
	o->found_count += rc == 0;
	return rc;
}

/* All that were asked have answered, or their time is over. */
static void
gather_end(struct open *o, struct mp_env *env)
{
	struct mp_buf payload;
	struct mp_cbor_w w;

	if (o->r.number == MP_CTL_GRANT) {
		open_answer_durable(o, env);
		return;
	}
	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &payload);
	mp_cbor_w_array(&w, o->found_count);
	mp_cbor_w_raw(&w, mp_buf_span(&o->found));
	open_answer(o, env, w.rc, &payload);
}

/* Members that may know something, those with an open stream or the others. */
static void
gather_whom(struct open *o, const struct mp_env *env, bool linked)
{
	const struct mp_roster *roster = o->ctl->parts.roster;

	for (size_t i = 0; i < mp_roster_count(roster) && o->asked_count < ASKED_MAX; i++) {
		const struct mp_member *m = mp_roster_at(roster, i);

		if (m->link_up == linked && m->state <= MP_MEMBER_SUSPECT &&
			!mp_node_id_eq(&m->id, &env->self))
			o->asked[o->asked_count++] = m->id;
	}
}

/* 0 or MP_ENOMEM. */
static int
ask_send(struct mp_env *env, uint64_t ask, struct mp_span request, const struct mp_node_id *whom,
	size_t count)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, mp_out_scratch(env->out));
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_uint(&w, MP_MSG_CTL_ASK);
	mp_cbor_w_uint(&w, ask);
	mp_cbor_w_uint(&w, 1);
	mp_cbor_w_span(&w, request);
	for (size_t i = 0; w.rc == 0 && i < count; i++)
		mp_out_send(env->out, &whom[i], MP_CLASS_CONTROL, mp_buf_span(w.buf), 0);
	return w.rc;
}

static void
gather_begin(struct open *o, struct mp_env *env)
{
	o->asked = mp_realloc(env->alloc, NULL, 0, ASKED_MAX * sizeof(o->asked[0]));
	if (o->asked == NULL) {
		open_fail(o, env, MP_ENOMEM, "out of memory");
		return;
	}
	gather_whom(o, env, true);
	gather_whom(o, env, false);
	o->state = OPEN_GATHERING;
	o->ask = ++o->ctl->asks;
	o->deadline_ms = env->now_ms + GATHER_MS;
	if (ask_send(env, o->ask, mp_span(o->bytes, o->size), o->asked, o->asked_count) != 0 ||
		o->asked_count == 0)
		gather_end(o, env);
}

void
open_gather_free(struct open *o)
{
	if (o->asked != NULL)
		mp_dealloc(o->ctl->alloc, o->asked, ASKED_MAX * sizeof(o->asked[0]));
	mp_buf_fini(&o->found);
}

/* It has answered, or will not. True: it was asked. */
static bool
gather_heard(struct open *o, const struct mp_node_id *from)
{
	for (size_t i = 0; i < o->asked_count; i++) {
		if (!mp_node_id_eq(&o->asked[i], from))
			continue;
		o->asked[i] = o->asked[--o->asked_count];
		return true;
	}
	return false;
}

bool
open_gathered(struct open *o, struct mp_env *env, const struct mp_node_id *from, uint64_t ask,
	struct mp_span answer)
{
	struct mp_ctl_pending p;
	struct mp_span payload;
	struct mp_cbor_r r;
	size_t n = 0;
	int rc = 0;

	if (o->state != OPEN_GATHERING || o->ask != ask || !gather_heard(o, from))
		return false;
	if (o->r.number == MP_CTL_PENDING && mp_ctl_answer_decode(answer, &payload, NULL) == 0) {
		mp_cbor_r_init(&r, payload);
		n = mp_cbor_r_array(&r, MP_CTL_PENDING_MAX);
		rc = r.rc;
	}
	while (rc == 0 && n-- > 0) {
		mp_ctl_pending_next(&r, &p);
		rc = r.rc != 0 ? r.rc : found_add(o, &p);
	}
	if (o->asked_count == 0)
		gather_end(o, env);
	return true;
}

void
open_gather_on(struct open *o, struct mp_env *env, const struct mp_node_id *peer)
{
	bool heard = peer != NULL && gather_heard(o, peer);

	if (o->deadline_ms <= env->now_ms || (heard && o->asked_count == 0))
		gather_end(o, env);
}

/* ---- the requests ---- */

void
open_pending(struct open *o, struct mp_env *env)
{
	struct mp_wait *wait = o->ctl->wait;
	const struct mp_waiting *w;
	int rc = 0;

	mp_buf_init(&o->found, env->alloc, MP_MSG_MAX);
	for (size_t i = 0; rc == 0 && (w = mp_wait_at(wait, env, i)) != NULL; i++) {
		struct mp_ctl_pending p = {
			.request = w->request, .addr = w->addr, .since_ms = w->since_ms};

		rc = found_add(o, &p);
	}
	if (rc != 0)
		open_fail(o, env, rc, mp_strerror(rc));
	else if (o->remote)
		gather_end(o, env);
	else
		gather_begin(o, env);
}

int
mp_ctl_restore(struct mp_ctl *ctl, struct mp_env *env, struct mp_span key, struct mp_span value)
{
	return mp_wait_restore(ctl->wait, env, key, value);
}

void
open_grant(struct open *o, struct mp_env *env)
{
	struct mp_error err = {0};

	if (mp_wait_grant(o->ctl->wait, env, mp_roster_trust(o->ctl->parts.roster), &o->r.node,
		    o->r.token, &err) != 0)
		open_fail(o, env, err.code, err.text);
	else if (o->remote)
		open_answer_durable(o, env);
	else
		gather_begin(o, env);
}

void
ctl_grants_tell(struct mp_ctl *ctl, struct mp_env *env, const struct mp_node_id *peer)
{
	struct mp_node_id id;
	struct mp_span token;
	struct mp_buf buf;

	mp_buf_init(&buf, env->alloc, MP_MSG_MAX);
	for (size_t i = 0; mp_wait_granted(ctl->wait, env, i, &id, &token);) {
		if (mp_roster_find(ctl->parts.roster, &id) != NULL) {
			mp_wait_came(ctl->wait, env, &id);
			continue;
		}
		i++;
		mp_buf_clear(&buf);
		if (mp_ctl_grant_encode(&buf, &id, token) != 0 ||
			ask_send(env, ++ctl->asks, mp_buf_span(&buf), peer, 1) != 0)
			break;
	}
	mp_buf_fini(&buf);
}

void
open_knock(struct open *o, struct mp_env *env)
{
	const struct mp_member *m;
	struct mp_error err = {0};
	struct mp_request who;
	struct mp_buf payload;
	struct mp_span token;
	int rc;

	if (o->remote) {
		open_fail(o, env, MP_EAUTH, "who wants to be admitted knocks itself");
		return;
	}
	o->ctl->knocks++;
	rc = mp_request_open(env->crypto, o->r.record, &who, &err);
	m = rc == 0 ? mp_roster_find(o->ctl->parts.roster, &who.id) : NULL;
	if (rc == 0 && mp_roster_revoked(o->ctl->parts.roster, &who.id))
		rc = mp_fail(&err, MP_EREVOKED,
			"this key was revoked and never comes back; make another one");
	else if (m != NULL && m->state == MP_MEMBER_LEFT)
		rc = mp_fail(&err, MP_EAUTH,
			"this node has left the cluster for ever; join with a new state directory");
	else if (m != NULL)
		rc = mp_fail(&err, MP_EEXIST, "this key is that of a member already");
	if (rc == 0)
		rc = mp_wait_knock(o->ctl->wait, env, o->r.record, &o->r.addr, &token, &err);
	if (rc != 0) {
		o->ctl->knocks_refused++;
		open_fail(o, env, rc, err.text);
		return;
	}
	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	rc = mp_ctl_knocked_encode(&payload, token);
	open_answer(o, env, rc, &payload);
}

uint64_t
mp_ctl_counter(const struct mp_ctl *ctl, enum mp_counter which)
{
	return which == MP_COUNT_MSG_REFUSED     ? ctl->refused
	       : which == MP_COUNT_KNOCK         ? ctl->knocks
	       : which == MP_COUNT_KNOCK_REFUSED ? ctl->knocks_refused
						 : 0;
}

size_t
mp_ctl_waiting(const struct mp_ctl *ctl, const struct mp_env *env)
{
	return mp_wait_count(ctl->wait, env);
}
