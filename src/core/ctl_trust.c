/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about trust. What an authority signs is signed by whoever asks (ctl/authority.h): no
 * node needs the key. */
#include "core/ctl_int.h"
#include "util/hex.h"

/* ---- revoke: what is to be signed ---- */

static int
revoke_check(const struct open *o, const struct mp_env *env, const struct mp_revocation *r,
	struct mp_error *err)
{
	if (mp_roster_revoked(o->ctl->parts.roster, &r->subject))
		return mp_fail(err, MP_EEXIST, "that key is revoked already");
	if (mp_node_id_eq(&r->subject, &env->self) && !o->r.on)
		return mp_fail(err, MP_EINVAL,
			"that is this node itself: it would stop, and never be let in again; "
			"--force does it all the same");
	return 0;
}

void
open_revoke(struct open *o, struct mp_env *env)
{
	struct mp_revocation r = {
		.cluster = env->cluster, .why = o->r.why, .revoked_ms = env->wall_ms};
	struct mp_error err = {0};
	struct mp_buf body, payload;
	struct mp_cbor_w w;
	int rc;

	/* 64 hex digits are a key, of a member or not. */
	if (!mp_unhex(r.subject.b, sizeof(r.subject.b), o->r.name)) {
		const struct mp_member *m = node_find(o->ctl->parts.roster, o->r.name, &err);

		if (m == NULL) {
			open_fail(o, env, err.code, err.text);
			return;
		}
		r.subject = m->id;
	}
	rc = revoke_check(o, env, &r, &err);
	if (rc != 0) {
		open_fail(o, env, rc, err.text);
		return;
	}
	mp_buf_init(&body, env->alloc, MP_REVOCATION_MAX);
	mp_buf_init(&payload, env->alloc, MP_REVOCATION_MAX + 16);
	rc = mp_revocation_encode(&r, &body);
	mp_cbor_w_init(&w, &payload);
	mp_cbor_w_span(&w, mp_buf_span(&body));
	mp_buf_fini(&body);
	open_answer(o, env, rc != 0 ? rc : w.rc, &payload);
}

/* ---- what was signed ---- */

static int
take(struct open *o, struct mp_env *env, struct mp_error *err)
{
	struct mp_swim *swim = o->ctl->parts.swim;
	int rc = 0;

	switch (o->r.what) {
	case MP_CTL_TRUST_REVOKE:
		rc = mp_swim_revoke(swim, env, o->r.trust);
		if (rc == MP_EAUTH)
			return mp_fail(
				err, rc, "the key that signed is no authority, or no longer");
		break;
	case MP_CTL_TRUST_AUTHORITY:
		rc = mp_swim_charter(swim, env, o->r.trust);
		if (rc == MP_EAUTH)
			return mp_fail(err, MP_EBUSY,
				"the authority log has changed meanwhile; try again");
		break;
	case MP_CTL_TRUST_ROTATE:
		break;
	}
	/* The key after what it is made for: whoever hears of it by then refuses the subject. Who
	 * shuts itself out is not to know the next one. */
	if (rc == 0 && o->r.has_gossip_key && !mp_roster_revoked(o->ctl->parts.roster, &env->self))
		rc = mp_swim_rotate(swim, env, o->r.gossip_key);
	return rc != 0 ? mp_fail(err, rc, "%s", mp_strerror(rc)) : 0;
}

void
open_trust(struct open *o, struct mp_env *env)
{
	struct mp_error err = {0};

	if (take(o, env, &err) != 0)
		open_fail(o, env, err.code, err.text);
	else
		open_answer_durable(o, env);
}

void
open_charter(struct open *o, struct mp_env *env)
{
	const struct mp_charter *charter = mp_roster_charter(o->ctl->parts.roster);
	struct mp_buf payload;
	struct mp_cbor_w w;

	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &payload);
	mp_cbor_w_array(&w, 4);
	mp_cbor_w_bytes(&w, env->cluster.b, sizeof(env->cluster.b));
	mp_cbor_w_bytes(&w, env->self.b, sizeof(env->self.b));
	mp_charter_write(charter, &w);
	open_answer(o, env, w.rc, &payload);
}
