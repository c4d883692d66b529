/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about a run. */
#include "codec/record_secret.h"
#include "core/ctl_int.h"
#include "core/mutant.h"

void
open_show(struct open *o, struct mp_env *env)
{
	enum mp_runs_have have = mp_runs_have(o->ctl->parts.runs, &o->run);

	if (have == MP_RUNS_HAVE_LATEST) {
		open_snapshot(o, env);
	} else if (have == MP_RUNS_HAVE_AWAY && o->state != OPEN_LOADING) {
		o->state = OPEN_LOADING;
		mp_runs_load(o->ctl->parts.runs, env, &o->run);
	} else {
		open_ask(o, env);
	}
}

/* ---- what is decided through the log ---- */

static void
open_decide(struct open *o, struct mp_env *env)
{
	o->state = OPEN_DECIDING;
	o->deadline_ms = env->now_ms + MP_CTL_DECIDE_MS;
	if (o->at.index == 0 || MP_MUTANT(SAID_EARLY))
		open_answer_null(o, env);
	else
		open_decided(o, env);
}

static void
open_cancel(struct open *o, struct mp_env *env)
{
	int rc = mp_runs_cancel(o->ctl->parts.runs, env, &o->run, o->r.by, &o->at);

	if (rc == 0)
		open_decide(o, env);
	else if (rc == MP_ENOTLEADER || rc == MP_ENOENT)
		open_ask(o, env);
	else
		open_fail(o, env, rc, mp_strerror(rc));
}

static void
open_resolve(struct open *o, struct mp_env *env)
{
	const struct mp_word word = {.module = o->r.module, .by = o->r.by, .rerun = o->r.rerun};
	struct mp_error err = {0};
	int rc = mp_runs_resolve(o->ctl->parts.runs, env, &o->run, &word, &o->at, &err);

	if (rc == 0)
		open_decide(o, env);
	else if (rc == MP_ENOTLEADER)
		open_ask(o, env);
	else
		open_fail(o, env, rc, err.code != 0 ? err.text : mp_strerror(rc));
}

void
open_decided(struct open *o, struct mp_env *env)
{
	int rc = mp_runs_decided(o->ctl->parts.runs, &o->run, &o->at);

	if (rc == 0)
		open_answer_null(o, env);
	else if (rc == MP_EBUSY && o->deadline_ms <= env->now_ms)
		open_fail(o, env, MP_ETIMEOUT,
			"no majority of the run's electors answers; it may be decided later: "
			"mpctl show tells");
	else if (rc != MP_EBUSY && o->r.number == MP_CTL_CANCEL)
		open_cancel(o, env); /* of whoever leads now */
	else if (rc != MP_EBUSY)
		open_fail(o, env, MP_ETIMEOUT,
			"another node leads the run since, and it was not decided; mpctl show "
			"tells what there is to say now");
}

/* ---- taking over: only through the socket of this very node ---- */

static void
takeover_made(struct mp_takeover_req *req, struct mp_env *env, int rc, struct mp_span takeover,
	const char *text)
{
	struct open *o = mp_container_of(req, struct open, takeover);
	struct mp_buf payload;
	struct mp_cbor_w w;

	if (rc != 0) {
		open_fail(o, env, rc, text);
		return;
	}
	mp_buf_init(&payload, env->alloc, MP_CTL_TAKEOVER_MAX + 16);
	mp_cbor_w_init(&w, &payload);
	mp_cbor_w_span(&w, takeover);
	open_answer(o, env, w.rc, &payload);
}

static void
open_takeover(struct open *o, struct mp_env *env)
{
	struct mp_error err = {0};
	int rc;

	if (o->remote) {
		open_fail(o, env, MP_EAUTH, "a run is taken over at the node that is asked itself");
		return;
	}
	o->state = OPEN_TAKING_OVER;
	o->takeover.done = takeover_made;
	rc = mp_runs_takeover(o->ctl->parts.runs, env, &o->run, &o->takeover, &err);
	if (rc != 0)
		open_fail(o, env, rc, err.text);
}

void
open_take(struct open *o, struct mp_env *env)
{
	struct mp_error err = {0};
	int rc;

	if (o->remote) {
		open_fail(o, env, MP_EAUTH, "a run is taken over at the node that is asked itself");
		return;
	}
	rc = mp_runs_take(o->ctl->parts.runs, env, o->r.takeover, &o->r.sig, &err);
	if (rc != 0)
		open_fail(o, env, rc, err.text);
	else
		open_answer_durable(o, env);
}

/* What the run waits for; of who asks to give it, once it is safe. */
static void
open_secrets(struct open *o, struct mp_env *env)
{
	struct mp_names_list names = {.n = 0};
	struct mp_error err = {0};
	struct mp_buf payload;
	bool gives = o->r.secrets.n > 0;
	int rc;

	if (gives)
		rc = mp_runs_give(o->ctl->parts.runs, env, &o->run, o->r.secrets, &err);
	else
		rc = mp_runs_lacks(o->ctl->parts.runs, &o->run, &names);
	if (rc == MP_ENOTLEADER) {
		open_ask(o, env);
	} else if (rc != 0) {
		open_fail(o, env, rc, err.code != 0 ? err.text : mp_strerror(rc));
	} else {
		mp_buf_init(&payload, env->alloc, MP_SECRETS_ENCODED_MAX);
		rc = mp_ctl_lacks_encode(&payload, &names);
		o->after = gives ? mp_out_seq(env->out) : 0;
		open_answer(o, env, rc, &payload);
	}
}

void
open_about_run(struct open *o, struct mp_env *env)
{
	int rc = mp_runs_find(o->ctl->parts.runs, o->r.run, &o->run);

	if (rc == MP_EEXIST)
		open_fail(o, env, rc, "more than one run begins so; give more digits");
	else if (rc == MP_EINVAL)
		open_fail(o, env, rc, "a run is named by at least 4 of its hexadecimal digits");
	else if (rc != 0)
		open_fail(o, env, MP_ENOENT, "no such run is known here; mpctl runs lists them");
	else if (o->r.number == MP_CTL_CANCEL)
		open_cancel(o, env);
	else if (o->r.number == MP_CTL_RESOLVE)
		open_resolve(o, env);
	else if (o->r.number == MP_CTL_TAKEOVER)
		open_takeover(o, env);
	else if (o->r.number == MP_CTL_SECRETS && mp_runs_ended(o->ctl->parts.runs, &o->run))
		open_fail(o, env, MP_EEXIST, "the run has ended");
	else if (o->r.number == MP_CTL_SECRETS)
		open_secrets(o, env);
	else if (o->r.number == MP_CTL_WAIT && !mp_runs_ended(o->ctl->parts.runs, &o->run))
		o->state = OPEN_WAITING;
	else
		open_show(o, env);
}
