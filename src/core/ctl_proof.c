/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of who checks a run for itself, but for those about the run: ctl_run.c. */
#include "codec/msg_ctl_proof.h"
#include "codec/msg_show.h"
#include "core/ctl_int.h"

void
open_credentials(struct open *o, struct mp_env *env)
{
	const struct mp_roster *roster = o->ctl->parts.roster;
	size_t i = o->r.from, count = 0, total = mp_roster_count(roster);
	struct mp_buf page, payload;
	struct mp_cbor_w w;
	int rc;

	mp_buf_init(&page, env->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &page);
	for (; i < total && w.rc == 0 && page.n < MP_SHOW_PAGE_BYTES; i++, count++)
		mp_cbor_w_span(&w, mp_roster_slot(roster, (uint32_t)i)->credential);
	rc = w.rc;
	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	mp_cbor_w_init(&w, &payload);
	mp_ctl_proofs_begin(&w, i < total ? i : 0, count);
	mp_cbor_w_raw(&w, mp_buf_span(&page));
	mp_buf_fini(&page);
	open_answer(o, env, rc != 0 ? rc : w.rc, &payload);
}

/* Of a node that we can ask, or of this one. */
void
open_copy(struct open *o, struct mp_env *env)
{
	struct mp_effect fx = {.kind = MP_FX_BLOB_READ};

	if (!mp_node_id_eq(&o->r.node, &env->self)) {
		open_ask_node(o, env, &o->r.node);
		return;
	}
	o->state = OPEN_READING;
	o->ask = MP_TOKEN_CTL | ++o->ctl->asks;
	fx.u.blob_read.token = o->ask;
	fx.u.blob_read.digest = o->r.blob;
	fx.u.blob_read.offset = o->r.log.offset;
	fx.u.blob_read.size = o->r.log.size;
	mp_out_effect(env->out, &fx);
}

void
mp_ctl_copied(struct mp_ctl *ctl, struct mp_env *env, const struct mp_event *ev)
{
	struct open *o = open_reading(ctl, ev->u.blob_read.token);
	int rc = ev->u.blob_read.rc;
	struct mp_buf payload;

	if (o == NULL)
		return;
	if (rc != 0) {
		open_fail(o, env, rc, mp_strerror(rc));
		return;
	}
	mp_buf_init(&payload, env->alloc, MP_MSG_MAX);
	rc = mp_ctl_logged_encode(&payload, ev->u.blob_read.size, ev->u.blob_read.bytes);
	open_answer(o, env, rc, &payload);
}
